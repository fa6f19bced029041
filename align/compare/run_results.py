"""What the networks of a run generate, stated with the tools of inference: sample sheets, and images for the KID."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from align.cases.runs import RunCase
from align.compare.data import PUBLIC
from align.compare.stream import framed, resized
from paddle_ugatit import weights
from paddle_ugatit.inference import sheets
from paddle_ugatit.inference.sample import attention_rows
from paddle_ugatit.inference.sample_sagan import SAGANSampler
from paddle_ugatit.inference.sample_stylegan2 import StyleGAN2Sampler
from paddle_ugatit.inference.stylise import style_sheet, stylise
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.models.adain import StyleTransfer

Images = list[np.ndarray]


def test_pictures(case: RunCase, folder: Path, limit: int | None) -> dict[str, np.ndarray]:
    """Return the first test pictures of each domain, (n,3,S,S)."""
    options, found = case.all_options, {}
    for domain in "AB":
        paths = sorted((folder / f"test{domain}").iterdir())[:limit]
        size, framing = options["img_size"], (options.get("keep_aspect", False), options.get("center_crop", 0))
        read = [np.array(resized(framed(PUBLIC.read(path), size, *framing), size)) for path in paths]
        found[domain] = np.stack([PUBLIC.scaled(pixels) for pixels in read])
    return found


def networks(case: RunCase, folder: Path) -> dict:
    """Return the networks of a checkpoint, running means in the place of those that have one."""
    found = weights.load_networks(folder / "weights.pdparams", "float64")
    return found | (weights.load_networks(folder / "ema.pdparams", "float64") if case.averaged else {})


def stated_sheets(case: RunCase, nets: dict, tests: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the sample sheets by name."""
    if case.system == "ugatit":
        return {
            "A2B": sheets.sample_sheet(nets, tests["A"], "a2b"),
            "B2A": sheets.sample_sheet(nets, tests["B"], "b2a"),
        }
    if case.system == "adain":
        transfer = StyleTransfer(nets["encoder"], nets["decoder"])
        return {"stylised": style_sheet(transfer, pixels(tests["A"]), pixels(tests["B"]))}
    if case.system == "sagan":
        sampler = SAGANSampler(nets["G"])
        samples = sampler.images(sampler.latents(range(64)))[0]
        attention = attention_rows(*sampler.images(sampler.latents(range(4))))
        return {"samples": sheets.grid(samples, 8), "attention": attention}
    return {name: sheets.grid(_stylegan2(case, nets, name, 16), 4) for name in ("samples", "mean")}


def generated(case: RunCase, nets: dict, tests: dict[str, np.ndarray]) -> Iterator[tuple[str, Images, str]]:
    """Yield (name, images, the domain that they should look like), pixels uint8."""
    domain = case.options.get("domain", "B")
    if case.system == "ugatit":
        for name, source, target in (("A2B", "A", "B"), ("B2A", "B", "A")):
            yield name, pixels([generate(nets[f"gen{name}"], image[None])[0][0] for image in tests[source]]), target
    elif case.system == "adain":
        transfer = StyleTransfer(nets["encoder"], nets["decoder"])
        pairs = zip(pixels(tests["A"]), itertools.cycle(pixels(tests["B"])))  # noqa: B905  the second is endless
        yield "A2B", [stylise(transfer, content, [style]) for content, style in pairs], "B"
    elif case.system == "sagan":
        sampler = SAGANSampler(nets["G"])
        yield "samples", pixels(sampler.images(sampler.latents(range(len(tests[domain]))))[0]), domain
    else:
        for name in ("mean", "samples"):
            yield name, pixels(_stylegan2(case, nets, name, len(tests[domain]))), domain


def _stylegan2(case: RunCase, nets: dict, name: str, count: int) -> np.ndarray:
    style, generator = ("SE", "GE") if name == "mean" else ("S", "G")
    sampler = StyleGAN2Sampler(nets[style], nets[generator], case.options["truncation"])
    return sampler.images(sampler.latents(range(count)))[0]


def pixels(images) -> Images:
    """(3,S,S) each in [-1,1] -> uint8 (S,S,3) each."""
    levels = [np.rint((np.clip(np.float64(image), -1, 1) + 1) * 127.5) for image in images]
    return [level.transpose(1, 2, 0).astype(np.uint8) for level in levels]
