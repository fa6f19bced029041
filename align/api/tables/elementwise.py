"""Functions of every value: mathematics, rounding, comparison."""

import paddle

from align.api.entry import Entry
from align.api.inputs import Inputs, elementwise, fixed, several, values

SECTION = "Mathematics"
SERIES = 2e-9  # of functions that each framework sums by a series of its own


def each(names: str, inputs: Inputs) -> list[Entry]:
    """A line for each of the names, which both frameworks have."""
    return [Entry(name, name, inputs=inputs) for name in names.split()]


def round_division(x, y, rounding_mode=None):
    """Divide, then round."""
    quotient = x / y
    return {None: lambda q: q, "floor": paddle.floor, "trunc": paddle.trunc}[rounding_mode](quotient)


def fmod(x, y):
    """The remainder with the sign of the dividend."""
    return x - paddle.trunc(x / y) * y


def rsub(x, y, alpha=1):
    """The other minus alpha times the first."""
    return y - alpha * x


def scaled_add(x, y, alpha=1):
    """Add alpha times the other."""
    return x + alpha * y


def scaled_subtract(x, y, alpha=1):
    """Subtract alpha times the other."""
    return x - alpha * y


def addcmul(x, a, b, value=1):
    """Add value times the product."""
    return x + value * a * b


def addcdiv(x, a, b, value=1):
    """Add value times the quotient."""
    return x + value * a / b


def clamp(x, min=None, max=None):
    """With bounds that are tensors of the same dtype, which Paddle 2.6 rounds otherwise; NaN stays NaN."""
    x = x if min is None else paddle.where(x < min, paddle.full([], min, x.dtype), x)
    return x if max is None else paddle.where(x > max, paddle.full([], max, x.dtype), x)


def maximum_of(x, y):
    """Paddle's maximum: a tie passes half of the gradient to each only if it is written with a mean."""
    larger = (x > y).astype(x.dtype) + 0.5 * (x == y).astype(x.dtype)
    return x * larger + y * (1 - larger)


def minimum_of(x, y):
    """As for the maximum."""
    smaller = (x < y).astype(x.dtype) + 0.5 * (x == y).astype(x.dtype)
    return x * smaller + y * (1 - smaller)


def absolute_power(x, exponent=2.0):
    """The exponent as a tensor of the same dtype."""
    return paddle.pow(x, paddle.full([], exponent, x.dtype))


def xlogy(x, y):
    """0 where the first is 0, whatever the logarithm."""
    return paddle.where(x == 0, paddle.zeros_like(x * y), x * paddle.log(y))


def logit(x, eps=None):
    """The logarithm of the odds."""
    x = x if eps is None else paddle.clip(x, eps, 1 - eps)
    return paddle.log(x / (1 - x))


def exp2(x):
    """A power of 2, by the exponential function."""
    return paddle.exp(x * paddle.full([], 0.6931471805599453, x.dtype))


def sinc(x):
    """sin(pi x) / (pi x), 1 at 0."""
    scaled = paddle.where(x == 0, paddle.full_like(x, 1e-20), x) * paddle.full([], 3.141592653589793, x.dtype)
    return paddle.sin(scaled) / scaled


def logistic(x):
    """Under nn.functional in Paddle 2.6."""
    return paddle.nn.functional.sigmoid(x)


def between(x, y, weight):
    """By its formula, which has a gradient of the weight too."""
    return x + weight * (y - x)


def near(x, y):
    """By its formula, which broadcasts."""
    return (x - y).abs() <= 1e-8 + 1e-5 * y.abs()


def scaled_by_powers(x, exponents):
    """By a power in the dtype of x; in PyTorch the gradient at negative whole exponents is 0, which is wrong."""
    return x * paddle.pow(paddle.full([], 2.0, x.dtype), exponents.astype(x.dtype))


def unchanged(x):
    """Nothing is to be done."""
    return x * 1


def floored_remainder(x, y):
    """The remainder with the sign of the divisor, by its formula."""
    return x - paddle.floor(x / y) * y


def with_sign(x, y):
    """By the sign of the second."""
    return x.abs() * paddle.where(y < 0, -paddle.ones_like(y), paddle.ones_like(y))


def broadcast_angle(x, y):
    """With both broadcast before, which Paddle 2.6 does not do."""
    return paddle.atan2(x + paddle.zeros_like(y), y + paddle.zeros_like(x))


def _lerp(rng):
    shapes = [(4, 6), (4, 6), (4, 6)]
    return [("(4,6)", [values(rng, shape) for shape in shapes])]


def _where(rng):
    mask = rng.random((4, 6)) < 0.5
    return [
        ("(4,6)", [mask, values(rng, (4, 6)), values(rng, (4, 6))]),
        ("broadcast", [mask, values(rng, (6,)), values(rng, (4, 1))]),
    ]


def _whole(rng):
    return [("whole numbers", [rng.integers(0, 16, (4, 6)), rng.integers(1, 16, (4, 6))])]


