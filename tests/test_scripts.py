"""The shell scripts: what they say and return, also where they cannot work.

The Python they find is a stub, and nothing is installed.
"""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("tools/setup_env.sh", "tools/test.sh", "tools/demo.sh", ".ci/run")
SHELL_TOOLS = (
    "awk", "basename", "bash", "cat", "cksum", "cp", "dirname", "env", "flock", "grep", "ln", "mkdir",
    "mv", "rm", "sed", "sleep", "tail", "tr", "uname",
)  # fmt: skip
ENOUGH_DISK, LITTLE_DISK = 90_000_000, 1_000_000  # kB

# Answers like an interpreter of version $VERSION. As `-m venv` it makes an environment holding itself; as
# `-m pip` it logs the call, then behaves as $PIP says: ok, fail (no network) or no-torch. It has torch where pip
# brought it, and every other module but those in $LACKS. As a training without --resume it leaves the checkpoint after
# which the demo kills it, unless $CHECKPOINT is empty.
STUB = r"""#!/usr/bin/env bash
case "$*" in
    *PackageNotFoundError*) echo "  Python $VERSION.0" ;;
    *version_info*) echo "$VERSION" ;;
    "-c import ensurepip, venv") [ "${VENV-yes}" = yes ] ;;
    "-c import paddle") [ -n "${HAS_PADDLE-}" ] || [[ $0 == */.venv*/bin/python ]] ;;
    "-c import torch") [ -n "${HAS_TORCH-}" ] || [ -e "${0%/*}/has-torch" ] ;;
    *purelib*) echo "${0%/*}" ;;
    *numpy.__version__*) echo "numpy==1.26.4" ;;
    *sched_getaffinity*) echo "3" ;;
    "-c import "*) [[ " ${LACKS-} " != *" ${2#import } "* ]] ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "$*" >"$3/made" ;;
    *"pip"*install*)
        echo "$*" >>"$CALLS"
        case "$PIP/$*" in
            fail/* | no-torch/*torch==*)
                echo "WARNING: Retrying after connection broken by NewConnectionError"
                echo "ERROR: No matching distribution found"
                exit 1
                ;;
        esac
        case "$*" in *torch==*) : >"${0%/*}/has-torch" ;; esac
        ;;
    *tools/train.py*--minutes* | *tools/train.py*--resume*) echo "ran: $*" ;;
    *tools/train.py*)
        echo "ran: $*"
        [ -z "${CHECKPOINT-yes}" ] || mkdir -p work/outputs/demo/run/checkpoints/0000100
        ;;
    *) echo "ran: $*" ;;
esac
"""


def stub_where(word, code):
    """The stub, but a call with this word ends with this exit code."""
    return STUB.replace('    *) echo "ran', f'    *"{word}"*) exit {code} ;;\n    *) echo "ran')


@pytest.fixture
def project(tmp_path):
    """A copy of the scripts, and a PATH with the shell's tools but no Python of this machine."""
    root, bin_folder = tmp_path / "a project", tmp_path / "bin"
    bin_folder.mkdir()
    for name in (*SCRIPTS, "requirements-cpu.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    made = Project(root, bin_folder)
    for tool in SHELL_TOOLS:
        # A file that calls the tool, not a link to it: a stub written over a link would replace the tool.
        if shutil.which(tool):
            made.stub(tool, f'#!/bin/sh\nexec {shutil.which(tool)} "$@"\n')
    made.disk(ENOUGH_DISK)
    return made


class Project:
    """Runs a script of the copied project with the stub as its Python."""

    def __init__(self, root, bin_folder):
        self.root, self.bin_folder, self.calls = root, bin_folder, root / "calls"

    def disk(self, kilobytes):
        self.stub("df", f"#!/bin/sh\necho header; echo /dev/x 0 0 {kilobytes} 0% /\n")

    def stub(self, name, text=STUB):
        path = self.bin_folder / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, script, *arguments, cwd="/", **variables):
        environment = {"PATH": str(self.bin_folder), "VERSION": "3.11", "PIP": "ok", "CALLS": str(self.calls)}
        command = [shutil.which("bash"), str(self.root / script), *arguments]
        environment.update(variables)
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=20)

    def pip_calls(self):
        return self.calls.read_text().splitlines() if self.calls.exists() else []


def assert_refused(result, *words):
    """Exit code 2 and a message with these words, none of them a shell's own complaint."""
    assert result.returncode == 2, result.stdout + result.stderr
    for word in words:
        assert word in result.stderr
    assert "line " not in result.stderr.splitlines()[0]


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_parses(script):
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True)


@pytest.mark.parametrize("script", ["tools/test.sh", "tools/demo.sh"])
def test_help(project, script):
    result = project.run(script, "--help")
    assert result.returncode == 0 and f"bash {script}" in result.stdout and "Exit code" in result.stdout


