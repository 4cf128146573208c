// Masks as shares of their styles, at the size that is asked for.

import { BILINEAR, resample } from "./resample.js";

/** (masks + 1, rows, columns): each mask's share at each place, and last what is left; they sum to 1. */
export function regionMaps(masks, columns, rows) {
  const places = rows * columns;
  const made = new Float32Array((masks.length + 1) * places);
  masks.forEach((mask, i) => made.set(shares(mask, columns, rows), i * places));
  for (let place = 0; place < places; place++) {
    let covered = 0;
    for (let i = 0; i < masks.length; i++) covered += made[i * places + place];
    if (covered > 1) for (let i = 0; i < masks.length; i++) made[i * places + place] /= covered;
    made[masks.length * places + place] = Math.max(0, 1 - covered);
  }
  return made;
}

/** The sum of all masks at every pixel. */
export function sharesAt(masks, width, height) {
  const sum = new Float32Array(width * height);
  for (const mask of masks) shares(mask, width, height).forEach((value, i) => (sum[i] += value));
  return sum;
}

function shares({ data, width, height }, wide, high) {
  const floats = Float32Array.from(data, (value) => value / 255);
  return resample(floats, 1, [width, height], [wide, high], BILINEAR);
}

/**
 * A mask with soft edges: a Gaussian blur.
 * @param pixels twice its deviation, in pixels of the picture of [width, height] that the mask is for
 */
export function feathered(mask, pixels, [width, height]) {
  if (!pixels) return mask;
  const across = kernel((pixels / 2) * (mask.width / width));
  const down = kernel((pixels / 2) * (mask.height / height));
  const once = blurred(Float32Array.from(mask.data), mask.width, mask.height, across, 1);
  const twice = blurred(once, mask.width, mask.height, down, mask.width);
  return { ...mask, data: Uint8ClampedArray.from(twice) };
}

function kernel(deviation) {
  const reach = Math.ceil(4 * deviation);
  const weights = Float32Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * Math.max(1e-3, deviation) ** 2)));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((each) => each / sum);
}

function blurred(data, width, height, weights, step) {
  const made = new Float32Array(data.length);
  const reach = (weights.length - 1) / 2;
  const length = step === 1 ? width : height;
  for (let i = 0; i < data.length; i++) {
    const place = step === 1 ? i % width : Math.floor(i / width);
    let sum = 0;
    for (let k = -reach; k <= reach; k++) {
      const to = Math.max(0, Math.min(length - 1, place + k));
      sum += weights[k + reach] * data[i + (to - place) * step];
    }
    made[i] = sum;
  }
  return made;
}
