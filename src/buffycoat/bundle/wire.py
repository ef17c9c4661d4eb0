"""What an ONNX file says of itself, read straight from its bytes: never run, never followed to other files.

The file is a Protocol Buffers message; its wire format is a flat list of numbered fields, so that the few facts
a reader must check take some milliseconds and no package (importing ``onnx`` takes longer than a whole prediction).
Field numbers: onnx.proto3 of ONNX, which never reuses one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 32  # graphs inside graphs; a real one has two or three
_FLOAT = 1
_EXTERNAL = 1

Number = int | None
"""A dimension: its size, or None where it is named or left open."""


class MalformedError(ValueError):
    """The bytes are no ONNX model."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the graph: name, element type (ONNX's number) and dimensions (None: unknown rank)."""

    name: str
    element: int
    shape: tuple[Number, ...] | None

    @property
    def is_float(self) -> bool:
        """Whether its elements are 32-bit floats."""
        return self.element == _FLOAT


@dataclass(slots=True)
class ModelFacts:
    """What was found in a model.

    Attributes
    ----------
    inputs, outputs
        Of the main graph; names that are initialisers as well are no inputs.
    domains
        Of every operator, in every graph and function; ``""`` is ONNX's own.
    imports
        Version of the operator set by domain.
    operators
        Names of the operators, "domain::name" outside ONNX's own.
    external
        Names of tensors whose data lie in other files.
    functions
        Names of functions the model brings itself.
    """

    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    imports: dict[str, int] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)
    external: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    graphs: int = 0


def read_facts(content: bytes) -> ModelFacts:
    """Return what an ONNX model says of itself.

    Raises
    ------
    MalformedError
        The bytes are no ONNX model, or are cut short.
    """
    facts = ModelFacts()
    for number, value in _fields(memoryview(content)):
        if number == 7:
            _graph(_message(value), facts, main=True, depth=0)
        elif number == 8:
            domain, version = "", 0
            for part, found in _fields(_message(value)):
                if part == 1:
                    domain = _text(found)
                elif part == 2:
                    version = _integer(found)
            facts.imports[domain] = version
        elif number == 20:  # training_info: graphs that no inference needs
            raise MalformedError("it carries instructions for training")
        elif number == 25:
            _function(_message(value), facts)
    if facts.graphs == 0:
        raise MalformedError("it holds no graph")
    return facts


def _graph(graph: memoryview, facts: ModelFacts, *, main: bool, depth: int) -> None:
    if depth > _DEEPEST:
        raise MalformedError("its graphs are nested too deep")
    facts.graphs += 1
    inputs, outputs, constants = [], [], set()
    for number, value in _fields(graph):
        if number == 1:
            _node(_message(value), facts, depth)
        elif number == 5:
            constants.add(_tensor(_message(value), facts))
        elif number == 15:
            for part, found in _fields(_message(value)):
                if part in (1, 2):  # values and indices of a sparse tensor
                    constants.add(_tensor(_message(found), facts))
        elif number == 11:
            inputs.append(_port(_message(value)))
        elif number == 12:
            outputs.append(_port(_message(value)))
    if main:
        facts.inputs = [port for port in inputs if port.name not in constants]
        facts.outputs = outputs


def _node(node: memoryview, facts: ModelFacts, depth: int) -> None:
    name, domain = "", ""
    for number, value in _fields(node):
        if number == 4:
            name = _text(value)
        elif number == 7:
            domain = _text(value)
        elif number == 5:
            for part, found in _fields(_message(value)):
                if part in (5, 10):
                    _tensor(_message(found), facts)
                elif part in (6, 11):
                    _graph(_message(found), facts, main=False, depth=depth + 1)
                elif part in (22, 23):
                    for inner, tensor in _fields(_message(found)):
                        if inner in (1, 2):
                            _tensor(_message(tensor), facts)
    facts.domains.add(domain)
    facts.operators.add(f"{domain}::{name}" if domain else name)


def _function(function: memoryview, facts: ModelFacts) -> None:
    name = "unnamed"
    for number, value in _fields(function):
        if number == 1:
            name = _text(value)
        elif number == 7:
            _node(_message(value), facts, 1)
    facts.functions.append(name)


def _tensor(tensor: memoryview, facts: ModelFacts) -> str:
    name, external = "", False
    for number, value in _fields(tensor):
        if number == 8:
            name = _text(value)
        elif number == 13 or (number == 14 and _integer(value) == _EXTERNAL):
            external = True
    if external:
        facts.external.append(name or "unnamed")
    return name


def _port(value_info: memoryview) -> Port:
    name, element = "", 0
    shape: tuple[Number, ...] | None = None
    for number, value in _fields(value_info):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for kind, found in _fields(_message(value)):
                if kind != 1:  # not a plain tensor
                    continue
                for part, content in _fields(_message(found)):
                    if part == 1:
                        element = _integer(content)
                    elif part == 2:
                        shape = tuple(_dimension(_message(one)) for at, one in _fields(_message(content)) if at == 1)
    return Port(name, element, shape)


def _dimension(dimension: memoryview) -> Number:
    for number, value in _fields(dimension):
        if number == 1:
            return _integer(value)
    return None


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) of a message; a value is a number or the bytes of a string or message."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at, end)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at, end)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(message, at, end)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise MalformedError("it is no ONNX model")
        if number == 0 or size > end - at:
            raise MalformedError("it is no ONNX model, or cut short")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise MalformedError("it is no ONNX model, or cut short")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise MalformedError("it is no ONNX model")
    return value


def _integer(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise MalformedError("it is no ONNX model")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode("utf-8", "replace")
