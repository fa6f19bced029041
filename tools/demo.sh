#!/usr/bin/env bash
# Parity and a short training from nothing, in one command:  bash tools/demo.sh [--full]
#
# Makes an environment on the first run, writes a PyTorch checkpoint in the public format, converts it to
# Paddle, compares all six networks forward and backward, converts back bit for bit, and writes
# work/outputs/parity/index.html. Without torch it compares with the recording that ships with the project.
# Then it draws a data set of faces, trains on it for about three minutes (two cores), translates the test
# images and measures them: work/outputs/demo/.
# --full skips the parity and trains work/configs/demo.yaml to its end, which takes a quarter of an hour.
# Exit code: 0 done, 1 diverged, 2 cannot be run (the line above says why).
set -u
. "$(dirname -- "${BASH_SOURCE[0]}")/setup_env.sh"

full=''
case ${1-} in
    '') ;;
    --full) full=yes ;;
    --help | -h)
        sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    *) die "takes only --full, got: $*" ;;
esac

OUT=work/outputs/parity
DEMO=work/outputs/demo
SHORT=400  # iterations: about three minutes on two cores
CHECKPOINT_GB=3  # the checkpoint of six networks, converted, and converted back
step=0
diverged=''

run() {  # TITLE COMMAND... ; announces and times it, returns its exit code; any but 0 and 1 ends the demo
    local title=$1 started=$SECONDS code=0
    shift
    step=$((step + 1))
    say "[$step/$steps] $title"
    "$PYTHON" "$@" || code=$?
    say "      took $((SECONDS - started)) s"
    case $code in
        0 | 1) return "$code" ;;
        137) die "step $step ($title) was killed: not enough memory?" ;;
        *) die "NOT COMPARABLE: step $step ($title) ended with exit code $code" ;;
    esac
}

make() { run "$@" || die "step $step ($1) failed, and the next ones need it"; }
check() { run "$@" || diverged="$diverged, step $step ($1)"; }

with_torch() {
    local name=$OUT/demo_params_0000000
    need_disk "$CHECKPOINT_GB" "the demo's checkpoints"
    make "write a PyTorch checkpoint in the public format (random weights, light, 256 px)" \
        align/make_checkpoint.py --out "$name.pt" --light --img-size 256 --ngf 64 --seed 0
    make "convert it to Paddle" tools/convert_weights.py "$name.pt" "$name.pdparams"
    check "compare the forward pass, layer by layer" \
        align/check_forward.py --weights "$name.pdparams" --layers failed --json "$OUT/forward.json"
    check "compare the backward pass, layer by layer" \
        align/check_backward.py --weights "$name.pdparams" --layers failed --json "$OUT/backward.json"
    make "convert back to PyTorch" tools/convert_weights.py "$name.pdparams" "$OUT/roundtrip_params_0000000.pt"
    check "compare the round trip bit for bit" \
        align/check_round_trip.py "$name.pt" "$OUT/roundtrip_params_0000000.pt"
}

with_recording() {
    local recording=align/recordings/small.safetensors
    say "torch is absent: comparing with the shipped recording $recording (small networks) instead of live PyTorch;"
    say "the conversion of a full-size checkpoint and its round trip need torch and are skipped"
    check "compare the forward pass with the recording" \
        align/check_forward.py --reference "$recording" --layers failed --json "$OUT/forward.json"
    check "compare the backward pass with the recording" \
        align/check_backward.py --reference "$recording" --layers failed --json "$OUT/backward.json"
}

parity() {
    if [ "$HAVE_TORCH" = yes ]; then with_torch; else with_recording; fi
    make "draw the page" align/page.py "$OUT/forward.json" "$OUT/backward.json" --html "$OUT/index.html"
}

training() {  # OPTION... of the configuration
    local faces=$DEMO/faces run=$DEMO/run
    rm -rf "$run" "$DEMO/translated"
    make "draw a data set of faces" tools/make_dataset.py --out "$faces" --train 1000 --test 50 --size 64 --seed 0
    make "train the light model, small" tools/train.py --config work/configs/demo.yaml --data "$faces" --out "$run" "$@"
    make "translate the test images" tools/translate.py --weights "$run/checkpoints/latest/weights.pdparams" \
        --input "$faces/testA" --out "$DEMO/translated" --compare "$faces/testB"
    make "measure them" tools/eval_kid.py --fake "$DEMO/translated" --real "$faces/testB" --source "$faces/testA" \
        --features random --json "$DEMO/kid.json" --html "$DEMO/kid.html"
}

prepare_python '' numpy safetensors tqdm PIL yaml scipy cv2 jinja2
mkdir -p "$OUT" "$DEMO"
# Reports of an earlier run must not stand in for this one's.
rm -f "$OUT/forward.json" "$OUT/backward.json" "$OUT/index.html" "$OUT/roundtrip_params_0000000.pt"
rm -f "$DEMO/kid.json" "$DEMO/kid.html"
if [ -n "$full" ]; then
    steps=4
    training
else
    parity_steps=3
    if [ "$HAVE_TORCH" = yes ]; then parity_steps=7; fi
    steps=$((parity_steps + 4))
    parity
    training "iteration=$SHORT"
fi

say ""
say "Everything took $SECONDS s. Look at"
if [ -z "$full" ]; then say "  $ROOT/$OUT/index.html       the error of every layer"; fi
say "  $ROOT/$DEMO/run/samples     what the training made of the test images, step by step"
say "  $ROOT/$DEMO/kid.html        how near the translated faces are to cartoons"
if [ -n "$diverged" ]; then
    say "DIVERGED: ${diverged#, }"
    exit 1
fi
if [ -n "$full" ]; then exit 0; fi
if [ "$HAVE_TORCH" = yes ]; then
    say "ALIGNED: forward, backward, and a bit-exact round trip"
else
    say "ALIGNED with the shipped recording (torch was absent)"
fi
