"""What is trained, and which figure of it is judged, as plain values: no torch here.

Fields are called as in :class:`~perceptmetrics.training.recipe.Recipe`, whose defaults beside
these are the paper's (section 3.1). Two cells of the paper that need the same training hold equal
:class:`Training` values, so that a set of them is what is to be run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from perceptmetrics.adaptation import LoRAConfig, Strategy
from perceptmetrics.bench.protocols import protocol
from perceptmetrics.errors import OptionError
from perceptmetrics.heads import MLP_HEAD, HeadSpec, head_named

LOGISTIC = "logistic"  # by this name evaluation knows it


@dataclass(frozen=True)
class Measure:
    """A figure that the paper prints.

    Attributes:
        name: As in :class:`~perceptmetrics.evaluation.figures.Figure`.
        scale: How scores are brought to the ratings' scale, see the same.
        higher_is_better: Whether more is better.
        low, high: Between which it must lie on the paper's datasets.
    """

    name: str
    scale: str = ""
    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0

    @property
    def title(self) -> str:
        """What a column of ours is called; there are two of PLCC, and the logistic is said.

        Example:
            >>> SRCC.title, PLCC.title, MSE.title
            ('SRCC', 'PLCC, logistic', 'MSE')
        """
        return f"{self.name}, {self.scale}" if self.scale == LOGISTIC else self.name


SRCC = Measure("SRCC", low=-1.0)
PLCC = Measure("PLCC", scale=LOGISTIC, low=-1.0)  # equation 1 of A.1
MSE = Measure("MSE", scale="as scored", higher_is_better=False)
ACCURACY = Measure("accuracy")
MEAN_AVERAGE_PRECISION = Measure("mAP")
MACRO_F1 = Measure("macro F1")
WEIGHTED_F1 = Measure("weighted F1")


@dataclass(frozen=True)
class Setup:
    """How the method is set up; the defaults are the paper's own (section 3.1).

    Attributes:
        backbone: Its name in :data:`perceptmetrics.backbones.BACKBONES`, family and size.
        weights: Tag of its weights; empty where none are registered and a file must be given.
        strategy: What trains beside the head (Table 6).
        lora: Rank and alpha (Tables A.10 and A.11).
        head: The paper's MLP, or one linear layer (Table 7).
        second_stage: Train each head alone afterwards, with the encoder frozen (section 3.2).

    Example:
        >>> Setup(strategy="frozen").backbone
        'clip-l14'
    """

    backbone: str = "clip-l14"
    weights: str = "openai"
    strategy: Strategy = "lora"
    lora: LoRAConfig = field(default_factory=LoRAConfig)
    head: HeadSpec = MLP_HEAD
    second_stage: bool = False


@dataclass(frozen=True)
class Training:
    """One setup on one dataset, or on several together, over all folds of the protocol.

    Attributes:
        setup: How.
        datasets: On what; more than one share the encoder, and each has its own head.

    Example:
        >>> one = Training(Setup(), ("koniq10k",))
        >>> one.folds
        10
        >>> " ".join(one.options())
        '--backbone clip-l14.openai --strategy lora --rank 16 --alpha 8 --head mlp'
    """

    setup: Setup
    datasets: tuple[str, ...]

    @property
    def folds(self) -> int:
        """How many trainings the protocol asks for, at each learning rate.

        A dataset with one split has the same in every fold.

        Raises:
            UnknownNameError: The paper has no protocol for one of the datasets.
        """
        counts = [protocol(dataset).splits for dataset in self.datasets]
        return min((count for count in counts if count > 1), default=1)

    def options(self) -> tuple[str, ...]:
        """The setup as ``perceptmetrics sweep`` takes it; where the datasets lie is not in it.

        Raises:
            OptionError: The head is neither of the paper's two, which have names.
        """
        setup = self.setup
        heads = [name for name in ("mlp", "linear") if head_named(name) == setup.head]
        if not heads:
            raise OptionError(f"{setup.head} has no name on the command line; mlp and linear have")
        weights = f".{setup.weights}" if setup.weights else ""
        options = [
            *("--backbone", setup.backbone + weights),
            *("--strategy", setup.strategy),
            *("--rank", str(setup.lora.rank)),
            *("--alpha", f"{setup.lora.alpha:g}"),
            *("--head", heads[0]),
        ]
        return (*options, "--second-stage") if setup.second_stage else tuple(options)
