"""The report and the page of a study, read back as a reader's browser and Hugo read them."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from buffycoat.cli import report as report_command
from buffycoat.errors import DataError
from buffycoat.files import write_json
from buffycoat.records.documents import Cleaning, Estimate, Interval, Results
from buffycoat.records.evidence import ResampledTest, WithTraining
from buffycoat.report import html
from buffycoat.report.build import build
from buffycoat.report.mistakes import mistakes, wrong_in_all
from buffycoat.report.numbers import interval, p_number, share
from buffycoat.report.study_files import read_study
from tests.report.make_study import make_study

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Reads a document strictly: every element is closed, in order; collects what tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: list[dict[str, list[list[str]] | str]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag in VOID:
            return
        self.open.append(tag)
        self.texts.setdefault(tag, []).append("")
        if tag == "table":
            self.tables.append({"caption": "", "rows": []})
        elif tag == "tr":
            self._rows().append([])
        elif tag in {"td", "th"}:
            self._rows()[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> out of order at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        for tag in {"h1", "h2", "h3", "caption", "figcaption", "p", "li", "nav"} & set(self.open):
            self.texts[tag][-1] += data
        if "caption" in self.open:
            self.tables[-1]["caption"] = str(self.tables[-1]["caption"]) + data
        elif {"td", "th"} & set(self.open):
            row = self._rows()[-1]
            row[-1] = f"{row[-1]} {data}".strip() if row[-1] and data.strip() else row[-1] + data.strip()

    def _rows(self) -> list[list[str]]:
        rows = self.tables[-1]["rows"]
        assert isinstance(rows, list)
        return rows

    def table(self, caption: str) -> list[list[str]]:
        """The rows of the table whose caption holds these words, by their first cell's order."""
        for table in self.tables:
            if caption in str(table["caption"]):
                rows = table["rows"]
                assert isinstance(rows, list)
                return rows
        raise AssertionError(f"no table is captioned {caption!r}")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of real smears (so it says), with a collapsed network; built once, only read."""
    folder = make_study(tmp_path_factory.mktemp("study") / "study", n=50, models=("tf_efficientnet_lite0", "alexnet"))
    build(folder)
    return folder


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of synthetic smears; built once, only read."""
    folder = tmp_path_factory.mktemp("synthetic") / "study"
    make_study(folder, n=40, models=("resnet18",), synthetic=True, collapsed=(), name="synthetic")
    build(folder)
    return folder


def reader(folder: Path) -> Reader:
    return Reader((folder / "report.html").read_text(encoding="utf-8"))


def results_of(folder: Path) -> Results:
    return Results.read(folder / "results.json")


def shown(estimate: Estimate) -> str:
    limits = interval(estimate)
    return f"{share(estimate.value)} {limits}".strip()


