"""Rivals: others' metrics as processes. What they give, and what they may do without harm."""

from __future__ import annotations

import ast
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from scipy.stats import spearmanr

from perceptmetrics.bench import monotony
from perceptmetrics.bench.record import read_result, to_json
from perceptmetrics.bench.result import BenchResult, RivalDifference, RivalResult
from perceptmetrics.bench.rivals import RIVALS, Rival, find_rival
from perceptmetrics.bench.rivals.base import SCORERS
from perceptmetrics.bench.rivals.contestant import (
    Contestant,
    own_contestant,
    rival_contestant,
)
from perceptmetrics.bench.rivals.distorted import DistortedJudge
from perceptmetrics.bench.rivals.environment import environment_folder, python_of
from perceptmetrics.bench.rivals.judging import judge_rival, judged
from perceptmetrics.bench.rivals.scoring import kept_file, score_images
from perceptmetrics.bench.rivals.table import rival_rows
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.errors import DataError, OptionError, PluginError, UnknownNameError
from perceptmetrics.registry import Registry
from perceptmetrics.tasks import TASKS

# A rival whose score is the number that a file holds; its variant says how it misbehaves.
SCORER = """
import os, socket, sys, time

def load(options):
    kind = options["variant"]
    print("welcome")
    os.write(1, b"{not json" + bytes([10]))
    with open(__file__ + ".pid", "w") as file:
        file.write(str(os.getpid()))
    with open(__file__ + ".loads", "a") as file:
        file.write("x")
    if kind == "raises":
        raise RuntimeError("no weights" + chr(10) + "  here")
    if kind == "closes":
        os.closerange(3, 20)
        time.sleep(60)
    if kind == "exits":
        sys.exit("I leave")
    if kind == "sleeps":
        time.sleep(60)
    if kind == "fetches" and os.path.exists(__file__ + ".weights"):
        kind = ""
    if kind == "calls":
        socket.create_connection(("example.org", 80))
    if kind == "looks":
        ours = [name for name in sys.modules if name.startswith("perceptmetrics")]
        assert not ours, ours

    def score(path):
        with open(path) as file:
            value = float(file.read())
        with open(__file__ + ".asked", "a") as file:
            file.write(f"{value:g}")
        if value == 3:
            if kind == "dies" and os.path.exists(__file__ + ".mended"):
                return value
            if kind == "fetches":
                socket.create_connection(("example.org", 80))
            if kind == "dies":
                os.kill(os.getpid(), 9)
            if kind == "hangs":
                time.sleep(60)
            if kind == "two":
                return [value, value]
        return value

    if kind == "knows":
        class Score:
            higher_is_better = False
            def __call__(self, path):
                return score(path)
        return Score()
    return score
"""
HERE = Path(sys.executable)


@pytest.fixture
def rival(tmp_path: Path) -> Rival:
    scorer = tmp_path / "fake_scorer.py"
    scorer.write_text(SCORER)
    return Rival(
        "fake",
        "memorability",
        ("fake==1", "numpy"),
        scorer,
        True,
        (0.0, 1.0),
        "MIT",
        "none",
        "none",
    )


@pytest.fixture
def numbers(tmp_path: Path) -> list[Path]:
    """Files that hold 0 to 7."""
    files = [tmp_path / f"{value}.txt" for value in range(8)]
    for value, file in enumerate(files):
        file.write_text(str(value))
    return files


RATINGS = [0.1, 0.3, 0.2, 0.4, 0.6, 0.5, 0.7, 0.9]


def judge(rival: Rival, images: list[Path], patience: float = 120) -> RivalResult:
    return judge_rival(rival, images, RATINGS, python=HERE, patience=patience, samples=20)


# What it gives.


def test_a_rival_has_our_figures_and_says_what_it_took(rival: Rival, numbers: list[Path]) -> None:
    found = judge(rival, numbers)
    assert found.reason == ""
    srcc = found.figure("SRCC")
    assert srcc is not None
    assert srcc.value == pytest.approx(spearmanr(range(8), RATINGS).statistic)
    assert srcc.low <= srcc.value <= srcc.high
    plcc = found.figure("PLCC")
    assert plcc is not None
    assert plcc.value == pytest.approx(np.corrcoef(range(8), RATINGS)[0, 1])
    assert (found.images, srcc.images, found.unreadable) == (8, 8, ())
    assert 0 < found.cpu_seconds_per_image < 1
    assert 0 < found.seconds_per_image < 1
    assert 0 < found.load_seconds < 30
    assert found.versions["numpy"] == np.__version__
    assert found.versions["python"].startswith("3.")
    (row,) = rival_rows([found])
    assert row[:3] == ("fake", "", "8")


