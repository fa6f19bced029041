"""The parity harness: the only room that holds both frameworks."""

import os

# A GPU then multiplies float32 as float32. NVIDIA's libraries read it when they are loaded; a CPU never does.
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")

import paddle_ugatit  # noqa: E402, F401 (it sets the process up, which must come before either framework is loaded)
