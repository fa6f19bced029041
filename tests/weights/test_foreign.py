"""Checkpoints of other programs, wrapped, nested, flat: read bit for bit, with every entry accounted for."""

import argparse
import subprocess
import sys
import warnings

import numpy as np
import pytest

from paddle_ugatit import Discriminator, ResnetGenerator, formats, weights
from paddle_ugatit.cli import command
from paddle_ugatit.cli import convert as convert_weights
from paddle_ugatit.weights import WeightError, foreign

torch = pytest.importorskip("torch")
twins = pytest.importorskip("torch_ref")


@pytest.fixture(scope="module")
def states():
    """The six networks of the public file, as small as they can be: name -> key -> tensor."""
    torch.manual_seed(1)
    made = {name: twins.ResnetGenerator(3, 3, ngf=2, n_blocks=1, light=True) for name in ("genA2B", "genB2A")}
    made |= {name: twins.Discriminator(3, ndf=2, n_layers=4) for name in ("disGA", "disGB", "disLA", "disLB")}
    return {name: network.state_dict() for name, network in made.items()}


def prefixed(state, prefix):
    return {f"{prefix}{key}": tensor for key, tensor in state.items()}


def flat(states, prefix=""):
    return {f"{prefix}{name}.{key}": tensor for name, state in states.items() for key, tensor in state.items()}


def parametrised(state):
    ways = {"weight_orig": "parametrizations.weight.original", "weight_u": "parametrizations.weight.0._u"}
    ways["weight_v"] = "parametrizations.weight.0._v"
    split = [(*key.rpartition("."), tensor) for key, tensor in state.items()]
    return {f"{owner}{dot}{ways.get(leaf, leaf)}": tensor for owner, dot, leaf, tensor in split}


def trained():
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def each(change):
    return lambda states: {name: change(state) for name, state in states.items()}


SHAPES = {  # what a program makes of the networks -> a function of name -> state dict
    "parallel": each(lambda state: prefixed(state, "module.")),
    "compiled": each(lambda state: prefixed(state, "_orig_mod.")),
    "both": each(lambda state: prefixed(state, "module._orig_mod.")),
    "compiled inside": each(lambda state: {key.replace("model.", "model._orig_mod."): t for key, t in state.items()}),
    "parallel inside": each(lambda state: {key.replace("FC.", "FC.module."): t for key, t in state.items()}),
    "flat": flat,
    "flat and wrapped": lambda states: flat(each(lambda state: prefixed(state, "module."))(states), "_orig_mod."),
    "lightning": lambda states: {
        "epoch": 3,
        "state_dict": flat(states, "model.") | {"perceptual.features.0.weight": torch.ones(2, 2)},
        "optimizer_states": [trained()],
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5)}},
    },
    "nested": lambda states: {"model": states, "iter": 100},
    "nested twice": lambda states: {"net": {name: {"state_dict": state} for name, state in states.items()}},
    "options": lambda states: {
        **states,
        "args": argparse.Namespace(lr=1e-4),
        "best": np.float64(3),
        "rng": {(1, 2): 3},
    },
    "optimisers": lambda states: {**states, "G_optim": trained(), "scaler": {"scale": 65536.0, "_growth_tracker": 0}},
    "averages beside": lambda states: {**states, "genA2B_ema": each(torch.zeros_like)(states["genA2B"])},
    "averages nested": lambda states: {"model": states, "ema": {"genB2A": each(torch.zeros_like)(states["genB2A"])}},
    "averages alone": lambda states: {f"{name}_ema": state for name, state in states.items()},
    "counted": each(lambda state: state | {"total_ops": torch.zeros(1), "FC.total_params": torch.zeros(1)}),
    "parametrised": each(parametrised),
    "parameters": each(each(lambda tensor: torch.nn.Parameter(tensor))),
    "a list of one": lambda states: [states],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_networks(tmp_path, states, shape):
    torch.save(states, tmp_path / "plain.pt")
    torch.save(SHAPES[shape](states), tmp_path / "other.ckpt")
    (wanted, plain), (found, notes) = (
        weights.convert(formats.read(tmp_path / name), "paddle", name) for name in ("plain.pt", "other.ckpt")
    )
    assert plain == [] and wanted.account.dropped == {}
    assert list(found.networks) == list(wanted.networks)
    for name, key, array in wanted.tensors():
        assert found.networks[name][key].tobytes() == array.tobytes(), key
    assert bool(notes) is (shape not in ("flat", "parameters", "a list of one")), notes


