from __future__ import annotations

from io import StringIO

from rich.console import Console

from buffycoat.cli.watching import Terminal

FIGURES = {"validation_loss": 0.51, "validation_accuracy": 0.83, "seconds": 60.0}


def _watched(*, terminal: bool, quiet: bool = False) -> str:
    stream = StringIO()
    console = Console(file=stream, force_terminal=terminal, width=140)
    with Terminal(console, quiet=quiet) as watch:
        watch.stage("Finding and framing the cells")
        watch.count(5, 10)
        watch.say("a remark")
        watch.say("a warning", warning=True)
        watch.plan({"resnet18": 10, "alexnet": 10}, 2)
        watch.epoch("resnet18", "ResNet-18", "fold 1", 3, FIGURES)
        watch.epoch("resnet18", "ResNet-18", "fold 1", 10, {})
    return stream.getvalue()


def test_a_terminal_shows_bars_for_each_model_and_the_whole_with_time_left() -> None:
    shown = _watched(terminal=True)
    for words in ("Finding and framing", "resnet18", "alexnet", "all models", "left", "10/20", "fold 1", "a remark"):
        assert words in shown, words


def test_a_log_gets_a_line_a_fold_and_no_bars() -> None:
    lines = _watched(terminal=False).splitlines()
    assert "  ResNet-18: fold 1 done" in lines
    assert len(lines) < 8


def test_quiet_lets_only_warnings_through() -> None:
    assert _watched(terminal=False, quiet=True).split("\n") == ["a warning", ""]


def test_the_time_left_counts_what_each_model_takes_and_how_many_train_at_once() -> None:
    stream = StringIO()
    with Terminal(Console(file=stream, force_terminal=True, width=140)) as watch:
        watch.plan({"resnet18": 12, "alexnet": 10}, 2)
        watch.epoch("resnet18", "ResNet-18", "fold 1", 10, {})  # found finished: says nothing about time
        watch.epoch("resnet18", "ResNet-18", "fold 2", 11, {"seconds": 240.0})
        assert watch._left("resnet18") == 120
        assert watch._left("alexnet") == 1200, "not met yet: taken to be as slow"
        watch.epoch("alexnet", "AlexNet", "fold 1", 5, {"seconds": 60.0})
        assert watch._left("alexnet") == 150
    assert "4 min left" in stream.getvalue()
