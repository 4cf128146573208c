#!/usr/bin/env bash
# Every stage of the bank that comes with the program, run in the project's folder. Started again, it goes on.
#   STYLEBANK_LOSS_WEIGHTS=vgg19.safetensors configs/shipped.sh CONTENT STYLES OUT [options of train.py]
set -euo pipefail
if (($# < 3)); then
    echo "usage: configs/shipped.sh CONTENT STYLES OUT [options of train.py]" >&2
    exit 2
fi
content=$1 styles=$2 out=$3
shift 3

# Four styles that differ much teach the auto-encoder what all of them need.
first=()
for name in starry_night great_wave mondrian_composition_vii the_scream; do first+=("$styles/$name.jpg"); done
python train.py --config configs/cpu.yaml --content "$content" --styles "${first[@]}" --out "$out/four" \
    --resume auto --set data.held_out=20 "$@"

# Then all styles together, from there.
python train.py --config configs/shipped.yaml --content "$content" --styles "$styles" --out "$out/all" \
    --start-from "$out/four" --resume auto "$@"

[[ -e $out/stylebank-14 ]] || stylebank bank pack "$out/all" --out "$out/stylebank-14" --licence MIT
stylebank bank verify "$out/stylebank-14" --content "$content" --styles "$styles"