def copy_of(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def test_comparison_table_holds_the_numbers_of_results_json(study: Path) -> None:
    results = results_of(study)
    rows = {row[0].split(" collapsed")[0]: row for row in reader(study).table("The models on")}
    for model in (*results.models, results.majority):
        assert rows[model.title][1:] == [
            f"{model.right} of {model.n}",
            shown(model.accuracy),
            shown(model.balanced_accuracy),
            shown(model.macro_sensitivity),
            shown(model.macro_specificity),
        ]


def test_pairs_table_holds_the_numbers_of_results_json(study: Path) -> None:
    (pair,) = results_of(study).comparisons
    rows = reader(study).table("The pairs")
    assert rows[0][5:] == ["Corrected p", "Settled"]
    assert (pair.difference.value or 0) > 0  # the better model is first already, so nothing is turned round
    assert rows[1][2:5] == [str(pair.first_only_right), str(pair.second_only_right), shown(pair.difference)]
    assert rows[1][5:] == [p_number(pair.p_adjusted), "yes" if pair.settled else "no"]


def test_repeats_have_their_own_test_in_the_table_of_pairs(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    results = results_of(folder)
    (pair,) = results.comparisons
    again = ResampledTest(
        statistic=2.0, degrees=14, p_value=0.07, p_adjusted=0.07, interval=pair.difference.interval, method="t-test"
    )
    pair = pair.model_copy(update={"resampled": again, "settled": False})
    results.model_copy(update={"comparisons": (pair,)}).write(folder / "results.json")
    build(folder)
    rows = reader(folder).table("The pairs")
    assert rows[0][5:] == ["Corrected p", "By folds", "Settled"]
    assert rows[1][5:] == [p_number(pair.p_adjusted), p_number(again.p_adjusted), "no"]


def test_differences_with_training_have_their_own_table_and_turn_with_the_pair(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    results = results_of(folder)
    (pair,) = results.comparisons
    anew = WithTraining(
        difference=Estimate(value=0.04, interval=Interval(low=-0.01, high=0.09, method="t")),
        seeds=(2, 1),
        from_cells=0.02,
        from_training=0.01,
        p_value=0.1,
        p_adjusted=0.2,
    )
    back = Estimate(value=-0.04, interval=Interval(low=-0.09, high=0.01, method="t"))
    behind = pair.difference.model_copy(update={"value": -0.05})
    for difference, expected in ((pair.difference, anew.difference), (behind, back)):
        update = {"with_training": anew, "difference": difference, "settled": False}
        results.model_copy(update={"comparisons": (pair.model_copy(update=update),)}).write(folder / "results.json")
        build(folder)
        rows = reader(folder).table("With training")
        assert rows[0][2:] == ["Seeds", "With training", "From cells", "Training adds", "Corrected p"]
        seeds = "2, 1" if expected is anew.difference else "1, 2"
        assert rows[1][2:] == [seeds, shown(expected), "0.020", "0.010", "0.20"]
        assert reader(folder).table("The pairs")[1][-1] == "no"


def test_better_model_of_a_pair_comes_first(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    results = results_of(folder)
    (pair,) = results.comparisons
    assert pair.difference.value is not None
    assert pair.difference.interval.low is not None
    assert pair.difference.interval.high is not None
    limits = {"low": -pair.difference.interval.high, "high": -pair.difference.interval.low}
    turned = pair.model_copy(
        update={
            "first": pair.second,
            "second": pair.first,
            "first_only_right": pair.second_only_right,
            "second_only_right": pair.first_only_right,
            "difference": pair.difference.model_copy(
                update={
                    "value": -pair.difference.value,
                    "interval": pair.difference.interval.model_copy(update=limits),
                }
            ),
        }
    )
    results.model_copy(update={"comparisons": (turned,)}).write(folder / "results.json")
    build(folder)
    assert reader(folder).table("The pairs") == reader(study).table("The pairs")


def test_a_collapsed_network_is_marked_red_and_called_collapsed(study: Path) -> None:
    page = reader(study)
    rows = [attrs for tag, attrs in page.elements if tag == "tr" and attrs.get("class") == "collapsed"]
    assert len(rows) == 1, "in the comparison, its row alone"
    assert page.table("The models on")[2][0].split() == ["AlexNet", "collapsed:", "always", "“neutrophil”"]
    assert re.search(r"tr\.collapsed a\{color:var\(--bad\)\}", (study / "report.html").read_text(encoding="utf-8"))
    index = (study / "page" / "index.md").read_text(encoding="utf-8")
    assert "> **COLLAPSED.** AlexNet answered “neutrophil” for every one of" in index
    assert "| AlexNet **(collapsed)** |" in index
    assert "EfficientNet-Lite0 **(collapsed)**" not in index


def test_class_tables_hold_the_numbers_of_results_json_and_undefined_is_no_nought(study: Path) -> None:
    page = reader(study)
    for model in results_of(study).models:
        rows = {row[0].strip("\u00a0 "): row for row in page.table(f"{model.title} by class")}
        for one in model.classes:
            figures = (one.sensitivity, one.specificity, one.precision, one.f1)
            assert rows[one.name][1:] == [str(one.support), *map(shown, figures)]
        if model.collapsed is not None:
            assert "undefined" in rows["eosinophil"]  # nothing was called so: precision is a share of nothing


def test_document_is_whole_and_every_link_in_it_leads_somewhere(study: Path) -> None:
    page = reader(study)
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.elements:
        if tag == "a":
            assert attrs["href"].removeprefix("#") in ids
        if tag == "img":
            assert attrs["alt"]
        if tag == "svg":
            assert attrs["role"] == "img"
            assert attrs["aria-label"]
        for name in ("aria-labelledby",):
            assert attrs.get(name, ids[0]) in ids
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_nothing_is_asked_of_any_network(study: Path) -> None:
    text = (study / "report.html").read_text(encoding="utf-8")
    page = Reader(text)
    for tag, attrs in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            assert attrs.get(name, "#").startswith(("#", "data:")), (tag, attrs)
    assert "@import" not in text
    assert not re.search(r"url\((?!['\"]?data:)", text)
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|import\(", text)


@pytest.mark.parametrize(
    "words",
    [
        "research software, not for diagnosis",  # always
        "Collapsed",  # the network that gives one answer
        "answered “neutrophil” for every one of",
        "BloodImage_00011 (truncated)",  # the image that cannot be read
        "No leukocyte was found in 1 field:",  # the empty field, named in the next test
        "none: trained from scratch",
        "none stated by the source",  # no licence
        "The counts reconcile to the row",
        "no group stands on both sides of any split",
        "buffycoat study bccd --preset standard --seed 7 --out study",
        "9f2c" * 16,
        "two cells named: “NEUTROPHIL, EOSINOPHIL”",
        "Drawn in training",
    ],
)
def test_report_says(study: Path, words: str) -> None:
    text = re.sub(r"<[^>]+>", "", (study / "report.html").read_text(encoding="utf-8"))
    assert words in text


def test_synthetic_is_said_everywhere_and_only_then(study: Path, synthetic: Path) -> None:
    page = reader(synthetic)
    for tag in ("h1", "h2", "caption", "figcaption"):
        assert page.texts[tag]
        for words in page.texts[tag]:
            assert words.startswith("Synthetic"), words
    assert "SYNTHETIC DATA" in (synthetic / "report.html").read_text(encoding="utf-8")
    other = reader(study)
    for tag in ("h1", "h2", "caption", "figcaption"):
        assert not [words for words in other.texts[tag] if "Synthetic" in words]
    index = (synthetic / "page" / "index.md").read_text(encoding="utf-8")
    captions = re.findall(r"^\*.*(?:Figure|Table) \d+\..*$", index, flags=re.MULTILINE)
    assert captions
    assert all("SYNTHETIC" in caption for caption in captions)
    assert "SYNTHETIC" not in (study / "page" / "index.md").read_text(encoding="utf-8")


def test_gallery_shows_every_mistake_the_most_confident_first(study: Path) -> None:
    results, text = results_of(study), (study / "report.html").read_text(encoding="utf-8")
    predictions = read_study(study).predictions
    for model in results.models:
        found = mistakes(predictions, model.model, results.classes)
        assert sum(mistake.times for mistake in found) == model.n - model.right
        confidences = [mistake.confidence for mistake in found]
        assert confidences == sorted(confidences, reverse=True)
        section = text.split(f"Every mistake of {model.title}</h4>")[1].split("</section>")[0]
        ids = re.findall(r'<p class="id">(\S+?)</p>', section)
        assert ids == [mistake.cell_id for mistake in found]
        first = found[0]
        bars = re.findall(r'class="name" title="(.+?)">.*?class="p">(.+?)<', section)[: len(results.classes)]
        assert dict(bars) == {name: f"{p:.2f}" for name, p in zip(results.classes, first.probabilities, strict=True)}


def test_long_gallery_is_cut_and_says_how_many_more(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_of(study, tmp_path / "study")
    monkeypatch.setattr(html, "GALLERY_MOST", 6)  # three for each of the two models
    build(folder)
    page = reader(folder)
    model = next(model for model in results_of(folder).models if model.collapsed is not None)
    hidden = model.n - model.right - 3
    assert any(f"{hidden} further, less confident mistakes are not shown" in words for words in page.texts["p"])


def test_gallery_never_outgrows_its_room(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_of(study, tmp_path / "study")
    before = (folder / "report.html").stat().st_size
    monkeypatch.setattr(html, "GALLERY_BYTES", 30_000)
    build(folder)
    assert (folder / "report.html").stat().st_size < before
    assert any("not shown" in words for words in reader(folder).texts["p"])


def test_same_files_give_the_same_report(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    build(folder)
    for name in ("report.html", "page/index.md"):
        assert (folder / name).read_bytes() == (study / name).read_bytes()


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("crops", "no crop kept"),  # removed to save room
        ("explore", "Which network does best"),  # exploration not run
        ("models", "No card was kept for"),  # cards lost
        ("history.csv", "Confusion matrix"),  # predictions brought from elsewhere
        ("faults.json", "No faults were found while reading it"),
    ],
)
def test_report_does_without_what_a_study_may_lack(study: Path, tmp_path: Path, gone: str, words: str) -> None:
    folder = copy_of(study, tmp_path / "study")
    path = folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    build(folder)
    reader(folder)
    assert words in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("study.json", None, "is not a study folder"),
        ("results.json", None, "has not finished"),
        ("study.json", "{", "study.json"),  # cut short
        ("results.json", '{"classes": []}', "results.json"),  # of another version
        ("faults.json", "[1]", "faults.json"),
        ("predictions.parquet", "no table", "predictions.parquet"),
        ("history.csv", "model,repeat\na,b\n", "history.csv"),
        ("explore/averages.npz", "no arrays", "averages.npz"),
    ],
)
def test_damaged_study_is_named(study: Path, tmp_path: Path, name: str, content: str | None, words: str) -> None:
    folder = copy_of(study, tmp_path / "study")
    (folder / name).unlink() if content is None else (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        build(folder)


def test_markup_in_names_stays_text(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    document = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    evil = '<script>alert("1")</script> {{< figure >}} | *x*'
    document["name"] = document["data"]["description"] = evil
    write_json(folder / "study.json", document)
    build(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("<script>") == 1  # our own
    assert "&lt;script&gt;alert" in text
    index = (folder / "page" / "index.md").read_text(encoding="utf-8")
    body = index.split("---\n", 2)[2]
    assert "<script>" not in body.replace("\\<", "")
    assert "{{<" not in body


def test_counts_that_do_not_reconcile_are_shouted(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    cleaning = Cleaning.read(folder / "cleaning.json")
    cleaning.model_copy(update={"rows_after": cleaning.rows_after + 1}).write(folder / "cleaning.json")
    build(folder)
    assert "DO NOT RECONCILE" in (folder / "report.html").read_text(encoding="utf-8")


def test_groups_on_both_sides_of_a_split_are_told(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    cells = pl.read_parquet(folder / "cells.parquet")
    cells.with_columns(group=pl.lit("one smear")).write_parquet(folder / "cells.parquet")
    build(folder)
    assert "too good to be true" in (folder / "report.html").read_text(encoding="utf-8")


def test_study_without_a_model_yet_is_still_a_report(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    results = results_of(folder)
    results.model_copy(update={"models": (), "comparisons": ()}).write(folder / "results.json")
    build(folder)
    reader(folder)
    assert "No model has finished yet." in (folder / "report.html").read_text(encoding="utf-8")


def test_cells_every_sound_model_gets_wrong() -> None:
    rows = [
        # cell, model, answer a, answer b; the label is always "a"
        ("both wrong", "m", 0.1, 0.9),
        ("both wrong", "n", 0.2, 0.8),
        ("one right", "m", 0.9, 0.1),
        ("one right", "n", 0.2, 0.8),
        ("right in one repeat", "m", 0.1, 0.9),
        ("right in one repeat", "m", 0.9, 0.1),
        ("right in one repeat", "n", 0.2, 0.8),
    ]
    table = pl.DataFrame(rows, schema=["cell_id", "model", "p_a", "p_b"], orient="row").with_columns(
        label=pl.lit("a"), repeat=pl.lit(0), fold=pl.lit(0)
    )
    found = wrong_in_all(table, ("m", "n"), ("a", "b"))
    assert [doubt.cell_id for doubt in found] == ["both wrong"]
    assert found[0].answered == ("b", "b")
    assert wrong_in_all(table, ("m",), ("a", "b")) == []


def test_page_front_matter(study: Path) -> None:
    front = (study / "page" / "index.md").read_text(encoding="utf-8").split("---\n")[1]
    entries = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in front.splitlines())}
    assert {"title", "summary", "tags", "date", "image"} <= set(entries)
    assert (study / "page" / entries["image"]["filename"]).is_file()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entries["date"])


def test_page_forgets_pictures_of_an_earlier_study(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    (folder / "page" / "fig-of-a-network-no-longer-here.svg").write_text("<svg/>")
    (folder / "page" / "my-own-picture.svg").write_text("<svg/>")
    build(folder)
    assert not (folder / "page" / "fig-of-a-network-no-longer-here.svg").exists()
    assert (folder / "page" / "my-own-picture.svg").exists()


@pytest.mark.parametrize("theme", ["plain"])
def test_hugo_builds_the_page(study: Path, synthetic: Path, tmp_path: Path, theme: str) -> None:
    hugo = shutil.which("hugo")
    if hugo is None:
        if os.environ.get("BUFFYCOAT_REQUIRE_REAL"):
            pytest.fail("BUFFYCOAT_REQUIRE_REAL is set and hugo is not installed (Debian: apt install hugo)")
        pytest.skip("hugo is not installed")
    site = tmp_path / "site"
    (site / "layouts" / "_default").mkdir(parents=True)
    for kind in ("single", "list"):
        (site / "layouts" / "_default" / f"{kind}.html").write_text(
            "<html><head><title>{{ .Title }}</title></head><body><h1>{{ .Title }}</h1>{{ .Content }}</body></html>"
        )
    (site / "config.toml").write_text('baseURL = "https://example.org/"\ntitle = "Site"\n')
    for name, folder in (("real", study), ("synthetic", synthetic)):
        shutil.copytree(folder / "page", site / "content" / "project" / name)
    done = subprocess.run(
        [hugo, "--source", str(site), "--panicOnWarning", "--cacheDir", str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARN" not in done.stdout + done.stderr
    public = site / "public" / "project"
    for name, folder in (("real", study), ("synthetic", synthetic)):
        page = Reader((public / name / "index.html").read_text(encoding="utf-8"))
        pictures = [attrs["src"] for tag, attrs in page.elements if tag == "img"]
        assert sorted(pictures) == sorted(path.name for path in (folder / "page").glob("fig-*.svg"))
        for picture in pictures:
            assert (public / name / picture).is_file()
        assert "raw HTML omitted" not in (public / name / "index.html").read_text(encoding="utf-8")
        results = results_of(folder)
        flat = [row for table in page.tables for row in table["rows"]]
        for model in results.models:
            assert [
                *(f"{model.title} (collapsed)" if model.collapsed else model.title,),
                f"{model.right} of {model.n}",
                *(
                    f"{share(e.value)} ({interval(e)})"
                    for e in (
                        model.accuracy,
                        model.balanced_accuracy,
                        model.macro_sensitivity,
                        model.macro_specificity,
                    )
                ),
            ] in flat
        heads = [words.strip() for words in (*page.texts["h2"], *page.texts["h3"])]
        # Every part of the page this project starts from.
        for part in ("Project overview", "Methods", "Dataset", "Cleaning", "Exploration", "Model selection"):
            assert part in heads
        for part in (
            "Results",
            "Models comparison",
            "Conclusion",
            *(f"The result of {m.title}" for m in results.models),
        ):
            assert part in heads


def test_page_pictures_stand_alone(study: Path) -> None:
    for path in (study / "page").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "var(--" not in text  # no page defines colours for them
        assert 'xmlns="http://www.w3.org/2000/svg"' in text
        Reader(text)


def test_command_prints_the_table_and_the_path(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    (folder / "report.html").unlink()
    app = typer.Typer()
    app.callback()(lambda: None)
    report_command.register(app)
    done = CliRunner().invoke(app, ["report", str(folder), "--quiet"])
    assert done.exit_code == 0
    assert done.stdout.strip() == str(folder / "report.html")
    assert (folder / "report.html").is_file()


@pytest.mark.slow
def test_report_needs_neither_torch_nor_matplotlib(study: Path, tmp_path: Path) -> None:
    folder = copy_of(study, tmp_path / "study")
    code = (
        "import sys; from pathlib import Path; from buffycoat.report.build import build;"
        f"build(Path({str(folder)!r}));"
        "print([name for name in ('torch', 'matplotlib', 'sklearn', 'lightning', 'timm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
