"""A table of one's own: setups down, datasets across, from the options of a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from perceptmetrics.adaptation import LoRAConfig
from perceptmetrics.backbones import BACKBONES, Backbone, find_backbone
from perceptmetrics.bench.experiment import ACCURACY, MACRO_F1, MSE, PLCC, SRCC, Setup
from perceptmetrics.bench.methods import Method
from perceptmetrics.bench.selection import Selection, size_of
from perceptmetrics.bench.table import Column, Row, Table
from perceptmetrics.datasets import DATASETS
from perceptmetrics.errors import OptionError
from perceptmetrics.heads import head_named
from perceptmetrics.tasks import TASKS

OWN = "own"  # the name of the table that no paper has printed
_HERE = Method("perceptmetrics", "trained here")


def own_table(selection: Selection, datasets: Sequence[str]) -> Table:
    """Setups down, datasets across: every combination of the options, on what is at hand.

    Args:
        selection: Setups; where nothing is said, the default backbone of every family that has
            weights, and the paper's own way to train.
        datasets: Across.

    Raises:
        OptionError: A family has none of the sizes that are asked for, or there is no dataset.

    Example:
        >>> table = own_table(Selection(backbones=("clip", "dinov2")), ["oasis"])
        >>> [row.name for row in table.rows]
        ['clip-b16.openai-int8, lora r 16 alpha 8, mlp', 'dinov2-s14.meta, lora r 16 alpha 8, mlp']
        >>> [column.name for column in table.columns][:2]
        ['oasis valence | SRCC', 'oasis valence | PLCC, logistic']
    """
    columns = tuple(column for dataset in datasets for column in _columns(dataset))
    if not columns:
        raise OptionError("there is no dataset for a table; see 'perceptmetrics data list'")
    nothing = " ".join("-" for _ in columns)
    rows = {
        setup: Row(describe(setup), _HERE, nothing, setup=setup) for setup in _setups(selection)
    }
    return Table(
        name=OWN,
        title="setups on the datasets that are here",
        section="",
        columns=columns,
        rows=tuple(rows.values()),
        note="No paper has printed this table. Where the paper has a figure of the same training, "
        "it stands beside ours.",
    )


def describe(setup: Setup) -> str:
    """A setup in a few words.

    Example:
        >>> describe(Setup(strategy="frozen", second_stage=True))
        'clip-l14.openai, frozen, mlp, two stages'
    """
    name = f"{setup.backbone}.{setup.weights}" if setup.weights else setup.backbone
    lora = f" r {setup.lora.rank} alpha {setup.lora.alpha:g}" if setup.strategy == "lora" else ""
    heads = [one for one in ("mlp", "linear") if head_named(one) == setup.head]
    stages = ["two stages"] if setup.second_stage else []
    return ", ".join([name, setup.strategy + lora, *(heads or [str(setup.head)]), *stages])


def _setups(selection: Selection) -> Iterator[Setup]:
    for spec, strategy, head, rank, alpha in product(
        _backbones(selection),
        selection.strategies or ("lora",),
        selection.heads or ("mlp",),
        selection.ranks or (LoRAConfig().rank,),
        selection.alphas or (LoRAConfig().alpha,),
    ):
        # Rank and alpha are of LoRA: the other strategies are one setup whatever they are.
        lora = LoRAConfig(rank, alpha) if strategy == "lora" else LoRAConfig()
        default = spec.weights[0].tag if spec.weights else ""
        yield Setup(spec.name, selection.weights(spec, default), strategy, lora, head_named(head))


def _backbones(selection: Selection) -> list[Backbone]:
    families = {spec.family for spec in BACKBONES}
    names = [name.partition(".")[0] for name in selection.backbones]
    if not names:
        names = [
            spec.family if selection.sizes else spec.name
            for spec in BACKBONES
            if spec.default_of_family and (spec.weights or spec.name in selection.bases)
        ]
    found: dict[str, Backbone] = {}
    for name in names:
        if name not in families or name in BACKBONES or not selection.sizes:
            spec = find_backbone(name)
            found[spec.name] = spec
            continue
        of_family = [spec for spec in BACKBONES if spec.family == name]
        sized = [spec for spec in of_family if size_of(spec) in selection.sizes]
        if not sized and selection.backbones:
            raise OptionError(
                f"{name} has none of the sizes {', '.join(selection.sizes)}; it has "
                + ", ".join(size_of(spec) for spec in of_family)
            )
        found.update({spec.name: spec for spec in sized})
    if not found:
        raise OptionError(
            f"no backbone has a size {', '.join(selection.sizes)}; see 'perceptmetrics list'"
        )
    return list(found.values())


def _columns(dataset: str) -> Iterator[Column]:
    task = TASKS.get(DATASETS.get(dataset).task)
    if task.kind == "classification":
        for measure in (ACCURACY, MACRO_F1):
            yield Column(f"{dataset} | {measure.name}", measure, dataset)
        return
    # Scores on an open scale have no error in the ratings' unit.
    measures = (SRCC, PLCC) if task.scale_free else (SRCC, PLCC, MSE)
    for output in task.outputs:
        named = dataset if len(task.outputs) == 1 else f"{dataset} {output}"
        for measure in measures:
            yield Column(f"{named} | {measure.title}", measure, dataset, output=output)
