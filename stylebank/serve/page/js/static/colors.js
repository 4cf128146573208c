// The photograph's colours in the stylized picture, in CIELAB (D65), as the Python engine has them.

const BINS = 4096;
const LOW = [0, -128, -128];
const HIGH = [100, 128, 128];
const WHITE = [0.95047, 1, 1.08883];

export function preserveColors(stylized, photograph, mode) {
  if (mode === "none") return stylized;
  const curves = mode === "histogram" ? matchingCurves(stylized, photograph) : null;
  const made = new Uint8ClampedArray(stylized.data.length);
  for (let at = 0; at < made.length; at += 4) {
    const lab = toLab(stylized.data, at);
    made.set(toRgb(curves ? curves.map((curve, c) => curve[bin(lab[c], c)]) : withColorsOf(toLab(photograph.data, at), lab)), at);
    made[at + 3] = photograph.data[at + 3];
  }
  return { ...stylized, data: made };
}

/** The lightness of `lab` with the photograph's a and b, less of them where it is darker. */
function withColorsOf(photo, lab) {
  const darker = Math.sqrt(Math.max(0, Math.min(1, lab[0] / Math.max(photo[0], 1e-3))));
  return [lab[0], photo[1] * darker, photo[2] * darker];
}

/** What each level of L, a and b becomes so that its distribution is the photograph's. */
function matchingCurves(stylized, photograph) {
  const [ours, theirs] = [counted(stylized), counted(photograph)];
  return ours.map((counts, c) => {
    const [shares, levels] = [[], []];
    let below = 0;
    theirs[c].forEach((count, level) => {
      if (count) {
        shares.push(below + count / 2);
        levels.push(LOW[c] + (level * (HIGH[c] - LOW[c])) / (BINS - 1));
      }
      below += count;
    });
    let [sum, near] = [0, 0];
    return Float64Array.from(counts, (count) => {
      const share = sum + count / 2;
      sum += count;
      while (near < shares.length && shares[near] < share) near++;
      if (near === 0) return levels[0];
      if (near === shares.length) return levels.at(-1);
      const part = (share - shares[near - 1]) / (shares[near] - shares[near - 1]);
      return levels[near - 1] + part * (levels[near] - levels[near - 1]);
    });
  });
}

function counted({ data }) {
  const counts = LOW.map(() => new Float64Array(BINS));
  for (let at = 0; at < data.length; at += 4) toLab(data, at).forEach((value, c) => counts[c][bin(value, c)]++);
  return counts;
}

const bin = (value, c) => Math.max(0, Math.min(BINS - 1, Math.round(((value - LOW[c]) * (BINS - 1)) / (HIGH[c] - LOW[c]))));

const LINEAR = Float64Array.from({ length: 256 }, (_, i) => (i / 255 > 0.04045 ? ((i / 255 + 0.055) / 1.055) ** 2.4 : i / 255 / 12.92));
const curve = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
const uncurve = (t) => (t > 0.2068966 ? t ** 3 : (t - 16 / 116) / 7.787);
const gamma = (v) => 255 * (v > 0.0031308 ? 1.055 * v ** (1 / 2.4) - 0.055 : 12.92 * v);

export function toLab(data, at) {
  const [r, g, b] = [LINEAR[data[at]], LINEAR[data[at + 1]], LINEAR[data[at + 2]]];
  const x = curve((0.412453 * r + 0.35758 * g + 0.180423 * b) / WHITE[0]);
  const y = curve((0.212671 * r + 0.71516 * g + 0.072169 * b) / WHITE[1]);
  const z = curve((0.019334 * r + 0.119193 * g + 0.950227 * b) / WHITE[2]);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function toRgb([l, a, b]) {
  const fy = (l + 16) / 116;
  const x = uncurve(fy + a / 500) * WHITE[0];
  const y = uncurve(fy) * WHITE[1];
  const z = uncurve(Math.max(0, fy - b / 200)) * WHITE[2];
  return [3.24048134 * x - 1.53715152 * y - 0.49853633 * z, -0.96925495 * x + 1.87599 * y + 0.04155593 * z, 0.05564664 * x - 0.20404134 * y + 1.05731107 * z].map(gamma);
}
