"""A destination is replaced as a whole or left as it was, whatever goes wrong while it is written."""

import os
import subprocess
import sys

import numpy as np
import pytest

from paddle_ugatit import formats


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("bug"), OSError(28, "No space left on device")])
@pytest.mark.parametrize("suffix", [".pt", ".pdparams", ".safetensors"])
def test_failed_write_leaves_the_old_file(tmp_path, suffix, error):
    path, framework = tmp_path / f"x{suffix}", "paddle" if suffix == ".pdparams" else "torch"
    formats.write(path, formats.Checkpoint({"": {"weight": np.ones(3)}}, framework))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(nbytes):
        raise error

    wanted = formats.CheckpointError if isinstance(error, OSError) else type(error)
    with pytest.raises(wanted, match="No space left" if isinstance(error, OSError) else None):
        formats.write(path, formats.Checkpoint({"": {"weight": np.zeros(99)}}, framework), fail)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_disk_that_ends_while_writing(tmp_path):
    """The kernel itself refuses: no file of this process may pass 4096 bytes."""
    pytest.importorskip("resource")
    (tmp_path / "x.pt").write_bytes(b"before")
    code = f"""
import resource, numpy
from paddle_ugatit import formats
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    formats.write({str(tmp_path / "x.pt")!r}, formats.Checkpoint({{"": {{"x": numpy.ones(9999)}}}}, "torch"))
except formats.CheckpointError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot be written: File too large" in done.stdout and done.stdout.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["x.pt"] and (tmp_path / "x.pt").read_bytes() == b"before"


def assert_refused(path):
    with pytest.raises(formats.CheckpointError, match="cannot be written"), formats.atomic.replacing(path):
        pytest.fail("the block must not run")


def test_destinations_that_cannot_be_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path in ("folder", "pipe", "absent/x", "x" * 300):
        assert_refused(tmp_path / path)
    assert_refused("/proc/x")  # a folder in which not even root may write
    assert {file.name for file in tmp_path.iterdir()} == {"folder", "pipe"}


def test_replacing_text_and_through_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with formats.atomic.replacing(tmp_path / "link", "w") as file:
        file.write("neu ä")
    assert (tmp_path / "real").read_text(encoding="utf-8") == "neu ä" and (tmp_path / "link").is_symlink()
