"""The page in a real browser, from a file, with a runtime that inverts pictures in the place of onnxruntime-web."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.deploy.page import ORT_VERSION, BrowserRuntime, PageFacts, page, read_runtime
from tests.deploy.browser import CHROMIUM, Browser

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
IDLE = "document.body?.dataset.state === 'idle'"
# Inverts a picture, and shows as its heatmap the numbers from the upper left to the lower right.
STUB = """
export const env = { wasm: {} };
export class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
const text = "</script>";
export const InferenceSession = { create: async (model) => {
  if (model[0] !== 77) throw new Error("not a model");
  return { inputNames: ["picture"], run: async ({ picture }) => {
    const [, h, w] = picture.dims, size = [Math.ceil(h / 4), Math.ceil(w / 4)];
    return { translated: { data: Uint8Array.from(picture.data, (v) => 255 - v), dims: picture.dims },
             heatmap: { data: Float32Array.from({ length: size[0] * size[1] }, (_, i) => i), dims: [1, 1, ...size] } };
  } };
} };
"""


def written(folder, model=b"M", runtime=STUB):
    path = folder / "page.html"
    path.write_text(
        page(
            model, PageFacts(64, 5, True), BrowserRuntime(runtime, b"wasm"), "Photo <b>to</b> anime", "made by a test"
        ),
        "utf-8",
    )
    return path


def picture(shape, seed=0):
    """A smooth picture with some noise: uint8 of this height and width."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 6, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC)).astype(int)
    return (smooth + rng.integers(-20, 21, (*shape, 3))).clip(0, 255).astype(np.uint8)


def shown(browser, name="result"):
    """The pixels of a canvas."""
    data = browser.evaluate(f"document.getElementById('{name}').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB"))


def status(browser):
    return browser.evaluate("document.getElementById('status').textContent")


def given(browser, path):
    """Choose a file and wait for what the page says to it."""
    browser.evaluate("document.getElementById('status').textContent = ''")
    browser.choose("#file", path)
    said = browser.until(f"{IDLE} && !/^(Translating.*)?$/.test(document.getElementById('status').textContent)")
    assert said
    return status(browser)


