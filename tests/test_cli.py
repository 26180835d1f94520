"""The command line: what it says, how it ends, that it never shows a traceback."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
import pytest
import tiny
import tiny_plugin
from click.testing import CliRunner, Result
from PIL import Image

import perceptmetrics as pm
from perceptmetrics.backbones import BACKBONES
from perceptmetrics.backbones.counts import count_parameters, encoder_parameters, head_parameters
from perceptmetrics.cli.main import COMMANDS, cli, main
from perceptmetrics.heads import LINEAR_HEAD, MLP_HEAD, HeadSpec
from perceptmetrics.metrics import METRICS, EmbeddedAdapter
from perceptmetrics.views import RandomCrops
from perceptmetrics.weights.adapter import load_adapter

PYTHON = (sys.executable, "-c", "from perceptmetrics.cli.main import main; main()")
HEAVY = {"torch", "torchvision", "scipy", "sklearn", "timm", "open_clip", "onnx", "loralib"}


class Said:
    """How a command ended, and what it wrote."""

    def __init__(self, code: object, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Command = Callable[..., Said]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line as a process would, in this one."""

    def run(*arguments: object) -> Said:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Said(ended.value.code, captured.out, captured.err)

    return run


class Lab:
    """A plug-in package, random base weights, rated images and two finished runs."""

    def __init__(self, folder: Path) -> None:
        self.plugin = tiny_plugin.write_plugin(folder / "site")
        self.base = tiny_plugin.write_base(self.plugin, folder / "base.safetensors")
        self.images = folder / "images"
        self.images.mkdir()
        self.data = tiny.rated_folder(self.images, 12)
        shades = self.data.read_text().replace("score", "label").splitlines()
        named = (line.rsplit(",", 1) for line in shades[1:])
        lines = [f"{image},{'light' if float(level) > 0.5 else 'dark'}" for image, level in named]
        labels = self.images / "labels.csv"
        labels.write_text("\n".join([shades[0], *lines]) + "\n")
        self.run = tiny_plugin.train_run(self.plugin, self.base, self.data, folder / "mine")
        self.shade = tiny_plugin.train_run(
            self.plugin, self.base, labels, folder / "shades", tiny_plugin.CLASSES
        )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def lab(finished: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The same, in a process that has the plug-in installed."""
    tiny_plugin.plug_in(finished.plugin, monkeypatch)
    return finished


def process(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PYTHON, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        # A shell's background job ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def with_plugin(lab: Lab) -> dict[str, str]:
    path = os.pathsep.join([str(lab.plugin), os.environ.get("PYTHONPATH", "")])
    return {"PYTHONPATH": path}


# The door


def test_help_names_every_command_and_the_exit_codes() -> None:
    result: Result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"  {name} " in result.output
    assert "Exit codes: 0 all done; 1 some" in result.output


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="CPU time of a child needs os.wait4")
@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_is_quick_and_loads_nothing_heavy(name: str) -> None:
    """Under 0.15 s of CPU, Python's own start included; the quickest of a few tries."""
    seconds = float("inf")
    for _ in range(7):
        if seconds < 0.15:
            break
        child = subprocess.Popen([*PYTHON, name, "--help"], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        seconds = min(seconds, usage.ru_utime + usage.ru_stime)
    assert seconds < 0.15
    loads = [*PYTHON[:1], "-X", "importtime", *PYTHON[1:], name, "--help"]
    report = subprocess.run(loads, capture_output=True, text=True, check=True).stderr
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in report.splitlines()}
    assert "perceptmetrics" in loaded
    assert not loaded & (HEAVY | {"numpy", "PIL"})


def test_version(command: Command) -> None:
    assert command("--version").out == f"perceptmetrics, version {pm.__version__}\n"


# Errors


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "a.jpg"),
        ("score", "--metric", "iqa"),
        ("score", "a.jpg", "--metric", "iqa", "--batch-size", "0"),
        ("train", "--task", "iqa"),
        ("nonsense",),
        ("weights", "convert", "not there.pth", "-o", "a.safetensors"),
    ],
)
def test_wrong_usage_is_explained_with_exit_code_2(
    command: Command, arguments: tuple[str, ...]
) -> None:
    said = command(*arguments)
    assert said.code == 2
    assert "Error: " in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("info", "memorabilty"), "did you mean 'memorability'"),
        (("list", "--task", "iqaa"), "did you mean 'iqa'"),
        (("score", "x.jpg", "-m", "memorabilty"), "did you mean 'memorability'"),
        (("score", "x.jpg", "-m", "iqa", "-o", "a.xlsx"), "call it .csv"),
        (("score", "x.jpg", "-m", "iqa", "--null"), "give - as the image"),
        (("weights", "fetch", "clip-b17"), "did you mean"),
        (("weights", "fetch", "clip-b16.opnai"), "did you mean 'openai'"),
        (("weights", "fetch", "perceptclip-iqa"), "PerceptCLIP_IQA"),
        (("weights", "verify", "clip-b32"), "clip-b32.openai"),
        (
            ("weights", "convert", __file__, "-o", "a.safetensors"),
            "--task emotion|iqa|",
        ),
        (("weights", "convert", __file__, "-o", "a.safetensors", "--task", "iq"), "'iqa'"),
        (("weights", "convert", __file__, "-o", "a.safetensors", "--task", "iqa"), "test_cli.py"),
    ],
)
def test_an_error_of_ours_is_one_line(
    command: Command, offline: Path, arguments: tuple[str, ...], expected: str
) -> None:
    said = command(*arguments)
    assert said.code in (1, 2)
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert expected in said.err
    assert said.out == ""


