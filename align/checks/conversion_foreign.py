"""Checkpoints of other programs, and of TensorFlow and PaddleGAN: the same networks, and an account of the rest."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from align.compare import foreign_files, tensorflow_names
from align.compare.public_files import in_paddle, public_files
from align.compare.values import same, same_states, told
from align.compare.verdict import Row
from paddle_ugatit import weights
from paddle_ugatit.formats import Checkpoint, cast
from paddle_ugatit.formats.crc32c import crc32c, masked
from paddle_ugatit.formats.tensorflow_bundle import Bundle
from paddle_ugatit.weights import foreign, identify, paddlegan, ugatit_tensorflow, values

Part = tuple[str, list[Row]]  # the file of the port that the rows are about, the rows
ROOM = "paddle_ugatit/weights"
SOURCES = {  # case -> the file that it is about
    "other programs": f"{ROOM}/foreign.py",
    "TensorFlow": f"{ROOM}/ugatit_tensorflow.py",
    "PaddleGAN": f"{ROOM}/paddlegan.py",
    "values": f"{ROOM}/values.py",
}


def wrapped_parts() -> Iterator[Part]:
    """Yield a part for every kind of wrapped file."""
    plain = {system: _states(name) for system, name in (("ugatit", "U-GAT-IT, light"), ("sagan", "SAGAN"))}
    plain["ugatit"] = {name: plain["ugatit"][name] for name in foreign_files.NAMES}
    for name, case in foreign_files.WRAPPED.items():
        states = plain[case.system]
        found = Checkpoint(case.make(states), "torch")
        found = foreign.named(foreign.cleaned(found, "file"), "file", case.averaged)
        rows = [same(f"{name}: used", found.account.used, case.used)]
        rows.append(same(f"{name}: left aside", sorted(found.account.dropped), sorted(case.dropped)))
        rows.append(same(f"{name}: lines", len(found.account.notes), case.notes))
        for network, state in found.networks.items():
            right = states[network if network in states else "disGB"]
            right = foreign_files.doubled(right) if network in case.doubled else right
            rows += same_states(f"{name}: {network}", state, right)
        yield f"{ROOM}/foreign.py", rows
    yield f"{ROOM}/conversion.py", _converted(plain["ugatit"])


def _states(name: str) -> dict[str, dict[str, np.ndarray]]:
    networks = public_files()[name]().networks
    return {name: {key: tensor.numpy() for key, tensor in net.state_dict().items()} for name, net in networks.items()}


def _in_order(state: foreign_files.State) -> foreign_files.State:
    return dict(sorted(state.items()))


def _converted(states: foreign_files.States) -> list[Row]:
    """The whole conversion of a few of them: what is unpacked after cleaning, and running means asked for or not."""
    rows = []
    for name in ("DataParallel", "a wrapper inside", "counters"):  # of one network, which its keys alone tell
        wrapped = foreign_files.WRAPPED[name].make({"": states["disGB"]})
        found, _ = weights.convert(Checkpoint(wrapped, "torch"), "torch", "file")
        rows += same_states(f"{name}: converted", _in_order(found.networks[""]), _in_order(states["disGB"]))
    wrapped = {"": states["disGB"] | {"model.1.num_batches_tracked": np.ones((), np.int64)}}
    found, _ = weights.convert(Checkpoint(wrapped, "torch"), "torch", "file")
    rows.append(same("a counter of a norm without one", list(found.networks[""]), list(states["disGB"])))
    older = {name: {key: a for key, a in _states("SAGAN")[name].items() if "num_b" not in key} for name in "GD"}
    found, lines = weights.convert(Checkpoint({"": foreign_files.flat(older)}, "torch"), "torch", "file")
    counters = [key for state in found.networks.values() for key in state if key.endswith("num_batches_tracked")]
    rows.append(
        same("flat, from PyTorch before 0.4.1", (sorted(found.networks), len(counters) > 0), (["D", "G"], True))
    )
    for averaged in (False, True):
        file = Checkpoint(foreign_files.WRAPPED["means asked for"].make(states), "torch")
        found, lines = weights.convert(file, "torch", "file", averaged=averaged)
        key = next(iter(states["genA2B"]))
        right = states["genA2B"][key] * (2 if averaged else 1)
        rows.append(same(f"running means: {averaged}", found.networks["genA2B"][key], right))
        rows.append(same(f"running means: {averaged}, lines", len(lines), 3 if averaged else 2))
        rows.append(same(f"running means: {averaged}, the file itself", file.account.dropped, {}))
    return rows


def tensorflow_parts() -> Iterator[Part]:
    """Yield the parts of TensorFlow's checkpoints, newer and older."""
    for name, older in (("U-GAT-IT, tensorflow", False), ("U-GAT-IT, older heads", True)):
        networks = public_files()[name]().networks
        yield f"{ROOM}/ugatit_tensorflow.py", _tensorflow(networks, older)
    yield f"{ROOM}/ugatit_tensorflow.py", _partly(networks)


