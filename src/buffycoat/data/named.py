"""The data sets that have a name: where each may live, and how it is had."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from buffycoat import settings
from buffycoat.data import bccd, csv_table
from buffycoat.data.dataset import DataSet
from buffycoat.data.fetch import Patience, RemoteFile, fetch_files
from buffycoat.data.manifest import Manifest, read_manifest
from buffycoat.errors import BuffycoatError, FetchError, UsageError
from buffycoat.records.documents import Fault

Progress = Callable[[int, int], None]

SYNTHETIC = "synthetic"
SYNTHETIC_N = 400
NAMES = (bccd.NAME, SYNTHETIC)

BY_HAND = (
    "Or bring the images by hand: download “Blood Cell Images” (paultimothymooney/blood-cells) from Kaggle, unpack it "
    "anywhere, and give its folder in place of bccd, with --data-dir, or in BUFFYCOAT_DATA. "
    "Without real images, use `synthetic`."
)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a named set was found, and what it lacks there (nothing, if it can be used)."""

    root: Path
    missing: tuple[str, ...]


def find_bccd(data_dir: Path | None = None) -> tuple[Found, ...]:
    """Return where the 410-image set lies, in the order of :func:`buffycoat.settings.data_dirs`, complete ones first.

    Box files are not asked for: nothing but checks needs them.
    """
    manifest = read_manifest(bccd.NAME)
    roots: list[Path] = []
    for place in settings.data_dirs(data_dir):
        root = bccd.find(place)
        if root is not None and root not in roots:
            roots.append(root)
    found = [Found(root, tuple(manifest.missing(root, under=(bccd.IMAGES, bccd.LABELS)))) for root in roots]
    return tuple(sorted(found, key=lambda one: bool(one.missing)))


def fetch_bccd(
    data_dir: Path | None = None,
    *,
    manifest: Manifest | None = None,
    patience: Patience | None = None,
    on_progress: Progress | None = None,
) -> tuple[Path, int]:
    """Fetch the 410-image set and return its folder and how many files came; those already right are kept.

    It goes to ``bccd`` under `data_dir`, or under the user's cache.

    Raises
    ------
    FetchError
        Some files could not be had; the same call goes on from there.
    OutputError
        The folder cannot be written.
    """
    manifest = manifest or read_manifest(bccd.NAME)
    into = (data_dir.expanduser() if data_dir else settings.cache_dir() / "data") / bccd.NAME
    files = [
        RemoteFile(path, size, digest, manifest.addresses(path)) for path, (size, digest) in manifest.files.items()
    ]
    files.sort(key=lambda file: file.path.startswith(bccd.BOXES))  # boxes last: nothing but checks needs them
    try:
        return into, fetch_files(files, into, patience=patience, on_progress=on_progress)
    except FetchError as error:
        raise FetchError(
            f"bccd could not be fetched: {error.what}",
            hint=f"Try again later: the same command goes on from there. {BY_HAND}",
        ) from error


def load_bccd(data_dir: Path | None, *, download: bool, on_progress: Progress | None) -> DataSet:
    """Return the 410-image set from where it lies, fetching it where it does not.

    Raises
    ------
    FetchError
        It is nowhere, and it cannot or may not be fetched.
    """
    places = find_bccd(data_dir)
    if not places or places[0].missing:
        looked = ", ".join(str(place) for place in settings.data_dirs(data_dir))
        part = (
            f" {places[0].root} lacks {len(places[0].missing)} of its files (first {places[0].missing[0]}); to use it "
            "as it is, give that folder in place of bccd."
            if places
            else ""
        )
        if not download:
            raise FetchError(
                f"bccd is not here (looked in {looked}).{part}", hint=f"Fetch it: buffycoat data fetch bccd. {BY_HAND}"
            )
        try:
            root, _ = fetch_bccd(data_dir, on_progress=on_progress)
        except BuffycoatError as error:
            error.what += f" Looked in {looked}.{part}"
            raise
    else:
        root = places[0].root
    data = bccd.read(root)
    changed = [
        Fault(file=path, problem="differs from the published file (SHA-256)", action="used as it is")
        for path in read_manifest(bccd.NAME).different(root)
    ]
    return replace(data, faults=(*data.faults, *changed))


def parse_synthetic(what: str) -> tuple[int, int] | None:
    """Return (number, seed) of ``synthetic``, ``synthetic:N`` or ``synthetic:N@SEED``; None for anything else.

    Raises
    ------
    UsageError
        It begins so, and goes on otherwise.
    """
    name, colon, rest = what.partition(":")
    if name != SYNTHETIC:
        return None
    if not colon:
        return SYNTHETIC_N, 0
    match = re.fullmatch(r"(\d{1,7})(?:@(\d{1,9}))?", rest)
    if match is None or int(match[1]) == 0:
        raise UsageError(
            f"{what!r} is not understood: expected synthetic, synthetic:N or synthetic:N@SEED with whole numbers.",
            hint="For example synthetic:400@7: 400 fields drawn with seed 7.",
        )
    return int(match[1]), int(match[2] or 0)


def load_synthetic(n: int, seed: int, data_dir: Path | None = None, *, on_progress: Progress | None = None) -> DataSet:
    """Return smears drawn by the program, drawing those that were not drawn before with this number and seed.

    Raises
    ------
    OutputError
        The cache cannot be written.
    """
    from buffycoat.synth.write import DRAWING_VERSION, write_set

    place = data_dir.expanduser() if data_dir else settings.cache_dir() / "data"
    folder = place / f"{SYNTHETIC}-{n}-seed{seed}-v{DRAWING_VERSION}"
    write_set(folder, n, seed, on_progress=on_progress)  # goes on where it stopped, and leaves a whole set alone
    return replace(csv_table.read(folder / "labels.csv"), name=SYNTHETIC)
