"""Layer-instance normalisation folded into one scale and one shift per channel."""

import paddle

from paddle_ugatit.backend.compat import constant


def layer_variance(offset: paddle.Tensor, var: paddle.Tensor, pixels: int) -> paddle.Tensor:
    """Return the unbiased variance over (C,H,W), from the offsets of the channels' means and their variances.

    (B,C,1,1), (B,C,1,1) -> (B,1,1,1); `offset` is each channel's mean minus the layer's.
    """
    squares = (pixels - 1) * var + pixels * offset * offset
    return squares.sum(1, keepdim=True) / (offset.shape[1] * pixels - 1)


def folded_scale_shift(
    offset: paddle.Tensor,
    var_i: paddle.Tensor,
    var_l: paddle.Tensor,
    rho: paddle.Tensor,
    gamma: paddle.Tensor,
    beta: paddle.Tensor,
    eps: float,
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return the scale and shift of the centred map that give eq. 1 of U-GAT-IT: (B,C,1,1), (B,C,1,1).

    `offset` is each channel's mean minus the layer's, `var_i` and `var_l` are the two variances.
    """
    eps = constant(eps, offset)
    inverse_i, inverse_l = paddle.rsqrt(var_i + eps), paddle.rsqrt(var_l + eps)
    # rho times a difference: the gradient of a difference of products with rho would lose a digit in float32.
    scale = (inverse_l + rho * (inverse_i - inverse_l)) * gamma
    return scale, (1 - rho) * inverse_l * offset * gamma + beta