def _bundle(arrays: dict[str, np.ndarray]) -> Bundle:
    crcs = {name: ("data", masked(crc32c(np.ascontiguousarray(array).tobytes()))) for name, array in arrays.items()}
    return Bundle({"": {name: np.ascontiguousarray(array) for name, array in arrays.items()}}, "tensorflow", crcs=crcs)


def _tensorflow(networks: dict[str, nn.Module], older: bool) -> list[Row]:
    """Every array in its place; the state of the optimiser and other variables are left aside."""
    arrays = tensorflow_names.saved(networks, 1, older)
    slots = ("generator_B/conv/conv2d/kernel/Adam", "generator_B/conv/conv2d/kernel/Adam_1", "beta1_power")
    slots += ("scope/beta2_power_3", "discriminator_A/local/counter", "global_step")
    found, lines = weights.convert(
        _bundle(arrays | dict.fromkeys(slots, np.ones((1,), np.float32))), "paddle", "UGATIT_x_sn"
    )
    rows = [same("left aside", sorted(found.account.dropped), sorted(slots))]
    why = [found.account.dropped[slot] == found.account.dropped[slots[0]] for slot in slots]
    rows.append(same("of the optimiser", why, [True] * 4 + [False] * 2))
    rows.append(same("networks", sorted(found.networks), sorted(networks)))
    rows.append(same("model", found.metadata["model"], "ugatit-tensorflow"))
    rows.append(same("before 2019-08-20", any("before 2019-08-20" in line for line in lines), older))
    rows.append(same("without smoothing", any("without smoothing" in line for line in lines), True))
    for name, net in networks.items():
        rows += _in_place(name, found.networks[name], net)
    return rows


def _in_place(name: str, found: dict[str, np.ndarray], net: nn.Module) -> list[Row]:
    """The arrays of a network; v, which a file lacks, must be W^T u over its length."""
    found, wanted, rows = dict(sorted(found.items())), dict(sorted(in_paddle(net).items())), []
    for key in [key for key in wanted if key.endswith("weight_v")]:
        layer = key.removesuffix("weight_v")
        u, weight = net.get_buffer(f"{layer}weight_u"), net.get_parameter(f"{layer}weight_orig")
        v = (weight.detach().double().flatten(1).T @ u.double()).numpy()
        error = np.abs(found.pop(key) - v / np.linalg.norm(v)).max()  # of float32: six digits
        rows.append(told(f"{name}: {key}", "" if error < 1e-6 else f"differs by {error:.1e}"))
        del wanted[key]
    return rows + same_states(name, found, wanted)


