"""Weights from the hubs: their caches on this machine first, then the network, never waiting long for one."""

from __future__ import annotations

import os
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from buffycoat.errors import FetchError
from buffycoat.files import replacing, sha256
from buffycoat.settings import cache_dir

OPEN_SECONDS = 5.0
"""How long a hub may take to answer, name look-up included; without a network this is all that is waited."""
STALL_SECONDS = 10.0
SLOWEST_BYTES_PER_SECOND = 50_000
_GRACE_SECONDS = 20.0
_CHUNK_BYTES = 1 << 18
_ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Published:
    """Where a network's weights are published.

    Attributes
    ----------
    title
        The publication in words.
    repository, filename
        On the Hugging Face hub; None where they are not there.
    url
        Direct address; the hash in its name (``-<8 hex digits>.pth``) is checked.
    licence
        As stated by the publisher.
    """

    title: str
    repository: str | None
    filename: str
    url: str | None
    licence: str | None


def published(architecture: str) -> Published | None:
    """Return where the weights of a network are published, or None where nobody publishes any."""
    if architecture == "alexnet":
        return Published("torchvision's alexnet (ImageNet)", None, "", _ALEXNET_URL, "BSD-3-Clause")
    import timm

    known = timm.get_pretrained_cfg(architecture, allow_unregistered=True)
    if known is None or not known.has_weights:
        return None
    address = str(known.url or "")
    url = address if Path(urlsplit(address).path).suffix in {".pth", ".pt", ".safetensors"} else None
    filename = str(known.hf_hub_filename or "model.safetensors")
    title = str(known.hf_hub_id or f"timm's {architecture}")
    return Published(title, known.hf_hub_id or None, filename, url, known.license)


def weights_file(source: Published) -> Path:
    """Return a local file with the weights: from a cache, or downloaded into Buffycoat's own.

    Raises
    ------
    FetchError
        They are in no cache and cannot be downloaded; the reason names every place tried.
    """
    found = cached(source)
    if found is not None:
        return found
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        raise FetchError(f"{source.title} is in no cache on this machine, and HF_HUB_OFFLINE forbids the network")
    reasons = []
    for address in _addresses(source):
        try:
            return _download(address, _own_place(source, address))
        except FetchError as error:
            reasons.append(error.what)
    raise FetchError(f"{source.title} is in no cache on this machine; {'; '.join(reasons)}")


def discard(path: Path) -> bool:
    """Delete a damaged file from Buffycoat's own cache; files of others are left alone. Return whether it was ours."""
    ours = path.is_relative_to(cache_dir() / "weights")
    if ours:
        path.unlink(missing_ok=True)
    return ours


def cached(source: Published) -> Path | None:
    """Return the weights' file in a cache of this machine (Buffycoat's, torch's or the hub's), or None."""
    places = [_own_place(source, address) for address in _addresses(source)]
    if source.url is not None:
        home = Path(os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch")
        places.append(home.expanduser() / "hub" / "checkpoints" / Path(urlsplit(source.url).path).name)
    found = next((place for place in places if place.is_file()), None)
    if found is None and source.repository is not None:
        from huggingface_hub import try_to_load_from_cache

        held = try_to_load_from_cache(source.repository, source.filename)
        found = Path(held) if isinstance(held, str) else None
    return found


def _addresses(source: Published) -> list[str]:
    addresses = []
    if source.repository is not None:
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        addresses.append(f"{endpoint}/{source.repository}/resolve/main/{source.filename}")
    if source.url is not None:
        addresses.append(source.url)
    return addresses


def _own_place(source: Published, address: str) -> Path:
    name = Path(urlsplit(address).path).name
    folder = (source.repository or "").replace("/", "--") if address != source.url else "url"
    return cache_dir() / "weights" / folder / name


def _download(address: str, place: Path) -> Path:
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"}:
        raise FetchError(f"{address} is not a web address")
    if why := _unreachable(f"{parts.scheme}://{parts.netloc}"):
        raise FetchError(f"{parts.netloc} {why}")
    try:
        answer = within(OPEN_SECONDS * 2, lambda: urllib.request.urlopen(address, timeout=STALL_SECONDS))  # noqa: S310
        with answer, replacing(place) as temporary:
            _copy(answer, temporary, parts.netloc)
            _check(temporary, address, answer.headers)
    except (OSError, HTTPException) as error:
        raise FetchError(f"{parts.netloc} {_reason(error)}") from error
    return place


def _copy(answer: Any, target: Path, host: str) -> None:
    expected = int(answer.headers.get("Content-Length") or 0)
    start, received = time.monotonic(), 0
    with target.open("wb") as stream:
        while chunk := answer.read(_CHUNK_BYTES):
            stream.write(chunk)
            received += len(chunk)
            seconds = time.monotonic() - start
            if seconds > _GRACE_SECONDS and received < seconds * SLOWEST_BYTES_PER_SECOND:
                raise FetchError(f"{host} is too slow ({received / seconds / 1000:.0f} kB/s)")
    if expected and received != expected:
        raise FetchError(f"{host} sent {received:,} of {expected:,} bytes")


def _check(path: Path, address: str, headers: Any) -> None:
    """Hold the file to the hash its address or its hub names."""
    named = re.search(r"-([0-9a-f]{8,})\.\w+$", address)
    etag = (headers.get("X-Linked-ETag") or "").strip('"')
    wanted = named.group(1) if named else etag if re.fullmatch(r"[0-9a-f]{64}", etag) else ""
    if not sha256(path).startswith(wanted):
        raise FetchError(f"{urlsplit(address).netloc} sent a file whose SHA-256 is not {wanted}…")


@cache
def _unreachable(site: str) -> str:
    """Return why a site cannot be reached, or an empty string; asked once per process, since each asking waits."""
    try:
        request = urllib.request.Request(site, method="HEAD")  # noqa: S310
        within(OPEN_SECONDS, lambda: urllib.request.urlopen(request, timeout=OPEN_SECONDS).close())  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()  # an answer of any kind: the site is there
    except (OSError, HTTPException) as error:
        return _reason(error)
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"answers {error.code} {error.reason}"
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError):
        return "does not answer"
    return f"cannot be reached ({getattr(inner, 'strerror', None) or inner})"


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns, or raise TimeoutError after so many seconds.

    Name look-ups obey no socket timeout, so the work is done in a thread that is left behind when it takes longer.
    """
    result: list[T] = []
    fault: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # handed to the caller  # noqa: BLE001
            fault.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if fault:
        raise fault[0]
    if not result:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return result[0]
