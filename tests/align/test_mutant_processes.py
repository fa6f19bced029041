"""A mutant that hangs is found with the files in which it stands."""

import time

from align.mutants import processes, source, trial


def _for_ever():
    while True:
        time.sleep(0.01)


def test_a_process_that_is_late_says_where_it_stands():
    [(_, found)] = processes.run([processes.Job("x", _for_ever, 1.0, trial.hung)], 1)
    assert (found["how"], found["files"]) == ("timeout", [])  # no file of the port


def test_threads_that_stand_still_are_found_with_their_files():
    port = str(source.ROOT / "paddle_ugatit/data/made_up.py")
    within: dict = {}
    exec(compile("def wait(enough):\n    enough()\n", port, "exec"), within)
    found: list = []
    within["wait"](lambda: found.append(trial.hung()))
    assert found[0]["files"] == ["paddle_ugatit/data/made_up.py"]
