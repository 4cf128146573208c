#!/usr/bin/env bash
# All stages of the bank that comes with the program, run in the project's folder. Started again, it goes on.
#   configs/shipped.sh CONTENT STYLES OUT [options of train.py]
# PROCESSES says how many share each batch: 2 for two processor cores, 1 for a GPU.
set -euo pipefail
if (($# < 3)); then
    echo "usage: configs/shipped.sh CONTENT STYLES OUT [options of train.py]" >&2
    exit 2
fi
content=$1 styles=$2 out=$3
shift 3

train() {
    torchrun --standalone --nproc-per-node "${PROCESSES:-2}" train.py --content "$content" --styles "$styles" \
        --resume auto "$@"
}

# All styles together, from nothing, on small crops: most of what there is to learn.
train --config configs/shipped.yaml --out "$out/small" "$@"

# Then on large ones, at a lower rate.
train --config configs/shipped_large.yaml --start-from "$out/small" --out "$out/large" "$@"

# Then with noise beside the features and cards among the photographs, for strokes in plain areas.
train --config configs/shipped_noise.yaml --start-from "$out/large" --out "$out/noise" "$@"

# Then with made-up next frames, for films that are steady frame by frame.
train --config configs/shipped_steady.yaml --start-from "$out/noise" --out "$out/steady" "$@"

# Then with a trunk in place of two residual blocks, on batches that are for a GPU: six minutes of one, about a day of two cores.
train --config configs/shipped_trunk.yaml --start-from "$out/steady" --out "$out/trunk" "$@"

# Then the woodcut by itself, with more of the style and less of the term for films, which had taken strokes from its black and white.
[[ -e $out/woodcut ]] || python train.py --bank "$out/trunk" --add-style "$styles/rotterdam_woodcut.jpg" --start own \
    --content "$content" --out "$out/woodcut" --resume auto --set train.steps=900 'loss.strengths={rotterdam_woodcut: 4.2}' \
    loss.temporal_weight=120 data.held_out=20 "$@"

[[ -e $out/stylebank-14 ]] || stylebank bank pack "$out/woodcut" --out "$out/stylebank-14" --licence MIT --titles checkpoints/titles.yaml
stylebank bank verify "$out/stylebank-14" --content "$content" --styles "$styles"
