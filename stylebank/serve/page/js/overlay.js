// The masks' colours over the picture while the brush is in use, and regions to choose from.

import { byId } from "./elements.js";

export function createOverlay() {
  const canvas = byId("overlay");
  const context = canvas.getContext("2d");

  function size(set) {
    if (canvas.width !== set.width || canvas.height !== set.height) [canvas.width, canvas.height] = [set.width, set.height];
  }

  return {
    /** "no", "faint" so that the result shows, or "clear" while it is worked on. */
    show: (how) => (canvas.dataset.show = how),
    clear: () => context.clearRect(0, 0, canvas.width, canvas.height),
    /** Draws all masks, or a box of them. */
    draw(set, [left, top, right, bottom] = [0, 0, set.width, set.height]) {
      size(set);
      if (right <= left || bottom <= top) return;
      const image = context.createImageData(right - left, bottom - top);
      for (const mask of set.masks) {
        const color = rgb(mask.color);
        for (let row = top, at = 0; row < bottom; row++) {
          for (let column = left; column < right; column++, at += 4) {
            const share = mask.data[row * set.width + column];
            if (!share) continue;
            const had = image.data[at + 3];
            const kept = (had * (255 - share)) / 255;
            const sum = kept + share;
            for (let c = 0; c < 3; c++) image.data[at + c] = (image.data[at + c] * kept + color[c] * share) / sum;
            image.data[at + 3] = Math.min(255, sum);
          }
        }
      }
      context.putImageData(image, left, top);
    },
    /** Draws regions in colours of their own, the one with `label` stronger. */
    regions({ labels, width, height }, label) {
      size({ width, height });
      const image = context.createImageData(width, height);
      for (let i = 0; i < labels.length; i++) {
        const edge = labels[i] !== labels[i + 1] || labels[i] !== labels[i + width];
        const color = edge ? [255, 255, 255] : rgb(regionColor(labels[i]));
        image.data.set([...color, label === labels[i] ? 255 : edge ? 220 : 120], 4 * i);
      }
      context.putImageData(image, 0, 0);
    },
  };
}

const HUES = ["#e5484d", "#3b82f6", "#f5a524", "#30a46c", "#a855f7", "#06b6d4", "#ec4899", "#84cc16", "#8d6e63", "#9ca3af", "#0f766e", "#7c3aed"];
export const regionColor = (label) => HUES[label % HUES.length];

function rgb(color) {
  return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
}
