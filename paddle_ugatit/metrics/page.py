"""The page of an evaluation: self-contained HTML, no script, no network.

From the top: the number with its interval; the distribution over subsets; every number with its right name; the images
that lie nearest to the real ones and farthest from them; how it was made.
"""

import base64
import io
import json
from html import escape

import numpy as np
from PIL import Image

from paddle_ugatit.data.images import ImageError
from paddle_ugatit.formats import atomic
from paddle_ugatit.metrics.page_style import STYLE

SHOWN = 8  # images in each row of the grid
_THUMBNAIL = 128  # px
_WIDTH, _HEIGHT, _FLOOR = 720, 210, 168  # of the histogram; _FLOOR is the axis


def write(evaluation, path):
    """Write the page; a former one stays whole if this is interrupted."""
    text = render(evaluation)
    with atomic.replacing(path, "w") as file:
        file.write(text)


def render(evaluation) -> str:
    """The page's HTML."""
    report = evaluation.report
    title = f"KID {_number(report['kid']['all_pairs'])}"
    parts = (_head, _notes, _distribution, _table, _paper, _made)
    body = [part(report) for part in parts]
    body.insert(-1, _grid(evaluation))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _number(value):
    """Four figures, without an exponent: 0.04183."""
    return "0" if value == 0 else f"{value:.{max(0, min(7, 3 - int(np.floor(np.log10(abs(value))))))}f}"


def _head(report):
    kid = report["kid"]
    low, high = kid["ci95"]
    fake, real = (report["sets"][name] for name in ("fake", "real"))
    return (
        '<p class="eyebrow">Kernel Inception Distance</p>'
        f'<section class="verdict"><h1>{_number(kid["all_pairs"])}</h1>'
        f'<p class="interval">95 % interval {_number(low)} to {_number(high)}</p>{_bar(kid)}'
        f"<p>{fake['samples']:,} images of <code>{escape(fake['path'])}</code> against {real['samples']:,} of "
        f"<code>{escape(real['path'])}</code>. Unscaled: the paper prints 100 times this, "
        f"{100 * kid['all_pairs']:.2f}.</p></section>"
    )


def _bar(kid):
    """The interval on a line from zero, the estimate as a dot."""
    low, high = kid["ci95"]
    left, right = min(0.0, low), max(0.0, high)
    span = (right - left) * 1.05 or 1.0

    def x(value):
        return f"{2 + 96 * (value - left) / span:.2f}%"

    return (
        '<svg class="bar" width="100%" height="34" role="img" aria-label="the interval, and zero">'
        '<line class="axis" x1="2%" x2="98%" y1="12" y2="12"/>'
        f'<line class="zero" x1="{x(0)}" x2="{x(0)}" y1="4" y2="20"/>'
        f'<text x="{x(0)}" y="32">0</text><line class="reach" x1="{x(low)}" x2="{x(high)}" y1="12" y2="12"/>'
        f'<circle cx="{x(kid["all_pairs"])}" cy="12" r="6"/></svg>'
    )


def _notes(report):
    if not report["notes"]:
        return ""
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in report["notes"])}</ul>'


def _distribution(report):
    """Histogram of the subsets' values, with their mean, the all-pairs estimate and its interval."""
    kid = report["kid"]
    values, (low, high) = np.array(kid["values"]), kid["ci95"]
    left, right = min(values.min(), low), max(values.max(), high)
    margin = 0.04 * (right - left) or 1e-6
    left, right = left - margin, right + margin

    def x(value):
        return (value - left) / (right - left) * _WIDTH

    counts, edges = np.histogram(values, bins=np.linspace(left, right, 37))
    bars = "".join(
        f'<rect class="count" x="{x(edge) + 1:.1f}" y="{_FLOOR - 140 * count / counts.max():.1f}" '
        f'width="{_WIDTH / 36 - 2:.1f}" height="{140 * count / counts.max():.1f}"/>'
        for edge, count in zip(edges, counts, strict=False)
        if count
    )
    marks = "".join(
        f'<line class="{name}" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="18" y2="{_FLOOR}"/>'
        for name, value in (("mean", kid["mean"]), ("all", kid["all_pairs"]))
    )
    ticks = "".join(
        f'<text x="{min(max(x(tick), 24), _WIDTH - 24):.1f}" y="{_FLOOR + 20}">{_number(tick)}</text>'
        for tick in np.linspace(left + margin, right - margin, 5)
    )
    return (
        f"<section><h2>Over {kid['subsets']} subsets of {kid['subset_size']}</h2>"
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="histogram of KID over subsets">'
        f'<rect class="band" x="{x(low):.1f}" width="{x(high) - x(low):.1f}" y="18" height="{_FLOOR - 18}"/>'
        f"{bars}{marks}"
        f'<line class="axis" x2="{_WIDTH}" y1="{_FLOOR}" y2="{_FLOOR}"/>{ticks}</svg>'
        '<figcaption><span><i class="count"></i>subsets</span><span><i class="mean"></i>their mean</span>'
        '<span><i class="all"></i>all pairs</span><span><i class="band"></i>95 % interval of all pairs</span>'
        "</figcaption></figure></section>"
    )


