"""Where Paddle computes: the one place that takes the value of `--device`, and what a device can do."""

import re

import paddle

from paddle_ugatit.backend.errors import UsageError


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
    if not paddle.get_device().startswith("gpu"):
        return None
    total = paddle.device.cuda.get_device_properties().total_memory
    return max(0, int(total) - int(paddle.device.cuda.memory_allocated()))
