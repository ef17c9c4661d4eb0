"""What a reader does to cells: every action an event, undone and redone without end, none lost between windows."""

from __future__ import annotations

import random
from typing import Any

import pytest

from buffycoat.review import readings, slides
from buffycoat.review.desk import Desk
from buffycoat.review.documents import CellView, Move
from buffycoat.review.faults import Conflict, Refused, ReviewFault
from buffycoat.review.moves import overlap
from buffycoat.review.sign_in import HERE
from buffycoat.review.verify import verify
from tests.review.clients import Page
from tests.review.desks import drawn_slide


def _shown(cells: tuple[CellView, ...]) -> dict[str, tuple[str, bool, bool]]:
    return {cell.id: (cell.label, cell.seen, cell.deleted) for cell in cells}


class _Reader:
    """A reading and the sequence one window knows."""

    def __init__(self, desk: Desk, slide: str) -> None:
        self.desk = desk
        opened = readings.open_reading(desk, HERE, slide)
        self.id, self.sequence, self.asked = opened.id, opened.sequence, 0

    def do(self, action: str, **more: Any) -> Any:
        self.asked += 1
        asked = {"action": action, "sequence": self.sequence, "request_id": f"window-{id(self)}-{self.asked}", **more}
        done = readings.move(self.desk, HERE, self.id, Move.model_validate(asked))
        self.sequence = done.sequence
        return done

    def cells(self) -> tuple[CellView, ...]:
        return readings.view(self.desk, HERE, self.id).cells


def test_every_action_is_undone_and_redone_to_the_start_and_back(any_desk: Desk) -> None:
    slide = drawn_slide(any_desk, fields=2)
    reader = _Reader(any_desk, slide.id)
    ids = [cell.id for cell in reader.cells()]
    field = slides.fields(any_desk, HERE, slide.id)[0]
    history = [_shown(reader.cells())]
    actions: list[tuple[str, dict[str, Any]]] = [
        ("move", {"cells": ids[:3], "label": "basophil"}),
        ("see", {"cells": ids}),
        ("move", {"cells": ids[1:2], "label": "artefact"}),
        ("delete", {"cells": ids[4:5]}),
        ("draw", {"field_id": field.id, "box": (5, 5, 90, 80), "label": "monocyte"}),
        ("restore", {"cells": ids[4:5]}),
        ("unsee", {"cells": ids[:1]}),
    ]
    for action, more in actions:
        reader.do(action, **more)
        history.append(_shown(reader.cells()))
    drawn = [cell for cell in reader.cells() if cell.origin == "person"]
    assert len(drawn) == 1
    assert (drawn[0].label, drawn[0].seen) == ("monocyte", True)

    alive = [{key: value for key, value in state.items() if not value[2]} for state in history]
    for state in reversed(alive[:-1]):
        reader.do("undo")
        assert {key: value for key, value in _shown(reader.cells()).items() if not value[2]} == state
    with pytest.raises(Conflict):
        reader.do("undo")
    for state in alive[1:]:
        reader.do("redo")
        assert {key: value for key, value in _shown(reader.cells()).items() if not value[2]} == state
    with pytest.raises(Conflict):
        reader.do("redo")
    assert verify(any_desk).faults == []


def test_a_new_action_ends_the_chance_to_redo(desk: Desk) -> None:
    reader = _Reader(desk, drawn_slide(desk, fields=1).id)
    first, second = (cell.id for cell in reader.cells()[:2])
    reader.do("move", cells=[first], label="basophil")
    assert reader.do("undo").redo == "move of 1 cell to basophil"
    done = reader.do("move", cells=[second], label="artefact")
    assert (done.undo, done.redo) == ("move of 1 cell to artefact", None)
    with pytest.raises(Conflict):
        reader.do("redo")


@pytest.mark.slow
def test_chance_actions_leave_what_a_plain_model_leaves(desk: Desk) -> None:
    """Whatever is done and undone, the desk shows what replaying the actions by hand gives."""
    slide = drawn_slide(desk, fields=2)
    reader = _Reader(desk, slide.id)
    labels = [label.name for label in desk.labels]
    chance = random.Random(5)
    state = _shown(reader.cells())
    done: list[dict[str, Any]] = []
    undone: list[dict[str, Any]] = []
    for _ in range(60):
        action = chance.choice(["move", "move", "see", "unsee", "delete", "restore", "undo", "redo"])
        cells = chance.sample(sorted(state), chance.randint(1, 4))
        label = chance.choice(labels)
        before = dict(state)
        try:
            reader.do(
                action,
                **({} if action in {"undo", "redo"} else {"cells": cells}),
                **({"label": label} if action == "move" else {}),
            )
        except (Refused, Conflict):
            blocked = any(state[cell][2] for cell in cells)
            assert (action == "undo" and not done) or (action == "redo" and not undone) or blocked
            continue
        if action == "undo":
            undone.append(dict(state))
            state = done.pop()
        elif action == "redo":
            done.append(dict(state))
            state = undone.pop()
        else:
            for cell in cells:
                now, seen, deleted = state[cell]
                state[cell] = {
                    "move": (label, True, deleted),
                    "see": (now, True, deleted),
                    "unsee": (now, False, deleted),
                    "delete": (now, True, True),
                    "restore": (now, seen, False),
                }[action]
            if state != before:
                done.append(before)
                undone.clear()
        assert _shown(reader.cells()) == state
    assert verify(desk).faults == []


