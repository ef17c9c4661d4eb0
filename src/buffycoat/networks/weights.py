"""Reading weights from files, without ever executing what a file carries, and fitting them to a network."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from buffycoat.errors import DataError, UsageError

State = dict[str, Tensor]

_WRAPPERS = ("state_dict", "model", "state_dict_ema", "model_ema")
_PREFIXES = ("module.", "_orig_mod.", "model.", "network.")
_LISTED = 6


@dataclass(frozen=True, slots=True)
class WeightsReport:
    """Where a network's weights came from.

    Attributes
    ----------
    source
        In words, for the report; ``"none: trained from scratch"`` when there are none.
    pretrained
        Whether the network starts from weights somebody trained.
    fallback_reason
        Why ``auto`` found no weights, if it did not.
    sha256
        Of the file they were read from.
    licence
        Of the weights, where their publisher states one.
    remarks
        What had to be adapted, such as a head of another size.
    """

    source: str
    pretrained: bool
    fallback_reason: str | None = None
    sha256: str | None = None
    licence: str | None = None
    remarks: tuple[str, ...] = ()


def read_state(path: Path) -> State:
    """Read named tensors from a ``.safetensors`` file or a PyTorch file that holds tensors only.

    Raises
    ------
    UsageError
        There is no such file.
    DataError
        The file is damaged, holds no named tensors, or holds Python objects: unpickling those could run any code.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such weights file.", hint="Give --weights auto, none or a file's path.")
    try:
        content = _read(path)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path} is not a file of tensors: {_first_line(error)}",
            hint="Files with Python objects are refused, since opening them may run code. Save the state dict alone: "
            "torch.save(model.state_dict(), path), or as .safetensors.",
        ) from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise DataError(
            f"{path} cannot be read as weights: {_first_line(error)}", hint="Fetch or save the file again."
        ) from error
    return _plain(content, path)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(str(error)) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's advice to file an issue about odd files
        return torch.load(path, map_location="cpu", weights_only=True)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _plain(content: Any, path: Path) -> State:
    """Unwrap checkpoints and drop the prefixes that wrappers put before names."""
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not content:
        raise DataError(f"{path} holds no named tensors.", hint="Save it with torch.save(model.state_dict(), path).")
    state = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise DataError(f"{path} holds no named tensors.", hint="Save it with torch.save(model.state_dict(), path).")
    while prefix := next((mark for mark in _PREFIXES if all(name.startswith(mark) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def rename_by_order(state: State, model: nn.Module) -> State:
    """Give tensors the model's names, place by place: for files of the same network under other names.

    The head (the last two tensors) may differ in its number of outputs; every other shape must agree.

    Raises
    ------
    DataError
        The number of tensors, or the shape at some place, differs.
    """
    wanted = model.state_dict()
    if len(state) != len(wanted):
        raise DataError(f"The weights hold {len(state)} tensors; the network has {len(wanted)}.")
    body = len(wanted) - 2
    pairs = list(zip(state.items(), wanted.items(), strict=True))
    wrong = [
        f"{found} {tuple(value.shape)} for {name} {tuple(other.shape)}"
        for (found, value), (name, other) in pairs[:body]
        if value.shape != other.shape
    ]
    if wrong:
        raise DataError(f"The weights are of another network: {_some(wrong)}.")
    return {name: value for (_, value), (name, _) in pairs}


def fit(model: nn.Module, state: State, source: str) -> tuple[str, ...]:
    """Load `state` into `model`; a head with another number of outputs stays as the model has it.

    Returns
    -------
    tuple of str
        What had to be adapted; empty when everything fitted.

    Raises
    ------
    DataError
        Tensors are missing, superfluous, or of other shapes: all faults are named together.
    """
    wanted = model.state_dict()
    head = head_names(model)
    replaced = [name for name in head if name not in state or state[name].shape != wanted[name].shape]
    missing = [name for name in wanted if name not in state and name not in head and not _counter(name)]
    unknown = [name for name in state if name not in wanted and not _counter(name)]
    reshaped = [
        f"{name} is {tuple(state[name].shape)}, the network has {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and name not in head and state[name].shape != value.shape
    ]
    faults = [
        *([f"other shapes: {_some(reshaped)}"] if reshaped else []),
        *([f"missing: {_some(missing)}"] if missing else []),
        *([f"not in the network: {_some(unknown)}"] if unknown else []),
    ]
    if faults:
        raise DataError(f"{source} does not fit the network: {'; '.join(faults)}.", hint="Is it of the same network?")
    kept = {name: state.get(name, value) for name, value in wanted.items() if name not in replaced}
    model.load_state_dict({**wanted, **kept})
    if not replaced:
        return ()
    outputs = next((state[name].shape[0] for name in replaced if name in state), None)
    was = f"{outputs} outputs" if outputs is not None else "no head"
    return (f"the weights had {was}; a new head with {wanted[head[-1]].shape[0]} replaces it",)


def head_names(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the tensors of the last layer: the one whose outputs are the classes."""
    get_classifier = getattr(model, "get_classifier", None)
    if get_classifier is not None:
        head = get_classifier()
        place = next((name for name, module in model.named_modules() if module is head), None)
        if place is not None and isinstance(head, nn.Module):
            return tuple(f"{place}.{name}" for name, _ in head.named_parameters())
    return tuple(model.state_dict())[-2:]


def _counter(name: str) -> bool:
    """Batch counters of normalisation layers: bookkeeping that old files lack and that changes nothing."""
    return name.endswith("num_batches_tracked")


def _some(items: list[str]) -> str:
    shown = ", ".join(items[:_LISTED])
    return shown if len(items) <= _LISTED else f"{shown} and {len(items) - _LISTED} more"
