"""losses.csv: a record that is continued or set aside, and never a reason to stop."""

import pytest

from paddle_ugatit.training.loss_file import LossFile

NAMES = ["iteration", "g_loss", "d_loss"]


@pytest.fixture
def losses(tmp_path):
    told = []
    file = LossFile(tmp_path / "losses.csv", told.append)
    file.told = told
    return file


def test_rows_end_with_lf_and_those_to_be_run_again_go(losses):
    for step in (1, 2, 3):
        losses.append(NAMES, [step, 0.5, float("nan")])
    losses.forget(2)
    losses.append(NAMES, [3, 1.5, 2.5])
    assert losses.path.read_bytes() == b"iteration,g_loss,d_loss\n1,0.5,nan\n2,0.5,nan\n3,1.5,2.5\n"
    assert losses.told == []


def test_crlf_of_earlier_releases_becomes_lf(losses):
    losses.path.write_bytes(b"iteration,g_loss,d_loss\r\n1,0.5,0.5\r\n")
    losses.forget(1)
    losses.append(NAMES, [2, 1, 1])
    assert losses.path.read_bytes() == b"iteration,g_loss,d_loss\n1,0.5,0.5\n2,1,1\n" and losses.told == []


@pytest.mark.parametrize("torn", [b"2,0.", b"2,0.25,0.2", b"2", b"2,"])
@pytest.mark.parametrize("resumed", [True, False])
def test_a_torn_row_is_cut_before_the_next(losses, torn, resumed):
    """As a full disk leaves it, after which the next row must not stand behind it."""
    losses.append(NAMES, [1, 0.5, 0.5])
    losses.path.write_bytes(losses.path.read_bytes() + torn)
    if resumed:
        losses.forget(2)
    losses.append(NAMES, [3, 1, 1])
    assert losses.path.read_bytes() == b"iteration,g_loss,d_loss\n1,0.5,0.5\n3,1,1\n" and losses.told == []


def test_a_torn_header_is_written_again(losses):
    losses.path.write_bytes(b"iteration,g_l")
    losses.append(NAMES, [1, 1, 1])
    assert losses.path.read_bytes() == b"iteration,g_loss,d_loss\n1,1,1\n"


@pytest.mark.parametrize(
    ("edited", "kept"),
    [
        (b"iteration;g_loss;d_loss\n1;0,5;0,5\n", b""),  # Excel
        ("iteration,g_loss,d_loss\n1,1,1\n".encode("utf-16"), b""),
        (b"\xef\xbb\xbfiteration,g_loss,d_loss\n1,1,1\n", b""),
        (b"iteration,g_loss,d_loss\r1,1,1\r", b""),
        (b"my notes\n", b""),
        (b"\0\xff" * 99, b""),
        (b"iteration,g_loss,d_loss\n1,1,\xff1\n2,2,2\n", b"2,2,2\n"),
        (b"iteration,g_loss,d_loss\n1,1,1\n2,0.2,53,3,3\nbest: 7,1,1\n3,3,3\n9,9,9\n", b"1,1,1\n3,3,3\n"),
    ],
)
def test_an_edited_file_is_set_aside(losses, edited, kept):
    (losses.path.parent / "losses_1.csv").write_bytes(b"another")
    losses.path.write_bytes(edited)
    losses.forget(5)
    losses.append(NAMES, [6, 1, 1])
    assert losses.path.read_bytes() == b"iteration,g_loss,d_loss\n" + kept + b"6,1,1\n"
    assert (losses.path.parent / "losses_2.csv").read_bytes() == edited
    assert losses.told == [
        "note: losses.csv is not as it was written and is now losses_2.csv; a new one holds what can be used"
    ]


def test_other_losses_begin_a_new_file(losses):
    losses.append(["iteration", "loss"], [1, 1])
    losses.forget(1)
    losses.append(NAMES, [2, 1, 1])
    assert losses.path.read_bytes() == b"iteration,g_loss,d_loss\n2,1,1\n" and len(losses.told) == 1
    assert (losses.path.parent / "losses_1.csv").read_bytes() == b"iteration,loss\n1,1\n"
