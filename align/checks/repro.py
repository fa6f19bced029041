"""A script that reproduces one difference: the blamed layer with its weights and inputs, in both frameworks.

`write` makes DIR/repro.py and DIR/repro.npz. If code between layers is to blame, the script runs the whole model and
compares what arrives at the layer.
"""

import os
from pathlib import Path

import numpy as np

from align.cases.pair import Pair
from align.checks import repro_pair
from align.compare.verdict import blame_message
from align.compare.views import Key
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.formats import atomic

ROOT = Path(__file__).resolve().parents[2]

_SCRIPT = '''\
"""{message}

    python repro.py
"""

import sys
from pathlib import Path

sys.path.insert(0, {root!r})
import numpy as np
import paddle_ugatit  # first: it sets the process up
{imports}
from align.compare.reference import set_mode
from align.compare.sides import paddle_side_of, torch_side_of
from align.compare.views import as_list

case = {expression}
data = np.load(Path(__file__).with_name("repro.npz"))
found = []
for side in torch_side_of(case)("float64"), paddle_side_of(case)("float64"):
    model = side.build(case.build, 0)
    side.load(model, side.state(model) | {{key[7:]: data[key] for key in data if key.startswith("weight ")}})
    set_mode(model, {training})
    layer = {layer}
    values = {{}}
{watch}    for call in range({calls}):
        inputs = [side.tensor(data[f"input {{call}} {{i}}"], grad={backward}) for i in range({arguments})]
        outputs = as_list({called}(*inputs))
{collect}    found.append(values)

for name in found[0]:
    theirs, ours = (np.asarray(values[name], "float64") for values in found)
    place = np.unravel_index(np.abs(theirs - ours).argmax(), theirs.shape)
    difference = abs(theirs[place] - ours[place]) / (np.abs(theirs).max() or 1)
    values = f"PyTorch has {{theirs[place]:.9g}}, Paddle {{ours[place]:.9g}}"
    print(f"{{name}}: differ by {{difference:.1e}}; at {{tuple(map(int, place))}} {{values}}")
'''
_OF_LAYER = """\
    for i, output in enumerate(outputs):
        values[f"output {i}"] = side.array(output)
    values |= {f"state {key}": array for key, array in side.buffers(layer).items()}
"""
_BACKWARD = """\
        side.backward(outputs, [data[f"gradient {call} {i}"] for i in range(len(outputs))])
    for i, tensor in enumerate(inputs):
        values[f"gradient of input {i}"] = side.gradient(tensor)
    values |= {f"gradient of {key}": array for key, array in side.parameter_gradients(layer).items()}
    values = {name: array for name, array in values.items() if array is not None}
"""
_ARRIVES = """\
    forward = layer.forward

    def watched(*given, forward=forward, side=side, values=values):
        values.update({f"input {i}": side.array(x) for i, x in enumerate(given) if side.is_tensor(x)})
        return forward(*given)

    layer.forward = watched
"""
_COMES_BACK = """\
    forward = layer.forward

    def watched(*given, forward=forward, side=side, values=values):
        outputs = forward(*given)
        for i, output in enumerate(as_list(outputs)):
            side.watch_gradient(output, lambda array, i=i: values.update({f"gradient of output {i}": array}))
        return outputs

    layer.forward = watched
"""


def write(folder, case, imports, expression, reference, blamed, check):
    """Write the script and its data; returns the script's path.

    `expression` evaluates to the case after the lines of `imports`. Raises InputError if the folder cannot be written.
    """
    if isinstance(case, Pair):
        return _written(folder, *repro_pair.parts(os.path.abspath(case.file), case, reference, blamed, check, ROOT))
    backward, path = check == "backward", blamed.layer
    between = blamed.what in ("input", "grad_output") or not path or Key("input", path, 0, "0") not in reference
    place = "" if between else path
    calls = len(reference.inputs) if between else 1 + max(call for layer, call in reference.order if layer == path)
    data, arguments = _inputs(reference, place, calls)
    prefix = place + "." if place else ""
    data |= {f"weight {key}": array for key, array in reference.weights.items() if key.startswith(prefix)}
    if backward:
        data |= _gradients(reference, place, calls)
    collect = _BACKWARD if backward else _OF_LAYER
    if between and path:
        collect = _BACKWARD.splitlines(True)[0] if backward else "\n"
    script = _SCRIPT.format(
        message=blame_message(blamed, case.layer),
        root=str(ROOT),
        imports=imports,
        expression=expression,
        training=case.training,
        layer=f"side.leaves(model)[{path!r}]" if path in _leaves(reference) else "model",
        watch=(_COMES_BACK if backward else _ARRIVES) if between and path else "",
        calls=calls,
        arguments=arguments,
        backward=backward,
        called="model" if between else "layer",
        collect=collect,
    )
    return _written(folder, script, data)


def _written(folder, script, data):
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(folder / "repro.npz") as file:
            np.savez(file, **data)
        with atomic.replacing(folder / "repro.py", "w") as file:
            file.write(script)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return folder / "repro.py"


def _leaves(reference):
    return {layer for layer, _ in reference.order}


def _inputs(reference, place, calls):
    """({"input <call> <i>": array}, number of inputs of a call) of the layer at `place`, or of the whole model."""
    if not place:
        given = reference.inputs
    else:
        given = []
        for call in range(calls):
            given.append([])
            while (key := Key("input", place, call, str(len(given[-1])))) in reference:
                given[-1].append(reference[key])
    named = {f"input {call} {i}": array for call, arrays in enumerate(given) for i, array in enumerate(arrays)}
    return named, len(given[0])


def _gradients(reference, place, calls):
    if not place:
        arrays = enumerate(reference.cotangents)
        return {f"gradient {call} {slot}": array for call, given in arrays for slot, array in given.items()}
    found = {}
    for call in range(calls):
        i = 0
        while (key := Key("grad_output", place, call, str(i))) in reference:
            if reference[key] is not None:
                found[f"gradient {call} {i}"] = reference[key]
            i += 1
    return found
