"""Films and optimisation tried."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import torch

from stylebank.doctor.finding import Off
from stylebank.doctor.trial import STYLES, Trial, painting, picture
from stylebank.films.methods import StabilizeMethod
from stylebank.films.stylize import FilmStylizer
from stylebank.images import save_picture
from stylebank.optimize.paintings import Painting
from stylebank.optimize.picture import optimize_image
from stylebank.optimize.presets import find_preset
from stylebank.video import open_reader, open_writer

FRAMES, RATE = 12, 12
ITERATIONS = 8


def film(trial: Trial) -> str:
    """A film written, stylized with less flicker, written again and read."""
    folder = trial.folder / "frames"
    scene = picture(30, 220, 140)
    for number in range(FRAMES):
        save_picture(scene.crop((2 * number, number, 2 * number + 160, number + 112)), folder / f"{number:03}.png")
    plain = trial.folder / "plain.mp4"
    frames = open_reader(folder, fps=RATE)
    with open_writer(plain, frames) as writer:
        for frame in frames:
            writer.write(frame)
    methods: list[StabilizeMethod] = ["blend", "flow"] if importlib.util.find_spec("cv2") else ["blend"]
    for method in methods:
        out, reader = trial.folder / f"{method}.mp4", open_reader(plain)
        stylist = FilmStylizer(trial.stylizer, trial.stylizer.recipe(STYLES[0]), stabilize=method)
        with open_writer(out, reader) as writer:
            stylist.run(reader, writer)
        count = sum(1 for _ in open_reader(out))
        if count != FRAMES:
            raise Off(f"{count} frames of {FRAMES} came out with --stabilize {method}")
    return f"{FRAMES} frames in and out, --stabilize {' and '.join(methods)}"


def optimisation(trial: Trial) -> str:
    """One picture optimised, a second painting by a mask much larger than the picture; the loss must fall."""
    mask = torch.zeros(3000, 4000)
    mask[:1500] = 1
    preset = replace(
        find_preset("neural-style"),
        content_layers={"relu2_2": 1.0},
        style_layers={"relu1_1": 1.0, "relu2_1": 1.0},
        iterations=ITERATIONS,
    )
    paintings = [Painting(painting(STYLES[0])), Painting(painting(STYLES[1]), masks=[mask])]
    result = optimize_image(picture(31), paintings, preset, scales=1, weights=trial.weights, device=str(trial.device))
    if result.ended == "stopped":
        raise KeyboardInterrupt
    start, end = result.history[0].loss, result.history[-1].loss
    text = f"{result.iterations} iterations, loss from {start:.3g} to {end:.3g}"
    if not end < start:
        raise Off(f"{text}: it should have fallen")
    return text
