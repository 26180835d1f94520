"""``perceptmetrics weights``: what is on this machine, fetching, verifying, converting."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perceptmetrics.cli.exit_codes import DONE, SOME_FAILED
from perceptmetrics.cli.text import columns, one_line, size
from perceptmetrics.errors import OptionError, PerceptError, UnknownNameError, WeightsMismatchError

if TYPE_CHECKING:
    from perceptmetrics.backbones import Backbone
    from perceptmetrics.metrics import MetricSpec
    from perceptmetrics.weights.cached import CachedBase
    from perceptmetrics.weights.source import BaseWeights


@click.group()
def weights() -> None:
    """List, fetch, verify and convert weights.

    Base weights are the pretrained encoders, kept in the cache ($PERCEPTMETRICS_HOME, else
    ~/.cache/perceptmetrics). Adapters are what training added; four are part of the package.
    """


@weights.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_weights(as_json: bool) -> None:
    """List base weights and adapters, and which of them are here."""
    from perceptmetrics.metrics import METRICS
    from perceptmetrics.weights.cache import base_folder
    from perceptmetrics.weights.cached import list_cached, list_damaged

    cached = {entry.name: entry.size for entry in list_cached()}
    damaged = list_damaged()
    base = [_base_facts(backbone, entry) for backbone, entry in _registered()]
    known = {entry["name"] for entry in base}
    base += [
        {"name": name, "licence": "", "source": "a file of yours", "note": ""}
        for name in sorted({*cached, *damaged} - known)
    ]
    base = [{**b, "cached": cached.get(b["name"]), "damaged": b["name"] in damaged} for b in base]
    adapters = [_adapter_facts(spec) for spec in METRICS]
    if as_json:
        facts = {"folder": str(base_folder()), "base": base, "adapters": adapters}
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    rows = [
        [
            b["name"],
            _here(b),
            b["licence"],
            "; ".join(filter(None, (b["source"], b["note"]))),
        ]
        for b in base
    ]
    click.echo(columns([["BASE WEIGHTS", "CACHED", "LICENCE", "SOURCE"], *rows]))
    rows = [
        [a["name"], "-" if a["size"] is None else size(a["size"]), a["source"]] for a in adapters
    ]
    click.echo("\n" + columns([["ADAPTER", "HERE", "SOURCE"], *rows]))
    click.echo(f"\nThe cache is {base_folder()}")


@weights.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Fetch also what the cache already holds.")
def fetch(name: str, force: bool) -> None:
    """Fetch base weights into the cache, convert and verify them.

    NAME is backbone.tag as 'weights list' shows it, a backbone or a family (its default weights),
    or a metric: the base that it stands on, or the official checkpoint that it comes from.
    """
    from perceptmetrics.locate import official_adapter
    from perceptmetrics.metrics import METRICS, OfficialCheckpoint
    from perceptmetrics.weights.base import fetch_base
    from perceptmetrics.weights.cache import adapter_path

    spec = METRICS.get(name) if name in METRICS else None
    if spec is not None and isinstance(spec.adapter, OfficialCheckpoint):
        kept = adapter_path(name)
        aside = kept.with_suffix(".aside")
        if force and kept.is_file():
            kept.replace(aside)
        try:
            adapter = official_adapter(spec, spec.adapter)
        finally:  # without network the old one must not be lost
            if aside.is_file() and not kept.is_file():
                aside.replace(kept)
            aside.unlink(missing_ok=True)
        click.echo(f"{name}: {kept}, on {adapter.config.base}")
        return
    backbone, wanted = _find(name)
    path = fetch_base(backbone.name, wanted, force=force)
    click.echo(f"{backbone.name}.{wanted.tag}: {path} ({size(path.stat().st_size)})")
    click.echo(f"licence: {wanted.licence}" + (f"; {wanted.note}" if wanted.note else ""))


@weights.command()
@click.argument("name", required=False)
@click.pass_context
def verify(ctx: click.Context, name: str | None) -> None:
    """Read every byte of what is here and compare hashes.

    Without NAME, all base weights in the cache and all adapters in the package. Exit code 1 says
    that something is damaged.
    """
    checks = dict(_checks())
    if name is not None:
        if name not in checks:
            backbone, wanted = _find(name)
            name = f"{backbone.name}.{wanted.tag}"
            checks[name] = _registered_check(backbone, wanted)
        checks = {name: checks[name]}
    if not checks:
        click.echo("nothing to verify: the cache holds no base weights", err=True)
    damaged = False
    for each, check in checks.items():
        try:
            check()
        except PerceptError as error:
            damaged = True
            click.echo(f"error: {each}: {one_line(str(error))}", err=True)
        else:
            click.echo(f"ok  {each}")
    ctx.exit(SOME_FAILED if damaged else DONE)


@weights.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The adapter file to write (.safetensors).",
)
@click.option("--task", help="Its task: iqa, memorability or emotion; else the file's name tells.")
@click.option(
    "--metric",
    "variant",
    help="Instead of --task, the metric it becomes, such as perceptclip-iqa@squeezed.",
)
def convert(file: Path, output: Path, task: str | None, variant: str | None) -> None:
    """Turn an official PerceptCLIP checkpoint into an adapter.

    The encoder inside FILE is kept in the cache, once for all official files that share it.
    """
    from perceptmetrics.locate import convert_checkpoint

    if task is not None and variant is not None:
        raise click.UsageError("--task and --metric say the same twice: give one of them")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            f"--output {output}: cannot create the folder {output.parent} "
            f"({error.strerror or error}); name a file in a folder that can be written to"
        ) from error
    adapter = convert_checkpoint(_official(file, task, variant).name, file, output)
    click.echo(f"{output} ({size(output.stat().st_size)}), on {adapter.config.base}")
    for note in adapter.card.notes:
        click.echo(f"  {note}")
    click.echo(f"Score with it:  perceptmetrics score photos/ --metric {shlex.quote(str(output))}")


def _registered() -> Iterator[tuple[Backbone, BaseWeights]]:
    from perceptmetrics.backbones import BACKBONES

    return ((backbone, entry) for backbone in BACKBONES for entry in backbone.weights)


def _base_facts(backbone: Backbone, entry: BaseWeights) -> dict[str, Any]:
    return {
        "name": f"{backbone.name}.{entry.tag}",
        "licence": entry.licence,
        "source": str(entry.source),
        "note": entry.note,
    }


def _here(base: dict[str, Any]) -> str:
    if base["damaged"]:
        return "damaged"
    return "-" if base["cached"] is None else size(base["cached"])


def _adapter_facts(spec: MetricSpec) -> dict[str, Any]:
    from perceptmetrics.metrics import EmbeddedAdapter
    from perceptmetrics.weights.cache import adapter_path

    source = spec.adapter
    if isinstance(source, EmbeddedAdapter):
        file, where = source.file, "part of the package"
    else:
        file = adapter_path(spec.name)
        where = f"{source.repo}/{source.file} on the hub, converted here"
    here = file.stat().st_size if file.is_file() else None
    return {"name": spec.name, "size": here, "source": where}


def _find(name: str) -> tuple[Backbone, BaseWeights]:
    from perceptmetrics.backbones import BACKBONES, find_backbone
    from perceptmetrics.metrics import METRICS
    from perceptmetrics.registry import unknown_name

    wanted = METRICS.get(name).card.base if name in METRICS else name
    family, _, tag = wanted.partition(".")
    try:
        backbone = find_backbone(family)
    except UnknownNameError:
        known = {f"{b.name}.{entry.tag}" for b, entry in _registered()}
        raise unknown_name(
            "base weights", name, {*known, *BACKBONES.names(), *METRICS.names()}
        ) from None
    return backbone, backbone.weights_of(tag or None)


def _checks() -> Iterator[tuple[str, Callable[[], object]]]:
    """What is here, each with what verifies it."""
    from perceptmetrics.metrics import METRICS, EmbeddedAdapter
    from perceptmetrics.weights.cached import list_cached, list_damaged

    registered = {f"{b.name}.{entry.tag}": (b, entry) for b, entry in _registered()}
    for cached in list_cached():
        if cached.name in registered:
            yield cached.name, _registered_check(*registered[cached.name])
        else:
            yield cached.name, _recorded_check(cached)
    for name, error in list_damaged().items():
        yield name, _damaged_check(error)
    for spec in METRICS:
        if isinstance(spec.adapter, EmbeddedAdapter):
            yield spec.name, _embedded_check(spec.adapter.file, spec.adapter.sha256)


def _registered_check(backbone: Backbone, entry: BaseWeights) -> Callable[[], object]:
    from perceptmetrics.weights.base import verify_base

    return lambda: verify_base(backbone.name, entry)


def _recorded_check(cached: CachedBase) -> Callable[[], object]:
    from perceptmetrics.weights.base import load_base_file

    def check() -> None:
        found = load_base_file(cached.path).sha256
        if found != cached.sha256:
            raise WeightsMismatchError(
                f"{cached.path} is damaged: its tensors have sha256 {found}, recorded was "
                f"{cached.sha256}; delete it and convert its file again"
            )

    return check


def _damaged_check(error: PerceptError) -> Callable[[], object]:
    def check() -> None:
        raise error

    return check


def _embedded_check(file: Path, sha256: str) -> Callable[[], object]:
    from perceptmetrics.weights.adapter import load_adapter

    return lambda: load_adapter(file, sha256=sha256)


def _official(file: Path, task: str | None, name: str | None) -> MetricSpec:
    """The metric that an official file becomes: as asked, else as the file's name tells."""
    from perceptmetrics.metrics import METRICS, OfficialCheckpoint
    from perceptmetrics.registry import unknown_name

    if name is not None:
        return METRICS.get(name)
    by_task: dict[str, MetricSpec] = {}
    for spec in METRICS:  # in the order of names: a variant stands behind what it varies
        if isinstance(spec.adapter, OfficialCheckpoint):
            by_task.setdefault(spec.task, spec)
            if task is None and spec.adapter.file.lower() == file.name.lower():
                return spec
    if task is None:
        raise OptionError(
            f"{file.name} is not the name of an official file: say --task {'|'.join(by_task)}"
        )
    if task not in by_task:
        raise unknown_name("task with an official checkpoint", task, by_task)
    return by_task[task]