def test_an_error_that_is_a_bug_is_one_line_too_and_says_how_to_see_more(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str, **_: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("perceptmetrics.create.create_metrics", broken)
    said = command("score", "x.jpg", "-m", "iqa")
    assert said.code == 2
    assert said.err.startswith("error: ZeroDivisionError: division by zero (unexpected; ")
    assert said.err.count("\n") == 1
    assert "PERCEPTMETRICS_DEBUG=1" in said.err
    monkeypatch.setenv("PERCEPTMETRICS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["score", "x.jpg", "-m", "iqa"])


def test_a_reader_who_leaves_is_not_complained_about() -> None:
    child = process("list")
    assert child.stdout is not None
    child.stdout.close()
    with child:
        assert child.stderr is not None
        complaint = child.stderr.read()
    assert "Traceback" not in complaint
    assert "BrokenPipe" not in complaint
    assert child.returncode == 141


# Names and cards


def test_list_shows_every_name(command: Command) -> None:
    said = command("list")
    assert said.code == 0
    listed = {line.split()[0] for line in said.out.splitlines() if line}
    assert {*pm.list_metrics(), *pm.list_tasks(), *pm.list_backbones()} <= listed
    found = json.loads(command("list", "--json").out)
    assert [metric["name"] for metric in found["metrics"]] == pm.list_metrics()
    official = next(m for m in found["metrics"] if m["name"] == "perceptclip-emotion")
    assert (official["task"], official["range"]) == ("emotion", "0 to 1")
    assert official["weights"] == "hub: PerceptCLIP/PerceptCLIP_Emotions"
    only = json.loads(command("list", "--task", "iqa", "--json").out)
    assert [metric["name"] for metric in only["metrics"]] == pm.list_metrics("iqa")


def test_list_shows_what_a_plug_in_brings(command: Command, lab: Lab) -> None:
    out = command("list").out
    assert {"tiny-percept", "brightness", "shade"} <= {
        line.split()[0] for line in out.split("\n") if line
    }


def test_a_broken_plug_in_is_a_warning(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tiny_plugin.write_plugin(tmp_path)
    (plugin / "tiny_percept" / "__init__.py").write_text("import no_such_module\n")
    tiny_plugin.plug_in(plugin, monkeypatch)
    said = command("list")
    assert said.code == 0
    assert "warning: the entry point 'tiny-percept'" in said.err
    assert "Traceback" not in said.err


def test_info_counts_the_parameters_of_the_paper(command: Command) -> None:
    """Section 3.1: 2.359 M in LoRA, less than 3 M with the head."""
    text = command("info", "perceptclip-iqa").out
    assert "LoRA: 2,359,296" in text
    assert "trained: 2,884,609" in text
    assert "KonIQ-10k" in text
    facts = json.loads(command("info", "perceptclip-iqa", "--json").out)["metric"]
    assert facts["parameters"]["trained"] == 2_884_609
    assert facts["card"]["task"] == "iqa"


@pytest.mark.parametrize("name", [*pm.list_tasks(), *pm.list_backbones(), "dinov2", "clip"])
def test_info_knows_every_task_and_backbone(command: Command, name: str) -> None:
    embedded = METRICS.get(name).adapter if name in METRICS else None
    if isinstance(embedded, EmbeddedAdapter) and not embedded.file.is_file():
        pytest.skip(f"the embedded adapter of {name} is not there: {embedded.file}")
    said = command("info", name)
    assert said.code == 0
    assert name in said.out
    assert said.err == ""


def test_info_reads_the_card_of_a_run(command: Command, lab: Lab) -> None:
    said = command("info", lab.run)
    assert said.code == 0
    assert "brightness: SRCC" in said.out
    assert "9 images of your own" in said.out
    assert f"command         perceptmetrics train --task brightness --data {lab.data}" in said.out


@pytest.mark.parametrize("name", pm.list_backbones())
def test_parameters_are_counted_as_the_network_has_them(name: str) -> None:
    import torch

    from perceptmetrics.backbones.vit import VisionTransformer

    spec = BACKBONES.get(name)
    with torch.device("meta"):
        network = VisionTransformer(spec)
    assert encoder_parameters(spec) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("strategy", ["lora", "frozen", "full"])
@pytest.mark.parametrize("head", [MLP_HEAD, LINEAR_HEAD, HeadSpec(hidden=(7,))])
def test_counts_are_those_of_a_model_that_trains(strategy: str, head: HeadSpec) -> None:
    from perceptmetrics.adaptation import STRATEGIES, LoRAConfig
    from perceptmetrics.lora import parameter_count
    from perceptmetrics.model import build_model

    chosen = next(known for known in STRATEGIES if known == strategy)
    lora = LoRAConfig(rank=4)
    model = build_model(
        tiny.BACKBONE, tiny.base().tensors, outputs=3, head=head, strategy=chosen, lora=lora
    )
    counts = count_parameters(tiny.BACKBONE, outputs=3, head=head, strategy=chosen, lora=lora)
    assert counts.trained == parameter_count(model)
    assert counts.all == parameter_count(model, trainable=False)
    assert counts.head == head_parameters(head, tiny.BACKBONE.embedding_width, 3)


# Score


def score(lab: Lab, *more: object) -> list[object]:
    return ["score", *more, "--metric", lab.run, "--base", lab.base]


def test_scores_are_those_of_the_metric(command: Command, lab: Lab, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    said = command(*score(lab, lab.images, "--metric", lab.shade, "-o", out, "--batch-size", 5))
    assert (said.code, said.out, said.err) == (0, "", "")
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == [
        *("image", "shades.label", "shades.dark", "shades.light", "mine", "error")
    ]
    paths = sorted(str(path) for path in lab.images.glob("*.png"))
    assert [row["image"] for row in rows] == paths
    expected = pm.create_metric(lab.run, base=lab.base, batch_size=5)(paths)
    assert [float(row["mine"]) for row in rows] == pytest.approx(expected.tolist(), abs=1e-6)
    for row in rows:
        dark, light = float(row["shades.dark"]), float(row["shades.light"])
        assert dark + light == pytest.approx(1)
        assert row["shades.label"] == ("light" if light > dark else "dark")


def test_a_bad_image_is_named_and_the_rest_is_scored(
    command: Command, lab: Lab, tmp_path: Path
) -> None:
    for name in ("00.png", "01.png"):
        shutil.copy(lab.images / name, tmp_path / name)
    (tmp_path / "00b.jpg").write_bytes((lab.images / "02.png").read_bytes()[:100])
    said = command(*score(lab, tmp_path, "--format", "jsonl"))
    assert said.code == 1
    assert "Traceback" not in said.err
    assert said.err.splitlines()[0].startswith(f"error: {tmp_path / '00b.jpg'}: ")
    assert said.err.splitlines()[1:] == ["1 of 3 images could not be scored"]
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [Path(row["image"]).name for row in rows] == ["00.png", "00b.jpg", "01.png"]
    assert [row["mine"] is None for row in rows] == [False, True, False]
    assert [row["error"] is None for row in rows] == [True, False, True]


def test_when_nothing_could_be_scored_the_code_says_so(
    command: Command, lab: Lab, tmp_path: Path
) -> None:
    said = command(*score(lab, tmp_path))
    assert said.code == 2
    assert f"error: {tmp_path}: holds no image" in said.err


def test_no_path_on_standard_input_is_an_error_and_keeps_the_old_file(tmp_path: Path) -> None:
    old = tmp_path / "scores.csv"
    old.write_text("precious")
    with process("score", "-", "-m", "iqa", "-o", old) as child:
        out, err = child.communicate("\n")
    assert child.returncode == 2
    assert (out, err) == ("", "error: no images: standard input named none\n")
    assert old.read_text() == "precious"


def test_an_old_file_is_replaced_only_by_scores(command: Command, lab: Lab, tmp_path: Path) -> None:
    old = tmp_path / "scores.csv"
    old.write_text("precious")
    said = command(*score(lab, tmp_path / "a.jpg", tmp_path / "b.jpg", "-o", old))
    assert said.code == 2
    assert said.err.endswith(f"2 of 2 images could not be scored; {old} was not written\n")
    assert old.read_text() == "precious"
    # Errors that came before the first score are in the file all the same.
    images = (tmp_path / "a.jpg", tmp_path / "b.jpg", lab.images / "00.png")
    assert command(*score(lab, *images, "-o", old, "--batch-size", 1)).code == 1
    with old.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"] for row in rows] == [str(image) for image in images]
    assert [bool(row["mine"]) for row in rows] == [False, False, True]


def test_a_photograph_is_never_overwritten(command: Command, lab: Lab, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (32, 32)).save(photo)
    before = photo.read_bytes()
    said = command(*score(lab, photo, "-o", photo, "--format", "csv"))
    assert said.code == 2
    assert ".jpg is the suffix of an image" in said.err
    assert photo.read_bytes() == before


def test_the_folder_of_the_output_is_looked_for_before_a_metric_is(command: Command) -> None:
    said = command("score", "x.jpg", "-m", "no such metric", "-o", "no/such/scores.csv")
    assert said.code == 2
    assert said.err.startswith("error: cannot write no/such/scores.csv: there is no folder no/such")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to play a full disk")
@pytest.mark.parametrize("option", [True, False], ids=["--output", "standard output"])
def test_a_full_disk_is_an_ordinary_error(lab: Lab, option: bool) -> None:
    arguments = score(lab, lab.images / "00.png", "--format", "csv")
    line = [*PYTHON, *map(str, arguments), *(["-o", "/dev/full"] if option else [])]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            line,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **with_plugin(lab)},
        )
    place = "/dev/full" if option else "standard output"
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: cannot write {place}: No space left on device; ")
    assert ended.stderr.count("\n") == 1


def test_the_table_is_for_reading(command: Command, lab: Lab) -> None:
    said = command(*score(lab, lab.images / "00.png"))
    header, line = said.out.splitlines()
    assert header.split() == ["mine", "image"]
    assert line.endswith(f"  {lab.images / '00.png'}")
    assert len(line.split()[0].split(".")[1]) == 4


def test_a_progress_bar_is_shown_when_asked_for(command: Command, lab: Lab) -> None:
    assert "12 images" in command(*score(lab, lab.images, "--progress")).err
    assert command(*score(lab, lab.images)).err == ""


def test_one_name_for_two_metrics_is_refused(command: Command, lab: Lab) -> None:
    said = command(*score(lab, lab.images, "--metric", lab.run / "adapter.safetensors"))
    assert said.code == 0
    said = command(*score(lab, lab.images, "--metric", lab.run))
    assert said.code == 2
    assert "is named twice: give it once" in said.err


def test_a_closed_standard_output_is_told(
    command: Command, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        said = command(*score(lab, lab.images))
    assert said.code == 2
    assert "standard output is closed" in said.err


def test_a_closed_standard_input_is_told(
    command: Command, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    said = command(*score(lab, "-"))
    assert said.code == 2
    assert "standard input is closed" in said.err


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--device", "nonsense"), "device 'nonsense' cannot be used"),
        (("--crops", "3"), "crops=3"),
        (("-o", "no/such/folder.csv"), "cannot write no/such/folder.csv"),
    ],
)
def test_an_option_that_cannot_be_used_is_said(
    command: Command, lab: Lab, more: Sequence[str], expected: str
) -> None:
    said = command(*score(lab, lab.images / "00.png", *more))
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert expected in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("crops", [1, 5])
def test_rows_come_as_a_batch_of_cuts_is_full_and_stay_after_an_interrupt(
    lab: Lab, tmp_path: Path, crops: int
) -> None:
    """Paths come one by one through a pipe that stays open; then somebody presses Ctrl-C."""
    adapter = load_adapter(lab.run / "adapter.safetensors")
    config = replace(adapter.config, view=RandomCrops(32, 40, crops))
    metric = replace(adapter, config=config).save(tmp_path / "mine.safetensors")
    out = tmp_path / "scores.csv"
    options = ("--metric", metric, "--base", lab.base, "--batch-size", crops, "-o", out)
    child = process("score", "-", *options, **with_plugin(lab))
    assert child.stdin is not None
    child.stdin.write(f"{lab.images / '00.png'}\n")
    child.stdin.flush()
    patience = time.monotonic() + 120
    while time.monotonic() < patience and not (out.exists() and out.read_text().count("\n") > 1):
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    with child:
        assert child.stderr is not None
        assert child.stderr.read() == "interrupted\n"
    with out.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["image"] == str(lab.images / "00.png")
    assert 0 < float(row["mine"]) < 1


# Train


def test_defaults_of_train_are_the_recipes() -> None:
    from perceptmetrics.cli.train import train
    from perceptmetrics.training.recipe import Recipe

    recipe = Recipe()
    shown = {option.name: option.default for option in train.params}
    ours = {**asdict(recipe.optimisation), **asdict(recipe.lora)}
    for name in ("epochs", "patience", "learning_rate", "weight_decay", "schedule", "precision"):
        assert shown[name] == ours[name]
    assert (shown["rank"], shown["alpha"], shown["lora_dropout"]) == tuple(
        ours[name] for name in ("rank", "alpha", "dropout")
    )
    for name in ("strategy", "batch_size", "seed"):
        assert shown[name] == getattr(recipe, name)


def test_train_says_how_it_goes_and_how_to_use_the_result(
    command: Command, lab: Lab, tmp_path: Path
) -> None:
    out = tmp_path / "my run"
    arguments = tiny_plugin.train_arguments(lab.base, lab.data, out)
    said = command(*arguments, "--strategy", "frozen", "--head", "mlp", "--seed", 5)
    assert said.code == 0
    split, few, *_, first, second = said.err.splitlines()
    assert "3 validation images choose the epoch almost by luck" in few
    assert "9 images to train on, 3 held out to validate on (seed 5)" in split
    assert first.startswith("epoch 1/2  loss ")
    assert "validation SRCC" in second
    assert f"perceptmetrics score photos/ --metric '{out}'" in said.out
    record = json.loads((out / "run.json").read_text())
    assert record["recipe"]["strategy"] == "frozen"
    assert record["recipe"]["seed"] == 5
    assert record["recipe"]["head"]["hidden"] == [512, 256]
    assert record["command"].startswith("perceptmetrics train --task brightness --data ")
    assert record["command"].endswith("--strategy frozen --head mlp --seed 5")
    again = command(*arguments)
    assert again.code == 2
    assert "holds a finished run; score with it" in again.err


@pytest.mark.parametrize("left", [".checkpoint.pt.4711", "curves.png", "run.json", "checkpoint.pt"])
def test_a_run_that_was_killed_early_is_begun_again(
    command: Command, lab: Lab, tmp_path: Path, left: str
) -> None:
    """Whatever a kill leaves of a run, the same command goes on; a damaged checkpoint is named."""
    out = tmp_path / "run"
    out.mkdir()
    (out / left).write_bytes(b"half of it")
    said = command(*tiny_plugin.train_arguments(lab.base, lab.data, out))
    if left == "checkpoint.pt":
        assert said.code == 2
        assert "checkpoint.pt cannot be read" in said.err
        assert "delete it to start the run from its beginning" in said.err
    else:
        assert said.code == 0
        assert (out / "adapter.safetensors").is_file()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--task", "brightnes"), "did you mean 'brightness'"),
        (("--backbone", "tiny-percep"), "did you mean 'tiny-percept'"),
        (("--backbone", "tiny-percept.tag"), "give one of them"),
        (("--target-column", "stars"), "no target column"),
        (("--device", "nonsense"), "device 'nonsense'"),
        (("--lr", "0"), "above zero"),
        (("--alpha", "-1"), "alpha"),
        (("--alpha", "1e300"), "0 < alpha <= 1e6"),
        (("--lr", "3e38"), "learning rate 3e+38: expected above zero and at most 1"),
        (("--weight-decay", "nan"), "weight decay nan"),
        (("--rank", "33"), "the encoder tiny-percept is 32 wide"),
        (("--checkpoint-seconds", "nan"), "--checkpoint-seconds nan: expected a number"),
        (("--seed", "99999999999999999999"), "expected from 0 to 2**63 - 1"),
    ],
)
def test_train_finds_what_is_wrong_before_it_starts(
    command: Command, lab: Lab, tmp_path: Path, more: Sequence[str], expected: str
) -> None:
    out = tmp_path / "run"
    said = command(*tiny_plugin.train_arguments(lab.base, lab.data, out), *more)
    assert said.code == 2
    assert expected in said.err
    assert said.err.count("\n") == 1
    assert not out.exists()


