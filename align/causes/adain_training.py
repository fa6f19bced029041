"""Likely mistakes in a step of AdaIN, made in PyTorch's twin: MISTAKES."""

from align.causes.steps import ADAM, options, replaced, schedule
from torch_ref import losses
from torch_ref.layers.norm import channel_moments


def _of_images(change):
    """Plant: the losses are those of `change(images)`, whose values are in [0,1]."""

    def plant(theirs):
        right = theirs._losses
        theirs._losses = lambda content, style: right(change(content), change(style))

    return plant


def _content_itself(theirs):
    """Plant: the result's features are compared with the content's own, not with those that the decoder is given."""

    def found(content, style):
        encoder = theirs.networks["encoder"]
        styles, own = encoder(style), encoder(content)[-1]
        made = encoder(theirs.networks["decoder"](theirs.adain(own, styles[-1])))
        moments, wanted = ([channel_moments(tap) for tap in taps] for taps in (made, styles))
        terms = {
            "content": theirs.config.content_weight * losses.least_squares(made[-1], own),
            "style": theirs.config.style_weight * losses.style_loss(moments, wanted),
        }
        return terms | {"loss": terms["content"] + terms["style"]}

    theirs._losses = found


def _style(chosen):
    """Plant: the style loss of `chosen(moments)` on both sides."""
    return replaced("style_loss", lambda right: lambda found, wanted: right(chosen(found), chosen(wanted)))


def _summed(right):
    return lambda one, other: right(one, other) * one.numel()


MISTAKES = {  # name -> (what differs first, plant)
    "learning rate never decays": ("learning rate", schedule(lambda step: 1)),
    "learning rate a step early": ("learning rate", schedule(lambda step: step + 1)),
    "learning rate a step late": ("learning rate", schedule(lambda step: step - 1)),
    "images in [-1,1] for [0,1]": ("loss", _of_images(lambda images: 2 * images - 1)),
    "content loss against the content's own features": ("loss", _content_itself),
    "content loss summed for its mean": ("loss", replaced("least_squares", _summed)),
    "style loss of the last layer alone": ("loss", _style(lambda moments: moments[-1:])),
    "style loss of the means alone": ("loss", _style(lambda moments: [pair[:1] for pair in moments])),
    "style loss of the deviations alone": ("loss", _style(lambda moments: [pair[1:] for pair in moments])),
    "style loss of variances for deviations": (
        "loss",
        _style(lambda moments: [(mean, deviation**2) for mean, deviation in moments]),
    ),
    "style_weight 1": ("loss", options(lambda config: {"style_weight": 1.0})),
    "weights of content and style swapped": (
        "loss",
        options(lambda config: {"style_weight": config.content_weight, "content_weight": config.style_weight}),
    ),
    **ADAM,
}
