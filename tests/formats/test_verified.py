"""Whatever reads a file of a checkpoint verifies it by the manifest beside it, once."""

import os

import numpy as np
import pytest

from paddle_ugatit import formats
from paddle_ugatit.formats import Checkpoint, CheckpointError, manifest, verified


@pytest.fixture
def folder(tmp_path):
    """A folder as checkpoints are: two files and a manifest."""
    for name in ("weights.pdparams", "state.safetensors"):
        formats.write(tmp_path / name, Checkpoint({"": {"x": np.arange(100.0)}}, "paddle"))
    files = {path.name: verified.described(path) for path in sorted(tmp_path.iterdir())}
    (tmp_path / manifest.NAME).write_text(manifest.sealed({"iteration": 1, "files": files}))
    return tmp_path


def flip(path, place=-80):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["weights.pdparams", "state.safetensors"])
def test_one_bit_in_a_weight_is_found(folder, name):
    before = formats.read(folder / name).networks[""]["x"].tobytes()
    flip(folder / name)
    with pytest.raises(CheckpointError, match=r"is damaged: its SHA-256 is not.*; use another.*, or remove .*json"):
        formats.read(folder / name)
    (folder / manifest.NAME).unlink()
    assert formats.read(folder / name).networks[""]["x"].tobytes() != before


def test_through_a_link_and_of_another_size(folder, tmp_path):
    link = tmp_path / "latest.safetensors"
    link.symlink_to(folder / "state.safetensors")
    formats.read(link)
    flip(folder / "state.safetensors")
    with pytest.raises(CheckpointError, match="is damaged"):
        formats.read(link)
    os.truncate(folder / "weights.pdparams", 500)
    with pytest.raises(CheckpointError, match="is incomplete: it has 500 bytes instead of"):
        formats.read(folder / "weights.pdparams")


def test_a_damaged_manifest_is_told_and_the_remedy_with_it(folder):
    flip(folder / manifest.NAME)
    with pytest.raises(CheckpointError, match=r"manifest.json: is damaged.*remove .*manifest.json"):
        formats.read(folder / "weights.pdparams")


@pytest.mark.parametrize("content", ["{}", "[]", "not JSON", '{"name": "a page", "icons": []}', "\0"])
def test_manifests_of_other_programs_are_left_alone(folder, content):
    flip(folder / "state.safetensors")
    (folder / manifest.NAME).write_text(content)
    formats.read(folder / "state.safetensors")


def test_files_that_the_manifest_does_not_name_are_read(folder):
    formats.write(folder / "other.safetensors", Checkpoint({"": {"x": np.ones(3)}}, "torch"))
    formats.read(folder / "other.safetensors")


def test_a_file_is_hashed_once_until_it_changes(folder, monkeypatch):
    hashed, real = [], verified.sha256
    monkeypatch.setattr(verified, "_known", {})
    monkeypatch.setattr(verified, "sha256", lambda path: hashed.append(os.path.basename(path)) or real(path))
    for _ in range(3):
        formats.read(folder / "state.safetensors")
    assert hashed == ["state.safetensors"]
    os.rename(folder / "state.safetensors", folder / "moved")  # as a finished checkpoint is
    os.rename(folder / "moved", folder / "state.safetensors")
    formats.read(folder / "state.safetensors")
    assert hashed == ["state.safetensors"]
    os.utime(folder / "state.safetensors", ns=(0, 0))
    formats.read(folder / "state.safetensors")
    assert hashed == ["state.safetensors"] * 2