# Weights


@pytest.fixture
def kept(lab: Lab, offline: Path) -> Path:
    """The plug-in's base weights, kept in the cache under their hash."""
    from perceptmetrics.weights.base import keep_base, load_base_file

    tensors = load_base_file(lab.base).tensors
    return keep_base(tiny_plugin.BACKBONE, "mine", tensors, {})


def test_weights_list_says_what_is_here(command: Command, kept: Path) -> None:
    text = command("weights", "list").out
    (line,) = (line for line in text.splitlines() if line.startswith("tiny-percept.mine"))
    assert " kB " in line
    facts = json.loads(command("weights", "list", "--json").out)
    cached = {entry["name"]: entry["cached"] for entry in facts["base"]}
    assert cached["tiny-percept.mine"] == kept.stat().st_size
    assert cached["clip-l14.openai"] is None
    assert {f"{b.name}.{w.tag}" for b in BACKBONES for w in b.weights} <= cached.keys()
    assert [adapter["name"] for adapter in facts["adapters"]] == pm.list_metrics()


def test_a_run_finds_its_base_in_the_cache_by_hash(command: Command, lab: Lab, kept: Path) -> None:
    said = command("score", lab.images / "00.png", "--metric", lab.run)
    assert said.code == 0
    kept.unlink()
    said = command("score", lab.images / "00.png", "--metric", lab.run)
    assert said.code == 2
    assert "tiny-percept." in said.err