def right(pixels, box, wide, tall):
    """What the stub makes of a part (x, y, width, height) of a picture."""
    x, y, width, height = box
    part = Image.fromarray(pixels[y : y + height, x : x + width])
    return 255 - np.asarray(part.resize((wide, tall), Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    folder = tmp_path_factory.mktemp("page")
    with Browser(folder / "profile") as browser:
        browser.open(written(folder))
        browser.until(IDLE)
        yield browser
        assert browser.console == []
        assert [url for url in browser.requests if not url.startswith(("file:", "blob:", "data:"))] == []


@in_browser
def test_a_photo_is_cropped_resized_as_by_pillow_and_translated(opened, tmp_path):
    pixels = picture((200, 333))
    Image.fromarray(pixels).save(tmp_path / "me.png")
    assert given(opened, tmp_path / "me.png").startswith("Done: 64 by 64 pixels")
    assert np.array_equal(shown(opened), right(pixels, (67, 0, 200, 200), 64, 64))
    assert opened.evaluate("document.querySelector('h1').textContent") == "Photo <b>to</b> anime"
    # Blue is where the map is least, red where it is most.
    heat = shown(opened, "heat").astype(int)
    assert heat[0, 0, 2] > heat[0, 0, 0] + 50 and heat[-1, -1, 0] > heat[-1, -1, 2] + 50


@in_browser
def test_the_square_is_moved_by_keys_and_by_sliders(opened, tmp_path):
    pixels = picture((200, 333), 1)
    Image.fromarray(pixels).save(tmp_path / "me.png")
    given(opened, tmp_path / "me.png")
    opened.evaluate("document.getElementById('source').focus()")
    opened.press("ArrowRight", 39)
    opened.until(IDLE)
    assert np.array_equal(shown(opened), right(pixels, (77, 0, 200, 200), 64, 64))
    opened.evaluate(
        "for (const [name, value] of [['size', 50], ['left', 120], ['top', 31]]) {"
        " const one = document.getElementById(name); one.value = value;"
        " one.dispatchEvent(new Event('input')); one.dispatchEvent(new Event('change')); }"
    )
    opened.until(IDLE)
    assert np.array_equal(shown(opened), right(pixels, (120, 31, 50, 50), 64, 64))


@in_browser
def test_the_whole_picture_keeps_its_shape(opened, tmp_path):
    pixels = picture((90, 150), 2)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    given(opened, tmp_path / "wide.png")
    click = "document.getElementById('whole').click()"
    opened.evaluate(click)
    opened.until(f"{IDLE} && document.getElementById('result').height === 38")
    assert np.array_equal(shown(opened), right(pixels, (0, 0, 150, 90), 64, 38))
    opened.evaluate(click)
    opened.until(f"{IDLE} && document.getElementById('result').height === 64")


@in_browser
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.jpg", b"no picture at all", "notes.jpg is no picture that this browser can read"),
        ("none.png", b"", "none.png is empty."),
        ("small.png", (3, 40), "small.png has 40 by 3 pixels: at least 5 each way are needed."),
        (
            "phone.jpg",
            (4000, 5000),
            "The picture has 20 megapixels; only the part that you choose is read, at 64 by 64.",
        ),
        ("huge.jpg", (8100, 8100), "huge.jpg has 66 megapixels; this page takes up to 64."),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_the_page_lives_on(opened, tmp_path, name, content, said):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        Image.new("RGB", content[::-1], (10, 200, 30)).save(path)
    assert said in given(opened, path)
    pixels = picture((64, 64), 3)
    Image.fromarray(pixels).save(tmp_path / "next.png")
    assert given(opened, tmp_path / "next.png").startswith("Done")
    assert np.array_equal(shown(opened), 255 - pixels)


@in_browser
def test_every_control_has_a_name_and_can_be_reached(opened):
    opened.call("Accessibility.enable")
    tree = opened.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "slider", "checkbox", "combobox", "image", "textbox")
    nameless = [
        node["role"]["value"]
        for node in tree
        if not node["ignored"] and node["role"]["value"] in roles and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    opened.evaluate("document.getElementById('file').focus()")
    reached = []
    for _ in range(12):
        reached.append(opened.evaluate("document.activeElement.id"))
        opened.press("Tab", 9)
    assert {"file", "camera", "source", "size", "left", "top", "side", "whole", "save", "save-heat"} <= set(reached)


@in_browser
def test_what_is_said_during_a_translation_stays(tmp_path):
    slow = STUB.replace(
        "run: async ({ picture }) => {",
        "run: async ({ picture }) => { await new Promise((end) => setTimeout(end, 2000));",
    )
    assert slow != STUB
    Image.fromarray(picture((80, 80))).save(tmp_path / "good.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with Browser(tmp_path / "profile") as browser:
        browser.open(written(tmp_path, runtime=slow))
        browser.until(IDLE)
        browser.choose("#file", tmp_path / "good.png")
        browser.until("document.body.dataset.state === 'busy'")
        browser.choose("#file", tmp_path / "broken.png")
        browser.until("document.getElementById('status').textContent.startsWith('broken.png is no picture')")
        assert browser.evaluate("document.body.dataset.state") == "busy", "the first picture must still be translated"
        browser.until(IDLE)
        assert status(browser).startswith("broken.png is no picture")


@in_browser
@pytest.mark.slow
def test_the_camera_is_translated_live_until_it_is_stopped(tmp_path):
    film = b""
    for number in range(6):
        file = io.BytesIO()
        Image.fromarray(picture((240, 320), number)).save(file, "JPEG", quality=90)
        film += file.getvalue()
    (tmp_path / "film.mjpeg").write_bytes(film)
    flags = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with Browser(tmp_path / "profile", *flags, f"--use-file-for-fake-video-capture={tmp_path}/film.mjpeg") as browser:
        browser.open(written(tmp_path))
        browser.until(IDLE)
        browser.evaluate("document.getElementById('camera').click()")
        browser.until("document.getElementById('status').textContent.startsWith('Live')")
        seen = set()
        for _ in range(200):
            seen.add(browser.evaluate("document.getElementById('result').toDataURL()"))
            if len(seen) > 2:
                break
        assert len(seen) > 2, "the pictures of the camera must change"
        browser.evaluate("document.getElementById('camera').click()")
        browser.until("document.getElementById('status').textContent.startsWith('The camera is off')")
        assert browser.console == []


@in_browser
def test_without_a_camera_there_is_a_sentence(opened):
    opened.evaluate("document.getElementById('camera').click()")
    opened.until("/^(No camera|The camera was not)/.test(document.getElementById('status').textContent)")


@in_browser
def test_a_damaged_network_is_a_sentence(tmp_path):
    with Browser(tmp_path / "profile") as browser:
        browser.open(written(tmp_path, model=b"not a network"))
        browser.until("document.getElementById('status')?.textContent.includes('cannot be run in this browser')")
        assert "not a model" in status(browser) and browser.console == []


def test_a_full_network_takes_its_own_size_alone():
    text = page(b"M", PageFacts(256, 256, False), BrowserRuntime(STUB, b"w"), "Title", "")
    assert text.count("<option") == 1 and '<option value="256" selected>' in text
    assert text == page(b"M", PageFacts(256, 256, False), BrowserRuntime(STUB, b"w"), "Title", "")


def test_text_of_the_runtime_does_not_end_its_element():
    text = page(b"M", PageFacts(64, 5, True), BrowserRuntime(STUB, b"w"), "Title", "<script>")
    assert text.count("</script>") == 6 and "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (None, "is not the folder of onnxruntime-web: npm install onnxruntime-web@"),
        ({"name": "onnxruntime-node", "version": ORT_VERSION}, "holds onnxruntime-node"),
        ({"name": "onnxruntime-web", "version": "1.0.0"}, "holds onnxruntime-web 1.0.0, the page needs"),
        ({"name": "onnxruntime-web", "version": ORT_VERSION}, "cannot be read whole"),
        ([], "is not the folder"),
    ],
)
def test_a_wrong_folder_of_the_runtime_is_refused(tmp_path, about, said):
    if about is not None:
        (tmp_path / "package.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=said):
        read_runtime(tmp_path)
