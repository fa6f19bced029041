"""What is said of the device. Paddle's answers on a GPU are made up: none was at hand."""

from types import SimpleNamespace

import paddle
import pytest

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import device_failure, out_of_memory


@pytest.fixture
def v100(monkeypatch):
    properties = SimpleNamespace(name="Tesla V100-SXM2-32GB", major=7, minor=0, total_memory=34_000_000_000)
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(paddle.device.cuda, "get_device_properties", lambda *place: properties)
    monkeypatch.setattr(paddle.version, "cuda", lambda: "11.8")
    monkeypatch.setattr(paddle.version, "cudnn", lambda: "8.6.0")
    monkeypatch.setattr(device, "_driver", lambda: "535.54")
    monkeypatch.setattr(paddle, "get_flags", lambda name: {name: False})


def test_the_line_of_a_gpu_has_all_that_results_depend_on(v100):
    line = "device: gpu:0, Tesla V100-SXM2-32GB, 31.7 GiB, capability 7.0, driver 535.54, CUDA 11.8, cuDNN 8.6.0"
    assert device.line() == f"{line}, TF32 off, not deterministic"
    assert device.facts()["capability"] == "7.0"


def test_the_line_names_what_is_unknown_and_what_is_rounded(v100, monkeypatch):
    def unknown(name):
        raise ValueError

    monkeypatch.setattr(paddle, "get_flags", unknown)
    monkeypatch.setattr(device, "_driver", lambda: None)
    monkeypatch.setattr(device, "rounded_inputs", lambda: ["products", "convolutions"])
    assert "driver unknown, " in device.line()
    assert device.line().endswith("TF32 on for products and convolutions, determinism unknown")


def test_the_line_of_a_cpu():
    assert device.line().startswith("device: cpu, ")
    assert "CUDA" not in device.line()


def test_a_cpu_beside_a_gpu_is_said_loudly(monkeypatch):
    assert device.warning() is None
    monkeypatch.setattr(device, "_has_nvidia_device", lambda: True)
    assert device.warning().startswith("WARNING: computing on the CPU: this machine has a GPU")
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 0)
    assert "finds none" in device.warning()
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 2)
    assert device.warning().endswith("Paddle finds 2 GPUs: --device gpu")
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:1")
    assert device.warning() is None


def test_the_driver_is_that_of_the_kernel_module(monkeypatch):
    text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54.03  Tue Jun  6 22:20:39 UTC 2023\nGCC version:"
    monkeypatch.setattr(device.Path, "read_text", lambda self: text)
    assert device._driver.__wrapped__() == "535.54.03"


def test_a_driver_that_nothing_tells_is_unknown(monkeypatch):
    def absent(self):
        raise FileNotFoundError

    monkeypatch.setattr(device.Path, "read_text", absent)
    monkeypatch.setattr(device.shutil, "which", lambda name: None)
    assert device._driver.__wrapped__() is None


GPU_FULL = """

--------------------------------------
C++ Traceback (most recent call last):
--------------------------------------
Error Message Summary:
ResourceExhaustedError:

Out of memory error on GPU 0. Cannot allocate 2.083984GB memory on GPU 0, 30.918213GB memory has been allocated and
available memory is only 831.000000MB.

Please check whether there is any other process using GPU 0.
"""


def test_figures_of_a_full_gpu_are_kept():
    figures = "cannot allocate 2.083984GB memory on GPU 0, 30.918213GB memory has been allocated and available memory"
    assert out_of_memory(MemoryError(GPU_FULL)) == f"not enough memory on the GPU: {figures} is only 831.000000MB"


@pytest.mark.parametrize("error", [OSError(2, "No such file"), OSError("disk on fire")])
def test_an_error_of_files_is_none_of_the_device(error):
    assert device_failure(error) is None


def test_an_error_of_cuda_is_told_as_such():
    text = "\nExternalError: CUDA error(700), an illegal memory access was encountered.\n  [Hint: 'cudaErrorIllegalAd"
    for spelled in (text, text.replace("ExternalError:", "(External)")):
        told = "the device failed: CUDA error(700), an illegal memory access was encountered"
        assert device_failure(OSError(spelled)) == told
