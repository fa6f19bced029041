"""Run every check of the project, one after another; write one page and return one exit code.

    python align/check_all.py [--quick] [--out DIR] [--only NAME ...] [--reprod-log DIR]

Each runs in its own process and writes DIR/<name>.json and DIR/<name>.log; DIR/index.html shows them all. With --quick
every check runs, each on fewer cases (QUICK), which the page says. With --reprod-log the files that reviewers of a
reproduction read are written for U-GAT-IT (align/checks/reproduction.py), and no check runs besides. Exit code: 0 all
aligned, 1 something diverged, 2 something could not be compared (and nothing diverged).
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from align.checks import running
from align.report.document import SCHEMA, VERDICTS
from align.report.page import check_report, write_page
from paddle_ugatit.cli.command import Parser, failed, prepare_folder

ROOT = Path(__file__).resolve().parents[2]
# In the order in which faults are best understood: a layer before a step, a step before a metric.
CHECKS = ("forward", "backward", "init", "training", "data", "round_trip", "metric")
_INITIAL = ("generator-light", "discriminator-local", "decoder", "stylegan2-stylevectorizer", "sagan-discriminator")
# With --quick: check -> its options, and what these leave out.
QUICK = {
    "forward": (("--dtype", "float64"), "float32 is left out"),
    "backward": (("--dtype", "float64"), "float32 is left out"),
    "init": (_INITIAL, "one network of each system, and a discriminator"),
    "training": (("--lockstep",), "every step, but no whole run"),
    "data": ((), ""),
    "round_trip": ((), ""),
    "metric": (("--quick",), "no planted mistakes, no other packages"),
}
_WIDTH = max(map(len, VERDICTS))


def outcome(name, folder, script=None, options=()):
    """Run one check; returns its exit code and last line. Its JSON and its output stay in the folder."""
    script = script or ROOT / "align" / f"check_{name}.py"
    report = folder / f"{name}.json"
    report.unlink(missing_ok=True)  # that of an earlier run must not be taken for this one's
    command = [sys.executable, str(script), *options, "--json", str(report)]
    with open(folder / f"{name}.log", "w", encoding="utf-8") as log:
        done = subprocess.run(command, stdout=log, stderr=log)
    lines = (folder / f"{name}.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return done.returncode, lines[-1] if lines else "no output"


def verdict_of(code):
    """Return the verdict that an exit code stands for; a crash counts as not comparable."""
    return VERDICTS[code] if code in (0, 1) else VERDICTS[2]


def worst(codes):
    """Return the exit code of all checks: 1 takes precedence over 2, and 2 over 0; 2 if none ran."""
    verdicts = [verdict_of(code) for code in codes]
    return next(code for code in (1, 2, 0) if VERDICTS[code] in verdicts or code == 0) if codes else 2


def reports(folder, names, quick=False):
    """Return the reports that the page can show, in order; with `quick` their summaries say what was left out."""
    found = []
    for name in names:
        path = folder / f"{name}.json"
        if path.exists():
            report = json.loads(path.read_text(encoding="utf-8"))
            if report.get("schema") == SCHEMA:
                check_report(report, path)
                if quick:
                    report["summary"] += f" (quick: {QUICK[name][1] or 'all cases'})"
                found.append(report)
    return found


def check(arguments):
    """Run the chosen checks, print a line for each, write the page; returns the exit code."""
    folder, codes = Path(arguments.out), []
    prepare_folder(folder)
    running.use_device(arguments)
    for name in arguments.only or CHECKS:
        start = time.monotonic()
        options = QUICK[name][0] if arguments.quick else ()
        if arguments.device != "cpu":
            options = (*options, "--device", arguments.device)
        code, line = outcome(name, folder, options=options)
        codes.append(code)
        print(f"{verdict_of(code):{_WIDTH}}  {name:10} {time.monotonic() - start:4.0f} s  {line}", flush=True)
    drawn = reports(folder, arguments.only or CHECKS, arguments.quick)
    if drawn:
        write_page(drawn, folder / "index.html")
        print(f"page: {folder / 'index.html'}")
    code = worst(codes)
    print(VERDICTS[code].upper() + (", quick: on fewer cases than without --quick" if arguments.quick else ""))
    if code:
        failed("check_all", f"the outputs are in {folder}/*.log", code)
    return code


def main(argv=None):
    """Run the command line; returns the exit code."""
    parser = Parser("check_all.py", __doc__, "example: python align/check_all.py --only forward backward")
    parser.add_argument(
        "--out", default="work/outputs/checks", metavar="DIR", help="folder for reports and page (%(default)s)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=CHECKS, metavar="NAME", help=f"checks to run, of {', '.join(CHECKS)} (all)"
    )
    parser.add_argument("--quick", action="store_true", help="run every check on fewer cases, within 4 minutes")
    running.add_device(parser)
    parser.add_argument(
        "--reprod-log", metavar="DIR", help="write both sides' results at every verification point, as reprod_log does"
    )
    arguments = parser.parse_args(argv)
    return running.run("check_all", lambda: log(arguments) if arguments.reprod_log else check(arguments))


def log(arguments):
    """Write the files of a reproduction's verification points; returns 0 if all of them agree, 1 if not."""
    from align.checks.reproduction import written

    prepare_folder(arguments.reprod_log)
    running.use_device(arguments)
    logs, passed = written(arguments.reprod_log)
    for path in logs:
        print(f"{path}: {path.read_text(encoding='utf-8').rstrip().splitlines()[-1]}")
    return 0 if passed else failed("check_all", f"some results differ, see {arguments.reprod_log}", 1)
