# shellcheck shell=bash
# The common part of tools/demo.sh and tools/test.sh: a Python that has Paddle, torch and the small packages.
#
# Sourced, never run. It defines
#   prepare_python PADDLE MODULE...   PADDLE is a version, or '' for "what this machine has, else 3.3.1";
#                                     MODULE... are the modules the caller imports besides Paddle and torch
# which sets PYTHON (what to call), HAVE_TORCH (yes or no) and PYTHONPATH, and stops with one clear line and
# exit code 2 where it cannot. Written for bash 3.2, the one macOS ships.

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
LOGS="$ROOT/work/outputs/setup"
DEFAULT_PADDLE=3.3.1
TORCH_REQUIREMENT=$(sed -n '/^torch==/p' "$ROOT/requirements-cpu.txt")
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
ENVIRONMENT_GB=3        # measured: 1.7 GB installed, the rest for pip's own copies
GENERAL_TORCH_GB=8      # torch with its CUDA libraries, where no CPU-only build is on offer

say() { printf '%s\n' "$*"; }

die() {
    printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
    exit 2
}

free_gb() { df -Pk "$ROOT" | awk 'NR == 2 { print int($4 / 1000000) }'; }

need_disk() {  # GB PURPOSE
    local free
    free=$(free_gb)
    [ -z "$free" ] || [ "$free" -ge "$1" ] ||
        die "not enough disk: $2 needs about $1 GB, $ROOT has $free GB free"
}

# --- pip -------------------------------------------------------------------------------------------------

run_pip() {  # LABEL ARGUMENT... ; the output goes to a log named by the label
    local label=$1
    shift
    # PIP_USER would break both a venv and --target; some hosts set it for everyone.
    PIP_USER=0 "$PYTHON" -m pip --disable-pip-version-check --no-input install "$@" >"$LOGS/$label.log" 2>&1
}

pip_reason() {  # LABEL ; what the log suggests
    local log="$LOGS/$1.log"
    if grep -qi 'no space left' "$log"; then
        say "the disk is full"
    elif grep -qiE 'connection|name resolution|name or service|timed? ?out|unreachable|proxy|sslerror|max retries' "$log"; then
        say "no network?"
    else
        say "no network, or no build for this machine?"
    fi
}

pip_failure() {  # WHAT LABEL ; one line, then the end of the log
    say "could not install $1: $(pip_reason "$2") Last lines of ${LOGS#"$ROOT"/}/$2.log:"
    tail -n 5 "$LOGS/$2.log" | sed 's/^/    /'
}

cpu_index_answers() {
    "$PYTHON" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)' \
        "$TORCH_CPU_INDEX/torch/" >/dev/null 2>&1
}

install_torch() {  # ARGUMENT... for pip ; false when torch cannot be had
    local index=() started=$SECONDS
    # Asked first, because pip retries an index that does not answer for every package, 8 s to minutes each.
    if cpu_index_answers; then index=(--extra-index-url "$TORCH_CPU_INDEX"); fi
    say "  installing $TORCH_REQUIREMENT, the CPU build"
    # The plain name would bring gigabytes of CUDA on Linux, so the CPU build is asked for by its own name first.
    if ! run_pip torch ${index[@]+"${index[@]}"} "$TORCH_REQUIREMENT+cpu" "$@"; then
        if [ "$(uname)" = Linux ] && [ "$(free_gb)" -lt "$GENERAL_TORCH_GB" ]; then
            say "  no CPU build of torch was found, and the general one needs $GENERAL_TORCH_GB GB of disk"
            return 1
        fi
        say "  no CPU build was found; trying the general build (on Linux it may bring several GB)"
        if ! run_pip torch ${index[@]+"${index[@]}"} "$TORCH_REQUIREMENT" "$@"; then
            pip_failure "$TORCH_REQUIREMENT" torch | sed 's/^/  /'
            return 1
        fi
    fi
    say "  torch installed in $((SECONDS - started)) s"
}

# --- finding an interpreter --------------------------------------------------------------------------------

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

version_fits() {  # 3.N NEWEST ; torch 2.13 needs 3.10, Paddle's wheels end at NEWEST
    case $1 in 3.[0-9] | 3.[0-9][0-9]) [ "${1#3.}" -ge 10 ] && [ "${1#3.}" -le "${2#3.}" ] ;; *) false ;; esac
}

