"""Train U-GAT-IT, or the system that a configuration names, on a folder with trainA, trainB, testA and testB."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from paddle_ugatit.backend import device, runtime
from paddle_ugatit.backend.errors import UsageError
from paddle_ugatit.cli import command, configs
from paddle_ugatit.data.listing import require_folder
from paddle_ugatit.training import distributed, loop, plan, plan_time, start
from paddle_ugatit.training.records import Records

EXAMPLES = """\
examples:
  python tools/make_dataset.py --out work/outputs/faces --train 1000 --test 50 --size 64
  python tools/train.py --config work/configs/demo.yaml --data work/outputs/faces --out work/outputs/run
  python tools/train.py --config work/configs/demo.yaml --data work/outputs/faces --out work/outputs/run --resume
  python tools/train.py --config work/configs/selfie2anime_light.yaml --data DIR --out RUN lr=2e-4 batch_size=2
  python tools/train.py --config work/configs/adain.yaml --data DIR --out RUN encoder=vgg_normalised.pth
  python tools/train.py --config work/configs/selfie2anime.yaml --plan --cores 8 --tflops 14
  python -m paddle.distributed.launch --nproc_per_node 2 tools/train.py --config FILE --data DIR --out RUN
  python -m paddle.distributed.launch --devices 0,1 tools/train.py --config FILE --data DIR --out RUN     (two GPUs)

--out gets config.yaml, log.txt, losses.csv, samples/, vdl/ (visualdl --logdir RUN/vdl) and checkpoints/. Ctrl-C ends
the run with a checkpoint, as most errors do; --resume continues from it, on a CPU bit for bit as if it had never
stopped. --plan says what memory and disk a run needs, and how many hours it takes.

exit code: 0 done, 1 the input or output is bad or training diverged, 2 bad usage, 130 interrupted
"""

LIGHTER = (
    "less is needed with light=true, a smaller ch or img_size, batch_size=1, accumulate=N for a batch in N parts, "
    "recompute=true (U-GAT-IT), or amp=bfloat16 (amp=float16 on a V100)"
)


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    shipped = ", ".join(configs.names())
    parser.add_argument(
        "--config", required=True, metavar="FILE", help=f"YAML file of options, or one that ships: {shipped}"
    )
    parser.add_argument("--data", metavar="DIR", help="folder with trainA, trainB, testA, testB")
    parser.add_argument("--out", metavar="DIR", help="folder of the run; made if it does not exist")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="continue from the newest checkpoint in --out")
    start.add_argument("--init", metavar="FILE", help="start from these weights, of PyTorch or Paddle (fine-tuning)")
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="stop after N minutes with a checkpoint, from which --resume goes on"
    )
    parser.add_argument(
        "--plan", action="store_true", help="print the memory, disk and hours that the run needs, and begin nothing"
    )
    parser.add_argument("--cores", type=int, metavar="N", help="with --plan: the time on N cores like these too")
    parser.add_argument("--tflops", type=float, metavar="T", help="with --plan: the time on a GPU of T TFLOP/s too")
    command.add_device(parser)
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="precision of the computation (float32)"
    )
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="options that override the file's")
    arguments = parser.parse_args(argv)
    missing = [f"--{name}" for name in ("data", "out") if getattr(arguments, name) is None]
    if missing and not arguments.plan:
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    return arguments


def train(arguments: argparse.Namespace) -> None:
    """Run a training from its options to its last iteration."""
    if arguments.minutes is not None and not 0 < arguments.minutes < float("inf"):
        raise UsageError(f"--minutes must be above 0, got {arguments.minutes:g}")
    for name in ("cores", "tflops"):
        given = getattr(arguments, name)
        if given is not None and not (arguments.plan and 0 < given < float("inf")):
            raise UsageError(f"--{name} must be above 0 and beside --plan, got {given:g}")
    config = start.configuration(configs.find(arguments.config), arguments.options)
    if arguments.plan:
        print("\n".join(plan.lines(config, plan.plan(config))), "\n", flush=True)
        print("\n".join(plan_time.lines(config, plan_time.times(config), arguments.cores, arguments.tflops)))
        return
    require_folder(arguments.data)  # before the run's folder is made
    start.choose_device(arguments.device, config)
    rank, world_size = distributed.start()
    with (
        start.owned_folder(arguments.out, arguments.resume, rank) as lock,
        runtime.threads_for(plan.products(config)) as threads,
    ):
        records = Records(Path(arguments.out), silent=rank != 0)
        fewer = f"fewer: {threads} of the threads, for a network of this size" if threads else None
        for line in (*runtime.SETTINGS, fewer, device.line(), device.warning()):
            if line:
                records.say(line)
        tests = start.tests_of(config, arguments.data, records.say)
        evaluation = start.evaluation_of(config, arguments.data, records.say) if rank == 0 else None
        with start.data_of(config, arguments.data, rank, world_size, records.say) as data:
            system = start.system_of(config, arguments.dtype)
            run = loop.Run(system, data, tests, Path(arguments.out), records, evaluation, lock)
            _train(run, records, arguments)


def _train(run: loop.Run, records: Records, arguments: argparse.Namespace) -> None:
    if arguments.resume:
        run.resume()
    for note in start.take_weights(run.system, arguments.init) if arguments.init else run.system.notes:
        records.say(f"note: {note}")
    records.start(run.config, run.system.iteration)
    try:
        run.train(arguments.minutes)
    finally:
        records.close()
    step, last = run.system.iteration, run.config.iteration
    done = f"done: {step} iterations" if step == last else f"{arguments.minutes:g} minutes are over: {step} of {last}"
    records.say(f"{done}, {run.checkpoints.path(step)}")


def main(argv: Sequence[str] | None = None, program: str = "train") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    saved = f"--resume continues from the newest checkpoint in {arguments.out}"
    return command.run(program, lambda: train(arguments), saved, LIGHTER)