def test_the_account_names_all_that_was_left_aside(tmp_path, states):
    torch.save(SHAPES["lightning"](states), tmp_path / "x.ckpt")
    account = weights.convert(formats.read(tmp_path / "x.ckpt"), "paddle", "x")[0].account
    assert account.used["genA2B"] == "state_dict.model.genA2B" and len(account.used) == 6
    assert account.dropped == {
        "epoch": "of type int",
        "optimizer_states": "the state of an optimiser",
        "callbacks.ModelCheckpoint": "is not a known network",
        "state_dict.perceptual": "belongs to no network that is known",
    }


def test_nothing_of_a_file_is_imported_or_run(tmp_path, states):
    """A class of a program that is not installed here, whose making would leave a mark."""
    code = f"""
import sys, torch
class Options:
    def __reduce__(self):
        return (print, ("made",))
Options.__module__ = "their_program"
sys.modules["their_program"] = sys.modules["__main__"]
their = torch.load({str(tmp_path / "plain.pt")!r})
class Plain: pass
Plain.__module__ = "their_program"
options = Plain()
options.lr = 1
torch.save({{**their, "options": options}}, {str(tmp_path / "theirs.pt")!r})
torch.save({{**their, "attack": Options()}}, {str(tmp_path / "attack.pt")!r})
"""
    torch.save(states, tmp_path / "plain.pt")
    subprocess.run([sys.executable, "-c", code], check=True)
    read = formats.read(tmp_path / "theirs.pt")
    assert read.account.dropped == {"options": "an object of their_program.Plain, which is not loaded"}
    with pytest.raises(formats.CheckpointError, match="refuses to load builtins.print: no checkpoint needs it"):
        formats.read(tmp_path / "attack.pt")


def test_averages_are_taken_if_they_are_asked_for(tmp_path, states, capsys):
    means = {
        f"{name}_ema": {key: tensor * 0.5 for key, tensor in states[name].items()} for name in ("genA2B", "genB2A")
    }
    torch.save(states | means, tmp_path / "x.pt")
    assert convert_weights.main([str(tmp_path / "x.pt"), str(tmp_path / "mean.pdparams"), "--ema"]) == 0
    said = capsys.readouterr().out
    assert (
        "read genA2B from 'genA2B_ema'" in said and "left aside 'genA2B', 'genB2A': its running mean is taken" in said
    )
    networks = formats.read(tmp_path / "mean.pdparams").networks
    assert np.array_equal(networks["genA2B"]["conv1x1.bias"], 0.5 * states["genA2B"]["conv1x1.bias"].numpy())
    assert np.array_equal(networks["disGA"]["conv.weight_orig"], states["disGA"]["conv.weight_orig"].numpy())
    torch.save(states, tmp_path / "x.pt")
    assert convert_weights.main([str(tmp_path / "x.pt"), str(tmp_path / "mean.pdparams"), "--ema"]) == 1
    assert "holds no running means" in capsys.readouterr().err


def arrays(states):
    return each(each(lambda tensor: tensor.numpy()))(states)


def converted(networks):
    return weights.convert(formats.Checkpoint(networks, "torch"), "paddle", "x.pt")


