"""What goes in and out of models and layers: containers, keywords, numbers, buffers, recurrent layers, attention."""

import paddle
import pytest

from tests.align.pairs import both, judge, linear, pair

RECURRENT = """
SHAPES = [(2, 5, 4)]
"""
STRUCTURES = {
    "an empty tensor among others": (
        both(linear(), "x: h = s.a(x); return s.b(h), s.b(h[:0])"),
        (2, 2) if paddle.__version__.startswith("2.") else (0, 0),  # Paddle 2.6 multiplies no empty tensors
        [],
    ),
    "float32 inside, on both sides": (
        both(
            linear(),
            "x: return s.b(torch.softmax(s.a(x).float(), -1).to(x.dtype))",
            "x: return s.b(pF.softmax(s.a(x).astype('float32'), -1).astype(x.dtype))",
        ),
        (0, 0),
        [],
    ),
    "float32 inside, and a fault before it": (
        both(
            linear("abc"),
            "x: return s.b(torch.softmax(s.c(s.a(x)).float(), -1).to(x.dtype))",
            "x: return s.b(pF.softmax(s.c(s.a(x) + 1e-8).astype('float32'), -1).astype(x.dtype))",
        ),
        (1, 0),
        ["before c"],
    ),
    "dictionary, None, nested tuple, numbers, integers": (
        both(
            linear(),
            "x: h = s.a(x); return {'y': s.b(h), 'none': None, 'more': (h, [h * 2]), 'n': 3, 'i': h.argmax(-1)}",
        ),
        (0, 0),
        [],
    ),
    "one entry of a dictionary differs": (
        both(
            linear(), "x: h = s.a(x); return {'y': s.b(h), 'z': h}", "x: h = s.a(x); return {'y': s.b(h), 'z': h + 1}"
        ),
        (1, 0),
        [],
    ),
    "one output fewer": (
        both(linear(), "x: return s.a(x), s.b(x)", "x: y = s.b(x); return s.a(x)"),
        (1, 1),
        ["output"],
    ),
    "no output": (both(linear(), "x: s.y = s.a(x)"), (2, 2), ["returns no tensor"]),
    "complex output": (
        both(linear(), "x: return torch.fft.fft(s.a(x))", "x: return paddle.fft.fft(s.a(x))"),
        (0, 0),
        [],
    ),
    "boolean mask, keyword, number, None, 0-d": (
        both(
            linear(),
            "x, mask, more, scale, g: assert more is None; return s.b(s.a(x).masked_fill(~mask, 0) * scale) * g",
            rest="def inputs(rng): return {'x': rng.random((4, 6)), 'mask': rng.random((4, 6)) < 0.7, 'more': None,"
            " 'scale': 2, 'g': np.array(rng.standard_normal())}",
        ),
        (0, 0),
        [],
    ),
    "arguments in a list": (
        both(
            linear(),
            "xs: return s.a(xs[0]) + s.b(xs[1]['y'])",
            rest="def inputs(rng): return [[rng.standard_normal((4, 6)), {'y': rng.standard_normal((4, 6))}]]",
        ),
        (0, 0),
        [],
    ),
    "infinite values at the same places": (
        both(linear(), "x: h = s.b(s.a(x)); return h.masked_fill(h > 0.5, -math.inf)"),
        (0, 0),
        [],
    ),
    "infinite values elsewhere": (
        both(
            linear(),
            "x: h = s.b(s.a(x)); return h.masked_fill(h > 0.5, -math.inf)",
            "x: h = s.b(s.a(x)); return h.masked_fill(h > 0.1, -math.inf)",
        ),
        (1, 1),
        [],
    ),
    "buffers: whole numbers, booleans, not saved": (
        both(
            [
                f"{one}; s.register_buffer('i', {lib}.arange(6)); s.register_buffer('m', {lib}.ones([6]) > 0); "
                f"s.register_buffer('t', {lib}.ones([6]) * 2, {option}=False)"
                for one, lib, option in zip(linear(), ("torch", "paddle"), ("persistent", "persistable"), strict=True)
            ],
            "x: return s.b(s.a(x)[:, s.i] * s.t).masked_fill(~s.m, 0.0)",
            "x: return s.b(paddle.index_select(s.a(x), s.i, 1) * s.t).masked_fill(~s.m, 0.0)",
        ),
        (0, 0),
        [],
    ),
    "a buffer that nobody saves is wrong": (
        both(
            [
                f"{one}; s.register_buffer('t', {lib}.ones([6]) * {value}, {option}=False)"
                for one, lib, option, value in zip(
                    linear(), ("torch", "paddle"), ("persistent", "persistable"), (2, 3), strict=True
                )
            ],
            "x: return s.b(s.a(x)) * s.t",
        ),
        (1, 1),
        ["t"],
    ),
    "one layer under two names": (
        both([f"{one}; s.c = s.a" for one in linear()], "x: return s.c(s.b(s.a(x)))"),
        (0, 0),
        [],
    ),
    "weights of two layers tied": (
        both([f"{one}; s.b.weight = s.a.weight" for one in linear()], "x: return s.b(s.a(x))"),
        (0, 0),
        [],
    ),
    "head tied to an embedding, which the port has once": (
        pair(
            "s.e = tnn.Embedding(11, 6); s.h = tnn.Linear(6, 11, bias=False); s.h.weight = s.e.weight",
            "i: return s.h(s.e(i))",
            "s.e = pnn.Embedding(11, 6)",
            "i: return paddle.matmul(s.e(i), s.e.weight, transpose_y=True)",
            "def inputs(rng): return [rng.integers(0, 11, (2, 5))]",
        ),
        (0, 0),
        [],
    ),
    "forward replaced on the instance": (
        both(
            [f"{one}; own = s.a.forward; s.a.forward = lambda x: 2 * own(x)" for one in linear()],
            "x: return s.b(s.a(x))",
        ),
        (0, 0),
        [],
    ),
    "tensors made in forward": (
        both(linear(), "x: return s.b(s.a(x) @ torch.eye(6))", "x: return s.b(s.a(x) @ paddle.eye(6))"),
        (0, 0),
        [],
    ),
    "a counter in a plain attribute": (
        both([f"{one}; s.n = 0" for one in linear()], "x: s.n += 1; return s.b(s.a(x)) * s.n"),
        (0, 0),
        [],
    ),
    "GRU": (
        pair(
            "s.r = tnn.GRU(4, 6, batch_first=True)",
            "x: y, h = s.r(x); return y, h",
            "s.r = pnn.GRU(4, 6)",
            "x: y, h = s.r(x); return y, h",
            RECURRENT,
        ),
        (0, 0),
        [],
    ),
    "LSTM, two ways, time first": (
        pair(
            "s.r = tnn.LSTM(4, 3, 2, bidirectional=True)",
            "x: y, (h, c) = s.r(x.transpose(0, 1)); return y.transpose(0, 1), c",
            "s.r = pnn.LSTM(4, 3, 2, direction='bidirect')",
            "x: y, (h, c) = s.r(x); return y, c",
            RECURRENT,
        ),
        (0, 0),
        [],
    ),
    "a wrapped cell for a GRU": (
        pair(
            "s.r = tnn.GRU(4, 6, batch_first=True)",
            "x: return s.r(x)[0]",
            "s.r = pnn.RNN(pnn.GRUCell(4, 6))",
            "x: return s.r(x)[0]",
            RECURRENT
            + "NAMES = {f'r.cell.{n}': f'r.{n}_l0' for n in ('weight_ih', 'weight_hh', 'bias_ih', 'bias_hh')}",
        ),
        (0, 0),
        [],
    ),
    "cells": (
        pair(
            "s.l = tnn.LSTMCell(4, 5)",
            "x: h, c = s.l(x[:, 0], (x[:, 1, :1] * x.new_ones(5), x[:, 2, :1] * x.new_ones(5))); return h",
            "s.l = pnn.LSTMCell(4, 5)",
            "x: h, (_, c) = s.l(x[:, 0], (x[:, 1, :1] * paddle.ones([5], x.dtype), "
            "x[:, 2, :1] * paddle.ones([5], x.dtype))); return h",
            RECURRENT,
        ),
        (0, 0),
        [],
    ),
    "encoder layer, time first": (
        pair(
            "s.t = tnn.TransformerEncoderLayer(4, 2, 8, dropout=0.0)",
            "x: return s.t(x.transpose(0, 1)).transpose(0, 1)",
            "s.t = pnn.TransformerEncoderLayer(4, 2, 8, dropout=0.0)",
            "x: return s.t(x)",
            RECURRENT,
        ),
        (0, 0),
        [],
    ),
    "decoder layer": (
        pair(
            "s.t = tnn.TransformerDecoderLayer(4, 2, 8, dropout=0.0, batch_first=True)",
            "x: return s.t(x, x * 2)",
            "s.t = pnn.TransformerDecoderLayer(4, 2, 8, dropout=0.0)",
            "x: return s.t(x, x * 2)",
            RECURRENT,
        ),
        (0, 0),
        [],
    ),
    "attention with another number of heads": (
        pair(
            "s.t = tnn.MultiheadAttention(4, 2, batch_first=True)",
            "x: return s.t(x, x, x)[0]",
            "s.t = pnn.MultiHeadAttention(4, 1)",
            "x: return s.t(x)",
            RECURRENT,
        ),
        (1, 1),
        ["t (MultiheadAttention)"],
    ),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_what_goes_in_and_out(name, tmp_path, capsys):
    judge(tmp_path, capsys, *STRUCTURES[name])
