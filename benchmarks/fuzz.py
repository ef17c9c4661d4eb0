"""Feed damaged and made-up bytes to everything that reads a file from outside; anything but a plain fault is a finding.

    pip install atheris
    python benchmarks/fuzz.py decoder --seconds 300
    python benchmarks/fuzz.py card --seconds 300             # also: model, archive, dicom

Atheris (coverage-guided, libFuzzer) mutates small sound files. A finding is written as ``crash-…`` where the
command was started; it becomes a test.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

_WATCHED = ["buffycoat", "PIL", "zipfile", "tarfile"]  # whose branches guide the search; all of Python would be slow


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz what reads files from outside.")
    parser.add_argument("target", choices=["decoder", "card", "model", "archive", "dicom"])
    parser.add_argument("--seconds", type=int, default=300)
    given = parser.parse_args()
    try:
        import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        raise SystemExit("Atheris is not installed: pip install atheris (Linux, macOS).") from None
    with atheris.instrument_imports(include=_WATCHED):
        from fuzz_targets import TARGETS, seeds
    with tempfile.TemporaryDirectory() as corpus:
        for place, content in enumerate(seeds(given.target)):
            (Path(corpus) / f"seed{place}").write_bytes(content)
        line = [sys.argv[0], corpus, f"-max_total_time={given.seconds}", "-max_len=20000", "-rss_limit_mb=3000"]
        atheris.Setup([*line, "-timeout=20"], TARGETS[given.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