@pytest.mark.parametrize(
    ("networks", "told"),
    [
        (lambda s: {"model": s["genA2B"], "best_model.model": s["genA2B"]}, "'best_model' is none of"),
        (lambda s: {"a.genA2B": s["genA2B"], "b.genA2B": s["genB2A"]}, "holds genA2B twice, as 'a.genA2B', 'b.genA2B'"),
        (lambda s: {"a.model": s["genA2B"], "model": s["genB2A"]}, "none of genA2B"),
        (lambda s: {"": {**s["genA2B"], **prefixed(s["genA2B"], "module.")}}, "twice, with and without a wrapper"),
        (lambda s: {"": {"a.weight": np.ones(2)}}, "is not a known network: its keys are 'a.weight'"),
        (lambda s: {"": {".".join("a" * 5000): np.ones(2)}}, "is not a known network"),
        (lambda s: {"": flat({**s, "genA2B": {"a.b": np.ones(2)}})}, "x.pt: genA2B: is not a known network"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(states, networks, told):
    with pytest.raises(WeightError, match="^x.pt") as caught:
        converted(networks(arrays(states)))
    assert told in str(caught.value) and len(str(caught.value)) < 20_000


def test_generators_and_discriminators_under_other_names_go_by_their_kind():
    sagan = pytest.importorskip("torch_ref.models.sagan")
    made = {"netG": sagan.Generator(16, 8, 8), "netD": sagan.Discriminator(16, 8)}
    found, _ = converted(arrays({name: network.state_dict() for name, network in made.items()}))
    assert list(found.networks) == ["G", "D"]


def test_prefixes_of_sagan_keep_its_own_modules():
    """Its layers have an attribute `module`, which is no prefix."""
    sagan = pytest.importorskip("torch_ref.models.sagan")
    state = arrays({"": sagan.Generator(16, 8, 8).state_dict()})[""]
    for prefix in ("module.", "module.module.", "_orig_mod.module.", "G.module.", "module.G._orig_mod."):
        found, _ = converted({"": prefixed(state, prefix)})
        assert set(next(iter(found.networks.values()))) == set(state), prefix


@pytest.mark.parametrize(
    ("others", "all_as"), [("float16", "float32"), ("bfloat16", "float32"), ("float64", "float64")]
)
def test_mixed_dtypes_are_widened_without_a_change(states, others, all_as):
    plain = arrays(states)["genA2B"]
    mixed = {key: formats.cast(array, others) if "FC" in key else array for key, array in plain.items()}
    found, notes = converted({"": mixed})
    assert f"all are taken as {all_as}" in notes[0] and found.metadata["dtype"] == all_as
    for key, array in weights.to_torch(found.networks[""], weights.layout_of(found.metadata["networks"][""])).items():
        wanted = formats.widened(mixed[key]).astype(all_as)
        assert formats.dtype_name(array) == all_as and np.array_equal(array, wanted), key


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_that_are_not_finite_are_said(tmp_path, capsys, value, dtype):
    network = ResnetGenerator(3, 3, ngf=2, n_blocks=1, light=True)
    state = weights.to_torch({key: tensor.numpy() for key, tensor in network.state_dict().items()}, network)
    state["conv1x1.bias"] = np.array([0, *[value] * (len(state["conv1x1.bias"]) - 1)], "f4")
    state = {key: formats.cast(array, dtype) for key, array in state.items()}
    formats.write(tmp_path / "x.pt", formats.Checkpoint({"genA2B": state, "genB2A": state}, "torch"))
    assert convert_weights.main([str(tmp_path / "x.pt"), str(tmp_path / "x.pdparams")]) == 0
    assert "has NaN or infinity in 'genA2B/conv1x1.bias', 'genB2A/conv1x1.bias'" in capsys.readouterr().out
    with pytest.warns(UserWarning, match="has NaN or infinity in 'genB2A/conv1x1.bias'"):
        weights.load_networks(tmp_path / "x.pdparams", "float32", only=["genB2A"])


def test_a_paddle_file_with_prefixes_is_read_too():
    network = Discriminator(3, ndf=2, n_layers=4)
    state = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
    checkpoint = formats.Checkpoint({"": prefixed(state, "_layers.")}, "paddle")
    assert set(weights.convert(checkpoint, "paddle", "x")[0].networks[""]) == set(state)


def test_names_of_averages():
    for part, plain in [("genA2B_ema", "genA2B"), ("ema_genA2B", "genA2B"), ("G_EMA", "G"), ("schema", "schema")]:
        assert foreign._without_average(part) == plain


def test_commands_print_notes_on_networks_in_a_line(tmp_path, capsys, monkeypatch):
    """With the model that a side file says, which no weight shows, and what was left aside."""
    network = ResnetGenerator(3, 3, ngf=2, n_blocks=1, light=True)
    state = weights.to_torch({key: tensor.numpy() for key, tensor in network.state_dict().items()}, network)
    formats.write(tmp_path / "x.pt", formats.Checkpoint({"": state}, "torch", {"model": "ugatit-initial"}))
    monkeypatch.setattr(warnings, "showwarning", lambda *given: sys.stderr.write(warnings.formatwarning(*given[:4])))
    warnings.simplefilter("always")
    assert command.run("translate", lambda: len(weights.load_networks(tmp_path / "x.pt")) - 1) == 0
    told = f"note: {tmp_path / 'x.pt'}: its metadata say that it is of the model ugatit-initial\n"
    assert capsys.readouterr().err == told
    assert weights.load_networks(tmp_path / "x.pt")[""].UpBlock1_1.revision == "initial"
