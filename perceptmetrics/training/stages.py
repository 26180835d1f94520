"""The stages of a run: all together, and before or after it each head on a still encoder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perceptmetrics.backbones import Backbone
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.errors import OptionError
from perceptmetrics.lora import folded_state, parameter_count
from perceptmetrics.model import PerceptualModel, build_model
from perceptmetrics.training.checkpoint import Checkpoints
from perceptmetrics.training.engine import Engine
from perceptmetrics.training.features import FeatureCache, Features, features_of
from perceptmetrics.training.figures import figure, set_rating_scale
from perceptmetrics.training.inputs import CutInputs, FeatureInputs, Inputs
from perceptmetrics.training.recipe import Recipe
from perceptmetrics.training.source import Source
from perceptmetrics.training.trainer import Epoch, Optimisation, Stage, WatchOf, fit
from perceptmetrics.views import View
from perceptmetrics.weights.base import LoadedBase
from perceptmetrics.weights.digest import sha256_of_tensors

History = tuple[Epoch, ...]


@dataclass(frozen=True)
class Views:
    """What the encoder sees of one dataset: in training, when an epoch is judged, in scoring."""

    train: View
    validation: View
    eval: View


def views_of(source: Source, recipe: Recipe) -> Views:
    """The recipe's views, and the task's where it names none.

    Raises:
        OptionError: The view of training gives several cuts.
    """
    scoring = recipe.eval_view or source.task.eval_view
    train = (recipe.train_view or source.task.train_view) if recipe.augment else scoring
    if train.count != 1:
        raise OptionError(
            f"task {source.task.name!r} would train on {train}, which gives {train.count} cuts; "
            "expected one: leave augmentation on, or give a view of one cut"
        )
    return Views(train, recipe.validation_view or scoring, scoring)


def replicas_of(source: Source, recipe: Recipe) -> int:
    """Cuts of a training image per epoch: the recipe's, else the dataset's, else the task's."""
    return recipe.replicas or source.replicas or source.task.replicas