def test_two_windows_lose_nothing(any_desk: Desk) -> None:
    slide = drawn_slide(any_desk, fields=2)
    one, other = _Reader(any_desk, slide.id), _Reader(any_desk, slide.id)
    a, b = (cell.id for cell in one.cells()[:2])
    one.do("move", cells=[a], label="basophil")
    caught_up = other.do("move", cells=[b], label="artefact")  # another cell: goes through, and tells of the first
    assert {cell.id: cell.label for cell in caught_up.cells} == {a: "basophil", b: "artefact"}
    with pytest.raises(Conflict) as told:
        one.do("move", cells=[b], label="monocyte")  # the same cell, not knowing of the other window's move
    assert [cell["id"] for cell in told.value.extra["cells"]] == [b]
    assert told.value.extra["sequence"] == other.sequence
    with pytest.raises(Conflict):
        one.do("undo")  # it would take back what this window has not seen
    assert {cell.id: cell.label for cell in other.cells()}[b] == "artefact"


def test_the_same_request_again_changes_nothing(any_desk: Desk) -> None:
    slide = drawn_slide(any_desk, fields=1)
    opened = readings.open_reading(any_desk, HERE, slide.id)
    cell = readings.view(any_desk, HERE, opened.id).cells[0].id
    asked = Move(action="move", request_id="the-same-1", sequence=1, cells=(cell,), label="basophil")
    first = readings.move(any_desk, HERE, opened.id, asked)
    again = readings.move(any_desk, HERE, opened.id, asked)
    assert (first.repeated, again.repeated) == (False, True)
    assert (first.event_id, first.sequence) == (again.event_id, again.sequence)
    assert first.cells == again.cells


def test_a_move_that_partly_conflicts_tells_of_every_cell_it_was_about(desk: Desk) -> None:
    slide = drawn_slide(desk, fields=2)
    one, other = _Reader(desk, slide.id), _Reader(desk, slide.id)
    a, b = (cell.id for cell in one.cells()[:2])
    other.do("move", cells=[a], label="artefact")
    with pytest.raises(Conflict) as caught:
        one.do("move", cells=[a, b], label="basophil")
    told = {cell["id"]: cell for cell in caught.value.extra["cells"]}
    assert {key: cell["label"] for key, cell in told.items()} == {
        cell.id: cell.label for cell in other.cells() if cell.id in {a, b}
    }
    assert caught.value.extra["undo"] == "move of 1 cell to artefact"
    one.sequence = caught.value.extra["sequence"]
    nothing = one.do("unsee", cells=[b])  # changes nothing, and still says how the cell is
    assert b in {cell.id for cell in nothing.cells}


def test_artefacts_and_unidentified_stand_outside_the_count(page: Page, desk: Desk) -> None:
    slide = drawn_slide(desk, fields=2)
    reading = page.read(slide.id)
    cells = page.get(f"/readings/{reading['id']}")["cells"]
    ids = [cell["id"] for cell in cells]
    done = page.move(reading["id"], "move", 1, cells=ids, label="neutrophil")["differential"]
    assert (done["denominator"], done["artefacts"], done["unidentified"]) == (len(ids), 0, 0)
    done = page.move(reading["id"], "move", 2, cells=ids[:2], label="artefact")["differential"]
    done = page.move(reading["id"], "move", 3, cells=ids[2:3], label="unidentified")["differential"]
    assert (done["denominator"], done["artefacts"], done["unidentified"]) == (len(ids) - 3, 2, 1)
    row = next(row for row in done["rows"] if row["label"] == "neutrophil")
    assert (row["count"], row["percent"]) == (len(ids) - 3, 100.0)
    assert 0 < row["low"] < 100 == row["high"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"action": "move", "cells": ["0" * 32 + ".1"], "label": "neutrophil"}, 422),  # no such cell
        ({"action": "move", "label": "neutrophil"}, 422),  # no cells
        ({"action": "move", "cells": ["HERE"]}, 422),  # no label
        ({"action": "move", "cells": ["HERE"], "label": "unicorn"}, 422),  # nobody knows it
        ({"action": "draw", "box": [0, 0, 50, 50]}, 422),  # on which field?
        ({"action": "draw", "field_id": "FIELD", "box": [0, 0, 3, 3]}, 422),  # too small
        ({"action": "draw", "field_id": "FIELD", "box": [5000, 0, 5100, 90]}, 422),  # outside
        ({"action": "dance"}, 422),
        ({"action": "move", "cells": ["HERE"], "label": "basophil", "sequence": 99}, 422),  # from the future
        ({"action": "undo"}, 409),  # nothing was done
    ],
)
def test_senseless_actions_are_refused_and_change_nothing(
    page: Page, desk: Desk, asked: dict[str, Any], status: int
) -> None:
    slide = drawn_slide(desk, fields=1)
    reading = page.read(slide.id)
    view = page.get(f"/readings/{reading['id']}")
    stand_in = {"HERE": view["cells"][0]["id"], "FIELD": view["fields"][0]["id"]}
    filled = {
        key: [stand_in.get(one, one) for one in value] if key == "cells" else stand_in.get(str(value), value)
        for key, value in asked.items()
    }
    answer = page.post(
        f"/readings/{reading['id']}/moves", {"request_id": "senseless-1", "sequence": 1, **filled}, status
    )
    assert answer["title"]
    assert page.get(f"/readings/{reading['id']}") == view


