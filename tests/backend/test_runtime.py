"""Process settings: what the user has set is left alone, the switch works, each processor gets what suits it."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from paddle_ugatit.backend import runtime

ROOT = Path(__file__).resolve().parents[2]
AVX2, AVX512 = {"sse2", "avx2"}, {"sse2", "avx2", "avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"}


@pytest.fixture
def environment(monkeypatch):
    """An environment of its own, in a process that has not loaded Paddle, on an AMD processor with AVX2."""
    values = {}
    monkeypatch.setattr(runtime.os, "environ", values)
    monkeypatch.delitem(sys.modules, "paddle", raising=False)
    monkeypatch.setattr(runtime, "_processor", lambda: ("AuthenticAMD", AVX2))
    return values


def settings(environment):
    """All but what pytest itself has put there."""
    return {name: value for name, value in environment.items() if not name.startswith("PYTEST")}


@pytest.mark.parametrize(
    ("vendor", "flags", "kind"),
    [
        ("AuthenticAMD", AVX2, "5"),
        ("AuthenticAMD", AVX512, "7"),
        ("AuthenticAMD", AVX512 - {"avx512vl"}, "5"),
        ("AuthenticAMD", {"sse2"}, None),
        ("GenuineIntel", AVX2, None),
        ("GenuineIntel", AVX512, None),
        ("", set(), None),
    ],
)
def test_mkl_is_told_the_type_of_an_amd_processor_only(environment, monkeypatch, vendor, flags, kind):
    monkeypatch.setattr(runtime, "_processor", lambda: (vendor, flags))
    line = runtime.configure()[0]
    assert environment.get("MKL_DEBUG_CPU_TYPE") == kind
    assert line.startswith(f"blas: MKL_DEBUG_CPU_TYPE={kind}" if kind else "blas: MKL's own choice")


CPUINFO = (
    "processor\t: 0\nvendor_id\t: {}\nmodel name\t: A: 1\nflags\t\t: fpu {}\n\nprocessor\t: 1\nvendor_id\t: Other\n"
)


@pytest.mark.parametrize(("vendor", "flag"), [("AuthenticAMD", "avx2"), ("GenuineIntel", "avx512f")])
def test_processor_is_read_from_cpuinfo(monkeypatch, vendor, flag):
    monkeypatch.setattr(Path, "read_text", lambda path: CPUINFO.format(vendor, flag))
    assert runtime._processor() == (vendor, {"fpu", flag})


def test_processor_of_a_system_that_does_not_tell(monkeypatch):
    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert runtime._processor() == ("", set())
    monkeypatch.setattr(Path, "read_text", lambda path: "CPU implementer\t: 0x41\nFeatures\t: fp asimd\n")  # ARM
    assert runtime._processor() == ("", set())


def test_values_of_the_users_own_are_left_alone(environment):
    own = {"MKL_DEBUG_CPU_TYPE": "3", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "KMP_BLOCKTIME": "7"}
    environment.update(own)
    lines = runtime.configure()
    assert settings(environment) == own
    assert [line.endswith(", as found") for line in lines] == [True, True, True, True, False]
    with runtime.threads_for(1) as threads:
        assert threads is None


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "KMP_BLOCKTIME", "KMP_LIBRARY", "GOMP_SPINCOUNT"])
def test_how_the_user_has_threads_wait_is_left_alone(environment, name):
    environment[name] = "1"
    lines = runtime.configure()
    assert f"waiting: {name}=1, as found" in lines
    assert environment.get("OMP_WAIT_POLICY", "1") == "1"


@pytest.mark.parametrize(
    ("switch", "products", "threads"),
    [
        ("all", 0, 1),
        ("all", 2**25 - 1, 1),
        ("all", 2**25, 2),
        ("all", 2**26, None),  # all four: nothing to change
        ("blas,malloc,threads,waiting", 0, None),
        ("fewer", 0, None),  # the number is Paddle's own
    ],
)
def test_small_networks_take_fewer_threads(environment, monkeypatch, switch, products, threads):
    used = []
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    monkeypatch.setattr(runtime, "_openmp", lambda: SimpleNamespace(omp_set_num_threads=used.append))
    environment[runtime.SWITCH] = switch
    runtime.configure()
    with pytest.raises(KeyError), runtime.threads_for(products) as found:
        assert found == threads
        raise KeyError
    assert used == ([threads, 4] if threads else [])


@pytest.mark.skipif(sys.platform != "linux", reason="asks the loader of Linux")
def test_paddles_own_openmp_is_told():
    done = python(
        "import os\nfor name in ('OMP_NUM_THREADS', 'PADDLE_UGATIT_RUNTIME'): os.environ.pop(name, None)\n"
        "os.sched_getaffinity = lambda _: {0, 1, 2}\n"
        "import paddle_ugatit, paddle\nfrom paddle_ugatit.backend import runtime\n"
        "library = runtime._openmp()\nprint(library.omp_get_max_threads(), os.environ['OMP_WAIT_POLICY'])\n"
        "with runtime.threads_for(1) as threads: print(threads, library.omp_get_max_threads())\n"
        "print(library.omp_get_max_threads(), library.kmp_get_blocktime())"
    )
    assert done.stdout.split() == ["3", "PASSIVE", "1", "1", "3", "0"], done.stderr


def test_an_empty_value_is_a_value(environment):
    environment.update(MKL_DEBUG_CPU_TYPE="", OMP_NUM_THREADS="")
    runtime.configure()
    assert environment["MKL_DEBUG_CPU_TYPE"] == environment["OMP_NUM_THREADS"] == ""


def test_threads_are_the_processors_cores(environment, monkeypatch):
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    runtime.configure()
    assert environment["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    "everywhere, machines, threads", [("2", "1", "3"), ("8", "2", "1"), ("16", "1", "1"), ("x", "1", "6")]
)
def test_processes_of_one_launch_share_the_cores(environment, monkeypatch, everywhere, machines, threads):
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    environment.update(PADDLE_TRAINERS_NUM=everywhere, PADDLE_NNODES=machines)
    runtime.configure()
    assert environment["OMP_NUM_THREADS"] == threads


@pytest.mark.parametrize(
    ("switch", "on"),
    [
        ("off", set()),
        ("all", {"blas", "malloc", "threads", "waiting", "fewer"}),
        ("ALL", {"blas", "malloc", "threads", "waiting", "fewer"}),
        ("threads", {"threads"}),
        ("blas,malloc", {"blas", "malloc"}),
        ("waiting", {"waiting"}),
    ],
)
def test_switch(environment, switch, on):
    environment[runtime.SWITCH] = switch
    lines = runtime.configure()
    assert {line.partition(":")[0] for line in lines if f"off ({runtime.SWITCH}=" not in line} == on
    assert ("MKL_DEBUG_CPU_TYPE" in environment) is ("blas" in on)
    assert ("OMP_NUM_THREADS" in environment) is ("threads" in on)
    assert ("OMP_WAIT_POLICY" in environment) is ("waiting" in on)


def test_nothing_is_set_once_paddle_is_loaded(environment, monkeypatch):
    monkeypatch.setitem(sys.modules, "paddle", object())
    lines = runtime.configure()
    assert settings(environment) == {}
    assert sum("Paddle was loaded before" in line for line in lines) == 3


def python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_product_never_imports_torch():
    done = python(
        "import importlib, pkgutil, sys, paddle_ugatit\n"
        "for module in pkgutil.walk_packages(paddle_ugatit.__path__, 'paddle_ugatit.'):\n"
        "    importlib.import_module(module.name)\n"
        "assert 'paddle_ugatit.models.ugatit' in sys.modules and 'paddle' in sys.modules\n"
        "sys.exit('torch' in sys.modules or 'torch_ref' in sys.modules)"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_twin_never_imports_paddle():
    pytest.importorskip("torch")
    done = python("import sys, torch_ref; sys.exit('paddle' in sys.modules or 'paddle_ugatit' in sys.modules)")
    assert done.returncode == 0


def test_paddle_starts_with_the_settings():
    done = python(
        "import os\nfor name in ('MKL_DEBUG_CPU_TYPE', 'OMP_NUM_THREADS'): os.environ.pop(name, None)\n"
        "import paddle_ugatit\nfrom paddle_ugatit import runtime\n"
        "print(*runtime.SETTINGS, os.environ['OMP_NUM_THREADS'], sep='\\n')"
    )
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:5]] == ["blas", "malloc", "threads", "waiting", "fewer"]
    assert lines[2] == f"threads: OMP_NUM_THREADS={lines[5]}"
