"""Two processes in lockstep with the twin: what their files say is compared, and how a process failed is told."""

from unittest.mock import patch

import pytest

from align.checks import processes
from align.compare.raised import NotComparable


def _alone(folder):
    """Each process by itself: nothing is averaged, and the second keeps its own weights."""
    for rank in range(processes.COUNT):
        with patch.object(processes.distributed, "start", lambda rank=rank: (rank, processes.COUNT)):
            processes.main(processes.Path(folder))


def test_processes_that_share_nothing_differ():
    with patch.object(processes, "_launch", _alone):
        (entry,) = processes.process_entries(["adain"])
    assert entry["verdict"] == "diverged" and entry["blamed"]["call"] == 1


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("Traceback\n  File\nValueError: img_size must be\nINFO end", "ValueError: img_size must be"),
        ("RuntimeError: gloo TIMEOUT\n", "RuntimeError: gloo TIMEOUT"),
        ("", "no output"),
    ],
)
def test_the_reason_is_told_in_one_line(tmp_path, log, told):
    (tmp_path / "workerlog.0").write_text(log)
    (tmp_path / "workerlog.1").write_text("")
    assert processes._reason(tmp_path, "") == told


def test_processes_that_never_end_are_not_comparable(tmp_path):
    late = processes.subprocess.TimeoutExpired("launch", 1)
    with patch.object(processes.subprocess, "run", side_effect=late), pytest.raises(NotComparable, match="no end"):
        processes._launch(str(tmp_path))
