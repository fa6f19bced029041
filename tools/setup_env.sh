# shellcheck shell=bash
# The common part of tools/demo.sh and tools/test.sh: a virtual environment with what requirements-cpu.txt names.
#
# Sourced, never run. It defines
#   prepare_python PADDLE MODULE...   PADDLE is a version, or '' for the one this machine has, else 3.3.1;
#                                     MODULE... are the modules that the caller cannot do without
# which sets PYTHON (what to call), HAVE_TORCH (yes or no) and PYTHONPATH, and stops with one clear line and exit code 2
# if it cannot. Where Python has a Paddle already (AI Studio), the environment is laid over it and leaves it unchanged.
# Written for bash 3.2, the one of macOS.

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
LOGS="$ROOT/work/outputs/setup"
DEFAULT_PADDLE=3.3.1
TORCH=$(sed -n '/^torch==/p' "$ROOT/requirements-cpu.txt")
WEIGHTS=$(sed -n 's/^# --no-deps //p' "$ROOT/requirements-cpu.txt")
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
ENVIRONMENT_GB=3  # measured: 1.8 GB installed, the rest for pip's own copies

say() { printf '%s\n' "$*"; }

die() {
    printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
    exit 2
}

need_disk() {  # GB PURPOSE
    local free
    free=$(df -Pk "$ROOT" | awk 'NR == 2 { print int($4 / 1000000) }')
    [ -z "$free" ] || [ "$free" -ge "$1" ] ||
        die "not enough disk: $2 needs about $1 GB, $ROOT has $free GB free"
}

imports() {  # MODULE... ; true if this Python imports them all
    local module
    for module in "$@"; do
        "$PYTHON" -c "import $module" >/dev/null 2>&1 || return 1
    done
}

# --- the interpreter -------------------------------------------------------------------------------------------

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

find_interpreter() {  # VERSION... that will do ; sets PYTHON
    local name version found=''
    for name in python3.11 python3 python python3.12 python3.13 python3.10; do
        version=$(version_of "$name") || continue
        case " $* " in
            *" $version "*)
                PYTHON=$name
                if "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then return; fi
                found="$found, $name is $version without the venv module (Debian, Ubuntu: apt-get install python$version-venv)"
                ;;
            *) found="$found, $name is $version" ;;
        esac
    done
    die "needs Python $1 to ${*: -1} with the venv module; found: ${found:+${found#, }}${found:-none}"
}

find_paddle() {  # sets PYTHON to a Python of this machine that imports Paddle, or fails
    for PYTHON in python3 python; do
        case $(version_of "$PYTHON") in 3.1[0-9]) if imports paddle; then return; fi ;; esac
    done
    return 1
}

# --- the environment -------------------------------------------------------------------------------------------

# $folder/.setup-state holds "unfinished" while pip works, then "FINGERPRINT with-torch" or "... without-torch".

run_pip() {  # LABEL ARGUMENT... ; the output goes to a log named by the label
    local label=$1
    shift
    # PIP_USER, which some hosts set for everyone, would install outside the environment.
    PIP_USER=0 "$PYTHON" -m pip --disable-pip-version-check --no-input install "$@" >"$LOGS/$label.log" 2>&1
}

pip_failure() {  # WHAT LABEL ; one line
    local log="$LOGS/$2.log" reason='no network, or no build for this machine?'
    if grep -qi 'no space left' "$log"; then reason='the disk is full'; fi
    if grep -qiE 'connection|name resolution|timed? ?out|unreachable|proxy' "$log"; then reason='no network?'; fi
    say "could not install $1: $reason ${log#"$ROOT"/} ends: $(tail -n 1 "$log")"
}

create_environment() {  # FOLDER PADDLE BORROWED
    local folder=$1 site versions=(3.10 3.11 3.12 3.13)
    if [ "$2" = 2.6.2 ]; then versions=(3.10 3.11 3.12); fi  # the newest that it has wheels for
    if [ -z "$3" ]; then find_interpreter "${versions[@]}"; fi
    need_disk "$ENVIRONMENT_GB" "a new environment"
    say "  making ${folder#"$ROOT"/} with $(command -v "$PYTHON") ($(version_of "$PYTHON"))"
    rm -rf "$folder"
    mkdir -p "$folder"
    say unfinished >"$folder/.setup-state"
    "$PYTHON" -m venv "$folder" ${3:+--system-site-packages} >"$LOGS/venv.log" 2>&1 ||
        die "$PYTHON could not make an environment: $(tail -n 1 "$LOGS/venv.log")"
    if [ -n "$3" ]; then  # that Python may be of an environment itself, whose packages a new one does not see
        site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        "$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/borrowed.pth"
    fi
}

install_base() {  # FOLDER PADDLE BORROWED MODULE... ; everything but torch
    local folder=$1 paddle=$2 borrowed=$3 edits=(-e '/^torch==/d') what="Paddle $2 and the small packages" numpy
    shift 3
    if [ -n "$borrowed" ]; then
        what='the small packages'
        # Its Paddle was built against its NumPy: no package may bring another one.
        numpy=$("$PYTHON" -c 'import numpy; print(f"numpy=={numpy.__version__}")' 2>/dev/null)
        edits+=(-e '/^paddlepaddle==/d' -e "s/^numpy.*/${numpy:-&}/")
    else
        edits+=(-e "s/^paddlepaddle==.*/paddlepaddle==$paddle/")
    fi
    # Paddle 2.6 was built against NumPy 1 and does not import beside NumPy 2.
    if [ "$paddle" = 2.6.2 ]; then edits+=(-e 's/^numpy.*/numpy>=1.23,<2/'); fi
    sed "${edits[@]}" "$ROOT/requirements-cpu.txt" >"$folder/requirements.txt"
    say "  installing $what (minutes, the first time)"
    if run_pip base -r "$folder/requirements.txt"; then return; fi
    if [ -z "$borrowed" ] || ! imports "$@"; then die "$(pip_failure "$what" base)"; fi
    say "  $(pip_failure "$what" base)"
    say "  going on with the packages that this machine has"
}

