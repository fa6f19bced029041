"""A script that shows a difference between the models of a user's file: it runs both and compares at one place.

`write` makes DIR/repro.py and DIR/repro.npz, which holds the weights and inputs. Whatever is blamed is shown: a weight,
what a layer is given or gives, the outputs of the model, and their gradients.
"""

from align.compare.verdict import blame_message

_SCRIPT = '''\
"""{message}

    python repro.py
"""

import sys
from pathlib import Path

sys.path.insert(0, {root!r})
import numpy as np
import paddle_ugatit  # first: it sets the process up
from align.cases.pair import load_pair
from align.compare.narrowing import narrowed
from align.compare.reference import Reference, loaded
from align.compare.sides import paddle_side_of, torch_side_of
from align.compare.views import Propagated
from paddle_ugatit.weights import WeightError

LAYER, DTYPE, BACKWARD = {layer!r}, {dtype!r}, {backward}  # where it differs; "" is the whole model
case = load_pair({path!r})
data = np.load(Path(__file__).with_name("repro.npz"))
weights = {{key[7:]: data[key] for key in data if key.startswith("weight ")}}
inputs = [[data[f"input {{call}} {{i}}"] for i in range({arguments})] for call in range({calls})]
gradients = [{{slot: data[f"gradient {{call}} {{slot}}"] for slot in slots}} for call, slots in enumerate({slots!r})]

theirs = torch_side_of(case)(DTYPE)
original = loaded(theirs, case, {seed}, weights)
reference = Reference(case.name, {seed}, weights, inputs, gradients, facts=theirs.facts(original))
reference.types = theirs.layer_types(original)
case, reference, notes = narrowed(case, reference, lambda case: paddle_side_of(case)("float64"))
ours = paddle_side_of(case)(DTYPE)
port = ours.build(case.build, {seed})
try:
    ours.load(port, reference.weights)
except WeightError as error:
    print(f"the weights do not fit: {{error}}")
    ours.load_matching(port, reference.weights)
port.train() if case.training else port.eval()

found = []
for side, model in (torch_side_of(case)(DTYPE), original), (ours, port):
    state = side.state(model).items()
    values = {{f"weight {{name}}": array for name, array in state if name.rpartition(".")[0] == LAYER}}

    def note(key, array, values=values):
        if key.layer == LAYER and array is not None:
            values[f"{{key.what}} {{key.slot}} of call {{key.call}}"] = np.array(array)

    try:
        Propagated(side, model, note, inputs_too=True).run(inputs, gradients if BACKWARD else None)
    except Exception as error:
        print(f"{{side.name}}: {{type(error).__name__}}: {{error}}")
    found.append(values)

for name in dict.fromkeys([*found[0], *found[1]]):
    if any(name not in values for values in found):
        has, lacks = ("PyTorch", "Paddle") if name in found[0] else ("Paddle", "PyTorch")
        print(f"{{name}}: {{has}} has it, {{lacks}} does not")
        continue
    one, other = (np.asarray(values[name]) for values in found)
    if one.shape != other.shape:
        print(f"{{name}}: PyTorch has the shape {{list(one.shape)}}, Paddle {{list(other.shape)}}")
    elif one.size:
        kind = np.promote_types(np.promote_types(one.dtype, other.dtype), "float64")
        one, other = one.astype(kind), other.astype(kind)
        gap = np.abs(one - other)
        gap[(one == other) | (np.isnan(one) & np.isnan(other))] = 0
        place = np.unravel_index(gap.argmax(), gap.shape)
        difference = gap[place] / (np.abs(one[np.isfinite(one)]).max(initial=0) or 1)
        values = f"PyTorch has {{one[place]:.9g}}, Paddle {{other[place]:.9g}}"
        print(f"{{name}}: differ by {{difference:.1e}}; at {{tuple(map(int, place))}} {{values}}")
'''


def parts(path, case, reference, blamed, check, root):
    """Return the script and its arrays by name, for the row to blame of a pair's check."""
    backward = check == "backward"
    slots = [[slot for slot, array in call.items() if array is not None] for call in reference.cotangents]
    script = _SCRIPT.format(
        message=blame_message(blamed, case.layer),
        root=str(root),
        path=path,
        layer=blamed.layer,
        dtype=blamed.dtype,
        backward=backward,
        arguments=len(reference.inputs[0]),
        calls=len(reference.inputs),
        slots=slots,
        seed=reference.seed,
    )
    data = {f"weight {key}": array for key, array in reference.weights.items()}
    for call, arrays in enumerate(reference.inputs):
        data |= {f"input {call} {i}": array for i, array in enumerate(arrays)}
    for call, names in enumerate(slots):
        data |= {f"gradient {call} {slot}": reference.cotangents[call][slot] for slot in names}
    return script, data
