"""Where Paddle computes: the one place that takes the value of `--device`, and that says what a device is and can do.

Nothing here has been run on a GPU: tests replace what Paddle would answer there.
"""

import contextlib
import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import paddle

from paddle_ugatit.backend.errors import UsageError

_GIB = 2**30
_DRIVER = re.compile(r"Kernel Module\D*?([\d.]+)")


def choose(name: str | None) -> str:
    """Compute on `name` ("cpu", "gpu", "gpu:1") from now on, or on Paddle's own choice if None; return the device.

    Raises UsageError if this machine or this build of Paddle has no such device.
    """
    if name:
        _require_gpu(name)
        try:
            paddle.set_device(name)
        except (ValueError, RuntimeError, AssertionError, OSError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise UsageError(f"--device {name}: {lines[-1]}") from error
    return paddle.get_device()


def _require_gpu(name: str) -> None:
    """Raise UsageError if `name` is a GPU that is absent; Paddle's own messages on that do not say what to do."""
    match = re.fullmatch(r"gpu(?::(\d+))?", name)
    if match is None:
        return
    if not paddle.is_compiled_with_cuda():
        raise UsageError(f"--device {name}: this Paddle computes on the CPU only; paddlepaddle-gpu is needed")
    count = paddle.device.cuda.device_count()
    if int(match[1] or 0) >= count:
        raise UsageError(f"--device {name}: Paddle finds {count or 'no'} GPU{'s' * (count != 1)} here, counted from 0")


def on_gpu() -> bool:
    """Return whether Paddle computes on a GPU."""
    return paddle.get_device().startswith("gpu")


def on_cpu(x: paddle.Tensor) -> bool:
    """Return whether a tensor is in the memory of the CPU, where the faster ways of layers/fast/ apply."""
    return x.place.is_cpu_place()


def has_bfloat16() -> bool:
    """Return whether the device on which Paddle computes has bfloat16: an NVIDIA GPU from the Ampere generation on."""
    return bool(paddle.amp.is_bfloat16_supported())


def free_memory() -> int | None:
    """Return the bytes that this process can still take of the memory of the GPU on which Paddle computes.

    What other processes hold is not known to Paddle and counts as free. None if Paddle computes elsewhere.
    """
    if not on_gpu():
        return None
    total = paddle.device.cuda.get_device_properties().total_memory
    return max(0, int(total) - int(paddle.device.cuda.memory_allocated()))


def repeat_bit_for_bit() -> None:
    """Use only those of cuDNN's algorithms that repeat bit for bit; nothing changes on a CPU, where all do."""
    if on_gpu():
        paddle.set_flags({"FLAGS_cudnn_deterministic": True})


def exact_products() -> None:
    """Multiply float32 as float32: switch off TF32, which keeps ten bits after the leading one.

    For products (cuBLAS) and convolutions (cuDNN) of this process; nothing changes where Paddle has no such switches.
    """
    for name in ("set_cublas_switch", "set_cudnn_switch"):
        switch = getattr(getattr(paddle.base, "core", None), name, None)
        if switch and on_gpu():
            switch(False)


def rounded_inputs() -> list[str]:
    """Return which operations round the float32 values they are given (TF32 does): "products", "convolutions".

    Measured with 1 + 2^-12, which float32 holds and TF32 does not.
    """
    value, size = 1 + 2.0**-12, 256
    x = paddle.full([size, size], value, "float32")
    found = {
        "products": paddle.matmul(x, paddle.eye(size, dtype="float32")),
        "convolutions": paddle.nn.functional.conv2d(
            x.reshape([1, size, 16, 16]), paddle.eye(size, dtype="float32").reshape([size, size, 1, 1])
        ),
    }
    return [name for name, result in found.items() if abs(float(result.min()) - value) > 2.0**-14]


def facts() -> dict[str, Any]:
    """Return what is known of the device on which Paddle computes, for logs, manifests and reports.

    `device`, `name` and `memory` in bytes; of a GPU also `capability`, `driver`, `cuda`, `cudnn`, `rounded` (see
    `rounded_inputs`) and `deterministic`. What cannot be found out is None.
    """
    if not on_gpu():
        return {"device": paddle.get_device(), "name": _processor(), "memory": _memory()}
    properties = paddle.device.cuda.get_device_properties()
    return {
        "device": paddle.get_device(),
        "name": properties.name,
        "memory": int(properties.total_memory),
        "capability": f"{properties.major}.{properties.minor}",
        "driver": _driver(),
        "cuda": str(paddle.version.cuda()),
        "cudnn": str(paddle.version.cudnn()),
        "rounded": rounded_inputs(),
        "deterministic": _deterministic(),
    }


def line(found: dict[str, Any] | None = None) -> str:
    """Return the facts, by default those of now, as one line: "device: gpu:0, Tesla V100-SXM2-32GB, 31.7 GiB, ..."."""
    found = facts() if found is None else found
    parts = [found["device"], found["name"] or "unknown processor"]
    if found["memory"]:
        parts.append(f"{found['memory'] / _GIB:.1f} GiB")
    if "capability" in found:
        unknown = "unknown"
        parts += [
            f"capability {found['capability']}",
            f"driver {found['driver'] or unknown}",
            f"CUDA {found['cuda']}",
            f"cuDNN {found['cudnn']}",
            f"TF32 {'on for ' + ' and '.join(found['rounded']) if found['rounded'] else 'off'}",
            {True: "deterministic", False: "not deterministic", None: "determinism unknown"}[found["deterministic"]],
        ]
    return "device: " + ", ".join(parts)


def warning() -> str | None:
    """Return what must be said loudly: that Paddle computes on a CPU although there is a GPU; None if it is not so."""
    if on_gpu():
        return None
    if paddle.is_compiled_with_cuda():
        count = paddle.device.cuda.device_count()
        if count:
            return f"WARNING: computing on the CPU, although Paddle finds {count} GPU{'s' * (count != 1)}: --device gpu"
        return "WARNING: computing on the CPU: this Paddle is built for GPUs, but finds none (is the driver loaded?)"
    if _has_nvidia_device():
        return (
            "WARNING: computing on the CPU: this machine has a GPU, but this Paddle cannot use it: paddlepaddle-gpu can"
        )
    return None


def _has_nvidia_device() -> bool:
    return Path("/proc/driver/nvidia/gpus").is_dir() or Path("/dev/nvidia0").exists()


def _deterministic() -> bool | None:
    name = "FLAGS_cudnn_deterministic"
    with contextlib.suppress(ValueError, RuntimeError):
        return bool(paddle.get_flags(name)[name])
    return None


@functools.cache
def _driver() -> str | None:
    """The version of NVIDIA's driver, as its kernel module or nvidia-smi tells it."""
    with contextlib.suppress(OSError):
        if found := _DRIVER.search(Path("/proc/driver/nvidia/version").read_text()):
            return found[1]
    if not (program := shutil.which("nvidia-smi")):
        return None
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return told.split("\n")[0].strip() or None
    return None


def _processor() -> str | None:
    with contextlib.suppress(OSError):
        if found := re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return found[1].strip()
    return None


def _memory() -> int | None:
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None
