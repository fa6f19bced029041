"""The console command `paddle-ugatit`: the tools and the parity checks as subcommands.

A module beside the package, since importing the package loads Paddle: `paddle-ugatit --help` must not wait for that,
and Ctrl-C while it is loaded, or a Paddle that cannot be loaded, must be told in one line.
"""

import importlib
import importlib.metadata
import importlib.util
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

PROGRAM = "paddle-ugatit"
TOOLS = {  # subcommand -> (module with its main, line of help)
    "train": ("paddle_ugatit.cli.train", "train a system on a folder of images"),
    "translate": ("paddle_ugatit.cli.translate", "translate images with a trained generator"),
    "export": ("paddle_ugatit.cli.export", "export a trained network as ONNX or for paddle.inference, and prove it"),
    "translate-video": ("paddle_ugatit.cli.translate_video", "translate a video, or what a camera sees"),
    "convert": ("paddle_ugatit.cli.convert", "convert checkpoints between PyTorch, Paddle and safetensors"),
    "eval-kid": ("paddle_ugatit.cli.eval_kid", "measure KID, FID, precision and recall of generated images"),
    "make-dataset": ("paddle_ugatit.cli.make_dataset", "draw an unpaired data set of faces and cartoons"),
    "stylize": ("paddle_ugatit.cli.stylize", "give images the style of others with AdaIN"),
    "sample": ("paddle_ugatit.cli.sample", "draw images from a generator of SAGAN or StyleGAN2"),
    "face-framing": ("paddle_ugatit.cli.face_framing", "measure how pictures frame their faces"),
    "train-face-features": ("paddle_ugatit.cli.train_face_features", "train the network behind --features faces"),
    "demo-page": ("paddle_ugatit.cli.demo_page", "join what the demo made into one page"),
    "make-pictures": ("paddle_ugatit.cli.make_pictures", "make README's pictures, or those of a model of your own"),
}
CHECKS = {  # subcommand of align -> (script, line of help)
    "forward": ("align.check_forward", "the forward pass, layer by layer"),
    "backward": ("align.check_backward", "the backward pass, layer by layer"),
    "init": ("align.check_init", "the distributions of initial weights"),
    "training": ("align.check_training", "the updates of training, both frameworks in lockstep"),
    "data": ("align.check_data", "how images are read, resized and drawn at random"),
    "metric": ("align.check_metric", "KID, FID and the features they are measured on"),
    "all": ("align.check_all", "all of the above, on one page"),
    "device": ("align.check_device", "the port on this very device, without PyTorch, and what training takes on it"),
    "faults": ("align.check_faults", "whether the checks find planted faults"),
    "mutants": ("align.check_mutants", "how many small changes to the port the checks notice"),
    "api": ("align.check_api", "how Paddle's layers and functions differ from PyTorch's, measured"),
    "learning": ("align.check_learning", "how well each framework learns"),
    "round-trip": ("align.check_round_trip", "two PyTorch checkpoints, bit for bit"),
    "page": ("align.page", "draw the page of one or more reports"),
    "checkpoint": ("align.make_checkpoint", "write a random PyTorch checkpoint in the public format"),
    "record": ("align.record_reference", "record PyTorch's results, to compare without it"),
}
EXTRAS = {"torch": "align", "paddle": "cpu"}  # missing module -> the extra that brings it


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit code: 0 done, 1 the answer is no or the input is bad, 2 bad usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    name, rest = (words[0], words[1:]) if words else ("", [])
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"{PROGRAM} {importlib.metadata.version(PROGRAM)}")
        return 0
    if name in TOOLS:
        return _guarded(f"{PROGRAM} {name}", lambda: _tool(name, rest))
    if name == "align":
        return _align(rest)
    return _unknown(PROGRAM, name, [*TOOLS, "align"])


def tool(name: str) -> int:
    """Run a tool as the script in tools/ that calls this, with the arguments of the process; return its exit code."""
    return _guarded(Path(sys.argv[0]).stem, lambda: importlib.import_module(TOOLS[name][0]).main())


