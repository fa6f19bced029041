#!/usr/bin/env bash
# Lint, types and tests:  bash tools/test.sh [--paddle 3.3.1|2.6.2] [--branch cpu|gpu] [pytest arguments ...]
#
# Makes an environment on the first run (.venv, or .venv-paddle2.6.2), then runs ruff, mypy and pytest.
# Tests run in as many processes as there are cores and memory for; -n 0 runs them in one.
# With --branch gpu the tests take the ways of a GPU, without one; those of the faster ways of a CPU are left out.
# Example:  bash tools/test.sh --paddle 2.6.2 -k weights
# Exit code: 0 all passed, 1 something failed, 2 cannot be run (the line above says why).
set -u
. "$(dirname -- "${BASH_SOURCE[0]}")/setup_env.sh"

WORKER_GB=6  # the largest tests: networks of published width, forward and backward in float64

paddle='' branch=cpu
while [ $# -gt 0 ]; do
    case $1 in
        --paddle)
            [ $# -ge 2 ] || die "--paddle needs a version: 3.3.1 or 2.6.2"
            paddle=$2
            shift 2
            ;;
        --paddle=*)
            paddle=${1#--paddle=}
            shift
            ;;
        --branch)
            [ $# -ge 2 ] || die "--branch needs a kind of device: cpu or gpu"
            branch=$2
            shift 2
            ;;
        --branch=*)
            branch=${1#--branch=}
            shift
            ;;
        --help | -h)
            sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *) break ;;
    esac
done

case $branch in
    cpu) plugin=() ;;
    gpu) plugin=(-p tests.gpu_emulation) ;;
    *) die "--branch must be cpu or gpu, got $branch" ;;
esac

prepare_python "$paddle" numpy safetensors tqdm PIL yaml scipy cv2 jinja2 pytest xdist ruff mypy
[ "$HAVE_TORCH" = yes ] || die "the tests compare with torch, which could not be installed"

failed=''
say "ruff"
"$PYTHON" -m ruff check . || failed="$failed ruff"
say "mypy"
"$PYTHON" -m mypy || failed="$failed mypy"
# A process has one thread, so that they do not wait for one another's cores, and takes up to WORKER_GB.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
workers=$("$PYTHON" -c 'import os, sys
memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
print(max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
                 int(memory / float(sys.argv[1])))))' "$WORKER_GB")
say "pytest, $workers processes"
"$PYTHON" -m pytest -n "$workers" ${plugin[@]+"${plugin[@]}"} "$@" || failed="$failed pytest"
[ -z "$failed" ] || { say "FAILED after $SECONDS s:$failed" && exit 1; }
say "All passed in $SECONDS s"
