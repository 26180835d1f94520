"""What a call comes to before anything runs: rows and columns, folders, work, time."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.bench import TABLES, judging, places
from perceptmetrics.bench.estimate import (
    PACE_FILE,
    Pace,
    Part,
    add_pace,
    multiply_adds,
    read_paces,
    run_cost,
    speed_of,
)
from perceptmetrics.bench.experiment import Setup, Training
from perceptmetrics.bench.own import own_table
from perceptmetrics.bench.places import Place, place_of, roots_of
from perceptmetrics.bench.plan import PAPER_EPOCHS, PAPER_RATES, Terms, folder_of, plan
from perceptmetrics.bench.selection import Selection, as_published, chosen_tables
from perceptmetrics.bench.table import Table
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.datasets import DATASETS
from perceptmetrics.errors import UnknownNameError
from perceptmetrics.tasks import TASKS
from perceptmetrics.training import sweep as training_sweep
from perceptmetrics.training.record import RUN_FILE
from perceptmetrics.training.trainer import Optimisation

KONIQ, LAMEM = ("IQA | KonIQ-10k | SRCC", "Memorability | LaMem | SRCC")


def one(name: str, selection: Selection) -> Table:
    (table,), missed = chosen_tables([name], selection)
    assert missed == ()
    return table


def rows(table: Table) -> list[str]:
    return [row.name for row in table.rows]


def columns(table: Table) -> list[str]:
    return [column.name for column in table.columns]


# The paper's tables.


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(backbones=("dinov2", "mae")), ["MAE", "DinoV2"]),
        (Selection(backbones=("clip-l14",)), ["CLIP"]),
        (Selection(sizes=("l16",)), ["MAE"]),
        (Selection(), ["MAE", "DinoV2", "TULIP", "CLIP"]),
    ],
    ids=["families", "backbone", "size", "all"],
)
def test_backbones_and_sizes_choose_rows(selection: Selection, expected: list[str]) -> None:
    assert rows(one("A.8", selection)) == expected


def test_strategy_head_rank_and_alpha_choose_rows_or_the_columns_that_stand_for_them() -> None:
    assert rows(one("6", Selection(strategies=("frozen",)))) == ["Frozen CLIP"]
    assert rows(one("7", Selection(heads=("linear",)))) == ["Linear Layer"]
    narrowed = one("A.10", Selection(ranks=(8, 32), alphas=(16,)))
    assert (rows(narrowed), columns(narrowed)) == (["8", "32"], ["16"])
    assert narrowed.cell("32", "16").printed == TABLES.get("A.10").cell("32", "16").printed


def test_tasks_and_datasets_choose_columns_and_every_figure_stays_in_its_place() -> None:
    whole, narrowed = TABLES.get("6"), one("6", Selection(tasks=("memorability", "emotion")))
    assert KONIQ not in columns(narrowed)
    for cell in narrowed.cells():
        assert cell.printed == whole.cell(cell.row.name, cell.column.name).printed
    assert columns(one("4", Selection(datasets=("emotionroi",)))) == [
        "EmotionROI | 6",
        "EmotionROI | 2",
    ]
    # EmotionROI's task is called emotion-6.
    assert len(columns(one("4", Selection(tasks=("emotion",))))) == 4


def test_rivals_stay_beside_what_is_chosen_and_do_not_stand_alone() -> None:
    assert len(rows(one("1", Selection(datasets=("livec",))))) == len(TABLES.get("1").rows)
    tables, missed = chosen_tables(["1"], Selection(backbones=("mae",)))
    assert tables == ()
    assert "nothing of it is among what the options ask for" in missed[0].reason


def test_all_means_every_table_and_silence_about_those_that_do_not_match() -> None:
    tables, missed = chosen_tables(["all"], Selection(backbones=("tulip",)))
    assert [table.name for table in tables] == ["A.8"]
    assert missed == ()


def test_a_tag_of_weights_takes_the_place_of_the_papers_and_the_figure_stays_comparable() -> None:
    narrowed = one("A.7", Selection(backbones=("clip-b16.openai-int8",)))
    cell = narrowed.cell("ViT-B/16", KONIQ)
    assert cell.training is not None
    assert cell.training.setup.weights == "openai-int8"
    published = as_published(cell)
    assert published is not None
    assert published.printed == "0.938"
    with pytest.raises(UnknownNameError, match="weights tag"):
        chosen_tables(["A.7"], Selection(backbones=("clip-b16.openai-int9",)))


# A table of one's own.


def test_own_rows_are_all_combinations_but_rank_and_alpha_are_loras_alone() -> None:
    selection = Selection(
        backbones=("clip-b16",), strategies=("lora", "frozen"), ranks=(8, 16), alphas=(4, 8)
    )
    table = own_table(selection, ["lnsim"])
    assert len(table.rows) == 2 * 2 + 1
    assert rows(table)[-1] == "clip-b16.openai-int8, frozen, mlp"


def test_own_columns_are_every_output_and_an_error_only_where_scores_have_a_unit() -> None:
    selection = Selection(backbones=("clip-b16",))
    assert columns(own_table(selection, ["oasis"])) == [
        f"oasis {output} | {measure}"
        for output in ("valence", "arousal")
        for measure in ("SRCC", "PLCC, logistic", "MSE")
    ]
    assert columns(own_table(selection, ["tid2013"])) == [
        "tid2013 | SRCC",
        "tid2013 | PLCC, logistic",
    ]
    assert columns(own_table(selection, ["emoset"])) == ["emoset | accuracy", "emoset | macro F1"]


def test_without_a_backbone_every_family_with_weights_has_its_default_row() -> None:
    names = [name.split(",")[0] for name in rows(own_table(Selection(), ["lnsim"]))]
    assert names == ["clip-b16.openai-int8", "dinov2-s14.meta", "mae-b16.mae"]


def test_a_figure_of_ones_own_table_stands_beside_the_papers_of_the_same_training() -> None:
    table = own_table(Selection(backbones=("clip-l14",)), ["lamem", "lnsim"])
    found = {cell.column.name: as_published(cell) for cell in table.cells()}
    assert {name: cell.printed for name, cell in found.items() if cell is not None} == {
        "lamem | SRCC": "0.741",
        "lamem | MSE": "0.0069",
    }


# Where it goes, what it costs.


def test_runs_of_other_terms_lie_in_other_folders() -> None:
    training = Training(Setup(), ("koniq10k",))
    terms = [
        Terms(),
        Terms(epochs=5),
        Terms(replicas=1),
        Terms(augment=False),
        Terms(others={"batch-size": "8"}),
        Terms(bases={"clip-l14": Path("mine.safetensors")}),
    ]
    folders = {folder_of(training, one).as_posix() for one in terms}
    assert len(folders) == len(terms)
    # Folds and learning rates have folders of their own inside; where it runs decides nothing.
    same = Terms(folds=1, rates=(1e-4,), device="cuda")
    assert folder_of(training, same) == folder_of(training, Terms())


def test_multiply_adds_are_those_of_the_encoder() -> None:
    # Dosovitskiy et al.'s ViT-B/16 at 224: 17.6 G, as timm and fvcore count it.
    assert multiply_adds(BACKBONES.get("clip-b16"), 224) / 1e9 == pytest.approx(17.5, abs=0.2)


def test_a_run_costs_its_cuts_and_its_judging() -> None:
    spec, task = BACKBONES.get("clip-b32"), TASKS.get("iqa")
    part = Part(task, 3, 700, 100, 200)
    cut = multiply_adds(spec, 224)
    expected = 10 * (2 * 700 * 3 + 100 * 15) + (100 + 200) * 15
    assert run_cost(spec, "lora", [part], epochs=10) == pytest.approx(expected * cut)
    twice = run_cost(spec, "lora", [part], epochs=10, second_stage=True)
    assert twice - expected * cut == pytest.approx(10 * (700 * 3 + 100 * 15) * cut)


def test_the_nearest_timed_training_decides_and_another_machine_does_not(tmp_path: Path) -> None:
    here = platform.node()
    for pace in (
        Pace("clip-b16", "lora", "cpu", "fp32", here, 100.0, 1.0),
        Pace("clip-b16", "full", "cpu", "fp32", here, 300.0, 1.0),
        Pace("clip-b16", "lora", "cpu", "fp32", f"not {here}", 1e9, 1.0),
    ):
        add_pace(tmp_path, pace)
    paces = read_paces(tmp_path)
    assert len(paces) == 3
    assert speed_of(paces, "clip-b16", "lora", "cpu", "fp32").value == 100
    assert speed_of(paces, "clip-l14", "lora", "cpu", "fp32").value == 200
    unknown = speed_of(paces, "clip-b16", "lora", "cuda", "bf16")
    assert unknown.value is None
    assert "not known on cuda" in unknown.how
    (tmp_path / PACE_FILE).write_text("[{")
    assert read_paces(tmp_path) == ()


def place(name: str, problem: str = "") -> Place:
    return Place(name, Path(name), problem, 100, 100, ((72, 8, 20),) * 10)


def test_one_training_serves_every_cell_that_needs_it_and_absent_sets_cost_only_theirs(
    tmp_path: Path,
) -> None:
    tables, _ = chosen_tables(["1", "2", "6"], Selection(datasets=("koniq10k", "livec")))
    made = plan(
        tables, lambda name: place(name, "gone" if name == "flive" else ""), Terms(), tmp_path
    )
    paper = [one for one in made.trainings if one.training == Training(Setup(), ("koniq10k",))]
    (koniq,) = paper  # of Tables 1, 2 and 6
    assert koniq.whole == ("livec",)
    assert (koniq.runs, koniq.done) == (40, 0)
    assert [absent.dataset for absent in made.absent] == ["flive"]
    assert made.unrunnable == 1
    assert not list(tmp_path.iterdir())


def test_folds_are_no_more_than_the_protocol_has(tmp_path: Path) -> None:
    tables, _ = chosen_tables(["6"], Selection(datasets=("koniq10k",), strategies=("lora",)))
    for asked, expected in ((None, 10), (3, 3), (99, 10)):
        made = plan(tables, place, Terms(folds=asked, rates=(1e-4,)), tmp_path)
        assert made.trainings[0].runs == expected


def test_roots_are_looked_through_in_order_and_a_named_folder_goes_first(tmp_path: Path) -> None:
    for root, name in (("a", "oasis"), ("b", "oasis"), ("b", "lnsim")):
        (tmp_path / root / name).mkdir(parents=True)
    roots = roots_of([str(tmp_path / "a"), str(tmp_path / "b"), f"oasis-beauty={tmp_path}/a/oasis"])
    assert roots.present() == ("lnsim", "oasis", "oasis-beauty")
    assert roots.folder("oasis") == tmp_path / "a" / "oasis"
    assert roots.folder("lnsim") == tmp_path / "b" / "lnsim"
    assert roots.folder("oasis-beauty") == tmp_path / "a" / "oasis"
    assert not roots_of([])


def test_a_folder_without_rights_is_a_problem_of_its_dataset_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(root: Path) -> Manifest:
        raise PermissionError(13, "Permission denied", str(root))

    spec = replace(DATASETS.get("lnsim"), read=read)
    monkeypatch.setattr(places, "DATASETS", {"lnsim": spec})
    found = place_of("lnsim", Path("/locked/lnsim"))
    assert found.problem == (
        "lnsim: /locked/lnsim cannot be read (Permission denied); mend its rights"
    )


def test_what_is_written_twice_so_that_a_plan_need_not_load_torch_is_the_same() -> None:
    assert PAPER_RATES == training_sweep.PAPER_LEARNING_RATES
    assert Optimisation().epochs == PAPER_EPOCHS
    assert judging.SWEEP_FILE == training_sweep.SWEEP_FILE
    assert judging.RUN_FILE == RUN_FILE


def test_a_plan_loads_no_torch(root: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from perceptmetrics.cli.main import main\n"
        "try: main(['bench', '--table', 'all', '--plan'])\n"
        "finally: print(sorted({'torch', 'scipy', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr  # nothing could be done, as without --plan
    assert done.stdout.splitlines()[-1] == "[]"
    assert "dataset lamem: no folder is configured" in done.stdout
