"""Export a trained network, as ONNX or in Paddle's inference format, and prove that what is written is right."""

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle_ugatit import formats
from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import UsageError, one_line
from paddle_ugatit.backend.progress import size, to_stderr
from paddle_ugatit.cli import command, export_page
from paddle_ugatit.cli.export_networks import Chosen, chosen
from paddle_ugatit.data.inputs import collect
from paddle_ugatit.deploy.check import PictureCheck
from paddle_ugatit.deploy.compressed import KINDS
from paddle_ugatit.deploy.exports import write_proved
from paddle_ugatit.deploy.graph import Value
from paddle_ugatit.deploy.onnx_file import require_fitting
from paddle_ugatit.deploy.program import Predictor
from paddle_ugatit.deploy.program_files import write_proved_program
from paddle_ugatit.deploy.proof import Exported
from paddle_ugatit.inference.sheets import GENERATORS
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit.weights.pretrained import PRETRAINED, pretrained

FORMATS = ("onnx", "paddle")
SIDES = (5, 2048)  # pixels of --size
EXAMPLES = """\
examples:
  python tools/export.py --weights faces --out export
  python tools/export.py --weights faces --out export --picture --check work/outputs/faces/testA
  python tools/export.py --weights selfie2anime_params_1000000.pt --out export --picture --weights-as float16
  python tools/export.py --weights run/latest.pdparams --out export --direction b2a --size 256 --format onnx,paddle
  python tools/export.py --weights faces --page anime.html --ort node_modules/onnxruntime-web
  python tools/export.py --weights decoder.pth --encoder vgg_normalised.pth --out export

Writes DIR/a2b.onnx, or b2a.onnx; -picture, the size and the kind of weights are added to its name. Neither the package
onnx nor PyTorch is needed. The model takes an image (batch,3,height,width) in [-1,1] and returns translated, cam_logit
and heatmap; with --picture it takes and returns pixels, uint8 (batch,height,width,3), of any size, as translate does.
Of AdaIN it writes adain.onnx (content, style, alpha), of SAGAN sagan.onnx (z), of StyleGAN2 stylegan2.onnx (styles,
noise) and stylegan2-styles.onnx (z).
--page writes one HTML file with the network in it, which translates photos and the camera's picture, offline.
--format paddle writes DIR/a2b-paddle: inference.* for paddle.inference, and model.json with the order of the outputs.
Every file is read back and proved before it takes its place: computed in float64 it must equal the network up to 1e-12,
and ONNX Runtime, where it is installed, must be as exact in float32 as the network is (docs/deploy.md).

exit code: 0 exported and proved, 1 the proof failed or the input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    parser.add_argument(
        "--weights",
        metavar="FILE",
        required=True,
        help=f"checkpoint (TensorFlow: or its folder), a network, or {', '.join(PRETRAINED)}",
    )
    parser.add_argument("--encoder", metavar="FILE", help="VGG's weights, if --weights holds a decoder of AdaIN alone")
    parser.add_argument("--out", metavar="DIR", help="folder for the files; made if it does not exist")
    parser.add_argument("--direction", choices=GENERATORS, default="a2b", help="from which domain to which (a2b)")
    parser.add_argument(
        "--format", metavar="NAMES", default="onnx", help=f"{' or '.join(FORMATS)}, or both with a comma (%(default)s)"
    )
    parser.add_argument("--picture", action="store_true", help="a model of uint8 pixels of any size, in and out")
    parser.add_argument(
        "--weights-as", choices=KINDS, default="float32", help="how weights are stored; they compute in float32"
    )
    parser.add_argument(
        "--size", type=int, metavar="N", help="fix height and width to N pixels (a full model: always its own)"
    )
    parser.add_argument(
        "--check", nargs="+", metavar="FILE|DIR|GLOB", help="images on which the file is compared with translate"
    )
    parser.add_argument(
        "--revision",
        choices=("current", "initial", "tensorflow"),
        help="of the networks, if the file does not say (current)",
    )
    export_page.add_options(parser)
    parser.add_argument("--device", metavar="NAME", default="cpu", help="where the proof is computed (%(default)s)")
    arguments = parser.parse_args(argv)
    if arguments.out is None and arguments.page is None:
        parser.error("--out or --page is required")
    if arguments.check and arguments.out is None:
        parser.error("--check compares the files of --out, which is not given")
    return arguments


def file_name(arguments: argparse.Namespace, name: str) -> str:
    """Return the name of what is written of the export `name`, without a suffix."""
    parts = [name, "picture" * arguments.picture, str(arguments.size or "")]
    parts.append(arguments.weights_as if arguments.weights_as != "float32" else "")
    return "-".join(filter(None, parts))


def formats_of(arguments: argparse.Namespace) -> list[str]:
    """Return the formats that are asked for. Raises UsageError if one is unknown or cannot be."""
    kinds = arguments.format.split(",")
    for kind in kinds:
        if kind not in FORMATS:
            raise UsageError(f"--format: unknown format {kind!r:.40}, choose from {', '.join(FORMATS)}")
    if "paddle" in kinds and arguments.weights_as != "float32":
        raise UsageError(f"--weights-as {arguments.weights_as} is for the format onnx; paddle stores float32 alone")
    return kinds


def export(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    command.require(arguments, size=SIDES)
    kinds = formats_of(arguments)
    runtime = export_page.runtime_of(arguments)
    device.choose(arguments.device)
    pictures = collect(arguments.check, [arguments.out], to_stderr) if arguments.check else []
    networks = chosen(arguments)
    digest = formats.sha256(formats.file_of(pretrained(arguments.weights)))
    if runtime and networks.generator is None:
        raise UsageError(f"{arguments.weights}: --page is for generators of U-GAT-IT")
    if arguments.out is not None:
        write_files(arguments, kinds, networks, digest, [picture for picture, _ in pictures])
    if runtime and networks.generator is not None:
        for line in export_page.write_page(arguments, networks.generator, runtime, digest):
            print(one_line(line))


def write_files(
    arguments: argparse.Namespace, kinds: list[str], networks: Chosen, digest: str, pictures: list[Path]
) -> None:
    """Write a file or folder of every kind into --out, prove each and say what was measured."""
    if "onnx" in kinds:
        require_fitting(arguments.out, networks.stored_bytes(arguments.weights_as))
    try:
        exports = networks.exports(arguments)
    except ValueError as error:
        raise UsageError(f"{arguments.weights}: {error}") from error
    command.prepare_folder(arguments.out)
    for name, exported in exports.items():
        exported.graph.metadata["sha256"] = digest
        generator = networks.generator
        side = arguments.size if generator is None or generator.light else generator.img_size
        job = ExportJob(exported, generator, side, pictures)
        place = str(Path(arguments.out, file_name(arguments, name)))
        if "onnx" in kinds:
            job.onnx(Path(f"{place}.onnx"))
        if "paddle" in kinds:
            job.paddle(Path(f"{place}-paddle"))


@dataclass
class ExportJob:
    """A network's export in one format or several, and the pictures on which it is compared with translate."""

    exported: Exported
    network: ResnetGenerator | None
    side: int | None
    pictures: list[Path]

    def onnx(self, path: Path) -> None:
        """Write and prove an ONNX file, and say what was measured."""
        said: list[str] = []

        def check(written: Path) -> None:
            if self.pictures and self.network is not None:
                said.extend(PictureCheck.of_onnx(written, self.network, self.side).lines(self.pictures))

        proof = write_proved(path, self.exported, check)
        self.say(path, path.stat().st_size, [*proof.lines(), *said])
        if importlib.util.find_spec("onnxruntime") is None:
            print("not run in float32: onnxruntime is not installed (pip install onnxruntime)")

    def paddle(self, folder: Path) -> None:
        """Write and prove a folder in Paddle's inference format, and say what was measured."""
        said: list[str] = []
        names = [value.name for value in self.exported.graph.outputs]

        def check(written: Path) -> None:
            if self.pictures and self.network is not None:
                computed = Predictor(written, names, one_dnn=False).run
                checked = PictureCheck(self.exported.graph, computed, self.network, self.side)
                said.extend(checked.lines(self.pictures))

        proof = write_proved_program(folder, self.exported, check)
        self.say(folder, sum(file.stat().st_size for file in folder.iterdir()), [*proof.lines(), *said])

    def say(self, path: Path, nbytes: int, lines: list[str]) -> None:
        """Print what was written, and the lines below it."""
        graph = self.exported.graph
        takes, gives = (", ".join(map(shown, values)) for values in (graph.inputs, graph.outputs))
        for line in (f"{path}: {size(nbytes)}, {takes} -> {gives}", *lines):
            print(one_line(line))


def shown(value: Value) -> str:
    """Return an input or output as text."""
    return f"{value.name} {value.dtype} ({','.join(map(str, value.shape))})"


def main(argv: Sequence[str] | None = None, program: str = "export") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: export(arguments), "no file was replaced")