def test_scores_that_fall_where_ratings_rise_are_turned(rival: Rival, numbers: list[Path]) -> None:
    turned = judge(replace(rival, higher_is_better=False), numbers).figure("SRCC")
    by_itself = judge(
        replace(rival, higher_is_better=None, name="fake:knows", variant="knows"), numbers
    ).figure("SRCC")
    assert turned is not None
    assert by_itself is not None
    assert turned.value == by_itself.value
    assert turned.value == pytest.approx(-spearmanr(range(8), RATINGS).statistic)


def test_one_bad_image_is_named_and_the_rest_is_judged(rival: Rival, numbers: list[Path]) -> None:
    numbers[2].write_text("no number")
    found = judge(rival, numbers)
    srcc = found.figure("SRCC")
    assert srcc is not None
    assert (found.images, srcc.images) == (8, 7)
    ((name, reason),) = found.unreadable
    assert name == str(numbers[2])
    assert reason == "ValueError: could not convert string to float: 'no number'"
    assert found.problem.startswith(f"fake: {numbers[2]}: ValueError")
    assert rival_rows([found])[0][2] == "7 of 8"


def test_a_score_that_is_not_finite_and_two_for_one_are_errors_of_that_image(
    rival: Rival, numbers: list[Path]
) -> None:
    numbers[0].write_text("nan")
    reasons = dict(judge(replace(rival, variant="two"), numbers).unreadable)
    assert reasons[str(numbers[0])] == "ValueError: gave [nan], expected finite scores"
    assert reasons[str(numbers[3])] == "gave 2 scores, expected 1 (memorability)"


def test_paths_of_any_name_reach_it(rival: Rival, numbers: list[Path], tmp_path: Path) -> None:
    odd = numbers[0].rename(tmp_path / 'a "b"\n ü 7.txt')
    assert judge(rival, [odd, *numbers[1:]]).unreadable == ()


# What it may do without harm.


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("raises", "does not load: RuntimeError: no weights here (its weights: none)"),
        ("exits", "does not load: SystemExit: I leave"),
        ("dies", "ended on 3.txt (SIGKILL)"),
        ("calls", "does not load: OSError: the network is not used unasked: --install-rivals lets"),
    ],
)
def test_a_rival_that_fails_is_one_line(
    rival: Rival, numbers: list[Path], kind: str, reason: str
) -> None:
    found = judge(replace(rival, variant=kind), numbers)
    assert found.reason.startswith(reason)
    assert "\n" not in found.problem
    assert found.figures == ()
    assert rival_rows([found]) == []


