// Masks: where a style goes, 0 to 255 per place, on a grid that is finer than the screen needs.
//
// What is painted last wins: where one mask gets more, the others get less. Data is never changed in place once an
// operation is over, so that undoing is only putting the old arrays back.

const LONG_SIDE = 1024;
const KEPT = 60; // steps that can be undone
export const COLORS = ["#e5484d", "#3b82f6", "#f5a524", "#30a46c", "#a855f7", "#06b6d4", "#ec4899", "#84cc16"];

let counted = 0;

export class Mask {
  constructor(style, width, height, color) {
    Object.assign(this, { id: ++counted, style, width, height, color, strength: 1 });
    this.data = new Uint8Array(width * height);
  }

  get data() {
    return this.held;
  }

  set data(data) {
    this.held = data;
    this.version = ++counted; // of what is in it: backends keep what they made of a version
    this.emptiness = null;
  }

  get empty() {
    this.emptiness ??= !this.held.some((value) => value > 0);
    return this.emptiness;
  }
}

/** All masks of a photograph, and what was done to them. `changed` is called after every step. */
export class MaskSet {
  constructor(width, height, changed) {
    const scale = Math.min(1, LONG_SIDE / Math.max(width, height));
    this.width = Math.max(1, Math.round(width * scale));
    this.height = Math.max(1, Math.round(height * scale));
    this.scale = this.width / width; // places of the mask per pixel of the picture
    this.masks = [];
    this.past = [];
    this.future = [];
    this.changed = changed;
  }

  of(style) {
    return this.masks.find((mask) => mask.style === style);
  }

  /** The mask of a style, made if there is none yet. Not a step by itself. */
  ensure(style) {
    const found = this.of(style);
    if (found) return found;
    const used = new Set(this.masks.map((mask) => mask.color));
    const color = COLORS.find((each) => !used.has(each)) ?? COLORS[this.masks.length % COLORS.length];
    const made = new Mask(style, this.width, this.height, color);
    this.masks = [...this.masks, made];
    return made;
  }

  /** Does something to the masks as one step: `work` may replace `data` and `masks`, never write into old arrays. */
  step(work) {
    const before = this.snapshot();
    work();
    this.past = [...this.past, before].slice(-KEPT);
    this.future = [];
    this.changed();
  }

  snapshot() {
    return this.masks.map((mask) => ({ mask, data: mask.data, strength: mask.strength }));
  }

  restore(snapshot) {
    this.masks = snapshot.map(({ mask, data, strength }) => {
      if (mask.data !== data) mask.data = data;
      mask.strength = strength;
      return mask;
    });
  }

  undo() {
    this.travel("past", "future");
  }

  redo() {
    this.travel("future", "past");
  }

  travel(from, to) {
    if (!this[from].length) return;
    this[to] = [...this[to], this.snapshot()];
    const target = this[from].at(-1);
    this[from] = this[from].slice(0, -1);
    this.restore(target);
    this.changed();
  }

  remove(mask) {
    this.step(() => (this.masks = this.masks.filter((each) => each !== mask)));
  }

  fill(mask) {
    this.step(() => this.put(mask, new Uint8Array(mask.data.length).fill(255)));
  }

  clear(mask) {
    this.step(() => (mask.data = new Uint8Array(mask.data.length)));
  }

  invert(mask) {
    this.step(() => this.put(mask, mask.data.map((value) => 255 - value)));
  }

  /** Sets a mask's data; the others give way. */
  put(mask, data) {
    mask.data = data;
    for (const other of this.masks) {
      if (other !== mask) other.data = other.data.map((value, i) => Math.min(value, 255 - data[i]));
    }
  }

  /** Adds to a mask, at least as much as `added` everywhere. */
  join(mask, added) {
    this.step(() => this.put(mask, mask.data.map((value, i) => Math.max(value, added[i]))));
  }
}

/** The grey PNG that `--mask` takes. */
export async function toPng({ data, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  for (let i = 0, at = 0; i < data.length; i++, at += 4) {
    image.data[at] = image.data[at + 1] = image.data[at + 2] = data[i];
    image.data[at + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** A grey picture as a mask's data, at its size; transparent is black. */
export async function fromPicture(blob, width, height) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Error("This file cannot be read as a picture; a mask is a grey PNG.");
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillRect(0, 0, width, height); // black
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const made = new Uint8Array(width * height);
  let colorful = 0;
  for (let i = 0; i < made.length; i++) {
    const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (Math.max(r, g, b) - Math.min(r, g, b) > 48) colorful++;
    made[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  }
  if (colorful > 0.002 * made.length) throw new Error("This picture is in colour, and a mask is grey: white where the style goes, black where it does not.");
  return made;
}
