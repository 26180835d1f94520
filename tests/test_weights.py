"""Base weights: found or fetched, checked, kept whole, and missed with a helpful line."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.cli.main import cli
from perceptmetrics.errors import (
    OptionError,
    PluginError,
    UnknownNameError,
    WeightsError,
    WeightsMismatchError,
    WeightsMissingError,
)
from perceptmetrics.weights import cache
from perceptmetrics.weights.base import fetch_base, keep_base, load_base, verify_base
from perceptmetrics.weights.cached import list_cached, list_damaged
from perceptmetrics.weights.digest import sha256_of_tensors
from perceptmetrics.weights.files import (
    load_pickle_state,
    load_tensors,
    read_metadata,
    save_tensors,
)
from perceptmetrics.weights.hubs import hub_file
from perceptmetrics.weights.network import can_reach
from perceptmetrics.weights.onnx_clip import read_clip_onnx
from perceptmetrics.weights.onnx_dinov2 import read_dinov2_onnx
from perceptmetrics.weights.source import BaseWeights, OpenClipSource, TimmSource, WheelSource
from perceptmetrics.weights.stamp import is_stamped

TENSORS = {"cls_token": torch.arange(4.0).reshape(1, 1, 4), "norm.bias": torch.ones(4)}
NOWHERE = "http://127.0.0.1:9"  # Nothing listens on the port of discard.


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, with the network allowed."""
    monkeypatch.setenv("PERCEPTMETRICS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PERCEPTMETRICS_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "home"


def make_wheel(folder: Path, tensors: dict[str, torch.Tensor]) -> BaseWeights:
    """Build a wheel with weights in it, and the entry that pins it."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "tiny_weights-1.0-py3-none-any.whl"
    member = save(tensors)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny/m.safetensors", member)
        archive.writestr(
            "tiny_weights-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        )
        archive.writestr(
            "tiny_weights-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    source = WheelSource(
        package="tiny-weights",
        version="1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member="tiny/m.safetensors",
        member_sha256=hashlib.sha256(member).hexdigest(),
        reader="safetensors.torch:load",
    )
    return BaseWeights("wheel", source, sha256_of_tensors(tensors), "MIT")


# Hashes.


def test_the_hash_of_tensors_is_of_names_dtypes_shapes_and_bytes() -> None:
    """The formula is written out here with the standard library alone."""
    expected = hashlib.sha256()
    expected.update(b'["a", "float32", [2]]\n' + bytes.fromhex("0000803f00000040"))
    expected.update(b'["b", "int64", []]\n' + (7).to_bytes(8, "little"))
    tensors = {"b": torch.tensor(7), "a": torch.tensor([1.0, 2.0])}
    assert sha256_of_tensors(tensors) == expected.hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        {"b": torch.zeros(4)},
        {"a": torch.zeros(2, 2)},
        {"a": torch.zeros(4, dtype=torch.int32)},
        {"a": -torch.zeros(4)},
        {"a": torch.zeros(4), "b": torch.zeros(0)},
    ],
    ids=["name", "shape", "dtype", "bits", "number"],
)
def test_any_difference_changes_the_hash(other: dict[str, torch.Tensor]) -> None:
    assert sha256_of_tensors(other) != sha256_of_tensors({"a": torch.zeros(4)})


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.text(min_size=1, max_size=6), unique=True, min_size=1, max_size=4),
    shape=st.lists(st.integers(0, 4), max_size=3),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.int8]),
)
def test_the_hash_survives_any_file(
    names: list[str],
    shape: list[int],
    dtype: torch.dtype,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(shape, generator=generator).to(dtype) for name in names}
    folder = tmp_path_factory.mktemp("files")
    # torch.save writes what safetensors cannot name, so only one of them gets odd names.
    torch.save(dict(reversed(tensors.items())), folder / "a.pth")
    save_tensors({str(i): tensors[n] for i, n in enumerate(names)}, folder / "a.safetensors")
    loaded = load_tensors(folder / "a.safetensors")
    assert sha256_of_tensors(load_pickle_state(folder / "a.pth")) == sha256_of_tensors(tensors)
    assert sha256_of_tensors({n: loaded[str(i)] for i, n in enumerate(names)}) == (
        sha256_of_tensors(tensors)
    )


# Files.


def test_strided_and_shared_tensors_are_written_as_they_look(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    tensors = {"turned": whole.T, "part": whole[1:], "whole": whole, "again": whole}
    save_tensors(tensors, tmp_path / "a.safetensors")
    loaded = load_tensors(tmp_path / "a.safetensors")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.safetensors"
    save_tensors(TENSORS, file)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WeightsError, match=r"cannot write .*No space left on device"):
        save_tensors({"x": torch.zeros(1)}, file)
    assert load_tensors(file).keys() == TENSORS.keys()
    assert list(tmp_path.iterdir()) == [file]


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the folder must exist"):
        save_tensors(TENSORS, tmp_path / "no" / "a.safetensors")


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_written_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    save_tensors(TENSORS, tmp_path / "a.safetensors")
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_changing_a_loaded_tensor_does_not_change_the_file(tmp_path: Path) -> None:
    save_tensors(TENSORS, tmp_path / "a.safetensors")
    before = (tmp_path / "a.safetensors").read_bytes()
    load_tensors(tmp_path / "a.safetensors")["norm.bias"].zero_()
    assert (tmp_path / "a.safetensors").read_bytes() == before


def test_a_safetensors_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    save_tensors(TENSORS, tmp_path / "whole.safetensors")
    data = (tmp_path / "whole.safetensors").read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in range(0, len(data), 9):
        cut.write_bytes(data[:length])
        for read in (load_tensors, read_metadata):
            with pytest.raises(WeightsError, match="not a whole safetensors file"):
                read(cut)


def test_only_a_file_of_our_cache_is_advised_to_be_deleted(home: Path, tmp_path: Path) -> None:
    photo, theirs = tmp_path / "photo.jpg", tmp_path / "theirs.safetensors"
    ours = keep_base("vit", "a", TENSORS, {})
    for file in (photo, theirs, ours):
        file.write_bytes(b"\xff\xd8\xff\xe0 no safetensors")
    said = {}
    for file in (photo, theirs, ours):
        with pytest.raises(WeightsError) as raised:
            read_metadata(file)
        said[file] = str(raised.value)
    assert "not an adapter" in said[photo]
    assert "give a run folder or an adapter file" in said[photo]
    assert "copy it here again" in said[theirs]
    assert [file for file in said if "delete" in said[file]] == [ours]


class Trap:
    """A pickle that creates a file when it is loaded with code allowed."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.file,)


def test_code_in_a_pickle_never_runs(tmp_path: Path) -> None:
    torch.save({"x": Trap(tmp_path / "sprung")}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol=2))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(WeightsError, match="could run code") as raised:
            load_pickle_state(tmp_path / name)
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("wrapper", ["state_dict", "model", None])
def test_a_state_dict_is_found_inside_a_checkpoint(wrapper: str | None, tmp_path: Path) -> None:
    torch.save({wrapper: TENSORS, "epoch": 3} if wrapper else TENSORS, tmp_path / "a.pth")
    assert load_pickle_state(tmp_path / "a.pth").keys() == TENSORS.keys()


