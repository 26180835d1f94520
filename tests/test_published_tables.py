"""The paper's tables as data: complete, of one piece, and as a second person read them."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.bench import TABLES, Table, tables_in_order
from perceptmetrics.bench.experiment import MSE, Setup, Training
from perceptmetrics.bench.methods import PERCEPTCLIP, PREVIOUS_BEST
from perceptmetrics.bench.protocols import PROTOCOLS, Protocol, protocol
from perceptmetrics.bench.table import Cell, Column, Row
from perceptmetrics.cli.train_options import train_options
from perceptmetrics.cli.train_plan import TrainPlan
from perceptmetrics.data.protocols import LODA_COUNT, LODA_TRAINING, VALIDATION_OF_TRAINING
from perceptmetrics.datasets import DATASETS
from perceptmetrics.datasets.builtin import lamem, sun
from perceptmetrics.datasets.combinations import COMBINATIONS
from perceptmetrics.errors import OptionError, UnknownNameError
from perceptmetrics.evaluation.figures import classification_figures, regression_figures
from perceptmetrics.heads import HeadSpec
from perceptmetrics.tasks import TASKS

NAMES = [*"1234567", *(f"A.{number}" for number in range(1, 12))]
ALL = [cell for name in NAMES for cell in TABLES.get(name).cells()]
MADE = [cell for cell in ALL if cell.training is not None]
OURS = "PerceptCLIP (Ours)"
TOGETHER = "PerceptCLIP Multi-Dataset"


def where(cell: Cell) -> str:
    return f"table {cell.table}, {cell.row.name}, {cell.column.name}"


def value(table: str, row: str, column: str) -> float:
    found = TABLES.get(table).cell(row, column).value
    assert found is not None
    return found


# What there is.


def test_every_table_of_the_paper_is_there_in_its_order() -> None:
    assert [table.name for table in tables_in_order()] == NAMES


def test_every_rival_that_the_paper_names_is_there() -> None:
    rivals = {cell.row.method.name for cell in ALL if cell.training is None}
    assert rivals - {PREVIOUS_BEST.name} == {
        *("HyperIQA", "MUSIQ", "TReS", "DEIQT", "LIQE", "Re-IQA", "QPT-ResNet50", "LoDa"),
        *("MemNet", "AMNet", "Leonardi et al.", "ViTMem", "Squalli-Houssaini et al.", "ResMem"),
        *("MRCNN", "MDAN", "StimuliVEA", "PT-DPC", "SimEmotion", "MVP"),
    }


def test_an_unknown_table_row_or_column_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no table is called 'a\.8': did you mean 'A\.8'"):
        TABLES.get("a.8")
    with pytest.raises(UnknownNameError, match=r"row of table A\.8 .* did you mean 'DinoV2'"):
        TABLES.get("A.8").cell("dinov2", "LaMem | SRCC")
    with pytest.raises(UnknownNameError, match=r"column of table 3 .* 'LaMem \| SRCC'"):
        TABLES.get("3").cell("MemNet", "lamem | srcc")


def test_reading_all_tables_loads_nothing_heavy(root: Path) -> None:
    code = (
        "import sys; from perceptmetrics.bench import tables_in_order; tables_in_order();"
        "print(sorted({'torch', 'numpy', 'scipy', 'PIL', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# What each figure takes to make is there too.


@pytest.mark.parametrize("training", sorted({c.training for c in MADE if c.training}, key=str))
def test_what_a_figure_needs_is_registered(training: Training) -> None:
    assert set(training.datasets) <= set(DATASETS.names())
    backbone = BACKBONES.get(training.setup.backbone)
    if backbone.weights:
        assert backbone.weights_of(training.setup.weights).tag == training.setup.weights
    else:
        assert training.setup.weights == ""


def test_only_rivals_are_not_trained() -> None:
    assert all((cell.training is not None) == (cell.row.method == PERCEPTCLIP) for cell in ALL)
    assert all(cell.value is not None for cell in MADE)


def test_each_measure_is_one_that_evaluation_gives() -> None:
    for column in {cell.column for cell in ALL}:
        task = TASKS.get(DATASETS.get(column.dataset).task)
        output = column.output or ("all classes" if task.kind == "classification" else "")
        assert (column.measure.name, column.measure.scale, output) in given_by(task.kind)
        if column.output:
            assert column.output in task.groupings


@cache
def given_by(kind: str) -> set[tuple[str, str, str]]:
    """Measure, scale and output of every figure that evaluation computes."""
    if kind == "regression":
        ratings = np.arange(6.0)
        figures = regression_figures(ratings, ratings, [""], samples=2)
    else:
        groupings = {"polarity": {"positive": ("a",), "negative": ("b",)}}
        truth = np.array([0, 1, 0, 1])
        figures, _ = classification_figures(
            np.eye(2)[truth], truth, ("a", "b"), groupings, samples=2
        )
    return {(one.measure, one.scale, one.output) for one in figures}


def test_the_setups_are_options_of_sweep_that_give_the_same_recipe() -> None:
    plans: list[TrainPlan] = []

    @click.command()
    @train_options
    def command(**given: object) -> None:
        plans.append(TrainPlan.take(dict(given)))

    trainings = {replace(c.training, datasets=("lamem",)) for c in MADE if c.training}
    for training in trainings:
        setup = training.setup
        done = CliRunner().invoke(command, training.options(), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        recipe = plans[-1].recipe(1e-4)
        assert plans[-1].backbone().name == setup.backbone
        assert plans[-1].backbone_name.partition(".")[2] == setup.weights
        same = (recipe.strategy, recipe.lora, recipe.head, recipe.second_stage)
        assert same == (setup.strategy, setup.lora, setup.head, setup.second_stage)


def test_a_head_without_a_name_is_no_option() -> None:
    with pytest.raises(OptionError, match="has no name on the command line"):
        Training(Setup(head=HeadSpec((3,))), ("lamem",)).options()


def test_alpha_of_a_column_goes_with_rank_of_a_row() -> None:
    for cell in (*TABLES.get("A.10").cells(), *TABLES.get("A.11").cells()):
        assert cell.training is not None
        lora = cell.training.setup.lora
        assert (f"{lora.rank}", f"{lora.alpha:g}") == (cell.row.name, cell.column.name)


def test_the_ablations_differ_from_the_papers_own_setup_in_one_thing() -> None:
    paper = Setup()
    changed = {
        "6": {"strategy"},
        "7": {"head"},
        "A.7": {"backbone"},
        "A.8": {"backbone", "weights"},
    }
    for name, fields in changed.items():
        for row in TABLES.get(name).rows:
            assert row.setup is not None
            reset = {field: getattr(paper, field) for field in fields}
            assert replace(row.setup, **reset) == paper


def test_joint_rows_train_on_the_papers_combinations() -> None:
    joint = {cell.training.datasets for cell in MADE if cell.training and cell.row.joint}
    assert joint == {one.datasets for one in COMBINATIONS}
    assert all(
        cell.training.setup.second_stage for cell in MADE if cell.row.joint and cell.training
    )


def test_only_sets_that_were_not_trained_on_are_judged_whole() -> None:
    for cell in MADE:
        assert cell.training is not None
        assert cell.column.whole == (cell.column.dataset not in cell.training.datasets)


# Protocols.


@pytest.mark.parametrize("one", PROTOCOLS, ids=lambda one: one.dataset)
def test_a_protocol_is_that_of_task_and_reader(one: Protocol) -> None:
    dataset = DATASETS.get(one.dataset)
    assert one.training + one.validation + one.test == pytest.approx(1)
    assert one.average == TASKS.get(dataset.task).average
    if dataset.task == "iqa":
        assert one.splits == LODA_COUNT
        assert one.training + one.validation == pytest.approx(LODA_TRAINING)
        assert one.validation == pytest.approx(VALIDATION_OF_TRAINING * LODA_TRAINING)
    if dataset.protocol_splits:
        assert one.splits == dataset.protocol_splits
    lists = {"lamem": lamem.FOLDS, "sun": sun.SPLITS}
    assert one.splits == lists.get(one.dataset, one.splits)


def test_every_dataset_of_the_tables_has_a_protocol_and_no_other() -> None:
    used = {name for table in tables_in_order() for name in table.datasets}
    assert used == {one.dataset for one in PROTOCOLS}
    with pytest.raises(UnknownNameError, match="no protocol of the paper is called 'oasis'"):
        protocol("oasis")


def test_folds_of_datasets_together_are_those_that_sweep_takes() -> None:
    """A dataset with one split has it in every fold: TrainPlan.fold_count."""
    assert Training(Setup(), ("emoset", "emotionroi")).folds == 5
    assert Training(Setup(), ("emoset",)).folds == 1
    assert Training(Setup(), ("livec", "koniq10k", "spaq")).folds == 10


# The figures among themselves.


def test_every_figure_lies_where_its_measure_can() -> None:
    off = [
        where(cell)
        for cell in ALL
        if cell.value is not None
        and not cell.column.measure.low <= cell.value <= cell.column.measure.high
    ]
    assert off == []
    # Ratings from 0 to 1 have a variance of at most a quarter.
    errors = [cell.value for cell in ALL if cell.column.measure == MSE and cell.value is not None]
    assert max(errors) < 0.25
    others = [c.value for c in ALL if c.column.measure != MSE and c.value is not None]
    assert min(others) > 0.2


def test_srcc_and_plcc_stand_side_by_side_and_near() -> None:
    for name in ("1", "A.4"):
        table = TABLES.get(name)
        for left, right in zip(table.columns[::2], table.columns[1::2], strict=True):
            assert (left.measure.name, right.measure.name) == ("SRCC", "PLCC")
            assert left.dataset == right.dataset
            for row in table.rows:
                srcc, plcc = (table.cell(row.name, c.name).value for c in (left, right))
                assert (srcc is None) == (plcc is None)
                if srcc is not None and plcc is not None:
                    assert abs(srcc - plcc) < 0.12


def test_two_classes_are_easier_than_all() -> None:
    for row in TABLES.get("4").rows:
        for header, all_classes in (("EmoSet", "8"), ("EmotionROI", "6")):
            many, two = (
                TABLES.get("4").cell(row.name, f"{header} | {n}").value for n in (all_classes, "2")
            )
            assert many is None or two is None or many < two


def test_one_experiment_has_one_figure_in_all_tables_that_print_it() -> None:
    groups: dict[object, list[Cell]] = {}
    for cell in ALL:
        column = cell.column
        judged = (column.measure, column.dataset, column.output, column.whole)
        by = cell.training or (cell.row.method, column.trained_on)
        if cell.value is not None and cell.row.method != PREVIOUS_BEST:
            groups.setdefault((by, judged), []).append(cell)
    repeated = [cells for cells in groups.values() if len({c.table for c in cells}) > 1]
    assert len(repeated) >= 20
    for cells in repeated:
        low = max(c.value - c.rounding for c in cells if c.value is not None)
        high = min(c.value + c.rounding for c in cells if c.value is not None)
        assert low <= high + 1e-12, [f"{where(c)}: {c.printed}" for c in cells]


@given(figure=st.floats(0, 1), digits=st.integers(1, 6))
def test_a_printed_figure_is_off_by_no_more_than_its_rounding(figure: float, digits: int) -> None:
    cell = replace(ALL[0], printed=f"{figure:.{digits}f}")
    assert cell.value is not None
    assert abs(cell.value - figure) <= cell.rounding * (1 + 1e-9)


# What the paper's text says of them, computed again.

GAINS = [
    # Section, relative improvement in per cent as printed, ours, theirs.
    ("5.1", "1.4", ("1", f"{OURS} (3M)", "KonIQ-10k | SRCC"), ("1", "LoDa (9M)")),
    ("5.1", "6.4", ("2", OURS, "FLIVE | KonIQ"), ("2", "LoDa")),
    ("5.2", "2.9", ("3", OURS, "LaMem | SRCC"), ("3", "Squalli-Houssaini et al")),
    ("5.2", "9.2", ("3", OURS, "LaMem | MSE"), ("3", "ViTMem")),
    ("5.2", "12", ("A.1", OURS, "THINGS | SRCC"), ("A.1", "ViTMem")),
    ("5.3", "4", ("4", OURS, "EmoSet | 8"), ("4", "MVP")),
    ("5.3", "4", ("4", OURS, "EmotionROI | 6"), ("4", "MVP")),
    ("5.4", "1.5", ("5", f"{TOGETHER} (Ours)", "IQA | LIVEC | SRCC"), ("5", OURS)),
    ("5.4", "5.6", ("5", f"{TOGETHER} (Ours)", "VEA | EmoROI-6 | ACC"), ("5", "Previous SOTA")),
]


@pytest.mark.parametrize(("section", "said", "ours", "other"), GAINS)
def test_a_relative_improvement_of_the_text_follows_from_the_table(
    section: str, said: str, ours: tuple[str, str, str], other: tuple[str, str]
) -> None:
    table, row, column = ours
    first = TABLES.get(table).cell(row, column)
    second = TABLES.get(other[0]).cell(other[1], column)
    assert first.value is not None
    assert second.value is not None
    sign = 1 if first.column.measure.higher_is_better else -1
    ends = [
        sign * ((first.value + a * first.rounding) / (second.value + b * second.rounding) - 1)
        for a in (-1, 1)
        for b in (-1, 1)
    ]
    half = 0.5 * 10.0 ** -len(said.partition(".")[2])
    assert 100 * min(ends) - half <= float(said) <= 100 * max(ends) + half, section


def best(table: str, row: str) -> dict[str, bool]:
    """Column -> whether the row is best, or level with the best."""
    found = TABLES.get(table)
    return {
        column.name: row in [one.name for one in found.best(column)] for column in found.columns
    }


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("2", OURS),
        ("3", OURS),
        ("4", OURS),
        ("5", f"{TOGETHER} (Ours)"),
        ("6", "LoRA for CLIP"),
        ("7", "MLP (Ours)"),
        ("A.1", OURS),
        ("A.3", "Ours"),
        ("A.7", "ViT-L/14"),
        ("A.8", "CLIP"),
        ("A.9", "PerceptCLIP 2-Phase Training Multi-Dataset"),
    ],
)
def test_the_row_that_the_text_calls_best_is_best_in_every_column(table: str, row: str) -> None:
    assert [column for column, is_best in best(table, row).items() if not is_best] == []


def test_quality_is_best_or_level_on_five_datasets_and_in_plcc_on_six() -> None:
    """The text says five, the caption six: the note of Table 1."""
    table, ours = TABLES.get("1"), best("1", f"{OURS} (3M)")
    assert [name for name, is_best in ours.items() if not is_best] == [
        "FLIVE | SRCC",
        "FLIVE | PLCC",
        "TID2013 | SRCC",
    ]
    level = [c.name for c in table.columns if ours[c.name] and len(table.best(c)) > 1]
    assert level == ["LIVE | SRCC", "LIVE | PLCC", "TID2013 | PLCC"]


def test_trainable_parameters_go_from_9_to_152_millions_against_3() -> None:
    rows = TABLES.get("1").rows
    assert all(row.name.endswith(f"({row.trainable}M)") for row in rows)
    rivals = [row.trainable or 0 for row in rows if row.setup is None]
    assert (min(rivals), max(rivals), rows[-1].trainable) == (9, 152, 3)


def test_a_frozen_encoder_is_better_than_a_wholly_trained_one_in_every_column() -> None:
    table = replace(TABLES.get("6"), rows=TABLES.get("6").rows[:2])
    assert all([r.name for r in table.best(c)] == ["Frozen CLIP"] for c in table.columns)


def test_the_finer_patch_is_better_in_every_column() -> None:
    table = replace(TABLES.get("A.7"), rows=TABLES.get("A.7").rows[:2])
    assert all([r.name for r in table.best(c)] == ["ViT-B/16"] for c in table.columns)


def test_rank_and_alpha_move_no_figure_by_more_than_a_thousandth() -> None:
    for name in ("A.10", "A.11"):
        values = [cell.value or 0 for cell in TABLES.get(name).cells()]
        assert max(values) - min(values) <= 0.001 + 1e-12


def test_several_datasets_help_the_small_ones_and_cost_the_large_ones_little() -> None:
    small = {"livec", "live", "tid2013", "things", "emotionroi"}
    for name in ("A.4", "A.5", "A.6"):
        for column in TABLES.get(name).columns:
            sign = 1 if column.measure.higher_is_better else -1
            one, several = (value(name, row, column.name) for row in ("PerceptCLIP", TOGETHER))
            gain = sign * (several - one)
            assert gain >= (0 if column.dataset in small else -0.002)


def test_trained_together_no_rival_is_better_anywhere() -> None:
    """Section 5.4: improved results across all datasets and tasks."""
    rivals: dict[tuple[object, ...], list[float]] = {}
    for cell in ALL:
        key = (cell.column.measure, cell.column.dataset, cell.column.output, cell.column.whole)
        if cell.row.setup is None and cell.value is not None:
            rivals.setdefault(key, []).append(cell.value)
    for cell in (c for c in ALL if c.row.joint and c.value is not None):
        key = (cell.column.measure, cell.column.dataset, cell.column.output, cell.column.whole)
        others = rivals.get(key, [])
        sign = 1 if cell.column.measure.higher_is_better else -1
        assert all(sign * (cell.value or 0) >= sign * other for other in others), where(cell)


def test_previous_best_of_table_5_is_the_rivals_best_but_for_one_plcc() -> None:
    """The note of Table 5: on LIVEC it is that of the method with the best SRCC."""
    differ = []
    for header, table, column in (
        ("IQA | LIVEC | SRCC", "1", "LIVEC | SRCC"),
        ("IQA | LIVEC | PLCC", "1", "LIVEC | PLCC"),
        ("IQA | TID2013 | SRCC", "1", "TID2013 | SRCC"),
        ("IQA | TID2013 | PLCC", "1", "TID2013 | PLCC"),
        ("VEA | EmoROI-6 | ACC", "4", "EmotionROI | 6"),
    ):
        cells = [TABLES.get(table).cell(row.name, column) for row in TABLES.get(table).rows]
        rivals = [cell.value or 0 for cell in cells if cell.training is None]
        if value("5", "Previous SOTA", header) != max(rivals):
            differ.append((header, max(rivals)))
    assert differ == [("IQA | LIVEC | PLCC", 0.914)]


def test_where_the_figures_do_not_bear_out_the_text_the_table_has_a_note() -> None:
    assert [c for c, is_best in best("A.2", OURS).items() if not is_best] == ["SUN | MSE"]
    assert "0.011" in TABLES.get("A.2").note
    linear = value("7", "Linear Layer", "Memorability | LaMem | MSE")
    assert linear > value("3", "ViTMem", "LaMem | MSE")
    assert "0.0077" in TABLES.get("7").note


# A table that is not one is refused.


def small(figures: str = "0.1 0.2", columns: tuple[str, ...] = ("a", "b")) -> Table:
    return Table(
        "9",
        "none",
        "none",
        tuple(Column(name, MSE, "lamem") for name in columns),
        (Row("mine", PERCEPTCLIP, figures),),
    )


@pytest.mark.parametrize(
    ("figures", "columns", "message"),
    [
        ("0.1", ("a", "b"), "row 'mine': 1 figures for 2 columns"),
        ("0.1 high", ("a", "b"), "'high' is no figure"),
        ("0.1 nan", ("a", "b"), "'nan' is no figure"),
        ("0.1 0.2", ("a", "a"), "two columns have one name"),
    ],
)
def test_a_malformed_table_is_refused(figures: str, columns: tuple[str, ...], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        small(figures, columns)


def test_a_joint_row_outside_all_combinations_is_refused() -> None:
    with pytest.raises(OptionError, match="sun is in no combination"):
        Table(
            "9",
            "none",
            "none",
            (Column("a", MSE, "sun"),),
            (Row("mine", PERCEPTCLIP, "0.1", setup=Setup(), joint=True),),
        )


def test_an_absent_figure_has_no_value_and_is_never_best() -> None:
    made = small("- 0.2")
    assert [cell.value for cell in made.cells()] == [None, 0.2]
    assert made.best(made.columns[0]) == ()


# The second transcription: another person's, of the same paper.

Key = tuple[str, str, str]
READ = Path(__file__).parent / "published_figures"


def test_a_second_transcription_reads_the_same() -> None:
    files = sorted(READ.glob("*.csv"))
    if not files:
        pytest.skip(f"no second transcription: {READ} holds no CSV")
    second: dict[Key, str] = {}
    for file in files:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for line in csv.DictReader(lines):
                key = normalised(line["table"], line["row"], line["column"])
                assert key not in second, f"{file.name} has two figures for {key}"
                second[key] = figure(line["value"])
    assert differences(first_transcription(), second) == []


def first_transcription() -> dict[Key, str]:
    return {normalised(c.table, c.row.name, c.column.name): figure(c.printed) for c in ALL}


def test_names_stay_different_when_normalised() -> None:
    assert len(first_transcription()) == len(ALL)


def differences(first: dict[Key, str], second: dict[Key, str]) -> list[str]:
    """One line for each figure that the two do not share."""
    lines = []
    for key in sorted({*first, *second}):
        mine, other = first.get(key, "absent"), second.get(key, "absent")
        if mine != other:
            lines.append(f"{' / '.join(key)}: package {mine}, second {other}")
    return lines


def test_a_comparison_names_what_differs_and_what_one_side_lacks() -> None:
    one, two, three = ("1", "a", "srcc"), ("1", "b", "srcc"), ("1", "c", "srcc")
    assert differences({one: "0.1", two: "0.2"}, {one: "0.3", three: "0.2"}) == [
        "1 / a / srcc: package 0.1, second 0.3",
        "1 / b / srcc: package 0.2, second absent",
        "1 / c / srcc: package absent, second 0.2",
    ]


def normalised(table: str, row: str, column: str) -> Key:
    """Names without case, arrows, marks, blanks, parameter counts, and the group of the task."""
    return (table.strip().upper(), bare([row]), bare(column.split("|")[-2:]))


def bare(parts: Iterable[str]) -> str:
    text = "|".join(parts).lower()
    text = re.sub(r"\(\d+m\)|\(ours\)|\\(up|down)arrow|^\s*(r|α|alpha)\s*=", "", text)
    return re.sub(r"[^a-z0-9|]", "", text)


def figure(printed: str) -> str:
    """As printed, without marks; every dash is one."""
    text = re.sub(r"[*_\s$]", "", printed).lower()
    return "-" if text in {"-", "–", "—", "−", ""} else text
