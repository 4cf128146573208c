// Features of a picture, encoded piece by piece where it is large, with the result of the whole.
//
// Only the filter's input is normalized by statistics of the whole picture. The model `apply` takes those of the piece
// it gets; so the kernel is scaled, and the bias moved, by what they differ. The rest is a matter of margins.

import { asPhoto } from "./pixels.js";

const EPSILON = 1e-5; // of the normalization
const LARGEST = 2 ** 29; // bytes of features

/** Pieces of an axis: [first, last) that is kept, and [from, to) that the network must see. */
export function pieces(length, side, margin) {
  const made = [];
  for (let first = 0; first < length; first += side) {
    const last = Math.min(length, first + side);
    made.push({ first, last, from: Math.max(0, first - margin), to: Math.min(length, last + margin) });
  }
  return made;
}

export function grid(rows, columns, side, margin) {
  return pieces(rows, side, margin).flatMap((down) => pieces(columns, side, margin).map((across) => ({ down, across })));
}

/** All features of a picture: { data (C, rows, columns), rows, columns, means, deviations }. */
export async function encode(runtime, about, picture, side, check) {
  const { multiple, channels, margin } = about;
  const [rows, columns] = [Math.ceil(picture.height / multiple), Math.ceil(picture.width / multiple)];
  if (4 * channels * rows * columns > LARGEST) {
    throw new Error("This is too large for a browser: set a smaller size, or let the strokes fit the size.");
  }
  const data = new Float32Array(channels * rows * columns);
  for (const { down, across } of grid(rows, columns, side, margin / multiple)) {
    check();
    const box = { top: down.from * multiple, left: across.from * multiple, bottom: Math.min(picture.height, down.to * multiple), right: Math.min(picture.width, across.to * multiple) };
    const photo = runtime.photo(asPhoto(picture, box), [1, 3, box.bottom - box.top, box.right - box.left]);
    const made = await runtime.run("encoder", { photo });
    copyCore(made, data, { rows, columns, channels }, down, across);
  }
  return { data, rows, columns, channels, ...statistics(data, channels, rows * columns) };
}

function copyCore({ data, dims }, whole, { rows, columns, channels }, down, across) {
  const [, , , wide] = dims;
  for (let c = 0; c < channels; c++) {
    for (let row = down.first; row < down.last; row++) {
      const from = (c * dims[2] + row - down.from) * wide + across.first - across.from;
      whole.set(data.subarray(from, from + across.last - across.first), (c * rows + row) * columns + across.first);
    }
  }
}

/** A piece of planes (C, rows, columns), as an array of its own. */
export function cropped(data, planes, rows, columns, down, across) {
  const [high, wide] = [down.to - down.from, across.to - across.from];
  if (high === rows && wide === columns) return data;
  const made = new Float32Array(planes * high * wide);
  for (let c = 0; c < planes; c++) {
    for (let row = 0; row < high; row++) {
      const from = (c * rows + down.from + row) * columns + across.from;
      made.set(data.subarray(from, from + wide), (c * high + row) * wide);
    }
  }
  return made;
}

export function statistics(data, channels, places) {
  const [means, deviations] = [new Float64Array(channels), new Float64Array(channels)];
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = c * places; i < (c + 1) * places; i++) sum += data[i];
    const mean = sum / places;
    let squares = 0;
    for (let i = c * places; i < (c + 1) * places; i++) squares += (data[i] - mean) ** 2;
    means[c] = mean;
    deviations[c] = Math.sqrt(squares / places + EPSILON);
  }
  return { means, deviations };
}

/** A filter for a piece, that does what `filter` does with the statistics of the whole. */
export function forPiece({ kernel, bias, identity }, whole, piece, { channels, noise_channels: noise, kernel_size: k }) {
  const inputs = channels + noise;
  const [scaled, moved] = [kernel.slice(), Float32Array.from(bias)];
  for (let out = 0; out < channels; out++) {
    for (let c = 0; c < channels; c++) {
      const factor = piece.deviations[c] / whole.deviations[c];
      const offset = (piece.means[c] - whole.means[c]) / whole.deviations[c];
      for (let i = (out * inputs + c) * k * k, end = i + k * k; i < end; i++) {
        moved[out] += kernel[i] * offset;
        scaled[i] = kernel[i] * factor;
      }
    }
  }
  return { kernel: scaled, bias: moved, identity };
}