install_torch() {  # false if torch cannot be had
    local build=$TORCH
    # On Linux the plain name may bring gigabytes of CUDA: the CPU build has a name of its own.
    if [ "$(uname)" = Linux ]; then build="$TORCH+cpu"; fi
    say "  installing $build"
    # Asked for without PyTorch's index first: a pip that is set up for a machine without network has it at hand.
    if run_pip torch "$build"; then return; fi
    if run_pip torch --retries 1 --timeout 15 --extra-index-url "$TORCH_CPU_INDEX" "$build"; then return; fi
    say "  $(pip_failure "$build" torch)"
    return 1
}

lend_openmp() {  # FOLDER ; slim images lack libgomp.so.1, which Paddle needs and torch brings along
    local library
    for library in "$1"/lib/python3.*/site-packages/torch/lib/libgomp.so.1; do
        if [ -f "$library" ] && ! imports paddle; then mkdir -p "$1/openmp" && ln -sf "$library" "$1/openmp/"; fi
    done
    if [ -d "$1/openmp" ]; then export LD_LIBRARY_PATH="$1/openmp${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; fi
}

install_weights() {  # trained weights of others, which nothing but one option needs
    run_pip weights --no-deps "$WEIGHTS" || say "  $(pip_failure "$WEIGHTS" weights)"
}

check_imports() {  # MODULE... ; what pip calls installed may still not load
    local module message
    for module in "$@"; do
        message=$("$PYTHON" -c "import $module" 2>&1) && continue
        case $message in *libgomp*) message="$message (Debian, Ubuntu: apt-get install libgomp1)" ;; esac
        die "$module is installed but does not load: ${message##*$'\n'}"
    done
}

prepare_environment() {  # FOLDER FINGERPRINT PADDLE BORROWED MODULE...
    local folder=$1 want=$2 paddle=$3 borrowed=$4 state=''
    shift 4
    if [ -f "$folder/.setup-state" ]; then
        state=$(cat "$folder/.setup-state")
    elif [ -e "$folder" ]; then
        die "$folder exists and was not made by this script: move it away and run again"
    fi
    if [ "$state" = unfinished ]; then
        say "  an earlier set-up of ${folder#"$ROOT"/} did not finish: starting again"
        state=''
    fi
    if [ -z "$state" ] || ! "$folder/bin/python" -c pass >/dev/null 2>&1; then
        state=''
        create_environment "$folder" "$paddle" "$borrowed"
    fi
    PYTHON="$folder/bin/python" HAVE_TORCH=yes
    if [ "$state" = "$want with-torch" ]; then
        lend_openmp "$folder"
        return
    fi
    say unfinished >"$folder/.setup-state"
    if [ "$state" != "$want without-torch" ]; then
        install_base "$folder" "$paddle" "$borrowed" "$@"
        install_weights
    fi
    if [ -z "$borrowed" ] || ! imports torch; then install_torch || HAVE_TORCH=no; fi
    lend_openmp "$folder"
    check_imports paddle "$@"
    if [ "$HAVE_TORCH" = no ]; then
        say "$want without-torch" >"$folder/.setup-state"
        return
    fi
    check_imports torch
    say "$want with-torch" >"$folder/.setup-state"
}

# --- the one entry ---------------------------------------------------------------------------------------------

prepare_python() {  # PADDLE MODULE...
    local paddle=$1 started=$SECONDS borrowed='' folder="$ROOT/.venv" facts
    shift
    case $paddle in
        '' | 3.3.1 | 2.6.2) ;;
        *) die "--paddle $paddle is not one this project is tested with: 3.3.1 or 2.6.2" ;;
    esac
    cd -- "$ROOT" || die "cannot enter $ROOT"
    mkdir -p "$LOGS" || die "cannot write in $ROOT"
    trap 'say "$(basename -- "$0"): interrupted; run it again to go on" >&2; exit 130' INT TERM
    # Two set-ups at once would write into one environment; the second waits (where flock exists).
    exec 9>"$LOGS/lock"
    if command -v flock >/dev/null 2>&1 && ! flock -n 9; then
        say "Another set-up is at work here: waiting for it"
        flock 9
    fi
    say "Set-up"
    if [ -z "$paddle" ] && find_paddle; then
        say "Paddle is installed already: using $(command -v "$PYTHON") and leaving its packages as they are"
        borrowed=yes folder="$ROOT/.venv-paddle-here"
        facts=$("$PYTHON" -c 'import sys, paddle; print(sys.executable, sys.version, paddle.__version__)' 2>/dev/null)
    else
        facts=${paddle:=$DEFAULT_PADDLE}
        if [ "$paddle" != "$DEFAULT_PADDLE" ]; then folder="$ROOT/.venv-paddle$paddle"; fi
        PYTHONPATH=''
    fi
    export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"
    facts=$({ say "$facts"; cat "$ROOT/requirements-cpu.txt"; } | cksum | tr ' ' '-')
    prepare_environment "$folder" "$facts" "$paddle" "$borrowed" "$@"
    exec 9>&-
    "$PYTHON" -c 'import sys
from importlib.metadata import PackageNotFoundError, version
print("  Python %d.%d.%d" % sys.version_info[:3], end="")
for name in ("paddlepaddle", "paddlepaddle-gpu", "torch", "numpy"):
    try:
        print(",", name, version(name), end="")
    except PackageNotFoundError:
        pass
print()'
    say "  ready in $((SECONDS - started)) s"
}
