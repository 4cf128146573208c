"""Draws the four sample styles in data/samples/styles: procedural paintings of our own, always the same.

Everything is drawn at twice its size, lit where paint or stone has relief, and then reduced. Shapes: a
*field* is (S, S) float, a *canvas* (S, S, 3) float in [0, 1]; S = 1024.

    python data/samples/draw.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
Random = np.random.Generator

SIDE = 512
S = 2 * SIDE
Y, X = np.mgrid[0:S, 0:S] / S


def smooth_noise(rng: Random, roughness: float, cutoff: float = 0.5) -> Array:
    """A periodic random field with a power-law spectrum, scaled to [0, 1]; more roughness is calmer."""
    frequency = np.hypot(np.fft.fftfreq(S)[:, None], np.fft.rfftfreq(S)[None, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((S, S))) * frequency**-roughness * (frequency < cutoff)
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(S, S))
    return np.asarray((field - field.min()) / np.ptp(field))


def ramp(position: Array, colors: str) -> Array:
    """Colours along a space-separated palette of hex triplets; position in [0, 1], result (..., 3)."""
    stops = np.array([[int(c[i : i + 2], 16) / 255 for i in (0, 2, 4)] for c in colors.split()])
    at = np.linspace(0.0, 1.0, len(stops))
    return np.stack([np.interp(position, at, stops[:, k]) for k in range(3)], axis=-1)


def slope(field: Array) -> tuple[Array, Array]:
    """The change of a field per pixel, downwards and rightwards."""
    return np.asarray(np.gradient(field, axis=0)), np.asarray(np.gradient(field, axis=1))


def relief(canvas: Array, height: Array, strength: float) -> Array:
    """Light a canvas from the upper left by the slope of its height field."""
    down, right = slope(height)
    light = np.clip((down + right) * strength, -0.45, 0.45)[..., None]
    lit: Array = canvas * (1 + np.minimum(light, 0)) + (1 - canvas) * np.maximum(light, 0)
    return lit.clip(0, 1)


def rgb(color: Array) -> tuple[int, int, int]:
    """A drawing colour from three floats, clipped."""
    r, g, b = (np.clip(color, 0, 1) * 255).astype(int).tolist()
    return r, g, b


class Paint:
    """A wet canvas: colour and thickness of paint, drawn together so that light can catch the bristles."""

    def __init__(self, ground: Array) -> None:
        self.color = Image.fromarray((ground * 255).astype(np.uint8))
        self.height = Image.new("L", (S, S), 90)
        self._pen, self._relief = ImageDraw.Draw(self.color), ImageDraw.Draw(self.height)

    def stroke(self, rng: Random, path: Array, width: float, color: Array) -> None:
        """One brush stroke along path (N, 2) of x, y: parallel bristles of their own tint and length."""
        along = np.gradient(path, axis=0)
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        across /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
        taper = np.sin(np.linspace(0.35, math.pi - 0.2, len(path)))[:, None]
        bristles = max(3, int(width / 2.2))
        for offset in rng.permutation(np.linspace(-0.5, 0.5, bristles)):
            first, last = rng.integers(0, 3), len(path) - rng.integers(0, len(path) // 3)
            line = [(x, y) for x, y in (path + across * taper * offset * width)[first:last]]
            tint = color * (1 + rng.normal(0, 0.07)) + rng.normal(0, 0.018, 3)
            self._pen.line(line, fill=rgb(tint), width=3, joint="curve")
            thick = int(np.clip(135 + 70 * (1 - 4 * offset**2) + rng.normal(0, 38), 0, 255))
            self._relief.line(line, fill=thick, width=3, joint="curve")

    def dab(self, rng: Random, center: Array, length: float, width: float, angle: float, color: Array) -> None:
        """One touch of a round or pointed brush: a rotated ellipse with a lighter core."""
        turn = np.linspace(0, math.tau, 18, endpoint=False)
        wobble = 1 + rng.normal(0, 0.05, turn.size)
        for scale, lift, thick in ((1.0, 0.0, 150), (0.62, 0.06, 215)):
            u, v = np.cos(turn) * length * wobble * scale, np.sin(turn) * width * wobble * scale
            x = center[0] + u * math.cos(angle) - v * math.sin(angle) - (1 - scale)
            y = center[1] + u * math.sin(angle) + v * math.cos(angle) - (1 - scale)
            outline = list(zip(x.tolist(), y.tolist(), strict=True))
            self._pen.polygon(outline, fill=rgb(color + lift * (1 - color)))
            self._relief.polygon(outline, fill=int(np.clip(thick + rng.normal(0, 18), 0, 255)))

    def lit(self, strength: float) -> Array:
        """The dried painting under raking light."""
        height = gaussian_filter(np.asarray(self.height, dtype=float) / 255, 1.1)
        return relief(np.asarray(self.color, dtype=float) / 255, height, strength)


def follow(flow: tuple[Array, Array], start: Array, steps: int, stride: float) -> Array:
    """Trace a path (steps, 2) of x, y through a unit vector field, held at its edges beyond them."""
    path = np.empty((steps, 2))
    path[0] = start
    for i in range(1, steps):
        column, row = np.clip(path[i - 1], 0, S - 1).astype(int)
        path[i] = path[i - 1] + stride * np.array([flow[0][row, column], flow[1][row, column]])
    return path


def swirls(rng: Random) -> Array:
    """Night-blue and yellow strokes circling a handful of vortices, thick enough to cast shadows."""
    potential, glow = 1.3 * smooth_noise(rng, 2.6, 0.02), 0.5 * smooth_noise(rng, 1.8, 0.03) - 0.03
    suns = (
        (0.27, 0.30, 0.2),
        (0.74, 0.18, 0.14),
        (0.66, 0.66, 0.24),
        (0.17, 0.8, 0.14),
        (0.97, 0.42, 0.12),
        (0.42, 0.98, 0.12),
    )
    for x, y, radius in suns:
        distance = np.hypot(X - x, Y - y) / radius
        potential += 9 * radius * np.exp(-(distance**2))
        rings = 0.5 + 0.5 * np.cos(distance * 8.5)
        glow += (0.12 + 0.8 * rings) * np.exp(-((distance / 0.85) ** 2))
    down, right = slope(potential)
    speed = np.hypot(down, right) + 1e-9
    flow = (down / speed, -right / speed)
    palette = "0a1238 122a6b 1b4b9b 2f74bd 6fa8cf b9d3c4 efe2a0 f4c43a e89a1c fbe98a"
    paint = Paint(ramp(0.2 * glow, palette))
    for count, width, steps, stride in ((1500, 26, 22, 4.5), (3600, 14, 18, 4.0), (5200, 7.5, 15, 3.6)):
        for start in rng.uniform(-10, S + 10, (count, 2)):
            path = follow(flow, start, steps, stride)
            column, row = np.clip(path[steps // 2], 0, S - 1).astype(int)
            position = np.array(np.clip(glow[row, column] * 0.95 + rng.normal(0, 0.07), 0, 1))
            paint.stroke(rng, path, width * rng.uniform(0.7, 1.2), ramp(position, palette))
    return paint.lit(2.2)


def tesserae(seeds: Array, angles: Array, side: int) -> tuple[NDArray[np.intp], Array]:
    """Which seed owns each pixel of a side x side grid, and by what margin over the next.

    Distances are those of squares turned to each seed's angle (radians), so that the cells come out squarish.
    """
    rows, columns = np.mgrid[0:side, 0:side] / side
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)
    _, near = cKDTree(seeds).query(pixels, k=7)
    offset = pixels[:, None, :] - seeds[near]
    cos, sin = np.cos(angles[near]), np.sin(angles[near])
    u = np.abs(offset[..., 0] * cos + offset[..., 1] * sin)
    v = np.abs(offset[..., 1] * cos - offset[..., 0] * sin)
    distance = np.maximum(u, v) + 0.15 * (u + v)
    order = np.argsort(distance, axis=1)[:, :2]
    best, second = np.take_along_axis(distance, order, axis=1).T
    owner = np.take_along_axis(near, order[:, :1], axis=1)[:, 0]
    return owner.reshape(side, side), (second - best).reshape(side, side)


def mosaic(rng: Random) -> Array:
    """Stone and gold tesserae in rows along the contours of a slow field, with dark grout between."""
    field = smooth_noise(rng, 3.0, 0.012)
    down, right = slope(field)
    seeds = rng.uniform(0, 1, (1500, 2))

    def angles_at(points: Array) -> Array:
        column, row = np.clip(points * S, 0, S - 1).astype(int).T
        angles: Array = np.arctan2(down[row, column], right[row, column])
        return angles

    for _ in range(14):
        owner, _ = tesserae(seeds, angles_at(seeds), 256)
        rows, columns = np.mgrid[0:256, 0:256] / 256
        weight = np.bincount(owner.ravel(), minlength=len(seeds))
        total = np.stack([np.bincount(owner.ravel(), axis.ravel(), len(seeds)) for axis in (columns, rows)], axis=1)
        seeds = np.where(weight[:, None] > 0, total / np.maximum(weight, 1)[:, None], seeds)
    owner, margin = tesserae(seeds, angles_at(seeds), S)

    column, row = np.clip(seeds * S, 0, S - 1).astype(int).T
    bands = (field[row, column] * 3.1 + rng.normal(0, 0.035, len(seeds))) % 1.0
    palette = "4a0f1c 8e1f22 c4452a df7a2e f0b04a f6dfae f9efd6 1d6b72 123c4a 6b1626"
    tiles = ramp(np.round(bands * 9) / 9, palette) * rng.normal(1, 0.1, (len(seeds), 1))
    tiles += rng.normal(0, 0.02, (len(seeds), 3))
    gold = rng.uniform(size=len(seeds)) < 0.06
    tiles[gold] = np.array([0.93, 0.74, 0.25]) * rng.uniform(0.85, 1.15, (int(gold.sum()), 1))

    vein = smooth_noise(rng, 1.1)
    canvas = tiles[owner] * (0.78 + 0.44 * vein)[..., None]
    edge = np.clip(margin / 0.011, 0, 1)
    tilt = rng.normal(0, 5.0, (len(seeds), 2))
    lean = (tilt[owner] * (np.stack([X, Y], axis=-1) - seeds[owner])).sum(axis=-1, keepdims=True)
    canvas = relief(canvas * (1 + lean), gaussian_filter(np.minimum(edge * 1.4, 1), 1.6), 2.4)
    grout = np.array([0.17, 0.12, 0.10]) * (0.7 + 0.7 * smooth_noise(rng, 0.7))[..., None]
    solid = np.clip((margin - 0.0035) / 0.0015, 0, 1)[..., None]
    return np.clip(canvas * solid + grout * (1 - solid), 0, 1)


def woodcut(rng: Random) -> Array:
    """Black ink on cream paper: a ringed sky over ridge behind ridge, every tone cut as lines that swell."""
    warp, patch, grain = (smooth_noise(rng, r, c) - 0.5 for r, c in ((2.4, 0.03), (1.6, 0.05), (1.2, 0.5)))
    distance, turn = np.hypot(X - 0.68, (Y - 0.24) * 1.05), np.arctan2(Y - 0.24, X - 0.68)
    phase = distance * 50 + 6 * warp + 0.35 * np.sin(turn * 14 + 30 * distance)
    tone = 0.3 + 0.3 * np.clip(distance * 1.2, 0, 1) + 0.28 * np.cos(turn * 11 + 5 * warp + distance * 9) + patch
    sun = distance - 0.085
    phase, tone = np.where(sun < 0, turn * 36 / math.tau, phase), np.where(sun < 0, 0.9 - distance * 11, tone)
    tone = np.maximum(tone, 0.12)
    tone = np.where(np.abs(sun - 0.004) < 0.006, 1.3 * (sun < 0.003), tone)
    for k in range(9):
        waves = [rng.uniform(0.3, 1) / n * np.sin(math.tau * (n * X + rng.uniform())) for n in (1, 2, 3, 5)]
        below = Y - 0.35 - 0.078 * k - (0.055 + 0.004 * k) * sum(waves) - 0.02 * warp
        steep = rng.choice([-1.0, 1.0]) * rng.uniform(22, 40) * (k % 3 == 1)
        cut = below * rng.uniform(34, 76) + steep * X + 8 * warp + (k % 2) * 2.6 * np.sin(9 * X + k)
        depth = 0.06 + 3.4 * np.clip(below, 0, 1) ** 0.8 + 0.5 * warp + 1.3 * patch
        phase, tone = np.where(below > 0, cut, phase), np.where(below > 0, depth, tone)
        tone = np.where(np.abs(below) < 0.004, 1.3, tone)
    stripe = np.abs(phase % 1.0 - 0.5) * 2
    # Fine gouge marks across the shadows.
    cross = np.abs((phase * 0.3 + 95 * (X + 0.4 * Y) + 3 * warp) % 1.0 - 0.5) * 2
    ink = np.maximum(tone * 1.05 - stripe, (tone - 0.45) * 0.9 - cross) + 0.35 * grain
    ink = np.where((cross > 0.86) & (tone < 1.15) & (tone > 0.75), -0.1 + 0.3 * grain, ink)
    ink = np.clip(ink * 9 + 0.5, 0, 1)[..., None]
    paper = np.array([0.945, 0.89, 0.775]) * (0.93 + 0.12 * smooth_noise(rng, 0.8))[..., None]
    black = np.array([0.085, 0.075, 0.08]) + 0.10 * np.clip(smooth_noise(rng, 0.5) - 0.5, 0, 1)[..., None]
    return np.clip(paper * (1 - ink) + black * ink, 0, 1)


def petals(rng: Random) -> Array:
    """Blossom in dots and dabs: pink flowers over divided greens, every patch mixed from pure colours."""
    shade = smooth_noise(rng, 2.2, 0.03)
    leaves, blossom = "0d2b2a 14513f 2f7d4f 6fae5a b7d67a e3eeb0", "7a1546 b82565 e0508a f28aac fbc0cc fff0e6"
    paint = Paint(ramp(0.35 * shade, leaves))
    for count, size in ((2600, 13.0), (5200, 8.0), (5200, 5.0)):
        for x, y in rng.uniform(0, S, (count, 2)):
            tone = shade[int(y), int(x)] + rng.normal(0, 0.14)
            color = ramp(np.array(np.clip(tone, 0, 1)), leaves)
            if rng.uniform() < 0.12:
                color = ramp(rng.uniform(size=()), "2a3f8f 6d63b5 e8b23c f28aac")
            angle = 6 * shade[int(y), int(x)] + rng.normal(0, 0.4)
            paint.dab(rng, np.array([x, y]), size * rng.uniform(0.9, 1.6), size * 0.62, angle, color)
    flowers = np.column_stack([rng.uniform(0, S, (120, 2)), 24 + 84 * rng.uniform(size=120) ** 2])
    for cx, cy, radius in flowers:
        hue, spin = rng.uniform(-0.35, 0.35), rng.uniform(0, 7)
        for ring in np.linspace(1.0, 0.15, 6):
            for angle in spin + ring * 2 + np.linspace(0, math.tau, int(6 + 16 * ring), endpoint=False):
                angle += rng.normal(0, 0.08)
                at = np.array([cx, cy]) + radius * ring * 0.8 * np.array([math.cos(angle), math.sin(angle)])
                tone = np.array(np.clip(0.95 - 0.75 * (1 - ring) + hue - 0.25 + rng.normal(0, 0.13), 0, 1))
                length = radius * 0.2 * rng.uniform(0.9, 1.3)
                paint.dab(rng, at, length, radius * 0.1, angle, ramp(tone, blossom))
        for x, y in rng.normal((cx, cy), radius * 0.09, (int(radius / 4), 2)):
            color = ramp(rng.uniform(size=()), "c9791a f4c43a fff3b0")
            paint.dab(rng, np.array([x, y]), 4.5, 4.0, 0, color)
    return paint.lit(1.6)


PAINTINGS: dict[str, Callable[[Random], Array]] = {
    "swirls": swirls,
    "mosaic": mosaic,
    "woodcut": woodcut,
    "petals": petals,
}


def main() -> None:
    """Draw every painting into the folder given by --out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "styles", help="folder to fill")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for seed, (name, painting) in enumerate(PAINTINGS.items()):
        canvas = painting(np.random.default_rng(2017 + seed))
        picture = Image.fromarray((canvas * 255 + 0.5).astype(np.uint8))
        picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(arguments.out / f"{name}.jpg", quality=90)
        print(arguments.out / f"{name}.jpg")


if __name__ == "__main__":
    main()