@dataclass(eq=False)
class Stages:
    """Trains a model in stages; each can be killed and gone on with.

    Attributes:
        sources: The datasets.
        backbone: The encoder.
        base: Its pretrained tensors.
        recipe: Everything else.
        out: The run folder, for checkpoints.
        fingerprint: Of the run, for checkpoints.
        engine: One process or many.
        watch: Who looks on.
        checkpoint_seconds: Least time between checkpoints inside an epoch.
        feature_cache: Where features of a still encoder are kept; ``None`` encodes anew.
        model: What is trained.
        trained: How many parameters train in stage one.
        on_features: Names of the datasets whose head was trained on kept features.
        head_first: Dataset -> the history of its head before stage one.
    """

    sources: Sequence[Source]
    backbone: Backbone
    base: LoadedBase
    recipe: Recipe
    out: Path
    fingerprint: str
    engine: Engine
    watch: WatchOf
    checkpoint_seconds: float
    feature_cache: Path | None
    model: PerceptualModel = field(init=False)
    trained: int = field(init=False)
    on_features: set[str] = field(init=False, default_factory=set)
    head_first: dict[str, History] = field(init=False, default_factory=dict)
    _targets: dict[str, Tensor] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Builds the model, with each head on the scale of its ratings."""
        self.model = build_model(
            self.backbone,
            self.base.tensors,
            outputs={source.name: len(source.task.outputs) for source in self.sources},
            head=self.recipe.head or self.sources[0].task.head,
            strategy=self.recipe.strategy,
            lora=self.recipe.lora,
            seed=self.recipe.seed,
        )
        self.trained = parameter_count(self.model)
        self.model.encoder.recompute = self.recipe.recompute
        for source in self.sources:
            targets = torch.from_numpy(np.asarray(source.training.targets))
            if source.task.kind != "classification":
                set_rating_scale(self.model.head(source.name), source.training.targets)
                head = self.model.head(source.name)
                targets = ((targets.float() - head.shift) / head.scale).float()
            self._targets[source.name] = targets
        self.model.to(self.engine.device)

    def heads_first(self, how: Optimisation) -> None:
        """Before stage one: each head on the pretrained encoder, and what scoring sees.

        A head of random numbers sends random gradients into the encoder for many steps; one that
        was trained sends useful ones from the first (Kumar et al., ICLR 2022).
        """
        encoder = self.model.encoder
        adapts = {name for name, tensor in encoder.named_parameters() if tensor.requires_grad}
        for source in self.sources:
            views = views_of(source, self.recipe)
            if views.eval.count == 1:
                views = replace(views, train=views.eval)
            stage = Stage(f"first.{source.name}", source.name, how)
            # Its start is random: a start that scores as well, as on few images, is luck.
            self.head_first[source.name] = self._head_alone(source, stage, views, keep_start=False)
        for name, tensor in encoder.named_parameters():
            tensor.requires_grad_(name in adapts)

    def together(self) -> History:
        """Stage one: encoder and heads, on the mean of the datasets' losses.

        Where the encoder is frozen and every dataset has a fixed view, the heads train on kept
        features.
        """
        still = self.recipe.strategy == "frozen"
        views = [views_of(source, self.recipe) for source in self.sources]
        stage = Stage("", self.sources[0].name, self.recipe.optimisation)
        kept = self._features(self.sources, views, stage) if still else None
        inputs = kept or self._cuts(self.sources, views)
        history, best = fit(
            self.model,
            **self._fit_arguments(inputs, self.sources, stage),
            state=self.model.adapted_state,
            load=self.model.load_adapted_state,
        )
        self.model.load_adapted_state(best)
        return tuple(history)

    def alone(self, source: Source) -> History:
        """Stage two: one head on the encoder as it stands; the rest keeps still.

        The head of stage one is kept where no epoch is better on the validation part.
        """
        stage = Stage(source.name, source.name, self.recipe.optimisation)
        return self._head_alone(source, stage, views_of(source, self.recipe), keep_start=True)

    def _head_alone(
        self, source: Source, stage: Stage, views: Views, *, keep_start: bool
    ) -> History:
        self.model.eval()
        self.model.encoder.requires_grad_(False)
        head = self.model.head(source.name)
        first = {name: tensor.clone() for name, tensor in head.state_dict().items()}
        inputs = self._features([source], [views], stage) or self._cuts([source], [views])
        before = self._score(inputs, source) if keep_start else float("-inf")
        history, best = fit(
            head,
            **self._fit_arguments(inputs, [source], stage),
            state=head.state_dict,
            load=head.load_state_dict,
        )
        better = max(epoch.validation for epoch in history) > before
        head.load_state_dict(best if better else first)
        return tuple(history)

    def _fit_arguments(
        self, inputs: Inputs, sources: Sequence[Source], stage: Stage
    ) -> dict[str, Any]:
        return {
            "forward": inputs.forward,
            "losses": {source.name: source.task.loss for source in sources},
            "batches": inputs.batches,
            "steps": inputs.steps,
            "validate": lambda: float(np.mean([self._score(inputs, s) for s in sources])),
            "how": stage.how,
            "seed": self.recipe.seed,
            "engine": self.engine,
            "checkpoints": Checkpoints(
                self.out,
                f"{self.fingerprint} {stage.name}",
                name=f"checkpoint.{stage.name}" if stage.name else "checkpoint",
                seconds=self.checkpoint_seconds,
                writes=self.engine.is_main,
            ),
            "watch": self.watch(stage),
        }

    def _score(self, inputs: Inputs, source: Source) -> float:
        task = source.task
        return figure(task, task.selects_by, inputs.predict(source), source.validation)

    def _cuts(self, sources: Sequence[Source], views: Sequence[Views]) -> CutInputs:
        return CutInputs(
            self.model,
            sources,
            [self._targets[source.name] for source in sources],
            [replicas_of(source, self.recipe) for source in sources],
            [view.train for view in views],
            [view.validation for view in views],
            batch_size=self.recipe.batch_size,
            seed=self.recipe.seed,
            engine=self.engine,
        )

    def _features(
        self, sources: Sequence[Source], views: Sequence[Views], stage: Stage
    ) -> FeatureInputs | None:
        """Kept features, if every training view is fixed and there is a cache."""
        folder = self.feature_cache
        if folder is None or any(view.train.draws for view in views):
            return None
        encoder = folded_state(self.model.encoder)
        tensors = sha256_of_tensors({n: t.detach().cpu() for n, t in encoder.items()})
        # The same tensors in another architecture are another encoder.
        built = asdict(replace(self.backbone, weights=()))
        sha256 = hashlib.sha256(json.dumps([tensors, built]).encode()).hexdigest()
        watch = self.watch(stage)

        def kept(part: Manifest, view: View) -> Features:
            # One process writes; the others open the file when it is whole.
            for writes in (True, False):
                if writes == self.engine.is_main:
                    cache = FeatureCache(folder, sha256, view, self.backbone.embedding_width)
                    found = features_of(
                        self.model, part.images, view, cache, progress=watch.features
                    )
                self.engine.wait()
            return found

        training = [kept(s.training, v.train) for s, v in zip(sources, views, strict=True)]
        validation = [kept(s.validation, v.validation) for s, v in zip(sources, views, strict=True)]
        self.on_features.update(source.name for source in sources)
        return FeatureInputs(
            self.model,
            sources,
            [self._targets[source.name] for source in sources],
            [replicas_of(source, self.recipe) for source in sources],
            training,
            validation,
            batch_size=self.recipe.batch_size,
            seed=self.recipe.seed,
            engine=self.engine,
        )