TABLE = [
    *each("abs acos asin atan tanh sin cos tan sinh cosh asinh exp expm1 erf square neg", elementwise("within 1")),
    *each("ceil floor round trunc frac sign sgn isnan isinf isfinite deg2rad rad2deg i0", elementwise()),
    *each("log log2 log10 log1p sqrt rsqrt reciprocal lgamma", elementwise("positive")),
    Entry("digamma", "digamma", inputs=elementwise("positive"), limit=SERIES),
    *[Entry(f"special.{name}", name, inputs=elementwise()) for name in ("i0e", "i1", "i1e")],
    *each("acosh", elementwise("above 1")),
    *each("atanh erfinv", elementwise("within 1")),
    Entry("logit", "logit", inputs=elementwise("unit"), uses=({}, {"eps": 0.1}), recipe=logit),
    Entry("exp2", "", inputs=elementwise(), recipe=exp2),
    Entry("sinc", "sinc", inputs=elementwise(), recipe=sinc),
    Entry("nan_to_num", "nan_to_num", inputs=elementwise(), uses=({}, {"nan": 1.0, "posinf": 2.0, "neginf": -2.0})),
    Entry(
        "polygamma",
        "polygamma",
        inputs=fixed(lambda rng: [("(4,6)", [], {"input": values(rng, (4, 6), "positive")})]),
        limit=SERIES,
        uses=({"n": 1}, {"n": 2}),
    ),
    Entry("add", "add", inputs=elementwise(count=2), uses=({}, {"alpha": 0.3}), recipe=scaled_add),
    Entry("sub", "subtract", inputs=elementwise(count=2), uses=({}, {"alpha": 0.3}), recipe=scaled_subtract),
    Entry("rsub", "", inputs=elementwise(count=2), recipe=rsub),
    Entry("mul", "multiply", inputs=elementwise(count=2)),
    Entry(
        "div",
        "divide",
        inputs=elementwise("positive", 2),
        uses=({}, {"rounding_mode": "floor"}, {"rounding_mode": "trunc"}),
        recipe=round_division,
    ),
    Entry("true_divide", "divide", inputs=elementwise("positive", 2)),
    Entry("floor_divide", "floor_divide", inputs=elementwise(domains=("", "positive"))),
    Entry("remainder", "remainder", inputs=elementwise(domains=("", "positive")), recipe=floored_remainder),
    Entry("fmod", "mod", inputs=elementwise(domains=("", "positive")), recipe=fmod),
    Entry(
        "pow", "pow", inputs=elementwise("positive"), uses=({"exponent": 2.0}, {"exponent": 0.3}), recipe=absolute_power
    ),
    Entry(
        "float_power",
        "pow",
        inputs=elementwise("positive"),
        uses=({"exponent": 2.0}, {"exponent": 0.3}),
        recipe=absolute_power,
    ),
    *each("maximum minimum fmax fmin hypot logaddexp nextafter heaviside", elementwise(count=2)),
    Entry("lerp", "lerp", inputs=fixed(_lerp), recipe=between),
    Entry("addcmul", "", inputs=elementwise(count=3), uses=({"value": 0.7},), recipe=addcmul),
    Entry("addcdiv", "", inputs=elementwise("positive", 3), uses=({"value": 0.7},), recipe=addcdiv),
    Entry(
        "clamp",
        "clip",
        inputs=elementwise(),
        uses=({"min": -0.5, "max": 0.5}, {"min": 0.0}, {"min": 0.1, "max": 0.7}),
        recipe=clamp,
    ),
    Entry("clip", "clip", inputs=elementwise(), uses=({"min": -1.0, "max": 1.0},), recipe=clamp),
    Entry("where", "where", inputs=fixed(_where)),
    Entry("xlogy", "", inputs=elementwise("positive", 2), recipe=xlogy),
    Entry("real", "real", inputs=elementwise(), recipe=unchanged),
    *each("not_equal greater_equal less_equal", elementwise(count=2)),
    Entry("equal", "equal_all", inputs=elementwise(count=2)),
    Entry("eq", "equal", inputs=elementwise(count=2)),
    Entry("gt", "greater_than", inputs=elementwise(count=2)),
    Entry("lt", "less_than", inputs=elementwise(count=2)),
    Entry("atan2", "atan2", inputs=elementwise(count=2), recipe=broadcast_angle),
    Entry("copysign", "copysign", inputs=elementwise(count=2), recipe=with_sign),
    Entry("sigmoid", "sigmoid", inputs=elementwise("within 1"), recipe=logistic),
    Entry("isclose", "isclose", inputs=elementwise(count=2), recipe=near),
    *each("bitwise_and bitwise_or bitwise_xor gcd lcm", fixed(_whole)),
    *each("logical_and logical_or logical_xor", elementwise(count=2)),
    Entry(
        "ldexp",
        "ldexp",
        inputs=fixed(lambda rng: [("(4,6)", [values(rng, (4, 6)), rng.integers(-3, 4, (4, 6))])]),
        recipe=scaled_by_powers,
    ),
    Entry("polar", "polar", inputs=several((4, 6), (4, 6), domain="positive")),
    Entry("complex", "complex", inputs=several((4, 6), (4, 6))),
]
for _name in ("maximum", "minimum"):
    _at = next(i for i, entry in enumerate(TABLE) if entry.torch == _name)
    TABLE[_at] = Entry(
        _name, _name, inputs=elementwise(count=2), recipe=maximum_of if _name == "maximum" else minimum_of
    )
