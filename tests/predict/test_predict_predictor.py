"""The public way in: the same answers whatever the road, typed results, faults that stay with their image."""

from __future__ import annotations

import io
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from numpy.typing import NDArray

from buffycoat.errors import DataError, ImageError, UsageError
from buffycoat.predict import UNIDENTIFIED, PhotographResult, Prediction, Predictor, look
from buffycoat.predict.predictor import Image
from tests.bundles import CLASSES, operating_point, tiny_bundle, tiny_colour

Rgb = NDArray[np.uint8]


def test_paths_bytes_and_arrays_give_the_same_answers(predictor: Predictor, photographs: Path) -> None:
    from buffycoat.imaging.decode import read_image

    paths = sorted(photographs.glob("*.jpg"))
    by_path = predictor.predict(paths)
    assert [one.image for one in by_path] == [str(path) for path in paths]
    assert [one.error for one in by_path] == [None] * 6
    nameless = [one.named("x") for one in by_path]
    assert [one.named("x") for one in predictor.predict([str(path) for path in paths])] == nameless
    assert [one.named("x") for one in predictor.predict([path.read_bytes() for path in paths])] == nameless
    decoded = predictor.predict([read_image(path) for path in paths])
    assert [len(one.cells) for one in decoded] == [len(one.cells) for one in by_path]
    assert decoded[0].image == "array 1"


def test_sizes_and_boxes_are_those_of_the_turned_photograph(predictor: Predictor, fields: list[Rgb]) -> None:
    exif, stored = PIL.Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # to be turned clockwise
    PIL.Image.fromarray(fields[0]).save(stored, "jpeg", quality=95, exif=exif)
    stored.seek(0)
    upright = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(stored)).convert("RGB"))
    found, expected = predictor.predict([stored.getvalue(), upright])
    assert (found.width, found.height) == (fields[0].shape[0], fields[0].shape[1]) == (480, 640)
    (cell,), (wanted,) = found.cells, expected.cells
    assert np.abs(np.subtract(cell.box, wanted.box)).max() <= 8  # found at half size


def test_a_single_image_is_a_list_of_one(predictor: Predictor, photographs: Path, fields: list[Rgb]) -> None:
    assert len(predictor.predict(photographs / "0.jpg")) == 1
    assert len(predictor.predict(str(photographs / "0.jpg"))) == 1
    assert len(predictor.predict((photographs / "0.jpg").read_bytes())) == 1
    assert len(predictor.predict(fields[0])) == 1
    assert predictor.predict([]) == []


def test_every_answer_holds_together(predictor: Predictor, photographs: Path) -> None:
    results = predictor.predict(sorted(photographs.glob("*.jpg")))
    assert len(results[-1].cells) == 2
    for result in results:
        assert isinstance(result, PhotographResult)
        assert (result.width, result.height, result.framing) == (640, 480, "cell")
        assert [cell.number for cell in result.cells] == list(range(1, len(result.cells) + 1))
        for cell in result.cells:
            assert isinstance(cell, Prediction)
            x0, y0, x1, y1 = cell.box
            assert 0 <= x0 < x1 <= 640
            assert 0 <= y0 < y1 <= 480
            assert tuple(cell.probabilities) == CLASSES
            assert sum(cell.probabilities.values()) == pytest.approx(1)
            assert cell.probability == max(cell.probabilities.values()) == cell.probabilities[cell.best]
            assert cell.label == (cell.best if cell.reason is None else UNIDENTIFIED)
            assert set(cell.conformal) == {name for name, p in cell.probabilities.items() if 1 - p <= 0.9}


def test_results_come_in_order_and_do_not_depend_on_threads_or_batches(bundle: Path, photographs: Path) -> None:
    paths = sorted(photographs.glob("*.jpg")) * 7
    expected = Predictor.load(bundle, threads=1, batch=1).predict(paths)
    for threads, batch in ((1, 5), (3, 2), (4, 32)):
        found = Predictor.load(bundle, threads=threads, batch=batch).predict(paths)
        assert [one.image for one in found] == [str(path) for path in paths]
        for one, other in zip(found, expected, strict=True):
            assert [cell.box for cell in one.cells] == [cell.box for cell in other.cells]
            assert [cell.label for cell in one.cells] == [cell.label for cell in other.cells]
            for cell, same in zip(one.cells, other.cells, strict=True):
                assert cell.probability == pytest.approx(same.probability, abs=1e-5)


def test_reading_is_lazy(predictor: Predictor, photographs: Path) -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield photographs / "0.jpg"

    stream = predictor.stream(endless())  # type: ignore[arg-type]
    for _ in range(40):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert taken < 40 + 8 * 32


