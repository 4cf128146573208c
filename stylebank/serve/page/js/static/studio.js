// The engine in the browser: photographs, what encoders made of them, and pictures by recipe.

import { decoded, encoded, ofBitmap, resized } from "./pixels.js";
import { encode } from "./features.js";
import { feathered } from "./mask_maps.js";
import { paint } from "./painter.js";
import { preserveColors } from "./colors.js";
import { findRegions } from "./regions.js";
import { previewWork, restoreDetail, rounded, workSize } from "./strokes.js";

const KEPT = 4; // sizes of a photograph whose features are kept
const WHOLE = 2 ** 19; // pixels; more are done in pieces, so that memory does not grow with the picture
const SIDE = 128; // of a piece, in features: 512 pixels

export function createStudio(engine) {
  const photos = new Map();
  let counted = 0;

  async function open(blob, name, turn) {
    const picture = await decoded(blob, name, turn);
    const id = `photo-${++counted}`;
    photos.set(id, { picture, features: new Map() });
    return { id, name, width: picture.width, height: picture.height };
  }

  function photo(id) {
    const found = photos.get(id);
    if (!found) throw new Error("This photograph was closed; open it again.");
    return found;
  }

  /** A photograph at a size, and its features; the newest few are kept. */
  async function prepared(entry, [width, height], check) {
    const key = `${width}x${height}`;
    const kept = entry.features.get(key) ?? (await fresh());
    entry.features.delete(key);
    entry.features.set(key, kept);
    while (entry.features.size > KEPT) entry.features.delete(entry.features.keys().next().value);
    return kept;

    async function fresh() {
      const picture = resized(entry.picture, width, height);
      return { picture, features: await encode(engine.runtime, engine.about, picture, sideFor(width * height), check) };
    }
  }

  const sideFor = (pixels) => (pixels <= WHOLE ? Infinity : SIDE);

  /** A picture by recipe: at full size, or with a long side of at most `side` pixels. */
  async function make(entry, recipe, side, draft, check) {
    const full = sized(entry.picture, recipe.size);
    const shown = side ? smaller(full, side) : full;
    const stroke = recipe.stroke ?? "auto";
    const work = side ? previewWork(full, shown, stroke, draft) : workSize(full, stroke);
    const { picture, features } = await prepared(entry, work, check);
    const soft = { ...recipe, masks: recipe.masks?.map((mask) => feathered(mask, recipe.feather ?? 0, full)) };
    const painted = await paint(engine, features, picture, soft, sideFor(work[0] * work[1]), check);
    check();
    const photograph = resized(entry.picture, ...shown);
    return preserveColors(restoreDetail(painted, photograph), photograph, recipe.colors ?? "none");
  }

  return {
    open,
    close: (id) => photos.delete(id),
    photograph: async (id, side) => {
      const { picture } = photo(id);
      return encoded(resized(picture, ...smaller([picture.width, picture.height], side)), "jpeg");
    },
    async render(id, recipe, { side, draft, format }, check) {
      const made = await make(photo(id), recipe, side, draft, check);
      return { blob: await encoded(made, format), size: [made.width, made.height] };
    },
    regions: (id, count) => findRegions(photo(id).picture, count),
    /** A camera's frame in a style. */
    async live(bitmap, style, check) {
      const picture = ofBitmap(bitmap);
      const features = await encode(engine.runtime, engine.about, picture, Infinity, check);
      return encoded(await paint(engine, features, picture, { style }, Infinity, check), "jpeg", 0.85);
    },
  };
}

function sized({ width, height }, size) {
  if (!size) return [width, height];
  return [width, height].map((side) => Math.max(1, rounded((side * size) / Math.min(width, height))));
}

function smaller(size, side) {
  const scale = Math.min(1, side / Math.max(...size));
  return size.map((length) => Math.max(1, rounded(length * scale)));
}
