"""What a named metric is: a task, and where its adapter comes from. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perceptmetrics.card import MetricCard
from perceptmetrics.views import View


@dataclass(frozen=True)
class EmbeddedAdapter:
    """An adapter file inside an installed package.

    Attributes:
        file: Its path.
        sha256: What its hash must be.
    """

    file: Path
    sha256: str


@dataclass(frozen=True)
class OfficialCheckpoint:
    """A checkpoint of the paper's authors, converted on the user's machine.

    Attributes:
        repo, file: On the Hugging Face hub.
        view: What the encoder sees of an image.
        card: What is known of it.
        revision: A commit of the repo; ``None`` takes the newest, and the card then says which.
        sha256: Of the file; ``None`` where nobody here has seen it.
        rescale: Lowest and highest output, brought to 0 and 1; ``None`` leaves outputs alone.
    """

    repo: str
    file: str
    view: View
    card: MetricCard
    revision: str | None = None
    sha256: str | None = None
    rescale: tuple[float, float] | None = None


@dataclass(frozen=True)
class MetricSpec:
    """A metric that ``create_metric`` finds by name.

    Attributes:
        name: What it is called; ``name@variant`` for another training set or size.
        task: Name of the task that it judges.
        adapter: Where its weights come from.
    """

    name: str
    task: str
    adapter: EmbeddedAdapter | OfficialCheckpoint

    @property
    def card(self) -> MetricCard:
        """Its card; read from the adapter's header if it is embedded. Loads no tensors.

        Its ``sha256`` is what the file's must be; ``create_metric`` compares it with what it is.

        Raises:
            WeightsError: The embedded file is missing or damaged.
        """
        if isinstance(self.adapter, OfficialCheckpoint):
            return self.adapter.card
        from perceptmetrics.weights.adapter import read_card

        return read_card(self.adapter.file, sha256=self.adapter.sha256)[1]
