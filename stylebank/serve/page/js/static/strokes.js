// Strokes of any width: stylize at another size and bring the result back, with the photograph's edges.

import { BICUBIC, LANCZOS, resample } from "./resample.js";
import { lightness, resized } from "./pixels.js";

const AUTO_PIXELS = 1_000_000;
const [SMALLEST, SHARE, FAINT] = [16, 0.8, 0.04];
const STRIP = 2 ** 20; // pixels at a time

export function strokeFor([width, height], stroke) {
  if (stroke !== "auto") return stroke;
  return Math.max(1, Math.min(Math.sqrt((width * height) / AUTO_PIXELS), Math.min(width, height) / SMALLEST));
}

/** [width, height] to stylize a picture of `size` at. */
export function workSize(size, stroke) {
  const factor = strokeFor(size, stroke);
  const [width, height] = size.map((side) => rounded(side / factor));
  if (factor > 1 && Math.min(width, height) < SMALLEST) throw new Error(`A picture of ${size.join(" × ")} pixels is too small for strokes as wide as ${factor}×.`);
  return [width, height];
}

/** What a preview of `shown` is stylized at, so that its strokes are those of the picture of `full` size. */
export function previewWork(full, shown, stroke, draft) {
  const factor = (strokeFor(full, stroke) * Math.max(...shown)) / Math.max(...full);
  const least = draft ? 1 : 0.5;
  if (factor >= least) return workSize(full, stroke);
  const own = Math.min(least, Math.min(...shown) / SMALLEST);
  return shown.map((side) => Math.max(SMALLEST, Math.ceil(side / own)));
}

/** The stylized picture at the photograph's size, with the edges that a smaller one could not hold. */
export function restoreDetail(stylized, photograph) {
  const { width, height } = photograph;
  if (stylized.width === width && stylized.height === height) return stylized;
  if (stylized.width * stylized.height >= width * height) return resized(stylized, width, height);
  const small = [stylized.width, stylized.height];
  const coarse = lightness({ data: resample(photograph.data, 4, [width, height], small, LANCZOS) });
  const floats = Float32Array.from(stylized.data);
  const made = new Uint8ClampedArray(4 * width * height);
  const strip = Math.max(1, Math.floor(STRIP / width));
  for (let top = 0; top < height; top += strip) {
    const bottom = Math.min(height, top + strip);
    const own = lightness(photograph, top * width, bottom * width);
    const soft = resample(coarse, 1, small, [width, height], BICUBIC, [top, bottom]);
    const colors = resample(floats, 4, small, [width, height], BICUBIC, [top, bottom]);
    for (let i = 0, to = 4 * top * width; i < own.length; i++, to += 4) {
      let detail = own[i] - soft[i];
      detail *= (SHARE * detail * detail) / (detail * detail + (255 * FAINT) ** 2);
      for (let c = 0; c < 3; c++) made[to + c] = colors[4 * i + c] + detail;
      made[to + 3] = photograph.data[to + 3];
    }
  }
  return { data: made, width, height };
}

/** To the nearest whole number, halves to the even one, as Python rounds. */
export function rounded(number) {
  const whole = Math.round(number);
  return Math.abs(number % 1) === 0.5 && whole % 2 ? whole - 1 : whole;
}
