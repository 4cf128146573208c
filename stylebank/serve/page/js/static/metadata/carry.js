// What a photograph's file says of it goes into the files made of it: EXIF, XMP, resolution, and that pixels are sRGB.

import * as jpeg from "./jpeg.js";
import * as png from "./png.js";
import * as webp from "./webp.js";
import { exifBlock, readExif, sensible } from "./exif.js";
import { orientationIn, readXmp } from "./xmp.js";

const FORMATS = { jpeg, png, webp };
const NO_EXIF = { tags: new Map(), little: false };

/**
 * Of a JPEG, PNG or WebP; of other files nothing. What is damaged is left out.
 * @returns {{exif, xmp, dpi, turn, upright}} `turn`: the orientation, 1 to 8, that is still to be applied to `upright`,
 *   the file as every browser decodes it alike: some turn all formats themselves, some not all
 */
export async function metadataOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer().catch(() => new ArrayBuffer(0))); // whoever decodes it complains
  const format = [[jpeg, jpeg.isJpeg], [png, png.isPng], [webp, webp.isWebp]].find(([, is]) => is(bytes))?.[0];
  const found = { exif: null, xmp: null, dpi: null };
  await whole(() => format?.read(bytes, found));
  const made = { exif: NO_EXIF, xmp: null, dpi: sensible(found.dpi), turn: 1, upright: file };
  let turn = null;
  if (found.exif) {
    await whole(() => {
      const read = readExif(prefixless(found.exif));
      turn = read.turn;
      Object.assign(made, { exif: read, dpi: made.dpi ?? read.dpi });
    });
  }
  if (found.xmp) {
    turn ??= orientationIn(found.xmp);
    await whole(() => (made.xmp = readXmp(found.xmp)));
  }
  if (turn > 1 && turn <= 8) await whole(() => Object.assign(made, { turn, upright: new Blob(format.without(bytes)) }));
  return made;
}

/** A file that the browser has encoded, with metadata and a profile in it. */
export async function withMetadata(file, format, size, { exif, xmp, dpi }, icc) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const room = format === "jpeg" ? jpeg.ROOM : Infinity;
  const parts = await FORMATS[format].write(bytes, { exif: exifBlock(exif, dpi, size, room), xmp, dpi, icc, size });
  return new Blob(parts, { type: file.type });
}

/** Some writers put JPEG's mark before the block in other formats, too. */
function prefixless(block) {
  return block[0] === 0x45 && block[4] === 0 ? prefixless(block.subarray(6)) : block;
}

async function whole(work) {
  try {
    await work();
  } catch {
    // Metadata that is damaged never costs a picture.
  }
}
