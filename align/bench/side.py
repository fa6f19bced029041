"""One side of a speed comparison, in its own process: what one piece of work costs, as a JSON line per turn.

    python align/bench/side.py iteration torch-plain --config '{"light": true, "img_size": 128}'

`iteration` is a whole training iteration, `infer` the translation of a picture. tools/bench.py runs the sides in turns,
those of PyTorch with PADDLE_UGATIT_RUNTIME=off, since the harness would set the process up for Paddle. Paddle's side
does not load PyTorch.
"""

import argparse
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from align.bench import machine  # noqa: E402
from align.bench.savings import SAVINGS  # noqa: E402


def torch_iteration(options, kind):
    """Return a function that makes one iteration of the PyTorch trainer, plain or with the savings."""
    import torch

    from align.bench.torch_saving import SavingTrainer
    from torch_ref.training.ugatit import Trainer

    torch.manual_seed(0)
    config = SimpleNamespace(**options, lr_at=lambda _step: options["lr"])
    trainer = (Trainer if kind == "torch-plain" else SavingTrainer)(config)
    if kind == "torch-compiled":
        for name in ("genA2B", "genB2A"):  # not the discriminators: their spectral norm overwrites what backward needs
            trainer.networks[name].compile()
    images = [torch.rand(_shape(config)) * 2 - 1 for _ in range(2)]
    return lambda: trainer.step(*images)


def paddle_iteration(options, _kind):
    """Return a function that makes one iteration of the Paddle trainer."""
    import paddle_ugatit  # noqa: F401, I001  first: it sets the process up before Paddle
    import paddle

    from paddle_ugatit.training import Config, Trainer

    paddle.seed(0)
    config = Config(**options)
    trainer = Trainer(config)
    images = [paddle.rand(_shape(config)) * 2 - 1 for _ in range(2)]
    return lambda: trainer.step(*images)


def torch_infer(options, kind):
    """Return a function that translates one batch with the PyTorch generator."""
    import torch

    from torch_ref.models.ugatit import ResnetGenerator

    network = ResnetGenerator(3, 3, **_generator(options)).eval()
    if kind == "torch-compiled":
        network.compile()
    image = torch.rand(_shape(SimpleNamespace(**options))) * 2 - 1

    def translate():
        with torch.inference_mode():
            network(image)

    return translate


def onnx_infer(options, _kind):
    """Return a function that translates one batch with that generator in ONNX Runtime, on as many threads."""
    import onnxruntime
    import torch

    from torch_ref.models.ugatit import ResnetGenerator

    network = ResnetGenerator(3, 3, **_generator(options)).eval()
    image = torch.rand(_shape(SimpleNamespace(**options))) * 2 - 1
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        path = f"{folder}/generator.onnx"
        torch.onnx.export(network, (image,), path, input_names=["image"], dynamo=False)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
        session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    given = {"image": image.numpy()}
    return lambda: session.run(None, given)


def paddle_infer(options, _kind):
    """Return a function that translates one batch with the Paddle generator, as translate.py does."""
    import paddle_ugatit  # noqa: I001  first
    import paddle

    from paddle_ugatit.inference.translate import generate

    network = paddle_ugatit.ResnetGenerator(3, 3, **_generator(options))
    images = (paddle.rand(_shape(SimpleNamespace(**options))) * 2 - 1).numpy()
    return lambda: generate(network, images)


def export_infer(options, kind):
    """Return a function that translates one batch with what tools/export.py writes."""
    from align.bench.exported import work

    return work(options, kind, _generator(options))


def _shape(config):
    return [config.batch_size, config.img_ch, config.img_size, config.img_size]


def _generator(options):
    names = {"ngf": "ch", "n_blocks": "n_res", "img_size": "img_size", "light": "light", "revision": "revision"}
    return {name: options[option] for name, option in names.items()}


WORK = {
    ("iteration", "torch"): torch_iteration,
    ("iteration", "paddle"): paddle_iteration,
    ("infer", "torch"): torch_infer,
    ("infer", "onnx"): onnx_infer,
    ("infer", "paddle"): paddle_infer,
    ("infer", "export"): export_infer,
}


def turn(work):
    """Do the work once; returns what it cost.

    These are CPU and wall seconds, page faults, the peak memory of the process in GiB, and the cores that other
    processes used meanwhile.
    """
    watch = machine.Watch()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    faults, peak = after.ru_minflt - before.ru_minflt, after.ru_maxrss / 2**20
    return {"cpu": cpu, "wall": wall, "faults": faults, "peak": peak, "others": watch.others()}


def main(argv=None):
    """Warm up, then measure; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "what", choices=["iteration", "infer", "savings"], help="work to measure; savings only lists their names"
    )
    exported = ["export-onnx", "export-openvino", "export-paddle", "export-onednn"]
    sides = ["torch-plain", "torch-saving", "torch-compiled", "paddle", "onnx", *exported]
    parser.add_argument("side", choices=sides, help="who does it")
    parser.add_argument("--config", default="{}", metavar="JSON", help="every field of the training configuration")
    # In the second iteration both frameworks still ask the system for memory: page faults that take a second.
    parser.add_argument("--warm-up", type=int, default=2, metavar="N", help="turns before those that are measured (2)")
    parser.add_argument("--turns", type=int, default=2, metavar="N", help="measured turns (2)")
    without = "leave out one saving of the Paddle iteration (bench/savings.py)"
    parser.add_argument("--without", metavar="SAVING", choices=SAVINGS, help=without)
    arguments = parser.parse_args(argv)
    if arguments.what == "savings":
        print(*SAVINGS, sep="\n")
        return 0
    if arguments.config == "{}":
        parser.error("--config is needed")
    make = WORK[arguments.what, arguments.side.partition("-")[0]]
    with _without(arguments.without):
        work = make(json.loads(arguments.config), arguments.side)
        for _ in range(arguments.warm_up):
            work()
        for _ in range(arguments.turns):
            print(json.dumps(turn(work)), flush=True)
    return 0


def _without(saving):
    if not saving:
        return contextlib.nullcontext()
    from align.planting import in_force

    return in_force(SAVINGS[saving]())


if __name__ == "__main__":
    sys.exit(main())