def test_files_of_old_torch_are_read(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert load_pickle_state(tmp_path / "a.pth").keys() == TENSORS.keys()


@pytest.mark.parametrize("content", [[1], {"x": 1}, {1: torch.ones(1)}, {}])
def test_what_is_no_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="expected a state dict"):
        load_pickle_state(tmp_path / "a.pth")


def test_a_pickle_cut_anywhere_is_refused_in_one_line(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "whole.pth")
    data = (tmp_path / "whole.pth").read_bytes()
    for length in range(0, len(data), 97):
        (tmp_path / "cut.pth").write_bytes(data[:length])
        with pytest.raises(WeightsError) as raised:
            load_pickle_state(tmp_path / "cut.pth")
        assert "\n" not in str(raised.value)


# The cache.


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("USERPROFILE", "/home/ann")
    monkeypatch.delenv("PERCEPTMETRICS_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache.cache_folder() == Path("/home/ann/.cache/perceptmetrics")
    monkeypatch.setenv("XDG_CACHE_HOME", "/big/cache")
    assert cache.cache_folder() == Path("/big/cache/perceptmetrics")
    monkeypatch.setenv("PERCEPTMETRICS_HOME", "~/percept")
    assert cache.cache_folder() == Path("/home/ann/percept")


@pytest.mark.parametrize(
    ("value", "offline"), [("1", True), ("yes", True), ("0", False), ("False", False), ("", False)]
)
@pytest.mark.parametrize("name", ["PERCEPTMETRICS_OFFLINE", "HF_HUB_OFFLINE"])
def test_either_variable_forbids_the_network(
    name: str, value: str, offline: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert cache.is_offline() is offline


def test_a_cache_that_cannot_be_made_is_one_line(home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match=r"cannot create the cache folder .*PERCEPTMETRICS_HOME"):
        keep_base("vit", "a", TENSORS, {})


# Base weights from a wheel.


def only_pip_settings(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    """Nothing of what this machine tells pip, and these."""
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "PROXY"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {"PIP_CONFIG_FILE": os.devnull, **settings}.items():
        monkeypatch.setenv(name, value)


def test_a_wheel_in_the_cache_is_converted_once_also_offline(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = make_wheel(home / "wheels", TENSORS)
    monkeypatch.setenv("PERCEPTMETRICS_OFFLINE", "1")
    first = load_base("vit", weights)
    (home / "wheels" / "tiny_weights-1.0-py3-none-any.whl").unlink()
    second = load_base("vit", weights, fetch=False)
    assert first.sha256 == second.sha256 == weights.sha256
    assert sha256_of_tensors(second.tensors) == weights.sha256
    assert second.origin == str(home / "base" / "vit.wheel.safetensors")
    assert read_metadata(Path(second.origin))["licence"] == "MIT"
    assert [base.name for base in list_cached()] == ["vit.wheel"]


@pytest.mark.parametrize(
    "setting",
    [{"PIP_NO_INDEX": "1"}, {"PIP_INDEX_URL": f"{NOWHERE}/simple"}],
    ids=["no index", "an index out of reach"],
)
def test_pip_takes_the_wheel_from_a_folder_and_nothing_of_it_stays(
    setting: dict[str, str],
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    weights = make_wheel(tmp_path / "index", TENSORS)
    only_pip_settings(monkeypatch, {**setting, "PIP_FIND_LINKS": str(tmp_path / "index")})
    assert load_base("vit", weights).sha256 == weights.sha256
    kept = sorted(path.name for path in home.rglob("*") if path.is_file())
    assert kept == [".vit.wheel.safetensors.stamp", "vit.wheel.safetensors"]
    assert list(home.iterdir()) == [home / "base"]
    out, err = capfd.readouterr()
    assert out == ""
    assert "tiny" in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wheel_sha256": "00" * 32}, "tiny_weights-1.0.* expected 0000"),
        ({"member_sha256": "00" * 32}, "m.safetensors in .* expected 0000"),
        ({"member": "tiny/other.onnx"}, "holds no tiny/other.onnx"),
    ],
)
def test_another_wheel_than_the_pinned_one_is_refused(
    change: dict[str, str], message: str, home: Path
) -> None:
    weights = make_wheel(home / "wheels", TENSORS)
    assert isinstance(weights.source, WheelSource)
    with pytest.raises(WeightsMismatchError, match=message):
        fetch_base("vit", replace(weights, source=replace(weights.source, **change)))
    assert list_cached() == []


def test_other_tensors_than_the_pinned_ones_are_not_kept(home: Path) -> None:
    weights = replace(make_wheel(home / "wheels", TENSORS), sha256="11" * 32)
    with pytest.raises(WeightsMismatchError, match=r"expected 1111.*nothing was kept"):
        fetch_base("vit", weights)
    assert list_cached() == []


def test_weights_that_nobody_pinned_are_held_to_their_first_fetch(home: Path) -> None:
    first = replace(make_wheel(home / "wheels", TENSORS), sha256=None)
    fetch_base("vit", first)
    changed = {**TENSORS, "norm.bias": torch.zeros(4)}
    with pytest.raises(WeightsMismatchError, match="the source has changed"):
        fetch_base("vit", replace(make_wheel(home / "wheels", changed), sha256=None), force=True)
    assert verify_base("vit", first).sha256 == sha256_of_tensors(TENSORS)


def test_a_reader_that_does_not_exist_is_named(home: Path) -> None:
    weights = make_wheel(home / "wheels", TENSORS)
    assert isinstance(weights.source, WheelSource)
    source = replace(weights.source, reader="no_such_package:read")
    with pytest.raises(PluginError, match="'no_such_package:read'"):
        fetch_base("vit", replace(weights, source=source))


def test_two_processes_may_fetch_at_once(home: Path) -> None:
    weights = make_wheel(home / "wheels", TENSORS)
    code = (
        "from perceptmetrics.weights.source import *\n"
        "from perceptmetrics.weights.base import load_base\n"
        f"print(load_base('vit', {weights!r}).sha256)"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [child.communicate()[0].strip() for child in children] == [weights.sha256] * 2
    assert [child.returncode for child in children] == [0, 0]
    verify_base("vit", weights)
    kept = sorted(path.name for path in (home / "base").iterdir())
    assert kept == [".vit.wheel.safetensors.stamp", "vit.wheel.safetensors"]


def test_verify_sees_one_changed_bit(home: Path) -> None:
    weights = make_wheel(home / "wheels", TENSORS)
    file = fetch_base("vit", weights)
    assert verify_base("vit", weights).size == file.stat().st_size
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(WeightsMismatchError, match=r"is damaged.*weights fetch vit\.wheel"):
        verify_base("vit", weights)


def test_a_cached_file_that_changed_is_hashed_before_it_is_used(home: Path) -> None:
    weights = make_wheel(home / "wheels", TENSORS)
    file = fetch_base("vit", weights)
    whole = file.read_bytes()
    assert is_stamped(file)
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(file, ns=(1, 1))  # whatever the clock's steps are
    with pytest.raises(WeightsMismatchError, match=r"is damaged.*weights fetch vit\.wheel"):
        load_base("vit", weights)
    assert not is_stamped(file)
    file.write_bytes(whole)
    os.utime(file, ns=(2, 2))
    assert load_base("vit", weights).sha256 == weights.sha256
    assert is_stamped(file)


def test_a_cached_file_of_other_weights_is_refused(home: Path) -> None:
    weights = make_wheel(home / "wheels", TENSORS)
    keep_base("vit", "wheel", {"x": torch.zeros(1)}, {})
    with pytest.raises(WeightsMismatchError, match=r"delete it, then run .*fetch vit\.wheel"):
        load_base("vit", weights)


def test_a_cut_cached_file_is_refused(home: Path) -> None:
    weights = make_wheel(home / "wheels", TENSORS)
    file = fetch_base("vit", weights)
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(WeightsError, match="cut short"):
        load_base("vit", weights)
    assert list_cached() == []
    assert list(list_damaged()) == ["vit.wheel"]


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("force", [True, False])
def test_a_damaged_cached_file_is_fetched_again(home: Path, pinned: bool, force: bool) -> None:
    weights = make_wheel(home / "wheels", TENSORS)
    weights = weights if pinned else replace(weights, sha256=None)
    file = fetch_base("vit", weights)
    file.write_bytes(file.read_bytes()[:-4])
    assert fetch_base("vit", weights, force=force) == file
    assert verify_base("vit", weights).sha256 == sha256_of_tensors(TENSORS)


def test_a_whole_file_that_cannot_be_fetched_again_is_not_called_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = make_wheel(home / "wheels", TENSORS)
    file = fetch_base("vit", weights)
    (home / "wheels" / "tiny_weights-1.0-py3-none-any.whl").unlink()
    monkeypatch.setenv("PERCEPTMETRICS_OFFLINE", "1")
    assert fetch_base("vit", weights) == file
    with pytest.raises(WeightsMissingError, match=r"cannot fetch vit\.wheel again.*keeps"):
        fetch_base("vit", weights, force=True)
    file.write_bytes(b"cut")
    with pytest.raises(WeightsMissingError, match="is damaged"):
        fetch_base("vit", weights)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["weights", *map(str, arguments)])


@pytest.mark.parametrize("name", ["clip-b16.openai-int8", "vit.mine"])
def test_a_damaged_cached_file_is_listed_and_verified_as_such(name: str, home: Path) -> None:
    backbone, _, tag = name.partition(".")
    file = keep_base(backbone, tag, TENSORS, {})
    file.write_bytes(file.read_bytes()[:-4])
    (line,) = [line for line in command("list").output.splitlines() if line.startswith(name + " ")]
    assert line.split()[1] == "damaged"
    facts = json.loads(command("list", "--json").stdout)["base"]
    assert [(b["name"], b["cached"]) for b in facts if b["damaged"]] == [(name, None)]
    for arguments in ((), (name,)):
        done = command("verify", *arguments)
        assert done.exit_code == 1
        assert f"error: {name}: {file}: not a whole safetensors file" in done.output


def test_an_output_folder_that_cannot_be_made_is_one_of_our_errors(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = command("convert", tmp_path / "file", "-o", tmp_path / "file" / "x" / "c.safetensors")
    assert isinstance(done.exception, OptionError)
    assert "cannot create the folder" in str(done.exception)


# Missing.

NAMES = {
    "wheel": "clip-b16.openai-int8",
    "open_clip": "clip-l14.openai",
    "timm": "dinov2-b14.lvd142m",
}


def registered(name: str) -> BaseWeights:
    backbone, _, tag = name.partition(".")
    return BACKBONES.get(backbone).weights_of(tag)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("variable", ["PERCEPTMETRICS_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_missing_weights_are_a_helpful_line(
    name: str,
    variable: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    empty_hub: None,
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(WeightsMissingError) as raised:
        load_base("vit", replace(registered(name), tag="tag"))
    message = str(raised.value)
    assert "\n" not in message
    assert str(home / "base" / "vit.tag.safetensors") in message
    assert "perceptmetrics weights fetch vit.tag" in message
    assert "copy base/vit.tag.safetensors from its cache to" in message
    assert "PERCEPTMETRICS_HOME" in message
    assert "work without" in message


@pytest.fixture
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that cannot be reached, with an empty cache of its own."""
    pytest.importorskip("open_clip")
    pytest.importorskip("timm")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", NOWHERE)


FETCH = """
import json, os, sys
from perceptmetrics.cli.main import main
sys.argv = ["perceptmetrics", "weights", "fetch", sys.argv[1]]
try:
    main()
except SystemExit as ended:
    heavy = [name for name in ("torch", "timm", "open_clip") if name in sys.modules]
    print(json.dumps({"code": ended.code, "cpu": sum(os.times()[:4]), "heavy": heavy}))
"""


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"PERCEPTMETRICS_OFFLINE": "1"}, "the network is forbidden"),
        ({"HF_ENDPOINT": NOWHERE, "PIP_INDEX_URL": f"{NOWHERE}/simple"}, "cannot be reached"),
    ],
    ids=["forbidden", "no network"],
)
def test_missing_weights_are_an_error_within_a_second_of_a_fresh_process(
    name: str,
    setting: dict[str, str],
    message: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not the 23 s of huggingface_hub's or a minute of pip's retries.

    Measured is all CPU time of the command, from Python's start to its end and with pip's, because
    tests share cores. Nothing is taken off for imports: torch, timm and open_clip, which take
    seconds, are not imported at all. Where pip is asked, its start gets half a second more.
    """
    pytest.importorskip("huggingface_hub")
    only_pip_settings(monkeypatch, {"HF_HUB_CACHE": str(tmp_path / "hub"), **setting})
    command = [sys.executable, "-c", FETCH, name]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    said = json.loads(done.stdout)
    assert said["code"] != 0
    assert message in done.stderr
    assert said["heavy"] == []
    asks_pip = name == NAMES["wheel"] and "PIP_INDEX_URL" in setting
    assert said["cpu"] < (1.5 if asks_pip else 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops what a full queue gets")
def test_a_registry_that_swallows_packets_does_not_cost_pips_patience(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three seconds of knocking, not the ten of pip's own for each index."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        # What fills the queue: one connection more is never answered.
        with socket.create_connection(address):
            index = f"http://127.0.0.1:{address[1]}/simple"
            only_pip_settings(monkeypatch, {"PIP_INDEX_URL": index})
            start = time.perf_counter()
            with pytest.raises(WeightsMissingError, match="registry cannot be reached"):
                fetch_base("vit", registered(NAMES["wheel"]))
            assert time.perf_counter() - start < 10


def test_fetching_can_be_turned_off(home: Path) -> None:
    with pytest.raises(WeightsMissingError, match="fetching is turned off"):
        load_base("vit", make_wheel(home / "wheels", TENSORS), fetch=False)


def test_a_server_that_answers_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perceptmetrics.weights.network.getproxies", dict)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert can_reach(address)
        # Where there is a proxy, it is the proxy that must answer.
        monkeypatch.setattr("perceptmetrics.weights.network.getproxies", lambda: {"http": address})
        assert can_reach("http://no-such-host.invalid")
    assert not can_reach(address)


# A file of the user's own.


def test_a_file_may_stand_for_the_registered_weights(tmp_path: Path) -> None:
    weights = BaseWeights("tag", registered(NAMES["wheel"]).source, "11" * 32, "MIT")
    torch.save({k: v.half() for k, v in TENSORS.items()}, tmp_path / "a.pth")
    save_tensors(TENSORS, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        loaded = load_base("vit", weights, path=tmp_path / name)
        assert loaded.origin == str(tmp_path / name)
        assert loaded.sha256 == sha256_of_tensors(TENSORS)
        assert {tensor.dtype for tensor in loaded.tensors.values()} == {torch.float32}


def test_names_of_other_libraries_are_mapped_but_never_our_own(home: Path, tmp_path: Path) -> None:
    def upper(state: object) -> dict[str, torch.Tensor]:
        assert isinstance(state, dict)
        return {name.upper(): tensor for name, tensor in state.items()}

    weights = BaseWeights("tag", registered(NAMES["wheel"]).source, None, "MIT")
    torch.save(TENSORS, tmp_path / "a.pth")
    theirs = load_base("vit", weights, path=tmp_path / "a.pth", weight_map=upper)
    assert theirs.tensors.keys() == {"CLS_TOKEN", "NORM.BIAS"}
    ours = load_base("vit", weights, path=keep_base("vit", "x", TENSORS, {}), weight_map=upper)
    assert ours.tensors.keys() == TENSORS.keys()


# The hub, from files laid into huggingface_hub's cache as it lays them itself.


def put_on_hub(folder: Path, repository: str, name: str, state: dict[str, torch.Tensor]) -> None:
    place = folder / "hub" / f"models--{repository.replace('/', '--')}"
    (place / "snapshots" / "abc").mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    save_tensors(state, place / "snapshots" / "abc" / name)


def test_repositories_and_files_are_those_of_the_libraries_own_configs() -> None:
    open_clip, timm = pytest.importorskip("open_clip"), pytest.importorskip("timm")
    from open_clip import constants
    from timm.models import _hub

    sources = [weights.source for backbone in BACKBONES for weights in backbone.weights]
    for source in sources:
        if isinstance(source, OpenClipSource):
            config = open_clip.pretrained.get_pretrained_cfg(source.model, source.tag)
            assert config["hf_hub"] == f"{source.repository}/"
            assert source.files == (constants.HF_SAFE_WEIGHTS_NAME, constants.HF_WEIGHTS_NAME)
        elif isinstance(source, TimmSource):
            config = timm.models.get_pretrained_cfg(source.model)
            assert (config.hf_hub_id, config.hf_hub_filename) == (source.repository, None)
            assert source.files == (_hub.HF_SAFE_WEIGHTS_NAME, _hub.HF_WEIGHTS_NAME)
    assert {type(source) for source in sources} == {WheelSource, OpenClipSource, TimmSource}


@pytest.mark.parametrize(
    "source",
    [registered("clip-b16.openai").source, OpenClipSource("ViT-B-16-quickgelu", "openai")],
    ids=["ours", "a plug-in's that names no repository"],
)
def test_the_image_tower_of_an_open_clip_checkpoint_is_taken(
    source: OpenClipSource,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    empty_hub: None,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    state = {"visual.proj": torch.ones(4, 2).half(), "text_projection": torch.eye(3)}
    repository = "timm/vit_base_patch16_clip_224.openai"
    put_on_hub(tmp_path, repository, "open_clip_model.safetensors", state)
    loaded = load_base("vit", BaseWeights("openai", source, None, "MIT"))
    assert list(loaded.tensors) == ["projection.weight"]
    assert torch.equal(loaded.tensors["projection.weight"], torch.ones(2, 4))


def test_missing_packages_are_named_as_pip_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match="pip install open_clip_torch timm huggingface_hub"):
        hub_file("owner/name", ["a.safetensors"], download=False)


@pytest.mark.parametrize("repository", [None, "timm/vit_tiny_patch16_224.augreg_in21k"])
def test_a_timm_checkpoint_comes_in_the_form_of_timms_model(
    repository: str | None,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    empty_hub: None,
) -> None:
    timm = pytest.importorskip("timm")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    name = "vit_tiny_patch16_224.augreg_in21k"
    # With a classifier in the file, which a backbone does not have.
    head = {"head.weight": torch.zeros(21843, 192), "head.bias": torch.zeros(21843)}
    put_on_hub(tmp_path, f"timm/{name}", "model.safetensors", model.state_dict() | head)
    source = TimmSource(name, repository=repository)
    loaded = load_base("vit", BaseWeights("in21k", source, None, "MIT"))
    assert loaded.sha256 == sha256_of_tensors(model.state_dict())


@pytest.mark.parametrize(
    "source", [OpenClipSource("ViT-B-16", "no-tag"), TimmSource("no_model.tag")]
)
def test_a_model_that_the_hub_libraries_do_not_know_is_named(
    source: OpenClipSource | TimmSource, home: Path, empty_hub: None
) -> None:
    with pytest.raises(UnknownNameError, match="no model"):
        fetch_base("vit", BaseWeights("tag", source, None, "MIT"))


# Readers of ONNX files, and what must stay light. The real files are in test_wheel_weights.py.


@pytest.mark.parametrize("read", [read_clip_onnx, read_dinov2_onnx])
def test_another_onnx_file_is_refused(read: Callable[[bytes], dict[str, torch.Tensor]]) -> None:
    onnx = pytest.importorskip("onnx")
    empty = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    with pytest.raises(WeightsMismatchError):
        read(empty.SerializeToString())
    with pytest.raises(WeightsError, match="not an ONNX model"):
        read(b"\xff" * 64)


def test_sources_do_not_import_torch() -> None:
    code = "import sys, perceptmetrics.weights.source; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