def test_a_cell_of_another_slide_cannot_be_moved(desk: Desk) -> None:
    mine, other = drawn_slide(desk, fields=1), drawn_slide(desk, fields=1, name="Other")
    reader, theirs = _Reader(desk, mine.id), _Reader(desk, other.id)
    with pytest.raises(ReviewFault) as refused:
        reader.do("move", cells=[theirs.cells()[0].id], label="basophil")
    assert refused.value.status == 422


def test_a_drawn_cell_is_not_seen_before_somebody_named_it(desk: Desk) -> None:
    slide = drawn_slide(desk, fields=1)
    field = slides.fields(desk, HERE, slide.id)[0]
    reader = _Reader(desk, slide.id)
    done = reader.do("draw", field_id=field.id, box=(1, 1, 40, 40))
    (drawn,) = (cell for cell in done.cells if cell.origin == "person")
    assert not drawn.seen, "the program's name for it, which nobody looked at"
    reader.do("undo")
    (again,) = (cell for cell in reader.do("redo").cells if cell.origin == "person")
    assert not again.seen
    reader.do("move", cells=[drawn.id], label=drawn.label)
    assert {cell.id: cell.seen for cell in reader.cells()}[drawn.id]
    done = reader.do("draw", field_id=field.id, box=(1, 60, 40, 99), label="monocyte")
    assert [cell.seen for cell in done.cells if cell.label == "monocyte" and cell.id != drawn.id] == [True]
    assert verify(desk).faults == []


def test_a_number_means_one_cell(any_desk: Desk) -> None:
    """Neither what is drawn later, nor what is taken back, changes the number of a drawn cell."""
    slide = drawn_slide(any_desk, fields=3)
    fields = slides.fields(any_desk, HERE, slide.id)
    reader = _Reader(any_desk, slide.id)
    numbers: dict[str, int] = {}
    for k in range(9):
        field = fields[(2 * k + 2) % 3]
        done = reader.do("draw", field_id=field.id, box=(1 + k, 1, 41 + k, 41))
        (drawn,) = (cell for cell in done.cells if cell.origin == "person")
        assert drawn.number == slide.cells + k + 1
        numbers[drawn.id] = drawn.number
        if k % 2:
            reader.do("undo")
        assert {cell.id: cell.number for cell in reader.cells() if cell.origin == "person"} == numbers
    assert verify(any_desk).faults == []


def test_a_box_over_a_living_cell_is_told(desk: Desk, page: Page) -> None:
    slide = drawn_slide(desk, fields=1)
    reading = page.read(slide.id)["id"]
    first, second = page.get(f"/readings/{reading}")["cells"][:2]
    x0, y0, x1, y1 = first["box"]
    asked = {
        "action": "draw",
        "sequence": 1,
        "request_id": "draw-over-1",
        "field_id": first["field_id"],
        "box": [x0 + 2, y0 + 2, x1 + 2, y1 + 2],
    }
    for _ in range(2):  # a lost answer is told the same
        (told,) = page.post(f"/readings/{reading}/moves", asked)["overlaps"]
        assert (told["cell_id"], told["number"], told["label"]) == (first["id"], first["number"], first["label"])
        assert 0.3 <= told["share"] < 1
    beside = page.move(reading, "draw", 2, field_id=first["field_id"], box=[x0, y0, x0 + 8, y0 + 8])
    assert beside["overlaps"] == []
    page.move(reading, "delete", 3, cells=[second["id"]])
    over_deleted = page.move(reading, "draw", 4, field_id=second["field_id"], box=second["box"])
    assert second["id"] not in {one["cell_id"] for one in over_deleted["overlaps"]}, "a deleted box is not counted"


def test_two_boxes_share_their_intersection_over_their_union() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert overlap((0, 0, 10, 10), (5, 5, 15, 15)) == pytest.approx(25 / 175)
    assert overlap((0, 0, 10, 10), (20, 20, 30, 30)) == 0.0
