"""What `translate --demo` makes: new drawn faces, translated by the model that ships, and one picture of them all."""

from pathlib import Path

from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.cli.pictures import write_result
from paddle_ugatit.data.faces import draw as faces
from paddle_ugatit.data.transforms import to_input, to_pixels
from paddle_ugatit.inference.figures import translation_figure
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.weights import load_networks
from paddle_ugatit.weights.pretrained import SIDES, pretrained

OUT = "ugatit-demo"  # the folder, if none is named
_WEIGHTS = "faces"
_SIZE = SIDES[_WEIGHTS]
_SEED = 1  # they were trained on the people of seed 0
_FACES, _SHOWN = 8, 96  # in the picture; pixels of each


def make(out: Path | str) -> list[str]:
    """Draw and translate the faces into a folder. Returns lines that say what is there.

    The folder gets photos/, cartoons/ and truth/ (the cartoons as they were drawn), and picture.png with all of them,
    the heatmaps and the way back. Raises InputError if it cannot be written.
    """
    folder = Path(out)
    networks = load_networks(pretrained(_WEIGHTS), "float32", None, ("genA2B", "genB2A"))
    photos = [faces.draw("testA", index, _SIZE, _SEED) for index in range(_FACES)]
    truths = [faces.draw("testB", index, _SIZE, _SEED) for index in range(_FACES)]
    with Progress("translating", _FACES, "faces") as progress:
        cartoons = []
        for photo in photos:
            cartoons.append(to_pixels(generate(networks["genA2B"], to_input(photo)[None])[0][0]))
            progress()
    for name, pictures in {"photos": photos, "cartoons": cartoons, "truth": truths}.items():
        for index, pixels in enumerate(pictures):
            write_result(folder, f"{name}/{index:05d}.png", pixels)
    write_result(folder, "picture.png", translation_figure(networks, photos, _SHOWN, truths=truths))
    return [
        f"{folder}: {_FACES} drawn faces as photos and, translated, as cartoons",
        f"{folder / 'picture.png'}: all of them, where the model looks, the cartoons as drawn, and back again",
    ]
