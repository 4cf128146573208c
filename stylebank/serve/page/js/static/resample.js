// Resizing as Pillow does it: each output pixel is a weighted sum of the input pixels its kernel reaches.

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const cubic = (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0);
export const LANCZOS = { reach: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) };
export const BICUBIC = { reach: 2, weight: (x) => cubic(Math.abs(x)) };
export const BILINEAR = { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

/**
 * Interleaved pixels at another size. Arrays of whole numbers are rounded after each direction, as Pillow's are.
 * @param rows [first, last) of the output that are wanted
 */
export function resample(source, channels, [width, height], [wide, high], kernel, rows = [0, high]) {
  if (width === wide && height === high && rows[0] === 0 && rows[1] === high) return source;
  const down = taps(height, high, kernel, rows);
  const first = Math.min(...down.map((tap) => tap.first));
  const last = Math.max(...down.map((tap) => tap.first + tap.weights.length));
  const across = taps(width, wide, kernel, [0, wide]);
  const middle = new source.constructor((last - first) * wide * channels);
  for (let row = first, to = 0; row < last; row++) {
    for (const { first: from, weights } of across) {
      const start = (row * width + from) * channels;
      for (let c = 0; c < channels; c++, to++) {
        let sum = 0;
        for (let i = 0, at = start + c; i < weights.length; i++, at += channels) sum += weights[i] * source[at];
        middle[to] = sum;
      }
    }
  }
  const line = wide * channels;
  const made = new source.constructor(down.length * line);
  const sums = new Float32Array(line);
  down.forEach(({ first: from, weights }, row) => {
    sums.fill(0);
    weights.forEach((weight, i) => {
      const start = (from + i - first) * line;
      for (let at = 0; at < line; at++) sums[at] += weight * middle[start + at];
    });
    made.set(sums, row * line);
  });
  return made;
}

/** For each output pixel: the first input pixel it sees, and the weights. */
function taps(length, wanted, { reach, weight }, [from, to]) {
  const scale = length / wanted;
  const wider = Math.max(1, scale);
  const made = [];
  for (let i = from; i < to; i++) {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - reach * wider + 0.5));
    const last = Math.min(length, Math.floor(center + reach * wider + 0.5));
    const weights = [];
    for (let at = first; at < last; at++) weights.push(weight((at - center + 0.5) / wider));
    const sum = weights.reduce((a, b) => a + b, 0);
    made.push({ first, weights: weights.map((each) => each / sum) });
  }
  return made;
}
