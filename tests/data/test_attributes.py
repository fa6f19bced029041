"""The attributes of drawn faces as classes."""

import dataclasses

import numpy as np
import pytest

from paddle_ugatit.data.faces.attributes import ATTRIBUTES, MIRRORED, attributes_of, labels
from paddle_ugatit.data.faces.draw import person


def test_every_class_of_every_attribute_occurs_and_is_the_faces_own():
    found = labels("trainA", 400, 3)
    assert found.shape == (400, len(ATTRIBUTES)) and found.dtype == np.int64
    for column, (name, classes) in enumerate(ATTRIBUTES.items()):
        assert set(found[:, column]) == set(range(len(classes))), name
    face = person("trainA", 0, 3)
    assert list(attributes_of(face).values()) == list(found[0])
    assert found[0, list(ATTRIBUTES).index("hair colour")] == face.hair


@pytest.mark.parametrize(
    "change,name,wanted",
    [
        ({"skin": 0.99}, "skin", "fair"),
        ({"skin": 1.0}, "skin", "medium"),
        ({"skin": 4.0}, "skin", "dark"),
        ({"yaw": -0.9}, "pose", "turned left"),
        ({"yaw": 0.0}, "pose", "ahead"),
        ({"yaw": 0.9}, "pose", "turned right"),
        ({"glasses": True}, "glasses", "glasses"),
        ({"beard": 0.4}, "beard", "beard"),
        ({"beard": 0.0}, "beard", "none"),
        ({"mouth_open": 0.3}, "mouth", "open"),
        ({"smile": 0.35}, "expression", "smiling"),
        ({"smile": 0.34}, "expression", "serious"),
        ({"style": "buns"}, "hair cut", "buns"),
        ({"fringe": "high"}, "fringe", "high"),
        ({"iris": 3}, "eye colour", "blue"),
    ],
)
def test_a_class_follows_its_latent(change, name, wanted):
    face = dataclasses.replace(person("trainA", 0, 0), **change)
    assert ATTRIBUTES[name][attributes_of(face)[name]] == wanted


def test_mirroring_swaps_left_and_right():
    for name, swapped in MIRRORED.items():
        classes = [ATTRIBUTES[name][i] for i in swapped]
        turned = [text.replace("left", "-").replace("right", "left").replace("-", "right") for text in ATTRIBUTES[name]]
        assert classes == turned
