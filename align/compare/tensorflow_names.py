"""The variables of the public TensorFlow code of U-GAT-IT, written down by hand: where each array of ours is there."""

import numpy as np
from torch import nn

SCOPES = {"genA2B": "generator_B", "genB2A": "generator_A", "disGA": "discriminator_A/global"}
SCOPES |= {"disGB": "discriminator_B/global", "disLA": "discriminator_A/local", "disLB": "discriminator_B/local"}


def generator_names(blocks: int = 4, older: bool = False) -> dict[str, str]:
    """Return our key of a layer -> its scope there."""
    names = {"DownBlock.1": "conv/conv2d", "DownBlock.5": "conv_0/conv2d", "DownBlock.9": "conv_1/conv2d"}
    names |= {"DownBlock.2": "ins_norm", "DownBlock.6": "ins_norm_0", "DownBlock.10": "ins_norm_1"}
    for b in range(blocks):
        names |= {
            f"DownBlock.{12 + b}.conv_block.1": f"resblock_{b}/res1/conv_0/conv2d",
            f"DownBlock.{12 + b}.conv_block.2": f"resblock_{b}/res1/instance_norm",
            f"DownBlock.{12 + b}.conv_block.5": f"resblock_{b}/res2/conv_0/conv2d",
            f"DownBlock.{12 + b}.conv_block.6": f"resblock_{b}/res2/instance_norm",
        }
        for j in (1, 2):
            names[f"UpBlock1_{b + 1}.conv{j}"] = f"adaptive_resblock{b}/res{j}/conv_0/conv2d"
            names[f"UpBlock1_{b + 1}.norm{j}"] = f"adaptive_resblock{b}/res{j}/instance_layer_norm"
    names |= {"cam_fc": "CAM_logit", "conv1x1": "conv_1x1/conv2d", "UpBlock2.11": "G_logit/conv2d"}
    names |= {"logit_fc": "CAM_logit/dense"} if older else {}
    names |= {"FC.0": "MLP/linear_0/dense", "FC.2": "MLP/linear_1/dense"}
    names |= {"gamma": "MLP/gamma/dense", "beta": "MLP/beta/dense"}
    names |= {"UpBlock2.2": "up_conv_0/conv2d", "UpBlock2.7": "up_conv_1/conv2d"}
    return names | {"UpBlock2.3": "layer_ins_norm_0", "UpBlock2.8": "layer_ins_norm_1"}


def discriminator_names(convs: int, older: bool = False) -> dict[str, str]:
    """Return the same for a discriminator with so many convolutions."""
    names = {f"model.{1 + 3 * i}": f"conv_{i}" for i in range(convs - 1)} | {f"model.{3 * convs - 2}": "conv_last"}
    return names | {"raw_cam_fc" if older else "cam_fc": "CAM_logit", "conv1x1": "conv_1x1/conv2d", "conv": "D_logit"}


def variables(scope: str, network: nn.Module, names: dict[str, str]) -> dict[str, np.ndarray]:
    """Return the arrays of a PyTorch network as TensorFlow would save them."""
    found = {}
    for key, tensor in network.state_dict().items():
        layer, _, leaf = key.rpartition(".")
        array = tensor.numpy()
        if leaf == "weight_v":
            continue
        if leaf.startswith("weight") and array.ndim == 4:
            array, leaf = array.transpose(2, 3, 1, 0), "kernel"
        elif leaf.startswith("weight") and array.ndim == 2:
            array, leaf = array.T, "kernel"
        elif leaf == "weight_u":
            array, leaf = array[None], "u"
        elif "norm" in names[layer] and leaf in ("weight", "bias"):
            leaf = {"weight": "gamma", "bias": "beta"}[leaf]
        flat = leaf in ("rho", "gamma", "beta")
        found[f"{scope}/{names[layer]}/{leaf}"] = array.reshape(-1) if flat else array
    return found


def saved(networks: dict[str, nn.Module], blocks: int, older: bool = False) -> dict[str, np.ndarray]:
    """Return the variables of several networks by their names."""
    arrays = {}
    for name, net in networks.items():
        made = generator_names(blocks, older) if name.startswith("gen") else None
        arrays |= variables(SCOPES[name], net, made or discriminator_names(net.n_layers - 1, older))
    return arrays
