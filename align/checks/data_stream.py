"""The stream of batches that a trainer gets, and its test pictures, against the public loader's.

Nothing of the port is replayed or asked: of every picture in the stream, the file and the random choices are found
again by comparing it with all that the public pipeline can make of the files (both directions, every corner). So
whatever comes between the files and the trainer is part of the comparison.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from align.compare.data import MARGIN, PUBLIC, write_pictures
from align.compare.verdict import Row
from paddle_ugatit.data import folders
from paddle_ugatit.data.images import read_image
from paddle_ugatit.training import Config, start

FILES, BATCH, EPOCHS = 5, 2, 8  # files of each domain; 20 batches
TESTS, SHOWN = 7, 5  # test pictures of each domain, and those of a sample sheet


def stream_rows(size, seed):
    """Return the rows of the training stream and those of the test pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("trainA", "trainB", "testA", "testB"):
            (folder / part).mkdir()
            write_pictures(folder / part, seed + sum(part.encode()), FILES if part.startswith("train") else TESTS)
        # A light generator takes any size; discriminators of 3 layers, small ones.
        options = {"light": True, "img_size": max(size, 6), "global_layers": 3, "local_layers": 3, "batch_size": BATCH}
        config = Config(**options, seed=seed, eval_every=1, eval_features="pixels")
        return _training(config, folder), _tests(config, folder)


def _training(config, folder):
    with start.data_of(config, folder, 0, 1, lambda line: None) as data:
        batches = list(data.iterate(1, EPOCHS * FILES // BATCH))
    rows, found = [_of_a_process(config, folder)], {}
    for number, domain in enumerate(folders.DOMAINS):
        images = np.concatenate([batch[number] for batch in batches])
        made = _made(folder / f"train{domain}", config.img_size)
        found[domain] = [_found(image, made) for image in images]
        strange = [n for n, choice in enumerate(found[domain]) if choice is None]
        note = f"picture {strange[0]} of the stream is none that the public pipeline can make" if strange else ""
        rows.append(_row(f"stream {domain}", len(images), note))
    if all(row.verdict == "pass" for row in rows):
        for domain, choices in found.items():
            rows += _order(domain, choices)
        rows += _independent(*found.values())
    return rows


def _of_a_process(config, folder):
    """What a process of several gets is of its own rank, with the readers that the options ask for."""
    with start.data_of(config.replaced(workers=3), folder, 1, 2, lambda line: None) as data:
        found = data.rank, data.world_size, data.workers
    return _row(
        "a process of two", len(found), "" if found == (1, 2, 3) else f"rank, processes and readers are {found}"
    )


def _made(folder, size):
    """[(file, flip, scaled picture before the crop, (3,S+30,S+30))] of all files."""
    made = []
    for path in sorted(folder.iterdir()):
        picture = PUBLIC.read(path)
        for flip in (False, True):
            turned = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else picture
            side = size + MARGIN
            made.append(
                (path.name, flip, PUBLIC.scaled(np.array(turned.resize((side, side), Image.Resampling.BILINEAR))))
            )
    return made


def _found(image, made):
    """(file, flip, top, left) with which the public pipeline makes exactly this picture; None if nothing does."""
    size = image.shape[1]
    for name, flip, whole in made:
        tops, lefts = np.nonzero((whole[:, : MARGIN + 1, : MARGIN + 1] == image[:, :1, :1]).all(0))
        for top, left in zip(tops.tolist(), lefts.tolist(), strict=True):
            if np.array_equal(whole[:, top : top + size, left : left + size], image):
                return name, flip, top, left
    return None


def _order(domain, choices):
    """Each pass shows every file once, in another order than the one before, with choices of its own for each."""
    names = [name for name, *_ in choices]
    passes = [names[n : n + FILES] for n in range(0, len(names), FILES)]
    whole = all(len(set(one)) == FILES for one in passes)
    rows = [_row(f"order {domain}", len(names), "" if whole else "a pass over the files shows one twice")]
    same = len({tuple(one) for one in passes}) <= len(passes) // 2
    rows.append(_row(f"shuffled {domain}", len(names), "passes repeat the same order" if same else ""))
    return [*rows, *_choices(domain, [choice for _, *choice in choices])]


def _choices(domain, choices):
    pairs = [choices[n : n + BATCH] for n in range(0, len(choices), BATCH)]
    alike = sum(all(one == pair[0] for one in pair) for pair in pairs) > len(pairs) // 4
    rows = [_row(f"choices {domain}", len(choices), "the pictures of a batch share their choices" if alike else "")]
    for index, name in enumerate(("flip", "top", "left")):
        few = len({choice[index] for choice in choices}) < (2 if name == "flip" else len(choices) // 4)
        rows.append(_row(f"{name} {domain}", len(choices), f"hardly any choice of {name}" if few else ""))
    tied = all(top == left for _, top, left in choices)
    return [*rows, _row(f"corners {domain}", len(choices), "top and left are always the same" if tied else "")]


def _independent(one, other):
    """A and B are shuffled and cropped independently of each other."""
    numbers = [[int(name.partition("_")[0]) for name, *_ in choices] for choices in (one, other)]
    share = np.mean(np.equal(*numbers))
    note = "A and B are shuffled alike" if share > 0.6 else ""
    crops = np.mean([a[1:] == b[1:] for a, b in zip(one, other, strict=True)])
    rows = [_row("A and B", len(one), note)]
    return [*rows, _row("choices of A and B", len(one), "A and B share their choices" if crops > 0.25 else "")]


def _tests(config, folder):
    """The test pictures of sample sheets, and those of the evaluation."""
    rows, quiet = [], lambda line: None
    for name, tests, count in (
        ("sample sheets", start.tests_of(config, folder, quiet), SHOWN),
        ("evaluation", start.evaluation_of(config, folder, quiet).tests, TESTS),
    ):
        for domain in folders.DOMAINS:
            paths = sorted((folder / f"test{domain}").iterdir())[:count]
            wanted = np.stack([PUBLIC.scaled(PUBLIC.pixels(path, config.img_size)) for path in paths])
            right = np.array_equal(tests[domain], wanted)
            shapes = f"{list(tests[domain].shape)}, not {list(wanted.shape)}"
            note = "" if right else shapes if tests[domain].shape != wanted.shape else "other pixels"
            rows.append(_row(f"{name} {domain}", wanted.size, note))
    return [*rows, _sixteen_bits(folder)]


def _sixteen_bits(folder):
    """A 16-bit picture is reduced to 8 bits; the public loader clips it to white."""
    levels, path = np.arange(256, dtype=np.uint8).reshape(16, 16), folder / "16.png"
    Image.fromarray(levels.astype(np.uint16) * 257).save(path)
    right = np.array_equal(read_image(path), np.repeat(levels[..., None], 3, 2))
    return _row("16 bits", levels.size, "" if right else "16-bit values are not reduced to 8 bits")


def _row(stage, size, note):
    verdict = "fail" if note else "pass"
    return Row(
        stage, "", 1, "output", "", "isolated", "float32", [size], None if note else 0.0, None, 0.0, verdict, note
    )
