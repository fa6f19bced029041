"""Which attributes a translation keeps: the counting, with a stand-in network, and the shipped network itself."""

import numpy as np
import pytest

from paddle_ugatit.data.faces.attributes import ATTRIBUTES, labels
from paddle_ugatit.data.faces.draw import draw
from paddle_ugatit.metrics.face_features import FaceFeatures
from paddle_ugatit.metrics.kept import EXAMPLES, KeptAttributes, described, figure, lines

GLASSES = list(ATTRIBUTES).index("glasses")


class Painted:
    """Tells the attributes that a picture was painted with: the class of attribute i is the red of pixel (0, i)."""

    def attributes(self, pixels):
        return pixels[:, 0, : len(ATTRIBUTES), 0].astype(np.int64)


def painted(**classes):
    picture = np.zeros((64, 64, 3), np.uint8)
    for name, value in classes.items():
        picture[0, list(ATTRIBUTES).index(name), 0] = value
    return picture


def test_shares_confusions_and_the_ceiling_are_counted():
    kept = KeptAttributes(Painted())
    for _ in range(3):
        kept.add(painted(glasses=1), painted(glasses=1), painted(glasses=1))
    for _ in range(9):
        kept.add(painted(glasses=1), painted(), painted(glasses=1))
    kept.add(painted(beard=1), painted(beard=1), painted())
    assert kept.pairs == 13
    assert kept.shares()["glasses"] == pytest.approx(4 / 13) and kept.shares()["beard"] == 1
    assert kept.shares(true=True)["glasses"] == 1 and kept.shares(true=True)["beard"] == pytest.approx(12 / 13)
    assert kept.confusions() == [(("glasses", 1, 0), 9, 12)]
    assert len(kept.examples(("glasses", 1, 0))) == EXAMPLES
    about = kept.about()
    assert about["attributes"]["glasses"]["confusion"] == [[1, 0], [9, 3]]
    told = len(about["attributes"])
    assert told == len(ATTRIBUTES) - 1 and "expression" not in about["attributes"]
    assert about["mean"] == pytest.approx((told - 1 + 4 / 13) / told)
    text = "\n".join(lines(about))
    assert "13 pairs" in text and "glasses: glasses becomes none, 9 of 12" in text
    assert figure(kept).shape[1:] == (EXAMPLES * 68, 3)


def test_nothing_lost_is_no_picture_and_no_truth_is_no_ceiling():
    kept = KeptAttributes(Painted())
    kept.add(painted(beard=1), painted(beard=1))
    assert kept.about()["mean"] == 1 and kept.about()["mean_of_true_images"] is None
    assert figure(kept) is None and "true images" not in "\n".join(lines(kept.about()))


def test_more_pairs_than_a_batch():
    kept = KeptAttributes(Painted())
    for index in range(150):
        kept.add(painted(glasses=index % 2), painted(glasses=1))
    assert kept.shares()["glasses"] == 0.5 and kept.pairs == 150


def test_confusions_are_described_in_words():
    assert described(("hair colour", 0, 3)) == "hair colour: black becomes red"


@pytest.mark.parametrize("split", ["testA", "testB"])
def test_the_shipped_network_tells_attributes_of_faces_it_was_not_trained_on(split):
    count, seed = 100, 31
    found = FaceFeatures().attributes(np.stack([draw(split, index, 64, seed) for index in range(count)]))
    right = (found == labels(split, count, seed)).mean(0)
    assert dict(zip(ATTRIBUTES, right, strict=True))["glasses"] > 0.9
    assert right.mean() > 0.8
