"""The console command and the wheel: subcommands, their help and exit codes, and what an installation needs to hold."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

import paddle_ugatit_command as console
from paddle_ugatit import ResnetGenerator, __version__, formats
from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import UsageError
from paddle_ugatit.cli import command, configs

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "paddle_ugatit_command.py")
PACKAGES = ("paddle_ugatit", "torch_ref", "align", "work/configs")
RECORDING = "align/recordings/small.safetensors"


@pytest.fixture(scope="module")
def project():
    """The table [project] of pyproject.toml."""
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(name):
    """Package -> its line, of a requirements file."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {re.split(r"[<>=~]", line)[0]: line for line in lines if line and not line.startswith("#")}


# --- the command, in this process ---------------------------------------------------------------------------


def test_help_lists_every_command_without_loading_paddle():
    code = "import sys, paddle_ugatit_command as c; c.main(['--help']); sys.exit('paddle' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and all(f"\n  {name} " in done.stdout for name in [*console.TOOLS, "align"])


def test_help_of_align_lists_every_check(capsys):
    assert console.main(["align", "--help"]) == console.main(["align"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {name} " in told for name in console.CHECKS)


@pytest.mark.parametrize("words", [["abacus"], [], ["align", "abacus"]])
def test_an_unknown_command_is_one_line(words, capsys):
    assert console.main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", console.TOOLS)
def test_help_of_a_tool_is_spelled_for_the_command(name, capsys):
    with pytest.raises(SystemExit) as end:
        console.main([name, "--help"])
    told = capsys.readouterr().out
    assert end.value.code == 0 and told.startswith(f"usage: paddle-ugatit {name} ")
    assert f"  paddle-ugatit {name} --" in told or f"  paddle-ugatit {name} selfie2anime" in told
    assert "tools/" not in told and "work/configs" not in told


def test_exit_codes_and_names_are_those_of_the_tools(tmp_path, capsys):
    absent = str(tmp_path / "absent.pt")
    assert console.main(["convert", absent, str(tmp_path / "b.pdparams")]) == 1
    assert capsys.readouterr().err.startswith("paddle-ugatit convert: ")
    assert console.main(["convert", absent, absent]) == 2


def test_a_check_returns_its_exit_code(capsys):
    assert console.main(["align", "forward", "--list"]) == 0
    assert "adailn" in capsys.readouterr().out.split()
    assert console.main(["align", "forward", "no-such-case"]) == 2


@pytest.mark.parametrize(("missing", "extra"), [("torch", "align"), ("paddle", "cpu")])
def test_a_missing_framework_is_one_line_that_says_how_to_install_it(missing, extra, monkeypatch, capsys):
    def work():
        raise ModuleNotFoundError(f"No module named '{missing}'", name=f"{missing}.nn")

    assert console._guarded("align training", work) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and f'pip install "paddle-ugatit[{extra}]"' in told


def test_another_missing_module_is_a_fault():
    def work():
        raise ModuleNotFoundError("No module named 'abacus'", name="abacus")

    with pytest.raises(ModuleNotFoundError):
        console._guarded("align training", work)


def test_examples_are_spelled_for_the_command():
    launch = "python -m paddle.distributed.launch --nproc_per_node 2 tools/eval_kid.py --fake A"
    assert command.for_console(launch) == launch.replace("tools/eval_kid.py", "$(which paddle-ugatit) eval-kid")
    assert command.for_console("python tools/convert_weights.py a b") == "paddle-ugatit convert a b"
    assert command.for_console("--config work/configs/demo.yaml") == "--config demo"


def test_every_command_and_check_exists():
    for module, _ in console.TOOLS.values():
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
    scripts = {module for module, _ in console.CHECKS.values()}
    assert all((ROOT / f"{module.replace('.', '/')}.py").is_file() for module in scripts)
    assert {f"align.{path.stem}" for path in (ROOT / "align").glob("check_*.py")} <= scripts


@pytest.mark.parametrize("value", ["demo", "demo.yaml", "work/configs/demo.yaml"])
def test_a_configuration_that_ships_is_found_by_name(value, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert configs.find(value).samefile(ROOT / "work/configs/demo.yaml")
    own = tmp_path / "demo.yaml"
    own.write_text("iteration: 1\n")
    assert configs.find("demo.yaml") == Path("demo.yaml")
    assert configs.find("elsewhere/demo.yaml") == Path("elsewhere/demo.yaml")


def test_a_gpu_that_is_absent_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="--device gpu:900: "):
        device.choose("gpu:900")
    monkeypatch.setattr(device.paddle, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(device.paddle.device.cuda, "device_count", lambda: 2)
    with pytest.raises(UsageError, match="--device gpu:2: Paddle finds 2 GPUs"):
        device.choose("gpu:2")


# --- one source of truth ------------------------------------------------------------------------------------


def test_requirements_agree(project):
    cpu, gpu = requirements("requirements-cpu.txt"), requirements("requirements.txt")
    extras = project["optional-dependencies"]
    for line in [*project["dependencies"], *extras["cpu"], *extras["align"]]:
        assert line in cpu.values()
    for line in project["dependencies"]:
        assert line in gpu.values()
    for line in extras["dev"]:
        assert line in cpu.values() or line.startswith("pre-commit")


def test_pre_commit_uses_the_same_ruff_and_mypy():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    revisions = {repo["repo"].rpartition("/")[2]: repo["rev"] for repo in hooks}
    pinned = requirements("requirements-cpu.txt")
    for repo, tool in (("ruff-pre-commit", "ruff"), ("mirrors-mypy", "mypy")):
        minor = pinned[tool].partition("~=")[2].rpartition(".")[0]
        assert revisions[repo].startswith(f"v{minor}."), f"{repo} is {revisions[repo]}, {pinned[tool]}"


def test_the_citation_names_this_version(project):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__ and citation["license"] == project["license"]
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# --- the wheel ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the sources so that nothing is left in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        shutil.copy(ROOT / name, source / name)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "-w", str(out), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs a command of the installed wheel, in an environment of its own that sees this one's packages."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", str(folder)], check=True)
    python = folder / "bin" / "python"
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
    ).stdout.strip()
    Path(own, "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [python, "-m", "pip", "install", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*words, cwd):
        line = [folder / "bin" / "paddle-ugatit", *map(str, words)]
        return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)

    return run


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_rooms(wheel):
    held = {name.replace("paddle_ugatit/configs/", "work/configs/") for name in zipfile.ZipFile(wheel).namelist()}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for room in PACKAGES
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted | {"paddle_ugatit_command.py"} <= held, wanted - held
    assert not [name for name in held if name.startswith(("tests/", "tools/"))]


@pytest.mark.slow
def test_installed_it_works_from_an_empty_folder(installed, tmp_path):
    done = installed("--version", cwd=tmp_path)
    assert done.stdout == f"paddle-ugatit {__version__}\n", done.stderr
    done = installed("translate", "--help", cwd=tmp_path)
    assert done.returncode == 0 and "usage: paddle-ugatit translate" in done.stdout, done.stderr

    state = {
        key: tensor.numpy() for key, tensor in ResnetGenerator(3, 3, ngf=2, n_blocks=1, light=True).state_dict().items()
    }
    formats.write(tmp_path / "a.pdparams", formats.Checkpoint({"": state}, "paddle", {}))
    for source, destination in (("a.pdparams", "b.pt"), ("b.pt", "c.pdparams")):
        done = installed("convert", source, destination, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "c.pdparams").read_bytes() == (tmp_path / "a.pdparams").read_bytes()

    done = installed("train", "--config", "demo", "--data", "nowhere", "--out", "run", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("paddle-ugatit train: nowhere")
    for recording in ((), ("--reference", RECORDING)):
        done = installed("align", "forward", "adailn", *recording, cwd=tmp_path)
        assert done.returncode == 0 and "ALIGNED" in done.stdout, done.stdout + done.stderr
