"""Progress of work whose length is known or not, on a terminal and in a log."""

import io

import pytest

from paddle_ugatit.backend import progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets, in a list of one."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("total", "line"),
    [
        (80, "translating: 30 of 80 (38%), 2.00 frames/s, 00:25 left, a note"),
        (None, "translating: 30, 2.00 frames/s, a note"),
    ],
)
def test_a_line_in_a_log(total, line, clock, capsys):
    with progress.Progress("translating", total, "frames") as shown:
        clock[0] = 5
        shown(20)
        clock[0] = 15
        shown(10, "a note")
        assert shown.rate() == 2
    assert capsys.readouterr().err == line + "\n"


@pytest.mark.parametrize("total", [80, None])
def test_a_bar_on_a_terminal(total, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    with progress.Progress("translating", total, "frames") as shown:
        shown(10)
        shown.say("a line")
    assert "translating: " in terminal.getvalue() and "a line\n" in terminal.getvalue()