def _partly(networks: dict[str, nn.Module]) -> list[Row]:
    """Only the networks that are asked for, or all if none of those is there; a discriminator without its u."""
    few = {name: networks[name] for name in ("genA2B", "genB2A", "disGA")}
    arrays = tensorflow_names.saved(few, 1, True)
    unread = [name for name in arrays if not name.startswith("generator_A/")]
    rows = []
    for only, wanted, aside in (
        (["genB2A"], ["genB2A"], unread),
        (["disLB"], list(few), []),
        (None, list(few), []),
    ):
        more = {"generator_A/other": np.ones(1, np.float32)}
        found = ugatit_tensorflow.translated(_bundle(arrays | more), "here/UGATIT_x_sn_smoothing/x", only)
        why = found.account.dropped.pop("generator_A/other")
        rows.append(same(f"only {only}: other reasons", why in found.account.dropped.values(), False))
        rows.append(same(f"only {only}", list(found.networks), wanted))
        rows.append(same(f"only {only}: left aside", sorted(found.account.dropped), sorted(aside)))
        rows.append(same(f"only {only}: lines", len(found.account.notes), 1))
    plain = {name: array for name, array in arrays.items() if not name.endswith("/u")}
    found = ugatit_tensorflow.translated(_bundle(plain), "here/UGATIT_x_sn/x")
    rows.append(same("without spectral normalisation", list(found.networks), ["genA2B", "genB2A"]))
    rows.append(same("which is left aside", "discriminator_A/global" in found.account.dropped, True))
    keys = ugatit_tensorflow.generator_table(["resblock_0/", "adaptive_resblock0/", "adaptive_resblock1/"])
    rows.append(same("a longer decoder", "UpBlock1_2.conv1.weight" in keys, True))  # which is refused, not cut off
    return [*rows, same("a line on smoothing", len(found.account.notes), 2)]


def paddlegan_parts() -> Iterator[Part]:
    """PaddleGAN's files: frozen parameters in the norms of a generator's encoder; first, the same without them."""
    states = _states("U-GAT-IT, light")
    options = public_files()["U-GAT-IT, light"]().options
    found = {name: identify.infer_options(state, "torch", "") for name, state in states.items()}
    yield f"{ROOM}/ugatit.py", [same("recognised", found, options)]
    yield (
        f"{ROOM}/conversion.py",
        [same("converted", _sizes(states), {name: len(state) for name, state in states.items()})],
    )
    yield _frozen(states)


def _sizes(states: foreign_files.States) -> dict[str, int] | str:
    """The number of arrays of each network that comes of a conversion, or why there is none."""
    try:
        whole, _ = weights.convert(Checkpoint(states, "torch"), "torch", "file", packed=False)
    except weights.WeightError as error:
        return str(error)
    return {network: len(state) for network, state in whole.networks.items()}


def _frozen(states: foreign_files.States) -> Part:
    wanted = {name: list(state) for name, state in states.items()}
    places = ("2", "6", "10", "12.conv_block.2", "12.conv_block.6")
    frozen = {f"DownBlock.{place}.scale": np.ones(4, np.float32) for place in places}
    frozen |= {f"DownBlock.{place}.bias": np.zeros(4, np.float32) for place in places}
    rows = []
    for name, more, count in (("plain", {}, 0), ("frozen", frozen, 1)):
        made = {network: state | (more if network.startswith("gen") else {}) for network, state in states.items()}
        found = paddlegan.without_frozen(Checkpoint(made, "torch"), "file")
        rows.append(same(f"{name}: keys", {network: list(state) for network, state in found.networks.items()}, wanted))
        rows.append(same(f"{name}: lines", len(found.account.notes), count))
        rows.append(same(f"{name}: converted", _sizes(made), {network: len(keys) for network, keys in wanted.items()}))
        rows.append(same(f"{name}: arrays", "20 frozen" in " ".join(found.account.notes), bool(count)))
    own = {"DownBlock.3.scale": np.ones(4), "DownBlock.3.bias": np.zeros(4), "x": np.ones(2)}
    found = paddlegan.without_frozen(Checkpoint({"": own}, "torch"), "file")
    return f"{ROOM}/paddlegan.py", [*rows, same("other scales", list(found.networks[""]), list(own))]


