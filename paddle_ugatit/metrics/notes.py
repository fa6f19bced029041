"""Notes that a reader of the numbers needs, and the report as lines of text."""

from collections.abc import Iterator

from paddle_ugatit.metrics import kept
from paddle_ugatit.metrics.inception_weights import SHA256_PREFIX
from paddle_ugatit.metrics.spread import WIDE

_FEW = 10  # estimates from fewer samples than this mean nothing


def of(report: dict) -> list[str]:
    """Return notes on a report, the most serious first."""
    return [*_on_copies(report), *_on_features(report["features"]), *_on_kid(report), *_on_sets(report)]


def _on_copies(report: dict) -> Iterator[str]:
    sets, both = report["sets"], report["fake_also_in_real"]
    if sets["fake"]["sha256"] == sets["real"]["sha256"] or both == sets["fake"]["samples"] == sets["real"]["samples"]:
        yield "fake and real are the same images: a set cannot be measured against itself, and KID comes out below zero"
    elif both:
        yield f"{both} of {sets['fake']['samples']} images of fake are in real too: KID and its interval are too low"
    if "source" in sets and sets["source"]["sha256"] == sets["fake"]["sha256"]:
        yield "fake and source are the same images: the KID to the source comes out below zero and says nothing"
    for name, entry in sets.items():
        if entry["copies"]:
            yield (
                f"{name}: {entry['copies']} of {entry['samples']} images are copies of others in it: the interval and "
                "the p-value take them for independent"
            )


def _on_features(features: dict) -> Iterator[str]:
    if features["kind"] == "given":
        yield "features were given, not extracted: whether the numbers are comparable depends on them"
        return
    if features["kind"] == "faces":
        yield "faces features were trained on the drawn faces: the numbers compare those only, not with published ones"
        return
    if features["kind"] != "inception":
        yield f"{features['kind']} features are a stand-in: the numbers are not comparable with published ones"
    elif not features["comparable"]:
        yield (
            f"{features['weights']}: sha256 begins with {features['weights_sha256'][:8]}, that of the public file with "
            f"{SHA256_PREFIX}: the numbers are not comparable with published ones"
        )
    if features["resize"] != "tf1":
        yield f"resize is {features['resize']}, not the standard tf1, which alone changes KID by several per cent"


def _on_kid(report: dict) -> Iterator[str]:
    kid = report["kid"]
    low, high = kid["ci95"]
    least = min(entry["samples"] for entry in report["sets"].values())
    if drawn := _drawn(report):
        yield (
            f"all pairs are those{drawn}, drawn at random from the large sets, with the interval and the p-value of so "
            "many; --every-pair takes all images"
        )
    if high - low > WIDE * abs(kid["all_pairs"]):
        yield f"the 95 % interval is wide, {low:.5f} to {high:.5f}: more images would narrow it"
    if high < 0:
        yield (
            "KID is negative with its whole interval, where no true KID is: the images are not independent draws, as "
            "where sets hold the same images or copies"
        )
    elif kid["all_pairs"] < 0:
        yield "KID is negative, as an unbiased estimate is half of the time when the sets do not differ"
    if kid["subset_size"] == report["sets"]["fake"]["samples"] == report["sets"]["real"]["samples"]:
        yield "every subset is the whole set, so that the std over subsets means nothing; use the interval"
    elif kid["subset_size_chosen"] and kid["subset_size"] < 1000:
        yield f"subsets have {kid['subset_size']} images, half the smaller set, as there are fewer than 1000"
    if report["fid"] is not None and least <= report["features"]["dimensions"]:
        yield f"FID from {least} samples of {report['features']['dimensions']} features is far too high; KID is not"
    if least < _FEW:
        yield f"only {least} images: too few for a reliable estimate"


def _on_sets(report: dict) -> Iterator[str]:
    for name, entry in report["sets"].items():
        if entry["taken_as"]:
            yield f"{name}: taken as {entry['taken_as']}"
        if entry["left_out"]:
            first = ", ".join(entry["left_out"][:3])
            more = ", ..." if len(entry["left_out"]) > 3 else ""
            yield f"{name}: {len(entry['left_out'])} unreadable images were left out: {first}{more}"


def lines(report: dict) -> list[str]:
    """Return the report as lines for a console: numbers, then notes."""
    kid, sets, features = report["kid"], report["sets"], report["features"]
    low, high = kid["ci95"]
    shown = [
        f"KID        {kid['all_pairs']:.6f}   all pairs{_drawn(report)}; 95 % interval {low:.6f} to {high:.6f}",
        f"KID        {kid['mean']:.6f}   mean of {kid['subsets']} subsets of {kid['subset_size']}; "
        f"std {kid['std']:.6f}, standard error {kid['standard_error']:.6f}",
    ]
    if kid["p_value"] is not None:
        shown.append(f"p-value    {kid['p_value']:.4g}   that both sets have one distribution, by permutation")
    shown.append(f"FID        {report['fid']:.4f}")
    if report["precision"] is not None:
        shown.append(f"precision  {report['precision']:.4f}   recall {report['recall']:.4f}")
    if "source" in report:
        source = report["source"]["kid"]
        shown.append(f"KID        {source['all_pairs']:.6f}   to the source, all pairs")
    shown += _paper_lines(report)
    if "attributes" in report:
        shown += kept.lines(report["attributes"])
    shown.append("sets       " + ", ".join(f"{entry['samples']} {name}" for name, entry in sets.items()))
    resize = f", resize {features['resize']}" if features["resize"] else ""
    shown.append(f"features   {features['kind']}, {features['dimensions']}{resize}; seed {report['seed']}")
    return shown + [f"note: {note}" for note in report["notes"]]


def _drawn(report: dict) -> str:
    """Of how many images the pairs are, if not of all."""
    found = report["kid"]["pairs_of"]
    everything = [report["sets"][name]["samples"] for name in ("fake", "real")]
    return "" if found == everything else f" of {found[0]} and {found[1]} images"


def _paper_lines(report: dict) -> list[str]:
    if "ugatit" not in report:
        return []
    paper = report["ugatit"]
    shown = [
        f"paper      KID x 100 {paper['kid_x100']:.2f} +- {100 * paper['standard_error']:.2f} (a standard error over "
        f"{paper['blocks']} blocks)"
    ]
    if "mean_KID" in paper:
        shown.append(f"paper      mean_KID x 100 {paper['mean_KID_x100']:.2f}; {paper['rewards']}")
    published = ", ".join(f"{name} {value} +- {error}" for name, (value, error) in paper["published_x100"].items())
    return [*shown, f"published  x 100: {published}"]