@pytest.mark.parametrize("arguments", [("--paddle", "1.0"), ("--paddle=1.0",), ("--paddle",)])
def test_unknown_paddle_is_refused(project, arguments):
    project.stub("python3")
    assert_refused(project.run("tools/test.sh", *arguments), "3.3.1 or 2.6.2")
    assert not project.pip_calls()


def test_demo_takes_no_other_arguments(project):
    assert_refused(project.run("tools/demo.sh", "--fast"), "--fast")


def test_no_python(project):
    assert_refused(project.run("tools/demo.sh"), "needs Python 3.10", "none")


@pytest.mark.parametrize("version", ["3.7", "2.7", "3.14", "4.0"])
def test_unfit_python_is_named(project, version):
    project.stub("python3")
    result = project.run("tools/demo.sh", VERSION=version)
    assert_refused(result, "needs Python 3.10", f"python3 is {version}")


def test_newest_python_depends_on_paddle(project):
    project.stub("python3")
    assert_refused(project.run("tools/test.sh", "--paddle", "2.6.2", VERSION="3.13"), "3.10 to 3.12")
    assert project.run("tools/test.sh", VERSION="3.13").returncode == 0


def test_missing_venv_module_is_named(project):
    project.stub("python3")
    assert_refused(project.run("tools/demo.sh", VENV="no"), "venv", "python3.11-venv")


def test_full_disk(project):
    project.stub("python3")
    project.disk(LITTLE_DISK)
    assert_refused(project.run("tools/demo.sh"), "not enough disk", "3 GB")
    assert not (project.root / ".venv").exists()


def test_no_network_is_one_clear_line_with_the_end_of_the_log(project):
    project.stub("python3")
    result = project.run("tools/test.sh", PIP="fail")
    assert_refused(result, "could not install Paddle 3.3.1", "no network?", "No matching distribution")
    assert result.stderr.count("\n") == 1 and (project.root / "work/outputs/setup/base.log").exists()


def test_set_up_once_then_pip_rests(project):
    project.stub("python3")
    first = project.run("tools/test.sh", "-k", "weights", cwd=project.bin_folder)
    assert first.returncode == 0, first.stderr
    for tool in ("ruff check .", "mypy", "pytest -n 3 -k weights"):
        assert f"ran: -m {tool}" in first.stdout
    calls = project.pip_calls()
    assert len(calls) == 3 and "--no-deps facenet-pytorch==" in calls[1] and "torch==2.13.0+cpu" in calls[2]
    assert project.run("tools/test.sh").returncode == 0
    assert project.pip_calls() == calls


def test_older_paddle_has_its_own_environment(project):
    project.stub("python3")
    assert project.run("tools/test.sh", "--paddle", "2.6.2").returncode == 0
    requirements = (project.root / ".venv-paddle2.6.2/requirements.txt").read_text()
    assert "paddlepaddle==2.6.2" in requirements and "numpy>=1.23,<2\n" in requirements
    assert not (project.root / ".venv").exists()


def test_interrupted_set_up_is_made_anew(project):
    project.stub("python3")
    project.run("tools/test.sh", PIP="fail")
    litter = project.root / ".venv/half-installed"
    litter.touch()
    result = project.run("tools/test.sh")
    assert result.returncode == 0 and "did not finish" in result.stdout
    assert not litter.exists()


def test_changed_requirements_are_installed(project):
    project.stub("python3")
    project.run("tools/test.sh")
    with (project.root / "requirements-cpu.txt").open("a") as file:
        file.write("scipy\n")
    assert project.run("tools/test.sh").returncode == 0
    assert len(project.pip_calls()) == 6


def test_foreign_environment_is_left_alone(project):
    project.stub("python3")
    (project.root / ".venv").mkdir()
    (project.root / ".venv/mine").touch()
    assert_refused(project.run("tools/test.sh"), "was not made by this script")
    assert (project.root / ".venv/mine").exists()


def test_without_torch_the_demo_goes_on_and_the_tests_do_not(project):
    project.stub("python3")
    result = project.run("tools/demo.sh", PIP="no-torch")
    assert result.returncode == 0, result.stderr
    assert "--reference align/recordings/small.safetensors" in result.stdout
    assert "torch is absent" in result.stdout and "ALIGNED with the shipped recording" in result.stdout
    assert_refused(project.run("tools/test.sh", PIP="no-torch"), "torch, which could not be installed")
    # found later, torch is installed without doing the rest again
    before = len(project.pip_calls())
    assert project.run("tools/test.sh").returncode == 0
    assert len(project.pip_calls()) == before + 1


def test_cuda_is_never_asked_for(project):
    project.stub("python3")
    project.run("tools/test.sh", PIP="no-torch")
    wanted = [call for call in project.pip_calls() if " torch==" in call]
    assert len(wanted) == 2 and all("torch==2.13.0+cpu" in call for call in wanted)
    assert "download.pytorch.org/whl/cpu" in wanted[1]


