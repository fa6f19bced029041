#!/usr/bin/env bash
# A first picture, parity and a short training, in one command:  bash tools/demo.sh [--full]
#
# Makes an environment on the first run. Then it translates drawn faces with the model that ships; writes a PyTorch
# checkpoint in the public format, converts it to Paddle, compares all six networks forward and backward, and converts
# back bit for bit (without torch it compares with the recording that ships). Meanwhile it trains on drawn faces, three
# minutes of a core, is killed on purpose, goes on from its last checkpoint, and then measures what came out beside the
# model that ships. All of it is on one page: work/outputs/demo/index.html.
# --full leaves out the parity and trains work/configs/faces.yaml, with which that model was made, for 15 minutes.
# Exit code: 0 done, 1 diverged, 2 cannot be run (the line above says why).
set -u
. "$(dirname -- "${BASH_SOURCE[0]}")/setup_env.sh"

full=''
case ${1-} in
    '') ;;
    --full) full=yes ;;
    --help | -h)
        sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    *) die "takes only --full, got: $*" ;;
esac

OUT=work/outputs/parity
DEMO=work/outputs/demo
SHORT=720  # iterations: about three minutes of a core
SETTINGS=(--config work/configs/demo.yaml "iteration=$SHORT")
MEANWHILE=3  # steps of short_training
KILLED=100  # the iteration of the checkpoint after which the training is killed
MINUTES=15  # of training with --full
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

first_picture() {
    make "translate drawn faces with the model that ships" tools/translate.py --demo --out "$DEMO/first"
    sections=(--picture "$DEMO/first/picture.png")
    page
    say "      the first picture: $ROOT/$DEMO/first/picture.png"
}

page() { "$PYTHON" tools/demo_page.py --out "$DEMO/index.html" "${sections[@]}" >/dev/null || die "the page cannot be drawn"; }

killed_training() {  # CHECKPOINT ARGUMENT... of train.py ; kills it as soon as that checkpoint is there
    local started=$SECONDS checkpoint=$1 pid
    shift
    step=$((step + 1))
    say "[$step/$steps] train from nothing, and kill it without warning after iteration $KILLED"
    "$PYTHON" tools/train.py "$@" &
    pid=$!
    while [ ! -d "$checkpoint" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.5; done
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    [ -d "$checkpoint" ] || die "step $step failed, and the next ones need it"
    say "      killed after $((SECONDS - started)) s"
}

short_training() {  # beside parity, which takes longer
    step=$((1 + parity_steps))
    make "draw a data set of faces" tools/make_dataset.py --out "$FACES" --train 1000 --test 50 --size 64 --seed 0
    killed_training "$RUN/checkpoints/$(printf %07d "$KILLED")" "${PLACE[@]}" "${SETTINGS[@]}"
    make "go on from the last checkpoint" tools/train.py "${PLACE[@]}" "${SETTINGS[@]}" --resume
}

ended_training() {  # shows the log of the short training, until it ends
    tail -n +1 -f "$DEMO/training.log" &
    local follower=$! failed=''
    wait "$beside" || failed=yes
    beside=''
    sleep 1  # in which the rest of the log is shown
    { kill "$follower" && wait "$follower"; } 2>/dev/null
    if [ -n "$failed" ]; then die "$(tail -n 1 "$DEMO/training.log" | sed 's/^[a-z_.]*: //')"; fi
    step=$((step + MEANWHILE))
}

stop_training() {  # with all that it has started
    if [ -n "$beside" ]; then kill -- "-$beside" 2>/dev/null; fi
}

measured() {  # NAME WEIGHTS FOLDER ; translates the test faces and measures them
    make "translate the test faces: $1" tools/translate.py --weights "$2" --input "$3/testA" --out "$DEMO/$1" \
        --compare "$3/testB"
    make "measure them" tools/eval_kid.py --fake "$DEMO/$1" --real "$3/testB" --source "$3/testA" \
        --features faces --permutations 0 --json "$DEMO/$1.json" --html "$DEMO/$1.html"
    sections+=("$1=$DEMO/$1.json")
}

training() {
    local shipped=$FACES
    if [ -n "$full" ]; then
        make "draw a data set of faces" tools/make_dataset.py --out "$FACES" --train 3000 --test 50 --size 96 --seed 0
        make "train the configuration of the model that ships, for $MINUTES minutes" tools/train.py "${PLACE[@]}" \
            --config work/configs/faces.yaml --minutes "$MINUTES" eval_every=250 print_freq=250 save_freq=250
    else
        ended_training
    fi
    sections+=(--run "$RUN" --beside docs/faces_losses.csv --measures)
    measured "this-training" "$RUN/checkpoints/latest/ema.pdparams" "$FACES"
    if [ -z "$full" ]; then
        shipped=$DEMO/larger
        make "draw the same test faces of 96 px, which the model that ships was trained on" tools/make_dataset.py \
            --out "$shipped" --train 1 --test 50 --size 96 --seed 0
    fi
    measured "model-that-ships" faces "$shipped"
    page
}

beside=''  # the process group of the short training, while it runs
trap stop_training EXIT
prepare_python '' numpy safetensors tqdm PIL yaml scipy cv2 jinja2
FACES=$DEMO/faces RUN=$DEMO/run
PLACE=(--data "$FACES" --out "$RUN")  # of the training
mkdir -p "$OUT" "$DEMO"
# Results of an earlier run must not stand in for this one's.
rm -f "$OUT/forward.json" "$OUT/backward.json" "$OUT/index.html" "$OUT/roundtrip_params_0000000.pt"
rm -rf "$DEMO"/first "$DEMO"/this-training* "$DEMO"/model-that-ships* "$DEMO"/index.html
sections=()
parity_steps=0
if [ -z "$full" ]; then
    parity_steps=3
    if [ "$HAVE_TORCH" = yes ]; then parity_steps=7; fi
fi
training_steps=8
if [ -n "$full" ]; then training_steps=6; fi
steps=$((1 + parity_steps + training_steps))
first_picture
rm -rf "$RUN"
if [ -z "$full" ]; then
    set -m  # in a process group of its own, so that all of it can be stopped
    short_training > "$DEMO/training.log" 2>&1 &
    beside=$!
    set +m
    say "      a short training runs meanwhile: $DEMO/training.log"
    parity
    sections+=(--parity "$OUT/forward.json" "$OUT/backward.json")
    page
fi
training

say ""
say "Everything took $SECONDS s. Look at"
say "  $ROOT/$DEMO/index.html       all of it on one page"
if [ -z "$full" ]; then say "  $ROOT/$OUT/index.html     the error of every layer"; fi
say "  $ROOT/$DEMO/this-training.html and model-that-ships.html, how near the cartoons are to true ones"
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
