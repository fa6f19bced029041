"""Functions that move values: joining, cutting, indexing, repeating, padding with indices."""

import numpy as np
import paddle

from align.api.entry import Entry
from align.api.inputs import fixed, shaped, values

SECTION = "Joining, cutting, indexing"
PLAIN = shaped((3, 4, 6), (2, 1, 3), edges=False)


def pieces_of_size(x, split_size_or_sections, dim=0):
    """Paddle's number is that of the pieces, PyTorch's their length."""
    length, size = x.shape[dim], split_size_or_sections
    return paddle.split(
        x, size if isinstance(size, list) else [size] * (length // size) + [length % size] * (length % size > 0), dim
    )


def exchanged(x, dim0, dim1):
    """The whole permutation."""
    order = list(range(x.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return paddle.transpose(x, order)


def scattered_along(x, dim, index, src):
    """With other names; only within the shape of the index."""
    return paddle.put_along_axis(x, index, src, dim)


def added_along(x, dim, index, src):
    """With reduce="add"."""
    return paddle.put_along_axis(x, index, src, dim, reduce="add")


def filled(x, mask, value=0.5):
    """Where the mask is true, a tensor of the same dtype."""
    return paddle.where(mask, paddle.full([], value, x.dtype), x)


def filled_index(x, dim, index, value):
    """The same, with the arguments in another order."""
    return paddle.index_fill(x, index, dim, value)


def added_index(x, dim, index, source):
    """The same, with the arguments in another order."""
    return paddle.index_add(x, index, dim, source)


def products(*vectors):
    """By meshgrid."""
    return paddle.stack([grid.flatten() for grid in paddle.meshgrid(*vectors)], 1)


def placed_diagonal(x):
    """By a product, since Paddle's has no gradient."""
    return x.unsqueeze(-1) * paddle.eye(x.shape[-1], dtype=x.dtype)


def ceil_pieces(x, chunks, dim=0):
    """Pieces as long as PyTorch's, of which there may be fewer."""
    length = x.shape[dim]
    size = -(-length // chunks)
    return paddle.split(x, [size] * (length // size) + [length % size] * (length % size > 0), dim)


def uneven_pieces(x, indices_or_sections, dim=0):
    """The first pieces are longer by one where the length cannot be divided."""
    size, more = divmod(x.shape[dim], indices_or_sections)
    return paddle.split(x, [size + (i < more) for i in range(indices_or_sections)], dim)


def side_by_side(tensors):
    """By concat."""
    return paddle.concat(tensors, 1)


def one_below_another(tensors):
    """By concat."""
    return paddle.concat(tensors, 0)


def behind_one_another(tensors):
    """By stack."""
    return paddle.stack(tensors, 2)


def _three(*shapes):
    return fixed(
        lambda rng: [("two", [values(rng, shape) for shape in shapes]), ("empty", [np.zeros((0, 4))] * 2, {}, True)]
    )


def _along(rng):
    index = rng.integers(0, 4, (3, 2, 6))
    return [("(3,4,6)", [values(rng, (3, 4, 6))], {"index": index})]


def _scatter(rng):
    index = np.argsort(rng.random((3, 4, 6)), 1)[:, :2]
    return [("(3,4,6)", [values(rng, (3, 4, 6))], {"index": index, "src": values(rng, (3, 2, 6))})]


def _adding(rng):
    index = rng.integers(0, 4, (3, 2, 6))
    return [("(3,4,6)", [values(rng, (3, 4, 6))], {"index": index, "src": values(rng, (3, 2, 6))})]


def _selected(rng):
    return [("(3,4,6)", [values(rng, (3, 4, 6))], {"index": np.array([2, 0, 2])})]


def _masked(rng):
    return [("(3,4,6)", [values(rng, (3, 4, 6)), rng.random((3, 4, 6)) < 0.4])]


def _source(rng):
    return [("(3,4,6)", [values(rng, (3, 4, 6))], {"index": np.array([2, 0]), "source": values(rng, (3, 2, 6))})]


def _filling(rng):
    return [("(3,4,6)", [values(rng, (3, 4, 6))], {"index": np.array([2, 0])})]


def _searched(rng):
    return [("(5,) (3,4)", [np.sort(values(rng, (5,))), values(rng, (3, 4))])]


def _whole(rng):
    return [("(3,4)", [rng.integers(0, 5, (3, 4))])]


def _placed(rng):
    return [("(3,4)", [np.round(values(rng, (3, 4)))])]


TABLE = [
    Entry("cat", "concat", inputs=_three((3, 4), (2, 4)), listed=True),
    Entry("stack", "stack", inputs=_three((3, 4), (3, 4)), uses=({}, {"dim": 1}), listed=True),
    Entry("hstack", "hstack", inputs=_three((3, 4), (3, 4)), listed=True, recipe=side_by_side),
    Entry("vstack", "vstack", inputs=_three((3, 4), (3, 4)), listed=True, recipe=one_below_another),
    Entry("dstack", "dstack", inputs=_three((3, 4), (3, 4)), listed=True, recipe=behind_one_another),
    Entry("column_stack", "column_stack", inputs=_three((3, 4), (3, 4)), listed=True, recipe=side_by_side),
    Entry(
        "split",
        "split",
        inputs=PLAIN,
        uses=({"split_size_or_sections": 2, "dim": 2}, {"split_size_or_sections": [1, 2], "dim": 0}),
        names={"split_size_or_sections": "num_or_sections"},
        recipe=pieces_of_size,
    ),
    Entry("chunk", "chunk", inputs=PLAIN, uses=({"chunks": 2, "dim": 1}, {"chunks": 3, "dim": 2}), recipe=ceil_pieces),
    Entry(
        "tensor_split",
        "tensor_split",
        inputs=PLAIN,
        uses=({"indices_or_sections": 4, "dim": 2},),
        names={"indices_or_sections": "num_or_indices"},
        recipe=uneven_pieces,
    ),
    Entry("unbind", "unbind", inputs=PLAIN, uses=({}, {"dim": 2})),
    Entry("reshape", "reshape", inputs=PLAIN, uses=({"shape": (-1, 3)},)),
    Entry(
        "flatten",
        "flatten",
        inputs=PLAIN,
        uses=({}, {"start_dim": 1}),
        names={"start_dim": "start_axis", "end_dim": "stop_axis"},
    ),
    Entry("unflatten", "unflatten", inputs=PLAIN, uses=({"dim": 2, "sizes": (3, -1)},), names={"sizes": "shape"}),
    Entry("squeeze", "squeeze", inputs=shaped((2, 1, 3), (1, 4, 1), edges=False), uses=({}, {"dim": 1})),
    Entry("unsqueeze", "unsqueeze", inputs=PLAIN, uses=({"dim": 1}, {"dim": -1})),
    Entry(
        "transpose",
        "transpose",
        inputs=PLAIN,
        uses=({"dim0": 0, "dim1": 2},),
        names={"dim0": "", "dim1": ""},
        recipe=exchanged,
    ),
    Entry("movedim", "moveaxis", inputs=PLAIN, uses=({"source": 0, "destination": 2},)),
    Entry("permute", "transpose", inputs=PLAIN, uses=({"dims": (2, 0, 1)},)),
    Entry("t", "t", inputs=shaped((3, 4), edges=False)),
    Entry("flip", "flip", inputs=PLAIN, uses=({"dims": (1,)}, {"dims": (0, 2)})),
    Entry("roll", "roll", inputs=PLAIN, uses=({"shifts": 1, "dims": 1}, {"shifts": 2}), names={"dims": "axis"}),
    Entry("rot90", "rot90", inputs=PLAIN, uses=({}, {"k": 3, "dims": (0, 2)}), names={"dims": "axes"}),
    Entry("tile", "tile", inputs=PLAIN, uses=({"dims": (2, 1, 3)},), names={"dims": "repeat_times"}),
    Entry("repeat_interleave", "repeat_interleave", inputs=PLAIN, uses=({"repeats": 2, "dim": 1}, {"repeats": 3})),
    Entry("broadcast_to", "broadcast_to", inputs=shaped((2, 1, 3), edges=False), uses=({"size": (2, 4, 3)},)),
    Entry("gather", "take_along_axis", inputs=fixed(_along), uses=({"dim": 1},), names={"index": "indices"}),
    Entry(
        "take_along_dim",
        "take_along_axis",
        inputs=fixed(lambda rng: [(a, b, {"indices": c["index"]}) for a, b, c in _along(rng)]),
        uses=({"dim": 1},),
    ),
    Entry(
        "scatter",
        "put_along_axis",
        inputs=fixed(_scatter),
        uses=({"dim": 1},),
        names={"index": "indices", "src": "values"},
        recipe=scattered_along,
    ),
    Entry(
        "scatter_add",
        "put_along_axis",
        inputs=fixed(_adding),
        uses=({"dim": 1},),
        names={"index": "indices", "src": "values"},
        recipe=added_along,
    ),
    Entry("index_select", "index_select", inputs=fixed(_selected), uses=({"dim": 0},)),
    Entry(
        "index_add",
        "index_add",
        inputs=fixed(_source),
        uses=({"dim": 1},),
        names={"source": "value"},
        recipe=added_index,
    ),
    Entry("index_fill", "index_fill", inputs=fixed(_filling), uses=({"dim": 0, "value": 0.3},), recipe=filled_index),
    Entry("masked_select", "masked_select", inputs=fixed(_masked)),
    Entry("masked_fill", "masked_fill", inputs=fixed(_masked), uses=({"value": 0.3},), recipe=filled),
    Entry("take", "take", inputs=fixed(_selected)),
    Entry("nonzero", "nonzero", inputs=fixed(_placed)),
    Entry("searchsorted", "searchsorted", inputs=fixed(_searched), uses=({}, {"right": True})),
    Entry("nn.functional.one_hot", "nn.functional.one_hot", inputs=fixed(_whole), uses=({"num_classes": 6},)),
    Entry("tril", "tril", inputs=PLAIN, uses=({}, {"diagonal": 1})),
    Entry("triu", "triu", inputs=PLAIN, uses=({}, {"diagonal": -1})),
    Entry(
        "diag",
        "diag",
        inputs=shaped((4, 6), (5,), edges=False, empty=False),
        uses=({}, {"diagonal": 1}),
        names={"diagonal": "offset"},
    ),
    Entry(
        "diagonal",
        "diagonal",
        inputs=PLAIN,
        uses=({}, {"offset": 1, "dim1": 1, "dim2": 2}),
        names={"dim1": "axis1", "dim2": "axis2"},
    ),
    Entry("diag_embed", "diag_embed", inputs=shaped((3, 4), edges=False), recipe=placed_diagonal),
    Entry("diagflat", "diagflat", inputs=shaped((5,), edges=False)),
    Entry(
        "meshgrid",
        "meshgrid",
        inputs=fixed(lambda rng: [("(3,) (4,)", [values(rng, (3,)), values(rng, (4,))])]),
        uses=({"indexing": "ij"},),
        names={"indexing": ""},
    ),
    Entry(
        "cartesian_prod",
        "cartesian_prod",
        inputs=fixed(lambda rng: [("(3,) (4,)", [values(rng, (3,)), values(rng, (4,))])]),
        recipe=products,
    ),
    Entry("combinations", "combinations", inputs=shaped((5,), edges=False, empty=False)),
    Entry("vander", "vander", inputs=shaped((5,), edges=False, empty=False), uses=({"N": 3},), names={"N": "n"}),
    Entry("atleast_2d", "atleast_2d", inputs=shaped((5,), (2, 3), edges=False)),
    Entry("view_as_complex", "as_complex", inputs=shaped((3, 4, 2), edges=False)),
    Entry("zeros_like", "zeros_like", inputs=PLAIN),
    Entry("full_like", "full_like", inputs=PLAIN, uses=({"fill_value": 0.3},)),
]
