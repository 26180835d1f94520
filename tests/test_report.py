"""The page of a bench: whole in itself, true to bench.json, and the same each time."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

from perceptmetrics.bench.analysing import Analysed, analysed
from perceptmetrics.bench.checked import CheckedMetric
from perceptmetrics.bench.comparing import compared
from perceptmetrics.bench.experiment import MSE, SRCC
from perceptmetrics.bench.markdown import to_markdown
from perceptmetrics.bench.monotony import CheckResult, Ordering, Speed
from perceptmetrics.bench.provenance import DataRecord, RunRecord, run_record
from perceptmetrics.bench.record import read_result, to_json
from perceptmetrics.bench.result import (
    BenchResult,
    CellResult,
    Missing,
    RivalResult,
    TableResult,
    TrainingResult,
    difference,
)
from perceptmetrics.bench.table import Column
from perceptmetrics.cli.main import main
from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.figures import Figure, classification_figures, regression_figures
from perceptmetrics.evaluation.judgements import Judgements, from_json
from perceptmetrics.evaluation.judgements import to_json as judgements_json
from perceptmetrics.report import charts
from perceptmetrics.report.answer import answer_lines
from perceptmetrics.report.bench_files import REPORT_FILE, remake_report
from perceptmetrics.report.bench_page import bench_page
from perceptmetrics.report.rendering import to_html
from perceptmetrics.revision import revision
from perceptmetrics.training.kept_judgements import (
    judgements_file,
    keep_judgements,
    kept_judgements,
)
from perceptmetrics.training.writing import write_text

HASH = "0123456789abcdef" * 4
COLUMN = Column("lnsim | SRCC", SRCC, "lnsim")
IMAGES = 24
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its order, and no name stands twice."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.headings: list[str] = []
        self.words: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tables = self.captions = 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if "id" in found:
            self.ids.append(str(found["id"]))
        if tag in ("a", "use") and "href" in found:
            self.links.append(str(found["href"]))
        self.fetched += [str(found[key]) for key in ("src", "srcset", "data") if key in found]
        if tag in ("script", "link", "iframe", "object", "embed", "base", "form"):
            raise AssertionError(f"a page has no {tag}")
        if tag == "img":
            self.images.append(found)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(tag)
        self.tables += tag == "table"
        self.captions += tag == "caption"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "text"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def judged(folder: Path, noise: float, seed: int = 0) -> Judgements:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.2, 0.9, (IMAGES, 1))
    names = tuple(f"{index:02}.png" for index in range(IMAGES))
    prediction = truth + noise * rng.normal(size=truth.shape)
    kinds = tuple("indoor" if index % 2 else "outdoor" for index in range(IMAGES))
    files = tuple(str(folder / "images" / name) for name in names)
    return Judgements(
        *("regression", ("memorability",), names, files, names, prediction, truth),
        columns={"place": kinds},
        data_sha256=HASH,
    )


def training(folder: Path, name: str, noise: float) -> tuple[TrainingResult, list[Judgements]]:
    parts = [judged(folder, noise, seed) for seed in (1, 2)]
    figures = [
        regression_figures(one.prediction, one.target, one.labels, samples=10) for one in parts
    ]
    where = folder / "bench" / name.replace(" ", "_")
    runs = []
    for fold, one in enumerate(parts, 1):
        run = where / f"fold-{fold}" / "lr-0.001"
        run.mkdir(parents=True)
        keep_judgements(judgements_file(run, "lnsim"), one)
        data = DataRecord("lnsim", HASH, f"fold-{fold}", HASH, 60, 12, "SRCC")
        runs.append(
            RunRecord(
                *(fold, f"fold-{fold}/lr-0.001", "sweep", "2025-01-01T00:00:00+00:00", "a" * 40),
                base="tiny.random",
                base_sha256=HASH,
                adapter_sha256=HASH,
                trained=1234,
                data=(data,),
                machine={"device": "cpu", "threads": "3"},
                versions={"torch": "2.15.0"},
                losses=(0.5, 0.4),
                scores=(0.6, 0.7),
            )
        )
    errors = analysed(name, "lnsim", dict(enumerate(figures, 1)), dict(enumerate(parts, 1)))
    command = f"perceptmetrics sweep --out {where}"
    return TrainingResult(
        *(name, str(where), command, 2, 2, 5), runs=tuple(runs), analyses=(errors,)
    ), parts


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bench folder with two trainings, a rival and the check, as the command leaves it."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "images").mkdir()
    for index in range(IMAGES):
        picture = Image.fromarray(tiny.photograph(30, 40, index))
        picture.save(folder / "images" / f"{index:02}.png")
    names = {"good & <b>bold</b>": 0.05, "poor": 0.4}
    made = {name: training(folder, name, noise) for name, noise in names.items()}
    cells = []
    figures = {}
    for name, (one, parts) in made.items():
        values = [
            regression_figures(p.prediction, p.target, p.labels, samples=10)[0].value for p in parts
        ]
        figures[name] = float(np.mean(values))
        ours = Figure("memorability", "SRCC", figures[name], figures[name] - 0.031, 0.97, 48)
        cells.append(
            CellResult(
                *(name, COLUMN.name, True, "0.7654", "6", True, "lnsim", one.name),
                *(ours, tuple(values), difference(ours, 0.7654, 0.00005), ("2 of 5 folds",)),
            )
        )
    rival_row = "<script>alert(1)</script>"
    cells.append(CellResult(rival_row, COLUMN.name, False, "0.6543", "", True, "lnsim"))
    table = TableResult(
        *("A.8", "memory <i>", "5", "", (COLUMN.name,)),
        *((*names, rival_row), tuple(cells)),
        compared(
            COLUMN,
            "mean",
            figures,
            {name: dict(enumerate(parts, 1)) for name, (_, parts) in made.items()},
        ),
    )
    check = CheckResult(
        ("a.jpg",),
        ("blur",),
        (Ordering("iqa", "a.jpg", "blur", (5.0, 4.0, 3.0, 2.0, 1.0, 0.5), 1.0, 5),),
        (Speed("iqa", 6, 1.234, 2.345),),
        (("musiq", "no hub"),),
        metrics=(CheckedMetric("iqa", "c" * 64, "tiny.base", "d" * 64, "9 crops of 160", 9, 7),),
        photograph_sha256={"a.jpg": "e" * 64},
    )
    srcc = Figure("memorability", "SRCC", 0.4321, 0.3, 0.5, 48)
    rival = RivalResult("resmem", False, "lnsim", 48, (srcc,), 2, 1.5, 0.25, 0.5, 123_000_000)
    result = BenchResult(
        *("perceptmetrics bench --data /data", "2025-01-02T03:04:05+00:00", {"python": "3.11"}),
        *((table,), tuple(one for one, _ in made.values())),
        *((Missing("dataset", "lamem", "not in /data"),), check),
        rivals=(rival,),
    )
    write_text(folder / "bench" / "bench.json", to_json(result))
    remake_report(folder / "bench")
    return folder / "bench"


@pytest.fixture(scope="module")
def text(bench: Path) -> str:
    return (bench / REPORT_FILE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


# The page as such.


def test_the_page_needs_nothing_beside_it(text: str, page: Page) -> None:
    assert all(one.startswith("data:image/jpeg;base64,") for one in page.fetched)
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"url\((?!#)|@import|https?://|src=\"(?!data:)", text)


def test_every_link_inside_leads_somewhere_and_no_name_stands_twice(text: str, page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links} | set(re.findall(r"url\(#([\w-]+)\)", text))
    assert inside <= set(page.ids)


def test_headings_go_down_one_step_at_a_time_and_every_table_has_its_caption(page: Page) -> None:
    levels = [int(heading[1]) for heading in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - before <= 1 for before, later in pairwise(levels))
    assert page.tables == page.captions > 5


def test_names_are_shown_as_they_are_and_never_run(text: str, page: Page) -> None:
    assert "<script" not in text
    assert "<script>alert(1)</script>" in page.text
    assert "good & <b>bold</b>" in page.text
    assert "memory <i>" in page.text


def test_every_picture_says_what_it_shows(page: Page) -> None:
    assert len(page.images) == 2 * 2 * 5
    assert all("standard deviations" in str(image["alt"]) for image in page.images)


def test_the_same_bench_gives_the_same_bytes(bench: Path) -> None:
    before = (bench / REPORT_FILE).read_bytes(), (bench / "bench.md").read_bytes()
    for drawn in (charts.scatter, charts.curves, charts.histogram, charts.calibration):
        drawn.cache_clear()
    remake_report(bench)
    assert ((bench / REPORT_FILE).read_bytes(), (bench / "bench.md").read_bytes()) == before


# What it says.


def test_figures_stand_beside_the_published_with_difference_and_interval(
    bench: Path, page: Page
) -> None:
    (table,) = read_result(bench / "bench.json").tables
    for cell in table.cells:
        if cell.ours is None or cell.difference is None:
            assert cell.published in page.text
            continue
        low, high = cell.difference.low, cell.difference.high
        assert f"{cell.ours.value:.3f}" in page.text
        assert "0.7654 (Table 6)" in page.text
        assert f"[{low:+.3f}, {high:+.3f}]" in page.text


def test_paired_significance_is_that_of_the_record(bench: Path, page: Page) -> None:
    (one,) = read_result(bench / "bench.json").tables[0].comparisons
    assert (one.best, one.row) == ("good & <b>bold</b>", "poor")
    assert 0 < one.p <= one.p_holm < 0.05
    assert f"{one.value:.3f} {one.low:.3f} to {one.high:.3f} {one.p:.3f}" in page.text


def numbers_of(value: object) -> list[float]:
    if isinstance(value, dict):
        return [one for item in value.values() for one in numbers_of(item)]
    if isinstance(value, list):
        return [one for item in value for one in numbers_of(item)]
    if isinstance(value, str):
        return [float(one) for one in re.findall(r"\d+(?:\.\d+)?", value)]
    return [] if value is None else [float(value)]  # type: ignore[arg-type]


def test_every_decimal_of_the_page_is_one_of_the_record(bench: Path, page: Page) -> None:
    """As printed: three digits, two of a z-score, or one of a percentage."""
    known = np.abs(numbers_of(json.loads((bench / "bench.json").read_text(encoding="utf-8"))))
    reach = re.search(r"axis goes from -([\d.]+) to", page.text)
    assert reach is not None
    printed = {one for one in re.findall(r"\d+\.\d+", page.text) if one != reach.group(1)}
    assert len(printed) > 100
    for one in printed:
        off = 0.51 * 10.0 ** -len(one.partition(".")[2])
        # Means of spellings that round: SRCC of the check, shares in per cent.
        assert (np.abs(known - float(one)) <= off + 1e-9).any(), one


def test_the_answer_comes_first(page: Page) -> None:
    first = page.text[: page.text.index("Table A.8")]
    assert "2 of 2 trainings are judged, on lnsim." in first
    assert "Best of ours: lnsim | SRCC" in first
    assert "Of 1 comparison between methods of ours on the same images, 1 shows" in first
    assert "iqa orders 100% of neighbouring levels" in first


def test_rivals_errors_and_provenance_are_there(page: Page) -> None:
    for words in (
        *("resmem", "123 MB", "overrated most", "underrated most", "Memorability by place"),
        *("split-half Spearman 0.778", "not in /data", "musiq: no hub", HASH[:12], "a" * 12),
        *("perceptmetrics bench --data /data", "perceptmetrics sweep --out", "2025-01-02 03:04:05"),
        *("fold-1/lr-0.001", "device cpu, threads 3", "torch 2.15.0"),
    ):
        assert words in page.text, words


def test_weights_and_photographs_of_the_check_have_their_hashes(bench: Path, page: Page) -> None:
    markdown = (bench / "bench.md").read_text(encoding="utf-8")
    for text in (page.text, markdown.replace(" | ", " ")):
        after = text[text.rindex("Where every number comes from") :]
        assert f"iqa tiny.base {'d' * 12} {'c' * 12} 9 9 crops of 160 7" in after
        assert f"a.jpg {'e' * 12}" in after


def test_the_sum_of_the_check_comes_first_where_a_phone_shows_it(bench: Path, page: Page) -> None:
    assert "metric all blur" in page.text
    markdown = (bench / "bench.md").read_text(encoding="utf-8")
    assert markdown.index("| iqa | all |") < markdown.index("| iqa | blur |")


def test_a_table_that_is_wider_than_the_screen_shows_it_and_paper_does_not(text: str) -> None:
    screen, paper = text.split("@media print")
    assert "background-attachment: local, local, scroll, scroll" in screen
    assert re.search(r"\.box \{[^}]*background: none", paper)


def test_a_figure_after_a_logistic_that_falls_is_marked_and_not_counted(bench: Path) -> None:
    result = read_result(bench / "bench.json")
    table = result.tables[0]
    turned = Figure("memorability", "PLCC", 0.98, 0.97, 0.99, 48, "logistic", falls=True)
    first = replace(
        table.cells[0], ours=turned, departures=(), difference=difference(turned, 0.7654, 0.0001)
    )
    made = replace(result, tables=(replace(table, cells=(first, *table.cells[1:])),))
    page = Page(to_html(bench_page(made, {}, str)))
    assert "0.980 falls" in page.text
    assert "To mind" in page.text
    assert "the fitted logistic falls, higher scores go with lower ratings" in page.text
    assert "PLCC of ours is after the 4-parameter logistic" in page.text
    answer = " ".join(answer_lines(made))
    assert "by poor" in answer
    assert "is better" not in answer


def test_markdown_and_json_say_the_same(bench: Path) -> None:
    markdown = (bench / "bench.md").read_text(encoding="utf-8")
    result = read_result(bench / "bench.json")
    assert repr(read_result(bench / "bench.json")) == repr(result)
    for heading in (
        "Ours against each other",
        "## Errors: poor",
        "## Where every number comes from",
    ):
        assert heading in markdown
    assert markdown == to_markdown(result)


def words_of(svg: str) -> list[str]:
    return [unescape(one) for one in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


def test_ticks_say_what_matplotlib_says_however_close_they_lie() -> None:
    losses, scores = (0.0072, 0.0069, 0.0066), (0.91231, 0.91254, 0.91283)
    said = words_of(charts.curves((losses,), (scores,), "SRCC", "close"))
    # The same axes by matplotlib alone.
    from matplotlib.figure import Figure as Drawing
    from matplotlib.ticker import MaxNLocator

    expected = []
    for values in (losses, scores):
        axes = Drawing(figsize=(charts.WIDE, charts.HIGH)).subplots()
        axes.plot((1, 2, 3), values)
        axes.margins(y=0.15)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.figure.canvas.draw()
        low, high = axes.get_ylim()
        ticks = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
        expected.append([label.get_text() for place, label in ticks if low <= place <= high])
    for labels in expected:
        assert len(labels) == len(set(labels)) > 2
        assert set(labels) <= set(said)


def test_names_in_a_chart_are_no_formulas_and_keep_their_digits() -> None:
    lines = ((1.0, 0.5, 0.25, 0.2, 0.1, 0.0),)
    name = r'a $\nosuch{$ x="0.123456"'
    assert name in words_of(charts.falls(((name, lines),), "odd names"))


def test_the_dot_of_a_curve_is_never_an_epoch_without_a_score() -> None:
    drawn = charts.curves(((3.0, 2.0, 1.0),), ((math.nan, 0.5, 0.4),), "SRCC", "lost")
    assert "nan" not in drawn
    assert charts.curves(((1.0,),), ((math.nan,),), "SRCC", "all lost").startswith("<svg")


def test_only_what_is_made_as_the_paper_made_it_is_counted(bench: Path) -> None:
    result = read_result(bench / "bench.json")

    def answer(departures: tuple[str, ...], low: float) -> str:
        table = result.tables[0]
        cells = []
        for index, cell in enumerate(table.cells):
            changed = cell
            if index == 0:
                ours = Figure("memorability", "SRCC", 0.9, low, 0.95, 48)
                off = difference(ours, 0.7654, 0.00005)
                changed = replace(cell, ours=ours, difference=off, departures=departures)
            cells.append(changed)
        made = replace(result, tables=(replace(table, cells=tuple(cells)),))
        return " ".join(answer_lines(made))

    assert "Of 1 figure that the paper prints too, 1 of ours is better" in answer((), 0.85)
    assert "1 further figure that the paper prints is shown and not counted" in answer((), 0.85)
    for text in (answer(("2 of 5 folds",), 0.85), answer((), math.nan)):
        assert "is better" not in text
        assert "2 figures that the paper prints are shown and not counted" in text


# What is not there.


def test_an_empty_bench_is_a_page_too() -> None:
    result = BenchResult("perceptmetrics bench", "2025-01-01T00:00:00+00:00", {})
    page = Page(to_html(bench_page(result, {}, lambda file: "")))
    assert "Nothing was judged." in page.text


def test_photographs_and_judgements_that_are_gone_are_lines(bench: Path, tmp_path: Path) -> None:
    write_text(tmp_path / "bench.json", (bench / "bench.json").read_text(encoding="utf-8"))
    # A moved bench folder does not find its runs by the paths that the record names.
    plain = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    for one in plain["trainings"]:
        one["folder"] = "gone/altogether"
    write_text(tmp_path / "bench.json", json.dumps(plain))
    page = Page(remake_report(tmp_path).read_text(encoding="utf-8"))
    assert page.images == []
    assert "Its judgements of single images are gone: no scatter and no pictures." in page.text
    assert "The photograph is not there any more." in page.text


def test_a_bench_folder_may_be_moved_with_all_that_is_in_it(bench: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(bench, tmp_path / "elsewhere" / "bench")
    plain = json.loads((moved / "bench.json").read_text(encoding="utf-8"))
    for one in plain["trainings"]:
        one["folder"] = f"/no/longer/{Path(one['folder']).relative_to(bench.parent)}"
    write_text(moved / "bench.json", json.dumps(plain))
    assert len(Page(remake_report(moved).read_text(encoding="utf-8")).images) == 2 * 2 * 5


def test_a_bench_of_an_older_version_is_a_page_without_what_it_lacks(bench: Path) -> None:
    result = read_result(bench / "bench.json")
    bare = replace(
        result,
        tables=tuple(replace(one, comparisons=()) for one in result.tables),
        trainings=tuple(replace(one, runs=(), analyses=()) for one in result.trainings),
        check=None,
        rivals=(),
    )
    plain = json.loads(to_json(bare))
    for one in plain["trainings"]:
        del one["runs"], one["analyses"]
    del plain["tables"][0]["comparisons"], plain["rivals"]
    old = bench.parent / "old.json"
    old.write_text(json.dumps(plain))
    assert repr(read_result(old)) == repr(bare)
    assert "2 of 5 folds are judged" in Page(to_html(bench_page(bare, {}, str))).text


def test_without_matplotlib_there_is_a_page_and_a_line(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perceptmetrics.report.charts.find_spec", lambda name: None)
    result = read_result(bench / "bench.json")
    text = to_html(bench_page(result, {}, lambda file: ""))
    assert "<svg" not in text
    assert "There are no charts: pip install" in Page(text).text


def test_errors_that_cannot_be_analysed_are_a_line(bench: Path) -> None:
    result = read_result(bench / "bench.json")
    lost = replace(result.trainings[0], analyses=(Analysed("lnsim", 1, None, "none are kept"),))
    text = to_html(bench_page(replace(result, trainings=(lost,)), {}, lambda file: ""))
    assert "No error analysis on lnsim: none are kept." in Page(text).text


def test_classes_have_their_confusion_as_a_table() -> None:
    rng = np.random.default_rng(0)
    labels = ("sad", "glad <3")
    prediction = rng.dirichlet((1, 1), 30)
    truth = rng.integers(0, 2, 30)
    names = tuple(f"{k}.jpg" for k in range(30))
    one = Judgements("classification", labels, names, names, names, prediction, truth)
    figures, _ = classification_figures(prediction, truth, labels, samples=10)
    errors = analysed("mine", "emoset", {1: figures}, {1: one})
    result = BenchResult(
        *("c", "2025-01-01", {}),
        trainings=(TrainingResult("mine", "f", "c", 1, 1, 1, analyses=(errors,)),),
    )
    text = to_html(bench_page(result, {("mine", "emoset"): one}, lambda file: ""))
    page = Page(text)
    assert "which class was taken for which" in page.text
    assert "glad <3" in page.text
    assert "--share:" in text


# What it rests on.


def test_judgements_are_the_same_after_a_file(tmp_path: Path) -> None:
    one = judged(tmp_path, 0.1)
    file = judgements_file(tmp_path, "lnsim")
    keep_judgements(file, one)
    again = kept_judgements(file)
    assert judgements_json(again) == judgements_json(one)
    np.testing.assert_array_equal(again.prediction, one.prediction)
    assert again.columns == one.columns


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "perceptmetrics judgements 0"}'])
def test_what_is_no_judgements_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        from_json(text)
    file = judgements_file(tmp_path, "lnsim")
    file.write_text(text)
    with pytest.raises(DataError, match=r"judgements\.lnsim\.json"):
        kept_judgements(file)


def test_the_best_row_is_compared_by_the_direction_of_the_measure(tmp_path: Path) -> None:
    near, far = {1: judged(tmp_path, 0.01)}, {1: judged(tmp_path, 0.5)}
    column = Column("lnsim | MSE", MSE, "lnsim")
    (one,) = compared(column, "mean", {"near": 0.0001, "far": 0.2}, {"near": near, "far": far})
    assert one.best == "near"
    assert one.high < 0  # its error is the smaller
    (one,) = compared(column, "mean", {"near": 0.1, "far": 0.2}, {"near": near})
    assert math.isnan(one.value)
    assert one.reason == "no judgements of single images are kept of far"


def test_folds_are_matched_by_their_number(tmp_path: Path) -> None:
    parts = {fold: judged(tmp_path, 0.01, fold) for fold in (1, 2, 3)}
    worse = {fold: judged(tmp_path, 0.5, fold) for fold in (1, 2, 3)}
    values = {"near": 0.9, "far": 0.2}
    lacks_one = {"near": parts, "far": {2: worse[2], 3: worse[3]}}
    (one,) = compared(COLUMN, "mean", values, lacks_one)
    (same,) = compared(
        *(COLUMN, "mean", values),
        {"near": {2: parts[2], 3: parts[3]}, "far": lacks_one["far"]},
    )
    assert (one.folds, one.reason) == (2, "")
    assert one == same
    (none,) = compared(COLUMN, "mean", values, {"near": {1: parts[1]}, "far": {2: worse[2]}})
    assert none.reason == "they have no fold in common"


def test_images_and_the_units_that_are_drawn_are_told_apart(tmp_path: Path) -> None:
    groups = tuple(f"photograph {index // 4}" for index in range(IMAGES))
    near, far = (replace(judged(tmp_path, noise), groups=groups) for noise in (0.01, 0.5))
    (one,) = compared(
        COLUMN, "mean", {"near": 0.9, "far": 0.2}, {"near": {1: near}, "far": {1: far}}
    )
    assert (one.images, one.groups) == (IMAGES, IMAGES // 4)


def test_errors_are_those_of_the_fold_that_they_name(tmp_path: Path) -> None:
    parts = {fold: judged(tmp_path, noise, fold) for fold, noise in ((2, 0.01), (3, 0.1))}
    figures = {
        fold: regression_figures(one.prediction, one.target, one.labels, samples=10)
        for fold, one in parts.items()
    }
    found = analysed("mine", "lnsim", figures, parts)  # fold 1 failed
    assert found.fold == 3
    assert found.analysis is not None
    assert found.analysis == analysed("mine", "lnsim", {3: figures[3]}, parts).analysis
    assert analysed("mine", "lnsim", figures, {2: parts[2]}).analysis is None


def test_a_run_says_where_it_comes_from(tmp_path: Path) -> None:
    run = tmp_path / "fold-1" / "lr-0.001"
    run.mkdir(parents=True)
    (run / "adapter.safetensors").write_bytes(b"")
    plain = {
        "command": "train",
        "finished": "2025",
        "commit": "abc",
        "machine": {"threads": 1},
        "base": {"name": "tiny", "sha256": HASH},
        "parameters": {"trained": 5},
        "versions": {},
        "history": [{"loss": 0.5, "validation": 0.25}],
        "datasets": {
            "lnsim": {
                "sha256": HASH,
                "split": None,
                "training": 3,
                "validation_images": ["a"],
                "selects_by": "SRCC",
            }
        },
    }
    (run / "run.json").write_text(json.dumps(plain))
    found = run_record(1, run, tmp_path)
    # sha256 of no bytes.
    assert found.adapter_sha256.startswith("e3b0c44298fc1c14")
    assert (found.folder, found.commit, found.scores) == ("fold-1/lr-0.001", "abc", (0.25,))
    assert found.data[0].validation == 1


def test_the_commit_is_that_of_the_checkout(root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("this is no checkout")
    assert re.fullmatch(r"[0-9a-f]{40,64}( with changes)?", revision())


def test_a_page_that_cannot_be_made_is_a_line_of_ours(
    bench: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> str:
        raise ZeroDivisionError("a chart of no width")

    monkeypatch.setattr("perceptmetrics.report.bench_files.bench_page", broken)
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--report", "--out", str(bench)])
    assert ended.value.code == 2
    assert "no bench.html: ZeroDivisionError: a chart of no width; " in capsys.readouterr().err