def script(module: str, *arguments: str) -> int:
    """Run the `main` of a module for the script in align/ that calls this; return its exit code."""
    return _guarded(Path(sys.argv[0]).stem, lambda: importlib.import_module(module).main(*arguments))


def _tool(name: str, words: list[str]) -> int:
    module = importlib.import_module(TOOLS[name][0])
    return module.main(words, f"{PROGRAM} {name}")


def _align(words: list[str]) -> int:
    name, rest = (words[0], words[1:]) if words else ("--help", [])
    if name in ("-h", "--help"):
        print(_align_help())
        return 0
    if name not in CHECKS:
        return _unknown(f"{PROGRAM} align", name, list(CHECKS))
    return _guarded(f"{PROGRAM} align {name}", lambda: _check(name, [_packaged(word) for word in rest]))


def _check(name: str, words: list[str]) -> int:
    sys.argv = [f"{PROGRAM} align {name}", *words]
    try:
        runpy.run_module(CHECKS[name][0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _packaged(word: str) -> str:
    """Return the installed file that a path below align/ means if there is no such file here."""
    if not word.startswith("align/") or Path(word).exists():
        return word
    spec = importlib.util.find_spec("align")
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path("align")
    installed = folder.parent / word
    return str(installed) if installed.exists() else word


def _guarded(program: str, work: Callable[[], int]) -> int:
    """Return `work()`, before which Paddle is loaded; what goes wrong there is one line, and the exit code 2 or 130."""
    main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if main_thread else None
    try:
        if fault := _paddle_fault():
            return _failed(program, fault, 2)
        return work()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS:
            raise
        other = " (paddlepaddle-gpu for a GPU)" if missing == "paddle" else ""
        install = f'pip install "{PROGRAM}[{EXTRAS[missing]}]"{other}'
        return _failed(program, f"{missing} is not installed: {install}", 2)
    except KeyboardInterrupt:
        return _failed(program, "interrupted; nothing was begun", 130)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _paddle_fault() -> str:
    """Load the package, and Paddle with it; return why a Paddle that is installed cannot be loaded, "" if it can."""
    try:
        importlib.import_module("paddle_ugatit")
    except Exception as error:  # whatever a broken installation raises; without Paddle the import succeeds
        return f"Paddle cannot be loaded: {error or type(error).__name__}"
    return ""


def _failed(program: str, reason: str, code: int) -> int:
    print(f"{program}: {' '.join(reason.split())}", file=sys.stderr)
    return code


def _unknown(program: str, name: str, known: list[str]) -> int:
    told = f"unknown command {name!r}" if name else "a command is needed"
    print(f"{program}: {told}, one of: {', '.join(known)}; --help says more", file=sys.stderr)
    return 2


def _table(rows: dict[str, tuple[str, str]]) -> str:
    width = max(map(len, rows)) + 1
    return "\n".join(f"  {name:<{width}}{line}" for name, (_, line) in rows.items())


def _help() -> str:
    return f"""usage: {PROGRAM} COMMAND ...

U-GAT-IT in PaddlePaddle, with a PyTorch twin and a harness that compares the two.

commands:
{_table(TOOLS)}
  align         compare Paddle with PyTorch; {PROGRAM} align --help lists the checks

{PROGRAM} COMMAND --help explains a command, {PROGRAM} --version prints the version.

examples:
  {PROGRAM} translate --weights selfie2anime.pt --input photos --out anime
  {PROGRAM} align forward adailn

exit code: 0 done, 1 the answer is no or the input is bad, 2 bad usage or cannot be run, 130 interrupted"""


def _align_help() -> str:
    return f"""usage: {PROGRAM} align CHECK ...

Compare Paddle with PyTorch, which the extra brings: pip install "{PROGRAM}[align]"

checks:
{_table(CHECKS)}

{PROGRAM} align CHECK --help explains a check.

examples:
  {PROGRAM} align forward adailn --html parity.html
  {PROGRAM} align forward --reference align/recordings/small.safetensors   (without PyTorch)

exit code: 0 aligned, 1 diverged, 2 not comparable or bad usage, 130 interrupted"""


if __name__ == "__main__":
    sys.exit(main())
