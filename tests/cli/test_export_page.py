"""tools/export.py --page: what is written and refused; where onnxruntime-web is at hand, the page is used."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_ugatit.cli import export, export_page, translate
from paddle_ugatit.deploy.page import ORT_VERSION
from tests.deploy.browser import CHROMIUM, Browser
from tests.deploy.test_offline_page import IDLE, given, shown

ROOT = Path(__file__).resolve().parents[2]
# The folder that `npm install onnxruntime-web` makes in the project, or another one.
ORT = Path(os.environ.get("ONNXRUNTIME_WEB", ROOT / "node_modules/onnxruntime-web"))


@pytest.fixture
def runtime(tmp_path):
    """A folder as npm makes it, with other content."""
    folder = tmp_path / "runtime"
    (folder / "dist").mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": "onnxruntime-web", "version": ORT_VERSION}))
    (folder / "dist/ort.wasm.bundle.min.mjs").write_text("export const none = 0;")
    (folder / "dist/ort-wasm-simd-threaded.wasm").write_bytes(b"wasm")
    return folder


def ran(*words):
    return export.main([str(word) for word in words])


def test_the_page_holds_the_network_and_says_what_it_is(tmp_path, runtime, capsys):
    page = tmp_path / "new" / "anime.html"
    assert ran("--weights", "faces", "--page", page, "--ort", runtime, "--weights-as", "float16") == 0
    text, said = page.read_text("utf-8"), capsys.readouterr().out
    assert "opens by double click" in said and "in float64" in said
    assert "<h1>Photo to anime</h1>" in text and '<option value="96" selected>' in text
    assert "faces.safetensors, SHA-256 " in text and "weights as float16" in text
    more = ("--title", "A <b>title</b>", "--size", "128", "--direction", "b2a")
    assert ran("--weights", "faces", "--page", page, "--ort", runtime, *more) == 0
    other = page.read_text("utf-8")
    assert "<h1>A &lt;b&gt;title&lt;/b&gt;</h1>" in other and '<option value="128" selected>' in other


def test_what_a_page_cannot_be_is_one_line(tmp_path, runtime, capsys, monkeypatch):
    page = tmp_path / "page.html"
    for code, words, said in (
        (2, ("--page", page), "--page needs --ort: npm install"),
        (2, ("--out", tmp_path / "out", "--ort", runtime), "belong to --page"),
        (2, ("--page", page, "--ort", runtime, "--size", "900"), "at most 512 pixels"),
        (1, ("--page", page, "--ort", tmp_path), "is not the folder of onnxruntime-web"),
        (1, ("--page", tmp_path, "--ort", runtime), "cannot be written"),
    ):
        assert ran("--weights", "faces", *words) == code
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and said in lines[0], lines
    monkeypatch.setattr(export_page, "MOST", 1 << 20)
    assert ran("--weights", "faces", "--page", page, "--ort", runtime) == 1
    assert "a browser cannot hold a network of" in capsys.readouterr().err
    assert not page.exists()


@pytest.mark.skipif(CHROMIUM is None or not ORT.is_dir(), reason="no Chromium, or no onnxruntime-web")
def test_a_browser_gives_the_pixels_of_translate(tmp_path):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    coarse.resize((150, 150), Image.Resampling.BICUBIC).save(tmp_path / "me.png")
    assert ran("--weights", "faces", "--page", tmp_path / "anime.html", "--ort", ORT) == 0
    out = tmp_path / "native"
    words = ("--weights", "faces", "--input", str(tmp_path / "me.png"), "--out", str(out), "--resize", "96")
    assert translate.main(words) == 0
    with Browser(tmp_path / "profile") as browser:
        browser.open(tmp_path / "anime.html")
        browser.until(IDLE)
        assert given(browser, tmp_path / "me.png").startswith("Done: 96 by 96")
        native = np.asarray(Image.open(out / "me.png")).astype(int)
        assert np.abs(shown(browser) - native).max() <= 1
        assert browser.console == []
        assert all(url.startswith(("file:", "blob:", "data:")) for url in browser.requests)
