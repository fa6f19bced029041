"""One HTML file that translates pictures in a browser, offline: the network, what runs it and the page, all in it.

Contents: ORT_VERSION, BrowserRuntime, read_runtime, PageFacts, page. The page begins a worker with onnxruntime-web,
which is taken from a folder that npm has made and is not part of this package.
"""

import base64
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from markupsafe import Markup

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.formats.html import environment

ORT_VERSION = "1.30.0"  # the script and the WebAssembly file must be of one version, and the page was tested with this
_SCRIPT, _WASM = "dist/ort.wasm.bundle.min.mjs", "dist/ort-wasm-simd-threaded.wasm"
_FOLDER = Path(__file__).parent / "templates"
SIDES = (64, 96, 128, 192, 256, 384, 512)  # pixels that the page offers; beyond, a browser takes minutes
LARGEST = SIDES[-1]


@dataclass(frozen=True)
class BrowserRuntime:
    """What runs a network in a browser: a JavaScript module and its WebAssembly file."""

    script: str
    wasm: bytes


@dataclass(frozen=True)
class PageFacts:
    """What the page has to know of the network: pixels of the side it was trained at, the least it takes, its form."""

    side: int
    least: int
    light: bool


def read_runtime(folder: Path | str) -> BrowserRuntime:
    """Read onnxruntime-web from the folder that npm has made for it.

    Raises InputError if the folder does not hold version ORT_VERSION, whole.
    """
    get = f"npm install onnxruntime-web@{ORT_VERSION} makes node_modules/onnxruntime-web"
    try:
        about = json.loads(Path(folder, "package.json").read_text(encoding="utf-8"))
        name, version = about["name"], about["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: is not the folder of onnxruntime-web: {get}") from error
    if (name, version) != ("onnxruntime-web", ORT_VERSION):
        raise InputError(f"{folder}: holds {name} {version}, the page needs onnxruntime-web {ORT_VERSION}: {get}")
    try:
        return BrowserRuntime(Path(folder, _SCRIPT).read_text(encoding="utf-8"), Path(folder, _WASM).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be read whole ({error}): {get}") from error


def page(model: bytes, facts: PageFacts, runtime: BrowserRuntime, title: str, about: str) -> str:
    """Return the page as text, the same for the same arguments.

    `model` is an ONNX file that takes uint8 pictures (1,H,W,3) and returns `translated`, likewise, and `heatmap`
    (1,1,h,w). A full network takes its own size alone; for a light one the page offers SIDES. `about` stands at the
    foot of the page.
    """
    sides = [facts.side]
    if facts.light:
        sides = sorted({*SIDES, min(facts.side, LARGEST)})
        advice = "Leave some room around the hair, and turn a tilted photo upright first."
    else:
        advice = f"It takes pictures of {facts.side} by {facts.side} pixels."
    return (
        environment(_FOLDER)
        .get_template("page.html")
        .render(
            title=title,
            about=about,
            advice=advice,
            facts=facts,
            sides=sides,
            facts_json=Markup(json.dumps(asdict(facts), sort_keys=True)),
            worker=_inline(_read("worker.js")),
            script=_inline(_read("page.js")),
            runtime=_inline(runtime.script),
            wasm=_encoded(runtime.wasm),
            model=_encoded(model),
        )
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _inline(script: str) -> Markup:
    """A script as the text of an element, which must not end it."""
    return Markup(script.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def _encoded(data: bytes) -> Markup:
    return Markup(base64.b64encode(data).decode("ascii"))
