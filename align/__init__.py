"""The parity harness: the only room that holds both frameworks."""

import paddle_ugatit  # noqa: F401 (it sets the process up, which must come before either framework is loaded)
