"""The page of an evaluation: self-contained HTML that needs neither scripts nor network.

From the top: the number with its interval; the distribution over subsets; every number with its right name; the images
nearest to the real ones and farthest from them; how it was made. templates/evaluation.html lays it out.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
from jinja2 import Environment
from PIL import Image

from paddle_ugatit.data.images import ImageError
from paddle_ugatit.formats import atomic, html
from paddle_ugatit.metrics import charts, kept
from paddle_ugatit.metrics.compare import Comparison, Measured
from paddle_ugatit.metrics.frechet import Neighbours

SHOWN = 8  # images in each row of the grid
_THUMBNAIL = 128  # px


def _environment() -> Environment:
    pages = html.environment(Path(__file__).with_name("templates"))
    pages.filters["number"] = charts.number
    return pages


_PAGES = _environment()


def write(evaluation: Comparison, path: Path | str) -> None:
    """Render the page and write it; if that is interrupted, the previous page stays whole."""
    text = render(evaluation)
    with atomic.replacing(path, "w") as file:
        file.write(text)


def render(evaluation: Comparison) -> str:
    """Return the page's HTML."""
    report = evaluation.report
    return _PAGES.get_template("evaluation.html").render(
        kid=report["kid"],
        fake=report["sets"]["fake"],
        real=report["sets"]["real"],
        notes=report["notes"],
        interval=charts.interval(report["kid"]),
        histogram=charts.histogram(report["kid"]),
        rows=_numbers(report),
        paper=_paper(report),
        attributes=_attributes(evaluation),
        samples=_samples(evaluation),
        made=_made(report),
    )


def _numbers(report: dict) -> list[tuple[str, float, str]]:
    """(name, value, what it is) of every number."""
    kid = report["kid"]
    rows = [
        (
            "KID, all pairs",
            kid["all_pairs"],
            f"every pair of {kid['pairs_of'][0]} fake and {kid['pairs_of'][1]} real images once: of least variance",
        ),
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
    return rows


def _paper(report: dict) -> list[tuple[str, list]]:
    """(heading, rows) of the numbers by the paper's protocol, where they were asked for."""
    if "ugatit" not in report:
        return []
    paper = report["ugatit"]
    rows = [("KID x 100", paper["kid_x100"], f"over {paper['blocks']} blocks of about 10 images")]
    rows.append(("its standard error x 100", 100 * paper["standard_error"], "printed as std"))
    if "mean_KID" in paper:
        rows += [("source KID x 100", paper["source_kid_x100"], "to the untranslated images")]
        rows += [("mean_KID x 100", paper["mean_KID_x100"], paper["rewards"])]
    published = [(name, value, f"+- {error}") for name, (value, error) in paper["published_x100"].items()]
    return [("By the paper's protocol", rows), ("As published, x 100, probably mean_KID", published)]


def _attributes(evaluation: Comparison) -> dict | None:
    """What the translation keeps of the faces: the mean, rows (attribute, kept, by true images), confusions."""
    if evaluation.kept is None:
        return None
    about = evaluation.report["attributes"]
    rows = [(name, entry["kept"], entry["kept_by_true_images"]) for name, entry in about["attributes"].items()]
    confusions = [
        {
            "title": f"{kept.described(change)}, {times} of {of}",
            "pictures": [_encoded(Image.fromarray(picture), "PNG") for picture in pictures],
        }
        for change, times, of in evaluation.kept.confusions()
        if (pictures := evaluation.kept.examples(change))
    ]
    return {"pairs": about["pairs"], "mean": about["mean"], "rows": rows, "confusions": confusions}


def _encoded(image: Image.Image, kind: str, **options: int) -> str:
    """An image as a file of this kind, in base64."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def _samples(evaluation: Comparison) -> list[tuple[str, list[dict]]]:
    """The fakes nearest to a real image and farthest from all of them, each with the real one nearest to it."""
    fake, real, found = evaluation.sets["fake"], evaluation.sets["real"], evaluation.neighbours
    if found is None or "features" in (fake.images.kind, real.images.kind):
        return []
    order = np.argsort(found.distance, kind="stable")
    shown = min(SHOWN, len(order))
    rows = {"Nearest to a real image": order[:shown], "Farthest from all real images": order[::-1][:shown]}
    return [(heading, [_pair(fake, real, found, place) for place in places]) for heading, places in rows.items()]


def _pair(fake: Measured, real: Measured, found: Neighbours, place: int) -> dict:
    nearest = found.nearest[place]
    return {"fake": _picture(fake, place), "real": _picture(real, nearest), "distance": found.distance[place]}


def _picture(measured: Measured, place: int) -> dict[str, str]:
    """The label of an image and its thumbnail as base64; no thumbnail if the file is gone since it was measured."""
    index = int(measured.indices[place])
    label = measured.images.label(index)
    try:
        image = Image.fromarray(np.ascontiguousarray(measured.images.image(index)))
    except ImageError:
        return {"label": label, "data": ""}
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return {"label": label, "data": _encoded(image, "JPEG", quality=85)}


def _made(report: dict) -> str:
    left_out = ("notes", "kid", "source", "ugatit", "fid", "precision", "recall", "attributes")
    facts = {key: value for key, value in report.items() if key not in left_out}
    facts["kernel"] = report["kid"]["kernel"]
    return json.dumps(facts, indent=2)
