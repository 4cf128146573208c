"""An example of every command, shown at the end of its help."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "": ("stylebank stylize --style the_scream --input photo.jpg --output scream.png", "stylebank stylize --help"),
    "train": (
        "stylebank train --config configs/cpu.yaml --content photos --styles paintings --out runs/mine",
        "stylebank train --bank runs/mine --add-style painting.jpg --content photos --out banks/more",
    ),
    "stylize": (
        "stylebank stylize --style the_scream --input photo.jpg --output scream.png",
        "stylebank stylize --style starry_night:0.7 great_wave:0.3 --input photos --output mixed",
        "stylebank stylize --style great_wave --stabilize --input film.mp4 --output waves.mp4",
    ),
    "optimize": (
        "stylebank optimize --preset neural-style --size 256 --content photo.jpg --style painting.jpg --output out.png",
    ),
    "evaluate": (
        "stylebank evaluate --bank runs/mine --content photos --styles paintings --no-optimization --out report",
    ),
    "bank": ("stylebank bank show runs/mine",),
    "bank show": ("stylebank bank show runs/mine",),
    "bank extract": ("stylebank bank extract runs/mine the_scream --out scream",),
    "bank merge": ("stylebank bank merge runs/mine scream/the_scream.safetensors --out banks/both",),
    "bank remove": ("stylebank bank remove runs/mine the_scream --out banks/fewer",),
    "bank predict": ("stylebank bank predict runs/predictor --style-image paintings --out banks/instant",),
    "bank pack": ("stylebank bank pack runs/mine --out banks/small --licence CC0-1.0",),
    "bank verify": ("stylebank bank verify runs/mine --content photos --styles paintings",),
    "serve": ("stylebank serve --open", "stylebank serve --bank stylebank-14 runs/mine --content photos --port 8080"),
    "export": (
        "stylebank export --out exported",
        "stylebank export runs/mine --out phone --precision float16 --size 512 --styles the_scream",
        "stylebank export runs/mine --out small --precision int8 --calibrate photos --paintings paintings",
        "stylebank export runs/mine --out openvino --format openvino",
        "stylebank export runs/mine --verify phone",
        "stylebank export --format web --out page --runtime node_modules/onnxruntime-web/dist",
    ),
    "styles": ("stylebank styles", "stylebank styles --bank runs/mine"),
    "demo": ("stylebank demo --out outputs/demo",),
    "study": (
        "stylebank study --config configs/study.yaml --vary loss.style_weight=5,30 --content photos "
        "--styles paintings --out studies/weight",
    ),
    "doctor": ("stylebank doctor", "stylebank doctor --run --device cuda"),
    "completion": ("stylebank completion bash > ~/.local/share/bash-completion/completions/stylebank",),
}
"""Command, as it is written -> command lines."""

HEADING = "examples:"


def epilog(prog: str) -> str | None:
    """The examples of a parser whose program is called `prog`; None where there are none."""
    command = {"train.py": "stylebank train", "infer.py": "stylebank stylize"}.get(prog, prog)
    lines = EXAMPLES.get(command.removeprefix("stylebank").strip())
    if lines is None:
        return None
    if command != prog:
        lines = tuple(line.replace(command, f"python {prog}", 1) for line in lines if line.startswith(command))
    return "\n".join((HEADING, *(f"  {line}" for line in lines)))