def test_a_broken_environment_is_made_anew(project):
    project.stub("python3")
    project.run("tools/test.sh")
    (project.root / ".venv/bin/python").write_text("#!/no/such/interpreter\n")
    before = len(project.pip_calls())
    assert project.run("tools/test.sh").returncode == 0
    assert len(project.pip_calls()) == 2 * before


def test_a_module_that_does_not_load_is_named(project):
    project.stub("python3")
    assert_refused(project.run("tools/test.sh", LACKS="cv2"), "cv2 is installed but does not load")


def test_two_set_ups_at_once_take_turns(project):
    """The first holds pip for a moment; the second waits, finds everything there, and calls pip no more."""
    slow = STUB.replace('echo "$*" >>"$CALLS"', 'echo "$*" >>"$CALLS"; sleep 1')
    project.stub("python3", slow)
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: project.run("tools/test.sh"), range(2)))
    assert [result.returncode for result in results] == [0, 0]
    assert sum("waiting for it" in result.stdout for result in results) == 1
    assert len(project.pip_calls()) == 3


def test_installed_paddle_is_used_and_left_alone(project):
    project.stub("python3")
    result = project.run("tools/demo.sh", HAS_PADDLE="1", HAS_TORCH="1")
    assert result.returncode == 0 and "Paddle is installed already" in result.stdout
    folder = project.root / ".venv-paddle-here"
    assert "--system-site-packages" in (folder / "made").read_text() and not (project.root / ".venv").exists()
    assert (folder / "bin/borrowed.pth").read_text().strip() == str(project.bin_folder)
    requirements = (folder / "requirements.txt").read_text()
    assert "numpy==1.26.4\n" in requirements and "paddle" not in re.sub("#.*", "", requirements)
    # its torch is used as well, and pip runs in the new environment only
    assert len(project.pip_calls()) == 2


def test_beside_an_installed_paddle_missing_packages_are_tolerated(project):
    project.stub("python3")
    result = project.run("tools/demo.sh", HAS_PADDLE="1", PIP="fail")
    assert result.returncode == 0 and "ALIGNED with the shipped recording" in result.stdout
    assert "going on with the packages that this machine has" in result.stdout
    shutil.rmtree(project.root / ".venv-paddle-here")
    assert_refused(project.run("tools/demo.sh", HAS_PADDLE="1", PIP="fail", LACKS="scipy"), "could not install")


@pytest.mark.parametrize(("code", "words"), [(1, "DIVERGED: step 4"), (2, "NOT COMPARABLE: step 4")])
def test_demo_ends_with_the_worst_verdict(project, code, words):
    project.stub("python3", stub_where("check_forward", code))
    result = project.run("tools/demo.sh")
    assert result.returncode == code
    assert words in result.stdout + result.stderr
    # a divergence does not hide the page; what cannot be compared ends the demo
    assert ("align/page.py" in result.stdout) == (code == 1)


def test_demo_announces_every_step_and_the_verdict(project):
    project.stub("python3")
    result = project.run("tools/demo.sh")
    assert re.findall(r"^\[(\d+)/16\]", result.stdout, re.M) == [str(step) for step in range(1, 17)]
    assert result.stdout.splitlines()[-1].startswith("ALIGNED")
    full = project.run("tools/demo.sh", "--full").stdout
    assert re.findall(r"^\[(\d+)/7\]", full, re.M) == [str(step) for step in range(1, 8)]
    assert "check_forward" not in full and "iteration=" not in full
    assert "tools/train.py" in full and "--minutes 15" in full and "faces.yaml" in full
    for script in re.findall(r"ran: (\S+\.py)", result.stdout):
        assert (ROOT / script).is_file(), f"{script} is called by tools/demo.sh and missing"


def test_the_demo_kills_its_training_and_resumes_it(project):
    project.stub("python3")
    trained = [line for line in project.run("tools/demo.sh").stdout.splitlines() if "tools/train.py" in line]
    assert len(trained) == 2 and trained[1] == f"{trained[0]} --resume"
    shutil.rmtree(project.root / "work")
    assert_refused(project.run("tools/demo.sh", CHECKPOINT=""), "step 10 failed")


def test_ci_runs_both_versions_and_stops_at_a_failure(project):
    project.stub("python3")
    result = project.run(".ci/run")
    assert result.returncode == 0 and "CI passed" in result.stdout
    assert (project.root / ".venv").is_dir() and (project.root / ".venv-paddle2.6.2").is_dir()
    project.stub("python3", stub_where("-m pytest", 1))
    shutil.rmtree(project.root / ".venv")
    result = project.run(".ci/run")
    assert result.returncode == 1 and "CI passed" not in result.stdout