def test_verify_reads_every_byte(command: Command, kept: Path) -> None:
    said = command("weights", "verify", "tiny-percept.mine")
    assert (said.code, said.out) == (0, "ok  tiny-percept.mine\n")
    data = bytearray(kept.read_bytes())
    data[-1] ^= 1
    kept.write_bytes(data)
    said = command("weights", "verify", "tiny-percept.mine")
    assert said.code == 1
    assert said.err.startswith("error: tiny-percept.mine: ")
    assert "is damaged" in said.err
    assert said.err.count("\n") == 1


def test_fetch_without_network_names_the_file_and_what_to_do(
    command: Command, offline: Path
) -> None:
    started = time.process_time()
    said = command("weights", "fetch", "clip-b16")
    assert time.process_time() - started < 5
    assert said.code == 2
    assert str(offline / "base" / "clip-b16.openai-int8.safetensors") in said.err
    assert said.err.count("\n") == 1


def test_every_command_has_help() -> None:
    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found is not None
        assert found.help
        for option in found.params:
            if isinstance(option, click.Option):
                assert option.help, f"{name} {option.opts}"


def every_command(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """The words that call each command, groups and the whole included."""
    yield above
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from every_command(found, *above, name)
        else:
            yield (*above, name)


def test_examples_in_a_help_stand_on_lines_of_their_own() -> None:
    """Click rewraps a paragraph unless a real backspace, not the two letters, leads it."""
    shown = {
        words: CliRunner().invoke(cli, [*words, "--help"]).output for words in every_command(cli)
    }
    assert {("score",), ("weights", "fetch")} <= set(shown)
    for words, text in shown.items():
        assert "\\b" not in text, words
        assert "\b" not in text, words
    lines = [line.strip() for line in shown["score",].splitlines()]
    example = lines.index("Examples:") + 1
    assert lines[example].startswith("perceptmetrics score photos/ ")
    assert lines[example].endswith(" -o scores.csv")
    assert lines[example + 1] == 'perceptmetrics score "photos/**/*.jpg" --metric my-run'
    assert lines[example + 2].endswith("| perceptmetrics score -0 - --metric iqa")


def test_an_image_of_a_strange_name_is_scored(command: Command, lab: Lab, tmp_path: Path) -> None:
    """A name that is no UTF-8, with a line break and a comma in it."""
    try:
        path = tmp_path / os.fsdecode(b"a,\xff\n.png")
        Image.new("RGB", (32, 32)).save(path)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    out = tmp_path / "scores.csv"
    assert command(*score(lab, tmp_path, "-o", out)).code == 0
    with out.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        (row,) = csv.DictReader(stream)
    assert row["image"] == str(path)
    assert command(*score(lab, tmp_path)).code == 0
