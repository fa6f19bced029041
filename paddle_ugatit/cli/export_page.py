"""What `export --page` does: one HTML file with the network, what runs it in a browser, and the page."""

import argparse
import tempfile
from pathlib import Path

from paddle_ugatit import __version__
from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.backend.progress import size
from paddle_ugatit.cli import command
from paddle_ugatit.deploy.exports import export_generator, write_proved
from paddle_ugatit.deploy.onnx_file import nbytes_of
from paddle_ugatit.deploy.page import LARGEST, ORT_VERSION, BrowserRuntime, PageFacts, page, read_runtime
from paddle_ugatit.formats.atomic import replacing
from paddle_ugatit.inference.translate import SMALLEST
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit.weights.pretrained import pretrained, trained_side

TITLES = {"a2b": "Photo to anime", "b2a": "Anime to photo"}
MOST = 200 << 20  # bytes of a network: the text that holds it may have 512 MiB in a browser, which needs it twice
_SIDE = 256  # pixels, of a model that does not say


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a page."""
    parser.add_argument("--page", metavar="FILE", help="write one HTML file that translates in a browser, offline")
    parser.add_argument(
        "--ort",
        metavar="DIR",
        help=f"for --page: node_modules/onnxruntime-web, of npm install onnxruntime-web@{ORT_VERSION}",
    )
    parser.add_argument("--title", metavar="TEXT", help=f"for --page: its heading ({TITLES['a2b']})")


def runtime_of(arguments: argparse.Namespace) -> BrowserRuntime | None:
    """Return what runs a network in a browser, None if no page is asked for.

    Raises UsageError if the options do not fit, InputError if the folder does not hold what it should.
    """
    if arguments.page is None:
        if arguments.ort or arguments.title:
            raise UsageError("--ort and --title belong to --page")
        return None
    if arguments.ort is None:
        raise UsageError(
            f"--page needs --ort: npm install onnxruntime-web@{ORT_VERSION} makes node_modules/onnxruntime-web"
        )
    if arguments.size is not None and arguments.size > LARGEST:
        raise UsageError(f"--size {arguments.size}: a page takes at most {LARGEST} pixels")
    command.prepare_outputs(arguments.page)
    return read_runtime(arguments.ort)


def write_page(
    arguments: argparse.Namespace, network: ResnetGenerator, runtime: BrowserRuntime, digest: str
) -> list[str]:
    """Write the page, once its network is proved; returns lines on it and on what was measured.

    Raises InputError if a browser could not hold it, ProofError if the proof fails, WriteError if it cannot be written.
    """
    exported = export_generator(network, picture=True, kind=arguments.weights_as)
    exported.graph.metadata |= {"direction": arguments.direction, "sha256": digest}
    if (nbytes := nbytes_of(exported.graph)) > MOST:
        raise InputError(
            f"{arguments.page}: a browser cannot hold a network of {size(nbytes)}, at most {size(MOST)}: "
            "use a light model, or --weights-as float16 or int8"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "network.onnx")
        proof = write_proved(file, exported)
        model = file.read_bytes()
    known = network.img_size or _SIDE
    if network.light:
        known = arguments.size or trained_side(arguments.weights) or known
    facts = PageFacts(known, SMALLEST if network.light else 1, network.light)
    about = (
        f"{Path(pretrained(arguments.weights)).name}, SHA-256 {digest}, {arguments.direction}, weights as "
        f"{arguments.weights_as}. Made by paddle-ugatit {__version__}; run by onnxruntime-web {ORT_VERSION} (MIT)."
    )
    text = page(model, facts, runtime, arguments.title or TITLES[arguments.direction], about)
    with replacing(arguments.page, "w") as out:
        out.write(text)
    line = f"{arguments.page}: {size(len(text))}, opens by double click, without a connection"
    return [line, *proof.lines()]