find_interpreter() {  # NEWEST ; sets PYTHON
    local name version found=''
    for name in python3.11 python3 python python3.12 python3.13 python3.10; do
        if ! version=$(version_of "$name"); then continue; fi
        if ! version_fits "$version" "$1"; then
            found="$found, $name is $version"
        elif ! "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            found="$found, $name is $version without the venv module (Debian, Ubuntu: apt-get install python$version-venv)"
        else
            PYTHON=$name
            return
        fi
    done
    die "needs Python 3.10 to $1 with the venv module; found: ${found:+${found#, }}${found:-none}"
}

# --- a Python that already has Paddle (AI Studio) ------------------------------------------------------------

find_borrowed() {  # sets PYTHON to a Python of this machine that imports Paddle, or fails
    local name version
    for name in python3 python; do
        if ! "$name" -c 'import paddle' >/dev/null 2>&1; then continue; fi
        version=$(version_of "$name")
        if version_fits "$version" 3.99; then
            PYTHON=$name
            return 0
        fi
        say "$name has Paddle, but is Python $version and 3.10 is needed: looking for another Python"
    done
    return 1
}

imports() {  # MODULE... ; true when this Python imports them all
    local module
    for module in "$@"; do
        "$PYTHON" -c "import $module" >/dev/null 2>&1 || return 1
    done
}

install_aside() {  # FOLDER COMMAND... ; the command gets --target; the folder appears whole or not at all
    local folder=$1
    shift
    rm -rf "$folder.partial"
    "$@" --target "$folder.partial" || return 1
    rm -rf "$folder"
    mv "$folder.partial" "$folder"
}

prepare_borrowed() {  # MODULE...
    local packages="$ROOT/.packages" reference="$ROOT/.torch-reference" module missing=()
    say "Paddle is installed already: using $(command -v "$PYTHON") and leaving its packages as they are"
    PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"
    export PYTHONPATH
    # pip writes into folders of this project, never into the machine's own site-packages.
    if ! PYTHONPATH="$packages:$PYTHONPATH" imports "$@"; then
        for module in "$@"; do
            imports "$module" || missing+=("$(requirement_of "$module")")
        done
        say "  installing ${missing[*]} into .packages"
        install_aside "$packages" run_pip packages "${missing[@]}" || go_on_without "${missing[@]}"
    fi
    if [ -d "$packages" ]; then PYTHONPATH="$packages:$PYTHONPATH"; fi
    HAVE_TORCH=yes
    if imports torch; then return; fi
    PYTHONPATH="$reference:$PYTHONPATH"
    if imports torch; then return; fi
    if ! install_aside "$reference" install_torch || ! imports torch; then
        HAVE_TORCH=no
        say "  torch is absent and could not be had: going on without it"
    fi
}

go_on_without() {  # REQUIREMENT... that could not be installed ; only progress bars can be done without
    case $* in
        tqdm*' '* | [!t]*) die "$(pip_failure "$*" packages)" ;;
        *) say "  could not install $*: $(pip_reason packages) Going on without progress bars" ;;
    esac
}

requirement_of() {  # MODULE ; its line in requirements-cpu.txt
    local name=$1
    case $name in
        PIL) name=pillow ;;
        yaml) name=pyyaml ;;
    esac
    sed -n "/^${name}[^a-z]/p" "$ROOT/requirements-cpu.txt"
}

# --- an environment of our own -------------------------------------------------------------------------------

# $folder/.setup-state holds "unfinished" while pip works, then "FINGERPRINT with-torch" or "... without-torch".

fingerprint() {  # PADDLE
    { say "$1"; cat "$ROOT/requirements-cpu.txt"; } | cksum | tr ' ' '-'
}

environment_answers() {  # FOLDER PADDLE ; cheap: reads what is installed, imports nothing big
    "$1/bin/python" -c 'import sys; from importlib.metadata import version
sys.exit(version("paddlepaddle") != sys.argv[1])' "$2" >/dev/null 2>&1
}

create_environment() {  # FOLDER PADDLE
    local folder=$1 newest=3.13
    if [ "$2" = 2.6.2 ]; then newest=3.12; fi
    find_interpreter "$newest"
    need_disk "$ENVIRONMENT_GB" "a new environment"
    say "  making ${folder#"$ROOT"/} with $(command -v "$PYTHON") ($(version_of "$PYTHON"))"
    rm -rf "$folder"
    mkdir -p "$folder"
    say unfinished >"$folder/.setup-state"
    "$PYTHON" -m venv "$folder" >"$LOGS/venv.log" 2>&1 ||
        die "$PYTHON could not make an environment: $(tail -n 1 "$LOGS/venv.log")"
}

