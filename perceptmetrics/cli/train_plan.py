"""What the options of ``train`` and ``sweep`` come to: sources, recipe, encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from perceptmetrics.errors import DataError, OptionError

if TYPE_CHECKING:
    from perceptmetrics.adaptation import Strategy
    from perceptmetrics.backbones import Backbone
    from perceptmetrics.data.split import Split
    from perceptmetrics.training.recipe import Recipe
    from perceptmetrics.training.source import Source
    from perceptmetrics.weights.base import LoadedBase

OWN_FOLDS = 5  # that data of one's own is cut into where nothing else is asked for
OWN_VALIDATION = 0.1  # of it, where no split says what validates


@dataclass(frozen=True)
class TrainPlan:
    """The values of :func:`~perceptmetrics.cli.train_options.train_options`, by their names."""

    task_name: str | None
    data: Path | None
    datasets: tuple[tuple[str, str], ...]
    combination: tuple[str, str] | None
    splits: tuple[Path, ...]
    validation_fraction: float | None
    images: Path | None
    image_column: str | None
    target_columns: tuple[str, ...]
    group_column: str | None
    backbone_name: str
    base: Path | None
    strategy: Strategy
    rank: int
    alpha: float
    lora_dropout: float
    head: str | None
    epochs: int
    patience: int
    weight_decay: float
    schedule: Literal["constant", "one-cycle"]
    batch_size: int
    replicas: int | None
    no_augmentation: bool
    head_first: bool
    second_stage: bool
    seed: int
    half: bool
    device: str
    precision: Literal["fp32", "bf16", "fp16"]
    rows: int | None
    recompute: bool
    feature_cache: Path | None
    no_feature_cache: bool
    checkpoint_seconds: float
    tensorboard: bool
    progress: bool | None

    @classmethod
    def take(cls, given: dict[str, Any]) -> TrainPlan:
        """Takes its own out of a command's arguments."""
        return cls(**{field.name: given.pop(field.name) for field in fields(cls)})

    def check(self) -> None:
        """Refuses what cannot be, before anything is read.

        Raises:
            OptionError: Options that do not go together.
            UnknownNameError: No such backbone.
        """
        if not self.named and self.task_name is None:
            raise OptionError("--data needs --task: what is judged; see 'perceptmetrics list'")
        if not math.isfinite(self.checkpoint_seconds):
            raise OptionError(
                f"--checkpoint-seconds {self.checkpoint_seconds}: expected a number, as in 300"
            )
        if self.named or self.splits:
            self._check_fraction("a split file, or the dataset's protocol,")
        width = self.backbone().width
        if self.strategy == "lora" and self.rank > width:
            raise OptionError(
                f"--rank {self.rank}: the encoder {self.backbone_name} is {width} wide, so a "
                f"higher rank than that brings nothing; 16 is usual, expected at most {width}"
            )

    def _check_fraction(self, who: str) -> None:
        if self.validation_fraction is not None:
            raise OptionError(f"{who} says what validates; leave --validation-fraction out")

    @property
    def named(self) -> tuple[tuple[str, Path], ...]:
        """Names and roots of the published datasets.

        Raises:
            OptionError: Not exactly one of --data, --dataset and --combination.
        """
        given = [bool(self.data), bool(self.datasets), bool(self.combination)]
        if sum(given) != 1:
            raise OptionError("give one of --data, --dataset and --combination")
        if self.combination is not None:
            from perceptmetrics.datasets.combinations import combination

            name, root = self.combination
            return tuple((one, Path(root) / one) for one in combination(name).datasets)
        return tuple((name, Path(root)) for name, root in self.datasets)

    def fold_count(self, asked: int | None) -> int:
        """How many folds a sweep has: as asked, else those of the protocol, or five.

        A manifest that says itself what is test has that one fold.

        Raises:
            DataError: More than a dataset's protocol has.
            OptionError: More than one of a manifest with a column ``split``.
        """
        from perceptmetrics.data.split_column import COLUMN
        from perceptmetrics.data.tables import read_table
        from perceptmetrics.datasets import DATASETS

        counts = []
        for name, root in self.named:
            dataset = DATASETS.get(name)
            drawn = len(dataset.splits(dataset.read(root), root))
            counts.append(dataset.protocol_splits or drawn)
        if self.data is not None:
            if COLUMN not in read_table(self.data).columns:
                return asked or OWN_FOLDS
            if asked not in (None, 1):
                raise OptionError(
                    f"--folds {asked}: the column {COLUMN} of {self.data} is the only fold; leave "
                    "--folds out, or remove the column to have folds drawn"
                )
            return 1
        # A dataset with one split has the same in every fold.
        most = min((count for count in counts if count > 1), default=1)
        if asked is not None and asked > most:
            raise DataError(f"--folds {asked}: the protocol has {most} splits")
        return asked or most

    def sources(self, fold: int = 1, folds: int | None = None) -> list[Source]:
        """The datasets, read and split.

        Args:
            fold: Which split of a published dataset's protocol, from 1, where no file names one.
            folds: Cut data of one's own that states no split into so many folds, and take that one.

        Raises:
            OptionError: Options that do not go together.
            DataError: What is wrong with the data.
        """
        named = self.named
        foreign = {
            "--images": self.images,
            "--image-column": self.image_column,
            "--target-column": self.target_columns,
            "--group-column": self.group_column,
        }
        given = [option for option, value in foreign.items() if value]
        if named and given:
            raise OptionError(f"{given[0]} goes with --data; a published dataset knows its own")
        if not named and fold != 1 and folds is None:
            raise OptionError("--fold goes with --dataset; for --data give a split file")
        if self.splits and len(self.splits) != max(len(named), 1):
            raise OptionError(
                f"{len(self.splits)} split files for {max(len(named), 1)} datasets; give one for "
                "each, in their order"
            )
        if not named:
            return [self._own(fold, folds)]
        return [self._published(name, root, fold, n) for n, (name, root) in enumerate(named)]

    def _own(self, fold: int, folds: int | None) -> Source:
        from perceptmetrics.data.manifest import read_manifest
        from perceptmetrics.data.protocols import fold_splits
        from perceptmetrics.data.split_column import split_of_manifest
        from perceptmetrics.tasks import TASKS
        from perceptmetrics.training.source import source_of

        if self.task_name is None or self.data is None:
            raise OptionError("--data needs --task: what is judged; see 'perceptmetrics list'")
        task = TASKS.get(self.task_name)
        rated = read_manifest(
            self.data,
            task,
            images=self.images,
            image_column=self.image_column,
            target_columns=self.target_columns,
            group_column=self.group_column,
        )
        split = self._split_file(0) or split_of_manifest(self.data, rated)
        if split is None and folds is not None:
            split = fold_splits(rated, self.data.stem, folds=folds)[fold - 1]
        if split is not None:
            self._check_fraction(f"split {split.name!r} of {split.dataset}")
        return source_of(
            task,
            rated,
            split=split,
            validation_fraction=self.validation_fraction or OWN_VALIDATION,
            seed=self.seed,
        )

    def _published(self, name: str, root: Path, fold: int, number: int) -> Source:
        from perceptmetrics.card import MetricCard
        from perceptmetrics.datasets import DATASETS
        from perceptmetrics.tasks import TASKS
        from perceptmetrics.training.source import source_of

        dataset = DATASETS.get(name)
        task = TASKS.get(self.task_name or dataset.task)
        rated = dataset.read(root)
        split = self._split_file(number)
        if split is None:
            drawn = dataset.splits(rated, root)
            if fold > len(drawn) > 1:
                raise DataError(f"{name} has {len(drawn)} splits, there is no split {fold}")
            split = drawn[fold - 1] if len(drawn) > 1 else drawn[0]
        return source_of(
            task,
            rated,
            name=name,
            split=split,
            replicas=dataset.replicas,
            card=MetricCard(
                name=task.name,
                task=task.name,
                outputs=task.outputs,
                training_data=f"{dataset.title}, {len(split.training):,} images",
                licence=dataset.licence,
                paper=dataset.paper,
                score_range=dataset.score_range,
                direction=dataset.direction,
            ),
        )

    def _split_file(self, number: int) -> Split | None:
        from perceptmetrics.data.split import load_split

        return load_split(self.splits[number]) if self.splits else None

    def recipe(self, learning_rate: float) -> Recipe:
        """What decides the run beside its data and base."""
        from perceptmetrics.adaptation import LoRAConfig
        from perceptmetrics.heads import head_named
        from perceptmetrics.training.recipe import HEAD_FIRST, Recipe
        from perceptmetrics.training.trainer import Optimisation

        return Recipe(
            strategy=self.strategy,
            lora=LoRAConfig(self.rank, self.alpha, self.lora_dropout),
            head=None if self.head is None else head_named(self.head),
            optimisation=Optimisation(
                epochs=self.epochs,
                patience=self.patience,
                learning_rate=learning_rate,
                weight_decay=self.weight_decay,
                schedule=self.schedule,
                precision=self.precision,
                rows=self.rows,
            ),
            batch_size=self.batch_size,
            replicas=1 if self.no_augmentation else self.replicas,
            augment=not self.no_augmentation,
            head_first=replace(HEAD_FIRST, precision=self.precision, rows=self.rows)
            if self.head_first
            else None,
            second_stage=self.second_stage,
            recompute=self.recompute,
            seed=self.seed,
            half=self.half,
        )

    def backbone(self) -> Backbone:
        """The backbone alone: cheap, so that a wrong name is found first."""
        from perceptmetrics.backbones import find_backbone

        family, _, tag = self.backbone_name.partition(".")
        if self.base is not None and tag:
            raise OptionError(
                f"--base {self.base} and the tag {tag!r} of --backbone: give one of them"
            )
        return find_backbone(family)

    def encoder(self) -> tuple[Backbone, LoadedBase, str]:
        """The backbone, its tensors, and their full name."""
        from perceptmetrics.backbones.weight_maps import canonical
        from perceptmetrics.weights.base import load_base, load_base_file

        backbone, tag = self.backbone(), self.backbone_name.partition(".")[2]
        if self.base is None:
            weights = backbone.weights_of(tag or None)
            return backbone, load_base(backbone.name, weights), f"{backbone.name}.{weights.tag}"
        loaded = load_base_file(self.base, canonical)
        return backbone, loaded, f"{backbone.name}.{loaded.sha256[:12]}"

    def features_folder(self) -> Path | None:
        """Where features are kept; ``None`` where they are not wanted."""
        from perceptmetrics.weights.cache import cache_folder

        if self.no_feature_cache:
            return None
        return self.feature_cache or cache_folder() / "features"
