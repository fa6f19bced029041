"""The report page in a real browser: it opens without an error, and the verdict is on the first screen of a phone."""

import json
import re
import shutil
import subprocess

import pytest

from align.checks import command

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
WIDTH, HEIGHT = 390, 844
# Put at the end of a page, it writes down what a visitor would see.
PROBE = """<script>
const verdict = document.querySelector("section.verdict h1"), box = verdict.getBoundingClientRect();
const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
document.body.dataset.probe = JSON.stringify({
  text: verdict.textContent, top: box.top, bottom: box.bottom, hit: verdict.contains(hit) || hit === verdict,
  wide: document.documentElement.scrollWidth, window: innerWidth,
  pictures: [...document.querySelectorAll("svg")].filter(svg => svg.getBoundingClientRect().width > 50).length,
});
</script>"""


def opened(page, tmp_path):
    """(what the probe saw, lines of the console) of a page in a window as wide as a phone's."""
    copy = tmp_path / "probed.html"
    copy.write_text(page.replace("</body>", PROBE + "</body>") if "</body>" in page else page + PROBE)
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        + [f"--window-size={WIDTH},{HEIGHT}", "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom"]
        + [copy.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    (tmp_path / "dom.html").write_text(done.stdout)
    found = re.search(r'data-probe="([^"]*)"', done.stdout)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(found[1].replace("&quot;", '"')) if found else None, console


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a comparison that finds a difference."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    assert command.main("forward", ["--pair", "align/examples/attention_pair.py", "--html", str(path)]) == 1
    return path.read_text()


@pytest.mark.slow
def test_page_opens_and_shows_its_verdict(page, tmp_path):
    seen, console = opened(page, tmp_path)
    assert console == []
    assert seen["text"].endswith("DIVERGED") and seen["hit"]
    assert 0 <= seen["top"] < seen["bottom"] <= HEIGHT
    assert seen["wide"] <= max(seen["window"], WIDTH), "the page must not scroll sideways on a phone"
    assert seen["pictures"] >= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["<script>throw Error('planted')</script>", "<style>section.verdict{margin-top:3000px}</style>"]
)
def test_a_broken_page_is_seen(page, tmp_path, fault):
    seen, console = opened(page.replace("</head>", fault + "</head>") if "</head>" in page else fault + page, tmp_path)
    assert console or seen["top"] > HEIGHT