@pytest.mark.parametrize("waiting", [0, 300_000, 8 << 20])
def test_a_fault_stays_with_its_image(
    predictor: Predictor, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: int
) -> None:
    monkeypatch.setattr(look, "_MOST_WAITING_BYTES", waiting)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("no picture")
    cut = (photographs / "1.jpg").read_bytes()
    flat = np.zeros((4, 4), np.uint8)
    given: list[Image] = [photographs / "0.jpg", tmp_path / "empty.jpg", tmp_path / "text.png", cut[: len(cut) // 2]]
    results = predictor.predict([*given, tmp_path / "none.jpg", flat, photographs / "1.jpg"])
    errors = [one.error for one in results]
    assert errors[0] is None
    assert errors[1:5] == ["empty file", "not an image", "truncated", "missing"]
    assert errors[5] is not None
    assert "uint8 (H, W, 3)" in errors[5]
    assert errors[6] is None
    assert len(results[6].cells) == 1
    with pytest.raises(TypeError, match="int"):
        predictor.predict([3])  # type: ignore[list-item]


def test_a_large_photograph_is_let_go_before_the_next_is_decoded(
    predictor: Predictor, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[Rgb]] = []

    def decoded(*given: Any) -> Any:
        assert not [one for one in alive if one() is not None]
        rgb, size = decode(*given)
        alive.append(weakref.ref(rgb))
        return rgb, size

    decode = look.decode
    monkeypatch.setattr(look, "_MOST_WAITING_BYTES", 0)
    monkeypatch.setattr(look, "decode", decoded)
    results = predictor.predict([photographs / "0.jpg", photographs / "1.jpg", photographs / "0.jpg"])
    assert [result.error for result in results] == [None] * 3
    assert len(alive) == 3


def test_colour_decides_and_the_operating_point_abstains(tmp_path: Path) -> None:
    lymphocyte = np.full((300, 300, 3), tiny_colour("lymphocyte"), np.uint8)
    frame = {"mode": "whole", "side_px": 320, "reference_width_px": 640, "stored_px": 224}
    sure = Predictor.load(tiny_bundle(tmp_path / "sure", frame=frame))
    cell = sure.predict(lymphocyte)[0].cells[0]
    assert (cell.label, cell.best, cell.reason, cell.box) == ("lymphocyte", "lymphocyte", None, (0, 0, 300, 300))
    green = np.full((300, 300, 3), (0, 255, 0), np.uint8)
    strange = sure.predict(green)[0].cells[0]
    assert (strange.label, strange.reason) == (UNIDENTIFIED, "unlike")
    points = {"1": operating_point(certain_threshold=1.0, temperature=5.0)}
    shy = Predictor.load(tiny_bundle(tmp_path / "shy", frame=frame, operating=points))
    cell = shy.predict(lymphocyte)[0].cells[0]
    assert (cell.label, cell.best, cell.reason) == (UNIDENTIFIED, "lymphocyte", "uncertain")
    with pytest.raises(UsageError, match="calibrated for 1"):
        Predictor.load(tmp_path / "shy", views=4)


def test_four_views_of_a_square_of_one_colour_are_one(tmp_path: Path, bundle: Path, fields: list[Rgb]) -> None:
    frame = {"mode": "whole", "side_px": 320, "reference_width_px": 640, "stored_px": 224}
    folder = tiny_bundle(tmp_path / "whole", frame=frame)
    even = np.full((100, 100, 3), tiny_colour("monocyte"), np.uint8)
    one = Predictor.load(folder).predict(even)[0].cells[0]
    four = Predictor.load(folder, views=4).predict(even)[0].cells[0]
    assert four.probability == pytest.approx(one.probability, abs=1e-6)


def test_boxes_given_by_a_person(predictor: Predictor, fields: list[Rgb]) -> None:
    found = predictor.predict(fields[0])[0]
    given = predictor.classify(fields[0], [found.cells[0].box])
    assert given[0].probabilities == pytest.approx(found.cells[0].probabilities, abs=1e-6)
    assert given[0].box == found.cells[0].box
    assert predictor.classify(fields[0], []) == ()
    for wrong in ((10, 10, 10, 20), (700, 10, 720, 20), (-9, -9, 0, 5)):
        with pytest.raises(ImageError, match="empty or outside"):
            predictor.classify(fields[0], [wrong])


def test_what_cannot_be_loaded_is_said(tmp_path: Path, bundle: Path) -> None:
    with pytest.raises(DataError, match="not a bundle"):
        Predictor.load(tmp_path / "none")
    with pytest.raises(UsageError, match="threads"):
        Predictor.load(bundle, threads=0)
    with pytest.raises(UsageError, match="batch"):
        Predictor.load(bundle, batch=0)


def test_a_swapped_bundle_does_not_change_a_run(tmp_path: Path, photographs: Path) -> None:
    folder = tiny_bundle(tmp_path / "b")
    predictor = Predictor.load(folder)
    before = predictor.predict(photographs / "0.jpg")
    tiny_bundle(folder, classes=("basophil", "eosinophil"))
    (folder / "model.onnx").write_bytes(b"rubbish")
    assert predictor.predict(photographs / "0.jpg") == before