install_base() {  # FOLDER PADDLE ; everything but torch
    local folder=$1 started=$SECONDS edits=(-e '/^torch==/d' -e "s/^paddlepaddle==.*/paddlepaddle==$2/")
    # Paddle 2.6 was built against NumPy 1 and does not import beside NumPy 2.
    if [ "$2" = 2.6.2 ]; then edits+=(-e 's/^numpy.*/numpy>=1.23,<2/'); fi
    sed "${edits[@]}" "$ROOT/requirements-cpu.txt" >"$folder/requirements.txt"
    say "  installing Paddle $2 and the small packages (minutes, the first time)"
    run_pip paddle -r "$folder/requirements.txt" || die "$(pip_failure "Paddle $2" paddle)"
    say "  installed in $((SECONDS - started)) s"
}

lend_openmp() {  # FOLDER ; slim images lack libgomp.so.1, which Paddle needs and torch brings along
    local library
    if imports paddle; then return; fi
    for library in "$1"/lib/python3.*/site-packages/torch/lib/libgomp.so.1; do
        if [ ! -f "$library" ]; then continue; fi
        mkdir -p "$1/openmp"
        ln -sf "$library" "$1/openmp/"
    done
    use_openmp "$1"
}

use_openmp() {  # FOLDER
    if [ -d "$1/openmp" ]; then export LD_LIBRARY_PATH="$1/openmp${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; fi
}

check_imports() {  # MODULE... ; what pip calls installed may still not load
    local module message
    for module in "$@"; do
        message=$("$PYTHON" -c "import $module" 2>&1) && continue
        case $message in
            *libgomp*) message="$message (Debian, Ubuntu: apt-get install libgomp1)" ;;
        esac
        die "$module is installed but does not load: ${message##*$'\n'}"
    done
}

prepare_own() {  # PADDLE MODULE...
    local paddle=$1 folder="$ROOT/.venv" state='' want
    shift
    if [ "$paddle" != "$DEFAULT_PADDLE" ]; then folder="$ROOT/.venv-paddle$paddle"; fi
    want=$(fingerprint "$paddle")
    if [ -f "$folder/.setup-state" ]; then
        state=$(cat "$folder/.setup-state")
    elif [ -e "$folder" ]; then
        die "$folder exists and was not made by this script: move it away and run again"
    fi
    export PYTHONPATH="$ROOT"
    if [ "$state" = "$want with-torch" ] && environment_answers "$folder" "$paddle"; then
        PYTHON="$folder/bin/python" HAVE_TORCH=yes
        use_openmp "$folder"
        return
    fi
    case $state in
        '') ;;
        unfinished) say "  an earlier set-up of ${folder#"$ROOT"/} did not finish: starting it anew" ;;
        *) environment_answers "$folder" "$paddle" || { say "  ${folder#"$ROOT"/} is broken: making it anew"; state=''; } ;;
    esac
    case $state in '' | unfinished) create_environment "$folder" "$paddle" ;; esac
    PYTHON="$folder/bin/python"
    say unfinished >"$folder/.setup-state"
    if [ "$state" != "$want without-torch" ]; then install_base "$folder" "$paddle"; fi
    HAVE_TORCH=no
    if install_torch; then HAVE_TORCH=yes; fi
    lend_openmp "$folder"
    check_imports paddle "$@"
    if [ "$HAVE_TORCH" = yes ]; then
        check_imports torch
        say "$want with-torch" >"$folder/.setup-state"
    else
        say "$want without-torch" >"$folder/.setup-state"
    fi
}

# --- the one entry ---------------------------------------------------------------------------------------------

prepare_python() {  # PADDLE MODULE...
    local paddle=$1 started=$SECONDS
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
    if [ -z "$paddle" ] && find_borrowed; then
        prepare_borrowed "$@"
    else
        prepare_own "${paddle:-$DEFAULT_PADDLE}" "$@"
    fi
    exec 9>&-
    "$PYTHON" -c 'import sys; from importlib.metadata import distributions
have = {d.metadata["Name"].lower(): d.version for d in distributions() if d.metadata["Name"]}
names = ("paddlepaddle", "paddlepaddle-gpu", "torch", "numpy")
print("  Python %d.%d.%d" % sys.version_info[:3], *(f"{n} {have[n]}" for n in names if n in have), sep=", ")'
    say "  ready in $((SECONDS - started)) s"
}