def values_part() -> Part:
    """One dtype for a network, and what is not finite."""
    one, odd, rows = np.float32([0.1, -3.5]), np.int64([1]), []
    for dtypes, widest in (
        (("float32", "float32"), "float32"),
        (("float16", "float16"), "float16"),
        (("float32", "float16"), "float32"),
        (("float64", "float32"), "float64"),
        (("float16", "float64"), "float64"),
        (("float16", "bfloat16"), "float32"),
    ):
        notes: list[str] = []
        state = {dtype + str(n): cast(one, dtype) for n, dtype in enumerate(dtypes)}
        found = values.of_one_dtype(state | {"count": odd}, "file", notes)
        wanted = {key: cast(array, widest) for key, array in state.items()} | {"count": odd}
        rows += same_states(f"{dtypes}", found, wanted)
        rows.append(same(f"{dtypes}: lines", len(notes), int(len(set(dtypes)) > 1)))
    bad = {
        f"{name} {n}": cast(np.float32([1, value]), name)
        for name in weights.rules.FLOATS
        for n, value in enumerate((1, np.nan, np.inf))
    }
    many = np.zeros((3, 3_000_000), np.float32)
    bad |= {"count": np.int64([1]), "empty": np.zeros((0, 2), np.float32), "strided": many[::2, ::-1], "large": many}
    for key, array in bad.items():
        found = values.not_finite({"net": {key: array}}, "file")
        rows.append(
            same(f"{key} is finite", not found, key[-1] == "0" or key in ("count", "empty", "strided", "large"))
        )
    many[2, -1] = np.nan
    told = values.not_finite({"": {"x": many.T}, "b": {"y": many}}, "file")
    rows.append(same("the last one", (len(told), "'x', 'b/y'" in told[0]), (1, True)))
    return f"{ROOM}/values.py", rows


def options_part() -> Part:
    """Options that no shape shows, of single files and by name, given or noted."""
    file = public_files()["StyleGAN2, one style network"]()
    state = {key: tensor.numpy() for key, tensor in file.networks[""].state_dict().items()}
    rows = []
    for name, noted, given, wanted in (
        ("usual", {}, {}, None),
        ("given", {}, {"lr_mul": 0.5}, 0.5),
        ("noted", {"networks": {"": {"lr_mul": 2}}}, {}, 2.0),
        ("given rather than noted", {"networks": {"": {"lr_mul": 2}}}, {"lr_mul": 0.1}, None),
        ("noted of another", {"networks": {"S": {"lr_mul": 2}}}, {}, None),
        ("noted oddly", {"networks": ["lr_mul"]}, {}, None),
        ("noted oddly inside", {"networks": {"": 3}}, {}, None),
    ):
        found, _ = weights.convert(Checkpoint({"": state}, "torch", noted), "paddle", "file", given=given)
        options = found.metadata["networks"][""]
        rows.append(same(name, options.get("lr_mul"), wanted))
        hidden = ["lr_mul"] if wanted else []
        rows.append(same(f"{name}: hidden", weights.hidden_options_of(options), hidden))
    made = weights.build({"kind": "stylegan2-style", "latent_dim": 3, "depth": 2, "lr_mul": 0.5})
    rows.append(same("built", [tuple(p.shape) for p in made.parameters()], [(3, 3), (3,)] * 2))
    rows.append(same("no hidden ones", weights.hidden_options_of({"kind": "generator", "lr_mul": 3}), []))
    wider, _ = weights.convert(Checkpoint({"": state | {"net.0.bias": np.zeros(5)}}, "torch"), "paddle", "file")
    rows.append(same("one dtype", wider.metadata["dtype"], "float64"))
    whole = _states("U-GAT-IT, light")["disGB"]
    older = whole | {"model.1.weight": whole["model.1.weight_orig"] / 2}  # as files of PyTorch before 1.0 hold it, too
    newer, lines = weights.convert(Checkpoint({"": older}, "torch"), "torch", "file")
    rows.append(same("PyTorch before 1.0", (sorted(newer.networks[""]), len(lines)), (sorted(whole), 1)))
    mixed, _ = weights.convert(replace(Checkpoint({}, "torch"), networks=_two_dtypes()), "paddle", "file")
    rows.append(same("two dtypes", mixed.metadata["dtype"], "mixed"))
    return f"{ROOM}/conversion.py", [*rows, *_missing()]


