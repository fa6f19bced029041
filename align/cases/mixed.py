"""What is compared in mixed precision, and what is in float32 there: a plain statement for each network.

Convolutions and matrix products compute in half precision, what follows them stays in it, and norms return the
dtype of the map that they are given. Heads, styles, attention weights and the outputs of every network are in float32.
"""

NETWORKS = (
    *("generator-light", "generator-full", "generator-light-initial", "generator-full-tensorflow"),
    *("generator-light-older", "discriminator-local-two", "discriminator-global", "discriminator-tensorflow"),
    *("encoder", "decoder-odd", "sagan-generator", "sagan-generator-eval", "sagan-discriminator"),
    *("stylegan2-generator", "stylegan2-discriminator", "generator-light-wide"),
)
HALVES = ("bfloat16", "float16")
SYSTEMS = ("ugatit", "adain", "sagan")  # that may be trained so; the losses of StyleGAN2 contain gradients

_HEADS = r"(gap|gmp|cam|logit)_fc"
_STYLES = r"FC\.\d|gamma|beta"
# Class of a network -> which are in float32 as regular expressions of whole texts: of the inputs of its layers, as
# path and number, and of their outputs, as paths, "" for those of the network.
IN_FLOAT32 = {
    "ResnetGenerator": (
        # The image, what follows the heads, and the parameters of AdaILN.
        rf"DownBlock\.[01] 0|({_HEADS}|{_STYLES}) 0|conv1x1 0|UpBlock1_\d\.norm\d [12]",
        rf"DownBlock\.0|{_HEADS}|{_STYLES}|",
    ),
    "Discriminator": (rf"model\.[01] 0|{_HEADS} 0|conv1x1 0", rf"model\.0|{_HEADS}|"),
    "Encoder": ("0 0", ""),
    "Decoder": ("[01] 0", "0|"),
    # auto_cast has no transposed convolution on its list: only those of the attention are in half precision.
    "SAGANGenerator": (".*", r"(?!attn\d\.(query|key|value)_conv$).*"),
    "SAGANDiscriminator": (r"l1\.0\.module 0|attn\d\.softmax 0", r"attn\d\.softmax|"),
    # Biases and noise are added in float32.
    "StyleGAN2Generator": (
        r"(?!blocks\.\d\.(conv1|to_rgb\.upsample\.\d) 0$).*",
        r"blocks\.\d\.activation|blocks\.\d\.(to_rgb\.)?to_(style|noise)\d?|",
    ),
    "StyleGAN2Discriminator": (r"blocks\.0\.(conv_res|net\.0) 0", "to_logit|"),
}
# Layers that compute a product in half precision whatever they return, or in which another layer does.
PRODUCTS = ("Conv2d", "SmoothConv2D", "SmoothLinear", "Conv2DMod", "SelfAttention")
