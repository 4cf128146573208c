// Pictures of the browser as pixels, and pixels as tensors. A picture here is { data: RGBA bytes, width, height }.

import { LANCZOS, resample } from "./resample.js";

/** @param turn EXIF's orientation, of a file that the browser does not turn itself */
export async function decoded(blob, name, turn = 1) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none" });
  } catch {
    throw new Error(`'${name}' cannot be read as a picture by this browser.`);
  }
  return ofBitmap(bitmap, turn);
}

/** Where a stored picture's (1, 0), (0, 1) and corner come to, by orientation: as a canvas' transformation. */
const TURNS = (w, h) => [[1, 0, 0, 1, 0, 0], [-1, 0, 0, 1, w, 0], [-1, 0, 0, -1, w, h], [1, 0, 0, -1, 0, h], [0, 1, 1, 0, 0, 0], [0, 1, -1, 0, h, 0], [0, -1, -1, 0, h, w], [0, -1, 1, 0, 0, w]];

export function ofBitmap(bitmap, turn = 1) {
  const [width, height] = turn > 4 ? [bitmap.height, bitmap.width] : [bitmap.width, bitmap.height];
  if (Math.min(width, height) < 16) throw new Error(`The picture has ${width} × ${height} pixels; at least 16 on a side are needed.`);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error(`A picture of ${width} × ${height} pixels is too large for this browser.`);
  context.imageSmoothingEnabled = false;
  context.setTransform(...TURNS(bitmap.width, bitmap.height)[turn - 1]);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { data: context.getImageData(0, 0, width, height).data, width, height };
}

export function resized(picture, width, height, kernel = LANCZOS) {
  if (picture.width === width && picture.height === height) return picture;
  return { data: resample(picture.data, 4, [picture.width, picture.height], [width, height], kernel), width, height };
}

/** A part of a picture as floats in [0, 1], one channel after the other. */
export function asPhoto({ data, width }, { left, top, right, bottom }) {
  const [wide, high] = [right - left, bottom - top];
  const made = new Float32Array(3 * wide * high);
  for (let y = 0; y < high; y++) {
    for (let x = 0, at = ((top + y) * width + left) * 4; x < wide; x++, at += 4) {
      const to = y * wide + x;
      made[to] = data[at] / 255;
      made[to + wide * high] = data[at + 1] / 255;
      made[to + 2 * wide * high] = data[at + 2] / 255;
    }
  }
  return made;
}

export async function encoded({ data, width, height }, format, quality = 0.95) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (format === "jpeg") {
    // As the command line does: what is transparent lies on white.
    context.putImageData(new ImageData(data, width, height), 0, 0);
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
  } else {
    context.putImageData(new ImageData(data, width, height), 0, 0);
  }
  return canvas.convertToBlob({ type: `image/${format}`, quality });
}

/** Luminance as Pillow's mode L, one byte a pixel. */
export function lightness({ data }, from = 0, to = data.length / 4) {
  const made = new Float32Array(to - from);
  for (let i = from; i < to; i++) made[i - from] = (data[4 * i] * 19595 + data[4 * i + 1] * 38470 + data[4 * i + 2] * 7471 + 32768) >> 16;
  return made;
}