def shapes_parts() -> Iterator[Part]:
    """Yield what shapes alone tell, of networks too large to be built here, and of some malformed or incomplete."""
    rows = []
    for width, narrow in ((32, 1), (64, 1), (2, 16), (1, 32)):
        state = {"Conv2d_1a_3x3.conv.weight": np.zeros((width, 3, 3, 3))}
        rows.append(same(f"Inception of {width}", weights.infer_options(state, "torch")["narrow"], narrow))
    yield f"{ROOM}/inception.py", rows
    rows = []
    empty = lambda *shape: np.broadcast_to(np.float32(0), shape)  # noqa: E731  takes no memory
    for capacity, blocks, most in ((64, 5, 512), (16, 7, 512), (4, 3, 512), (4, 3, 16), (128, 6, 300)):
        widths = [min(2 * capacity * 2**i, most) for i in range(blocks)][::-1]
        state = {
            "initial_block": empty(1),
            "initial_conv.weight": empty(1),
            "blocks.0.to_style1.weight": empty(widths[0], 7),
        }
        state |= {f"blocks.{i}.conv1.weight": empty(width, 3, 3, 3) for i, width in enumerate(widths)}
        wanted = {"kind": "stylegan2-generator", "image_size": 2 ** (blocks + 1), "latent_dim": 7}
        found = weights.infer_options(state, "torch")
        rows.append(same(f"capacity {capacity}", found, wanted | {"network_capacity": capacity, "fmap_max": most}))
    yield f"{ROOM}/stylegan2.py", rows
    yield f"{ROOM}/identify.py", _known()


def _known() -> list[Row]:
    rows = []
    whole = _states("U-GAT-IT, light")["disGA"]
    part = {key: array for key, array in whole.items() if key != "conv1x1.bias"}
    odd = whole | {"model.1.weight_orig": np.zeros((2, 3, 4), np.float32)}
    for name, state, known, complete in (
        ("whole", whole, True, True),
        ("more", whole | {"x": np.zeros(1)}, True, True),
        ("incomplete", part, True, False),
        ("malformed", odd, True, False),
        ("strange", {"x": np.zeros(1)}, False, False),
    ):
        rows.append(
            same(
                f"{name}: known, complete",
                (identify.is_known(state, "torch"), identify.is_whole(state, "torch")),
                (known, complete),
            )
        )
    alone = foreign.named(Checkpoint({"": foreign_files.prefixed("here.")({"": part})[""]}, "torch"), "file")
    return [*rows, same("incomplete, alone", list(alone.networks), ["here"])]


def _two_dtypes() -> foreign_files.States:
    states = _states("AdaIN, both")
    return states | {"decoder": {key: array.astype(np.float64) for key, array in states["decoder"].items()}}


def _missing() -> list[Row]:
    """A missing network is told, of the kinds of which there are some, whatever is asked for."""
    states = _states("U-GAT-IT, light")
    del states["disGA"], states["genA2B"], states["genB2A"]
    found = [weights.convert(Checkpoint(states, "torch"), "torch", "file", only=only)[1] for only in (None, ["disLA"])]
    return [same("a missing network", found, [["file: has no disGA"]] * 2)]


def others() -> dict[str, object]:
    """Return name -> a function that yields the parts of a case."""
    torch.manual_seed(0)
    return {
        "other programs": wrapped_parts,
        "TensorFlow": tensorflow_parts,
        "PaddleGAN": paddlegan_parts,
        "values": lambda: iter([values_part(), options_part(), *shapes_parts()]),
    }