@pytest.mark.parametrize(("kind", "where"), [("sleeps", "while loading"), ("hangs", "on 3.txt")])
def test_a_rival_that_hangs_is_ended_in_time(
    rival: Rival, numbers: list[Path], kind: str, where: str
) -> None:
    began = time.monotonic()
    found = judge(replace(rival, variant=kind), numbers, patience=3)
    assert time.monotonic() - began < 30
    said = f"gave no answer {where} within 3 s and was ended; --rival-timeout gives it longer"
    assert found.reason.startswith(said)
    pid = int(Path(f"{rival.scorer}.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_rival_that_closes_its_output_and_lives_on_is_ended(
    rival: Rival, numbers: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perceptmetrics.bench.rivals.process.GRACE", 0.1)
    found = judge(replace(rival, variant="closes"), numbers)
    assert found.reason.startswith("closed its output while loading and was ended")


@pytest.mark.skipif(os.name == "nt", reason="the wrapper is a shell script")
def test_what_a_wrapper_of_the_interpreter_prints_is_no_answer(
    rival: Rival, numbers: list[Path], tmp_path: Path
) -> None:
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\necho "loading modules"\necho 17\nexec {HERE} "$@"\n')
    wrapper.chmod(0o755)
    found = judge_rival(rival, numbers, RATINGS, python=wrapper, samples=20)
    assert found.reason == ""
    assert found.figures


def test_it_does_not_see_our_package(rival: Rival, numbers: list[Path]) -> None:
    assert judge(replace(rival, variant="looks"), numbers).reason == ""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_is_its_own_and_not_that_of_the_process_that_started_it(
    rival: Rival, numbers: list[Path]
) -> None:
    held = np.ones(40_000_000)  # 320 MB
    assert judge(rival, numbers).peak_bytes < held.nbytes / 2


def test_an_interpreter_that_is_none_is_one_line(
    rival: Rival, numbers: list[Path], tmp_path: Path
) -> None:
    not_python = tmp_path / "python"
    not_python.write_text("no program")
    found = judge_rival(rival, numbers, RATINGS, python=not_python)
    assert "cannot be started" in found.reason
    absent = judge_rival(rival, numbers, RATINGS, python=tmp_path / "none")
    assert absent.reason.startswith(f"there is no {tmp_path / 'none'}; give --rival-python fake=")


# Where it runs.


def test_nothing_is_installed_unasked_and_the_line_says_how(rival: Rival, offline: Path) -> None:
    with pytest.raises(PluginError, match=r"--install-rivals makes one \(pip install fake==1 num"):
        python_of(rival)
    with pytest.raises(PluginError, match="PERCEPTMETRICS_OFFLINE or HF_HUB_OFFLINE forbids"):
        python_of(rival, install=True)
    assert not offline.exists()


def test_other_pins_have_another_environment_and_metrics_of_a_library_share_one(
    rival: Rival,
) -> None:
    assert environment_folder(rival) != environment_folder(replace(rival, requirements=("fake",)))
    musiq, niqe = find_rival("pyiqa:musiq"), find_rival("pyiqa:niqe")
    assert environment_folder(musiq) == environment_folder(niqe)
    assert python_of(musiq, {"pyiqa": HERE}) == python_of(musiq, {"pyiqa:musiq": HERE}) == HERE


# Kept scores.


def loads(rival: Rival) -> int:
    return len(Path(f"{rival.scorer}.loads").read_text())


def test_kept_scores_are_not_made_again_and_another_set_or_scorer_is(
    rival: Rival, numbers: list[Path], tmp_path: Path
) -> None:
    names = tuple(file.name for file in numbers)
    data = Manifest(tuple(numbers), names, np.array(RATINGS)[:, None], names, "first")

    def run(rival: Rival, data: Manifest) -> RivalResult:
        one = rival_contestant(rival, HERE)
        outputs = TASKS.get(rival.task).outputs
        return judged([(one, data)], outputs, "numbers", "mean", keep=tmp_path, samples=20)

    first = run(rival, data)
    assert loads(rival) == 1
    assert run(rival, data) == first
    assert run(rival, data.take(range(6))).images == 6
    assert loads(rival) == 1
    run(rival, replace(data, sha256="second"))
    assert loads(rival) == 2
    rival.scorer.write_text(SCORER + "\n# another version\n")
    run(rival, replace(data, sha256="second"))
    assert loads(rival) == 3


def asked(rival: Rival) -> str:
    """The images that it was asked for since the last call, by what they hold."""
    file = Path(f"{rival.scorer}.asked")
    said = file.read_text()
    file.write_text("")
    return said


def judge_kept(rival: Rival, images: list[Path], keep: Path) -> RivalResult:
    names = tuple(file.name for file in images)
    data = Manifest(tuple(images), names, np.array(RATINGS)[:, None], names, "first")
    one = rival_contestant(rival, HERE)
    return judged([(one, data)], ("memorability",), "n", "mean", keep=keep, samples=20)


def test_an_image_that_failed_is_asked_again_and_no_other_one(
    rival: Rival, numbers: list[Path], tmp_path: Path
) -> None:
    fetches = replace(rival, variant="fetches")
    first = judge_kept(fetches, numbers, tmp_path)
    ((name, reason),) = first.unreadable
    assert name == "3.txt"
    assert "--install-rivals lets it fetch its weights" in reason
    assert asked(rival) == "01234567"
    Path(f"{rival.scorer}.weights").touch()
    again = judge_kept(fetches, numbers, tmp_path)
    assert asked(rival) == "3"
    assert again.unreadable == ()
    assert again.figures[0].images == 8


def test_a_rival_that_dies_keeps_what_it_scored_until_then(
    rival: Rival, numbers: list[Path], tmp_path: Path
) -> None:
    dies = replace(rival, variant="dies")
    assert judge_kept(dies, numbers, tmp_path).reason.startswith("ended on 3.txt (SIGKILL)")
    assert asked(rival) == "0123"
    (kept,) = tmp_path.glob("*.jsonl")
    kept.write_text(kept.read_text() + '{"image": "7.txt", "sco')  # killed while it wrote
    Path(f"{rival.scorer}.mended").touch()
    assert judge_kept(dies, numbers, tmp_path).figures[0].images == 8
    assert asked(rival) == "34567"
    assert judge_kept(dies, numbers, tmp_path).figures[0].images == 8
    assert asked(rival) == ""


def test_ctrl_c_keeps_what_was_scored_until_then(
    rival: Rival, numbers: list[Path], tmp_path: Path
) -> None:
    def stop(done: int, images: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    one = rival_contestant(rival, HERE)
    images = {file.name: file for file in numbers}
    file = tmp_path / "kept.jsonl"
    with pytest.raises(KeyboardInterrupt):
        score_images(one, images, ("memorability",), file=file, report=stop)
    assert asked(rival) == "01234"
    assert len(score_images(one, images, ("memorability",), file=file).scores) == 8
    assert asked(rival) == "567"


def test_scores_of_another_machine_or_environment_are_not_taken_for_these(
    rival: Rival, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = rival_contestant(rival, HERE)
    here = kept_file(one, tmp_path, "n", "first")
    assert kept_file(one, tmp_path, "n", "first") == here
    assert kept_file(one, tmp_path, "n", "second") != here
    assert any(line == f"numpy {np.__version__}" for line in one.installed())
    with monkeypatch.context() as patch:
        patch.setattr("platform.node", lambda: "another")
        assert kept_file(one, tmp_path, "n", "first") != here
    ours = own_contestant("ours", "iqa")  # its process finds what this one finds
    before = kept_file(ours, tmp_path, "n", "first")
    info = tmp_path / "a_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-package\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert kept_file(ours, tmp_path, "n", "first") != before


def test_on_several_folds_it_scores_an_image_once_and_has_their_average(
    rival: Rival, numbers: list[Path]
) -> None:
    names = tuple(file.name for file in numbers)
    data = Manifest(tuple(numbers), names, np.array(RATINGS)[:, None], names, "")
    one = rival_contestant(rival, HERE)
    folds = [data.take([0, 1, 2, 3]), data.take([2, 3, 4, 5])]
    found = judged([(one, part) for part in folds], ("memorability",), "n", "mean", samples=20)
    assert loads(rival) == 1
    srcc = found.figure("SRCC")
    assert srcc is not None
    each = [spearmanr(range(4), RATINGS[k : k + 4]).statistic for k in (0, 2)]
    assert srcc.value == pytest.approx(np.mean(each))
    assert (found.images, found.folds) == (6, 2)


# In the built-in check.


def test_a_rival_orders_levels_beside_ours_and_its_process_is_ended(tmp_path: Path) -> None:
    scorer = tmp_path / "light_scorer.py"
    scorer.write_text(
        "def load(options):\n"
        "    import os\n"
        "    from PIL import Image, ImageStat\n"
        "    open(__file__ + '.pid', 'w').write(str(os.getpid()))\n"
        "    return lambda path: -sum(ImageStat.Stat(Image.open(path)).mean)\n"
    )
    one = Contestant("dark", False, HERE, scorer, {"device": "cpu"}, higher_is_better=False)
    photographs = {"a.png": tiny.photograph(24, 32, 1)}
    found = monotony.check({"dark": lambda: DistortedJudge(one)}, photographs)
    assert found.failures == ()
    assert found.summary("dark", "brightness") == (1.0, 1.0)
    assert found.speeds[0].cpu_seconds > 0
    pid = int(Path(f"{scorer}.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_rival_without_a_score_fails_in_the_check_and_costs_only_itself(rival: Rival) -> None:
    one = rival_contestant(rival, HERE)
    photographs = {"a.png": tiny.photograph(24, 32, 1)}
    found = monotony.check({"fake": lambda: DistortedJudge(one)}, photographs)
    ((name, reason),) = found.failures
    assert name == "fake"
    assert reason.startswith("gave no score: UnicodeDecodeError")


# Specifications.


def test_every_rival_of_ours_is_pinned_licensed_and_judges_a_task_with_scores() -> None:
    names = RIVALS.names()
    assert names == ["brisque", "clip-iqa", "niqe", "pyiqa", "resmem", "vitmem"]
    for one in RIVALS:
        assert TASKS.get(one.task).kind == "regression"
        assert "==" in one.requirements[0]  # the metric itself
        # What it runs on hangs on the machine; whatever else is asked for has a pin.
        free = {asked for asked in one.requirements[1:] if "==" not in asked}
        assert free <= {"torch", "torchvision", "timm", "pillow"}
        packages = rival_contestant(one, HERE).options["packages"].split(",")
        assert free <= set(packages)  # so their versions are in each result
        assert one.scorer.is_file()
        assert one.licence
        assert one.paper
        assert one.weights


def test_scorers_import_nothing_of_ours_and_nothing_at_all_before_they_load() -> None:
    allowed = {"__future__", "collections.abc", "typing"}
    for file in SCORERS.glob("*.py"):
        tree = ast.parse(file.read_text())
        top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert {getattr(node, "module", None) for node in top} <= allowed, file
        everywhere = {
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
        }
        ours = {name for name in everywhere if name.startswith("perceptmetrics")}
        assert bool(ours) == (file.name == "own.py"), file


def test_a_python_that_cannot_be_looked_at_is_one_line(rival: Rival) -> None:
    with pytest.raises(PluginError, match=r"cannot be looked at \(File name too|there is no /"):
        python_of(rival, {"fake": Path("/" + 300 * "x")})


def test_names_that_cannot_be_are_refused_with_what_is_meant() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'resmem'"):
        find_rival("resnem")
    with pytest.raises(OptionError, match="give pyiqa:NAME"):
        find_rival("pyiqa")
    with pytest.raises(OptionError, match="takes nothing behind a colon"):
        find_rival("niqe:fast")


def test_ratings_that_do_not_fit_are_refused(rival: Rival, numbers: list[Path]) -> None:
    with pytest.raises(DataError, match=r"8 images, ratings of shape \(7, 1\)"):
        judge_rival(rival, numbers, RATINGS[:7], python=HERE)
    with pytest.raises(DataError, match="more than once"):
        judge_rival(rival, [numbers[0]] * 8, RATINGS, python=HERE)


def test_an_installed_package_brings_a_rival(
    rival: Rival, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brings_a_rival.py").write_text(
        "from pathlib import Path\n"
        "from perceptmetrics.bench.rivals import Rival\n"
        "MINE = Rival('mine', 'iqa', ('mine==1',), Path(__file__), True, None, 'MIT', '-', '-')\n"
    )
    info = tmp_path / "brings_a_rival-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brings-a-rival\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[perceptmetrics.rivals]\nmine = brings_a_rival:MINE\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Registry(
        "rival", Rival, package="perceptmetrics.bench.rivals.builtin", group=RIVALS.group
    )
    assert found.get("mine").task == "iqa"


# The record.


def test_results_go_through_json_and_come_back(
    rival: Rival, numbers: list[Path], tmp_path: Path
) -> None:
    numbers[2].write_text("no number")
    compared = (
        RivalDifference("ours", "memorability", 0.1, 0.0, 0.2, 0.01, 0.02, 7, 1),
        RivalDifference("other", "memorability", reason="too few"),
    )
    good = replace(judge(rival, numbers), against=compared)
    bad = judge(replace(rival, variant="raises"), numbers)
    result = BenchResult("perceptmetrics bench", "now", {}, rivals=(good, bad))
    (tmp_path / "bench.json").write_text(to_json(result))
    again = read_result(tmp_path / "bench.json").rivals
    assert again[0] == good
    assert again[0].against == good.against
    assert np.isnan(again[0].against[1].p)
    assert again[1].reason == bad.reason
    assert again[1].figures == ()


# The page.


def test_the_page_says_what_was_measured(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import rivals as benchmark

    text = (root / "docs" / "rivals.md").read_text()
    assert "| memorability * | lnsim |" in text
    assert "| niqe | 0.943 |" in text
    assert "11.198; here it has 11.213 (" in text
    assert "0.489 here and 0.483 there" in text
    assert text == benchmark.with_table(text)


def test_the_check_that_the_bench_page_shows_is_the_one_that_was_run(root: Path) -> None:
    from perceptmetrics.bench.record import read_result
    from perceptmetrics.bench.report import SUMMARY, check_rows
    from perceptmetrics.cli.text import columns

    check = read_result(root / "benchmarks" / "results" / "rivals.json").check
    assert check is not None
    ours = [row for row in check_rows(check) if row[0] == "iqa"]
    assert columns([SUMMARY, *ours]) in (root / "docs" / "bench.md").read_text()