def _table(report):
    kid = report["kid"]
    rows = [
        ("KID, all pairs", kid["all_pairs"], "every pair of images once: the estimate of least variance"),
        ("its standard error", kid["all_pairs_error"], "over other draws of images, estimated without bias"),
        ("KID, mean over subsets", kid["mean"], f"{kid['subsets']} subsets of {kid['subset_size']}, torch-fidelity's"),
        ("std over subsets", kid["std"], "ddof 0; of subsets, hence no error of the number above"),
        ("standard error over subsets", kid["standard_error"], "std / sqrt(subsets): what the paper's tool prints"),
        ("p-value", kid["p_value"], "that one distribution gives a KID as large, by permutation"),
        ("FID", report["fid"], ""),
        ("precision", report["precision"], "share of fakes among the real ones"),
        ("recall", report["recall"], "share of real ones among the fakes"),
    ]
    if "source" in report:
        rows.append(
            ("KID to the source, all pairs", report["source"]["kid"]["all_pairs"], "of the untranslated images")
        )
    return _rows("All numbers", rows)


def _rows(heading, rows):
    cells = "".join(
        f"<tr><th>{escape(name)}</th><td>{_number(value)}</td><td>{escape(about)}</td></tr>"
        for name, value, about in rows
        if value is not None
    )
    return f"<section><h2>{escape(heading)}</h2><table>{cells}</table></section>"


def _paper(report):
    if "ugatit" not in report:
        return ""
    paper = report["ugatit"]
    rows = [("KID x 100", paper["kid_x100"], f"over {paper['blocks']} blocks of about 10 images")]
    rows.append(("its standard error x 100", 100 * paper["standard_error"], "printed as std"))
    if "mean_KID" in paper:
        rows += [("source KID x 100", paper["source_kid_x100"], "to the untranslated images")]
        rows += [("mean_KID x 100", paper["mean_KID_x100"], paper["rewards"])]
    published = [(name, value, f"+- {error}") for name, (value, error) in paper["published_x100"].items()]
    return _rows("By the paper's protocol", rows) + _rows("As published, x 100, probably mean_KID", published)


def _grid(evaluation):
    """The fakes nearest to a real image and farthest from all of them, each above the real one nearest to it."""
    fake, real, found = evaluation.sets["fake"], evaluation.sets["real"], evaluation.neighbours
    if found is None or "features" in (fake.images.kind, real.images.kind):
        return ""
    order = np.argsort(found.distance, kind="stable")
    shown = min(SHOWN, len(order))
    rows = {"Nearest to a real image": order[:shown], "Farthest from all real images": order[::-1][:shown]}
    sections = []
    for heading, places in rows.items():
        pairs = "".join(
            f"<figure>{_picture(fake, place)}{_picture(real, found.nearest[place])}"
            f"<figcaption>{found.distance[place]:.3g}</figcaption></figure>"
            for place in places
        )
        sections.append(f'<h3>{heading}</h3><div class="grid">{pairs}</div>')
    return (
        "<section><h2>Samples</h2><p>Above the generated image, below the real one whose features are nearest, and the "
        f"distance.</p>{''.join(sections)}</section>"
    )


def _picture(measured, place):
    index = int(measured.indices[place])
    label = escape(measured.images.label(index), quote=True)
    try:
        image = Image.fromarray(np.ascontiguousarray(measured.images.image(index)))
    except ImageError:
        return f"<p>{label}</p>"  # gone since its features were kept
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{label}" title="{label}">'


def _made(report):
    left_out = ("notes", "kid", "source", "ugatit", "fid", "precision", "recall")
    facts = {key: value for key, value in report.items() if key not in left_out}
    facts["kernel"] = report["kid"]["kernel"]
    return f"<details><summary>How this was made</summary><pre>{escape(json.dumps(facts, indent=2))}</pre></details>"
