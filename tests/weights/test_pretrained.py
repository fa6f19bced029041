"""The weights that ship: found by name, whole, and better on new faces than doing nothing."""

import pytest

from paddle_ugatit.cli import translate
from paddle_ugatit.data.faces import draw as faces
from paddle_ugatit.data.images import write_image
from paddle_ugatit.weights import WeightError, load_networks
from paddle_ugatit.weights import pretrained as module
from paddle_ugatit.weights.pretrained import PRETRAINED, SIDES, packaged, pretrained, trained_side

COUNT, SEED = 24, 77  # faces of a seed that nothing was trained on


@pytest.mark.parametrize("name", PRETRAINED)
def test_the_shipped_file_is_whole_and_small(name):
    path = pretrained(name)
    assert path.stat().st_size < 4e6
    networks = load_networks(path)
    assert list(networks) == ["genA2B", "genB2A"] and networks["genA2B"].light
    assert trained_side(name) == SIDES[name]


def test_new_faces_come_nearer_to_the_truth(tmp_path, capsys):
    for split in ("testA", "testB"):
        (tmp_path / split).mkdir()
        for index in range(COUNT):
            write_image(tmp_path / split / f"{index}.png", faces.draw(split, index, SIDES["faces"], SEED))
    arguments = ["--weights", "faces", "--input", str(tmp_path / "testA"), "--out", str(tmp_path / "out")]
    assert translate.main([*arguments, "--compare", str(tmp_path / "testB")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " against " in line]
    translated, untouched = (float(line.partition("L1 ")[2].partition(",")[0]) for line in lines)
    assert translated < 0.5 * untouched and len(list((tmp_path / "out").iterdir())) == COUNT


@pytest.mark.parametrize(
    ("size", "more", "told"),
    [
        (64, [], "trained on 96x96 pixels; 64x64 suit them less: add --resize 96"),
        (256, [], "256x256 suit them less"),
        (64, ["--resize", "96"], ""),
        (96, [], ""),
        (96, ["--resize", "48"], "48x48 suit them less"),
    ],
)
def test_pictures_of_another_size_than_the_model_that_ships_wants_are_told(tmp_path, capsys, size, more, told):
    photos = tmp_path / "in"
    photos.mkdir()
    write_image(photos / "a.png", faces.draw("testA", 0, size, SEED))
    (photos / "0.png").write_bytes(b"damaged")  # its size is not known
    arguments = ["--weights", "faces", "--input", str(photos), "--out", str(tmp_path / "out"), *more]
    assert translate.main(arguments) == 0
    said = capsys.readouterr().err
    assert ("suit them less" in said) == bool(told) and told in said


def test_other_paths_are_left_alone(tmp_path, monkeypatch):
    assert pretrained("run/weights.pdparams") == "run/weights.pdparams"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").write_bytes(b"mine")
    assert pretrained("faces") == "faces" and trained_side("faces") is None


def test_a_folder_of_that_name_takes_precedence_if_it_holds_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces" / "testA").mkdir(parents=True)
    assert pretrained("faces") == packaged("faces") and trained_side("faces") == SIDES["faces"]
    (tmp_path / "faces" / "UGATIT.model-1.index").touch()
    assert pretrained("faces") == "faces" and trained_side("faces") is None


def test_a_damaged_file_is_refused(monkeypatch):
    monkeypatch.setitem(module._SHA256, "faces", "0" * 64)
    with pytest.raises(WeightError, match="the weights 'faces' are damaged: install the package again"):
        pretrained("faces")
    monkeypatch.setitem(module.PRETRAINED, "absent", "0" * 64)
    with pytest.raises(WeightError, match="the weights 'absent' are missing"):
        pretrained("absent")
