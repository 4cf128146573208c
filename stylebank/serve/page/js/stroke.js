// One stroke of the brush: soft discs along a line, which do not add up where they overlap.

/** Begins a stroke on a mask of a set; radius in places of the mask, hardness 0 to 1. */
export function beginStroke(set, mask, { radius, hardness, erasing }) {
  const before = set.snapshot();
  const bases = new Map(set.masks.map((each) => [each, each.data]));
  for (const each of set.masks) if (each === mask || !erasing) each.data = each.data.slice();
  const covered = new Uint8Array(mask.data.length);
  const { width, height } = set;
  let last = null;

  function stamp(x, y) {
    const reach = Math.max(radius, 0.7);
    const [left, right] = [Math.max(0, Math.floor(x - reach)), Math.min(width - 1, Math.ceil(x + reach))];
    const [top, bottom] = [Math.max(0, Math.floor(y - reach)), Math.min(height - 1, Math.ceil(y + reach))];
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const value = profile(Math.hypot(column - x, row - y) / reach, hardness);
        const at = row * width + column;
        if (value > covered[at]) {
          covered[at] = value;
          apply(at, value);
        }
      }
    }
    return [left, top, right + 1, bottom + 1];
  }

  function apply(at, value) {
    if (erasing) {
      mask.data[at] = Math.min(bases.get(mask)[at], 255 - value);
      return;
    }
    mask.data[at] = Math.max(bases.get(mask)[at], value);
    for (const other of set.masks) if (other !== mask) other.data[at] = Math.min(bases.get(other)[at], 255 - value);
  }

  return {
    /** To a place of the mask; returns the box that changed: left, top, right, bottom. */
    to(x, y) {
      const from = last ?? [x, y];
      const steps = Math.max(1, Math.ceil(Math.hypot(x - from[0], y - from[1]) / Math.max(0.5, radius / 4)));
      let box = null;
      for (let i = last ? 1 : steps; i <= steps; i++) {
        box = around(box, stamp(from[0] + ((x - from[0]) * i) / steps, from[1] + ((y - from[1]) * i) / steps));
      }
      last = [x, y];
      return box;
    },
    end() {
      for (const each of set.masks) each.data = each.data; // a version of its own
      set.past = [...set.past, before].slice(-60);
      set.future = [];
      set.changed();
    },
    cancel: () => set.restore(before),
  };
}

/** How much of the brush there is at a distance from its middle, in radii. */
function profile(distance, hardness) {
  if (distance >= 1) return 0;
  const t = Math.min(1, (1 - distance) / Math.max(0.02, 1 - hardness));
  return Math.round(255 * t * t * (3 - 2 * t));
}

const around = (a, b) => (a ? [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])] : b);
