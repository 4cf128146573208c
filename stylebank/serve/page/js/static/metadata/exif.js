// EXIF as directories of tags: what describes the photograph is taken over, what describes its old pixels is not. The
// same as `stylebank/images/exif.py` has it.

import { viewOf } from "./bytes.js";

const [MAIN, INNER, PLACE] = [0, 0x8769, 0x8825];
const SIZES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4]; // bytes of a value, by type
const [SHORT, LONG, RATIONAL] = [3, 4, 5];
const [ACROSS, DOWN, UNIT] = [0x11a, 0x11b, 0x128];
const ORIENTATION = 0x112;
const MOST = 65535; // dots per inch

// Of the main directory what is kept is named, as most of a TIFF's says how pixels are stored.
const KEPT = [
  ...[0x10d, 0x10e, 0x10f, 0x110, 0x131, 0x132, 0x13b, 0x13c], // document, description, camera, software, date, author, computer
  ...[0x4746, 0x4749, 0x8298, 0x9c9b, 0x9c9c, 0x9c9d, 0x9c9e, 0x9c9f], // rating, copyright, Windows' texts
];
// Of the inner one what is dropped: the maker's note with its previews, sizes, and where in the picture things are.
const DROPPED = [
  ...[0x927c, 0xa005, 0xa001, 0xa002, 0xa003, 0xa500, 0x9101, 0x9102, 0xa302, 0xa20c],
  ...[0x9214, 0xa214, 0xa20e, 0xa20f, 0xa210],
];

/** { tags: Map of directories, little, dpi, turn } of a block; throws if it has no directory at all. */
export function readExif(block) {
  const view = viewOf(block);
  const little = view.getUint16(0) === 0x4949;
  if (!little && view.getUint16(0) !== 0x4d4d) throw new RangeError("no EXIF");
  const main = directory(view, view.getUint32(4, little), little);
  const tags = new Map([[MAIN, only(main, (tag) => KEPT.includes(tag))]]);
  for (const key of [INNER, PLACE]) {
    if (!main.has(key)) continue;
    try {
      const part = directory(view, viewOf(main.get(key).data).getUint32(0, little), little);
      tags.set(key, only(part, (tag) => key !== INNER || !DROPPED.includes(tag)));
    } catch {
      // It points to anywhere: the others are kept.
    }
  }
  for (const [key, part] of tags) if (!part.size) tags.delete(key);
  const turn = main.get(ORIENTATION);
  return { tags, little, dpi: resolution(main, little), turn: turn?.type === SHORT ? viewOf(turn.data).getUint16(0, little) : null };
}

/** The block of a picture of a size: what was kept, and what is true of its own pixels; null if there is nothing. */
export function exifBlock({ tags, little }, dpi, [width, height], room) {
  const made = new Map([...tags].map(([key, part]) => [key, new Map(part)]));
  const add = (key, tag, type, ...numbers) => {
    if (!made.has(key)) made.set(key, new Map());
    made.get(key).set(tag, { type, count: 1, data: packed(type, numbers, little) });
  };
  if (dpi) {
    add(MAIN, ACROSS, RATIONAL, ...fraction(dpi[0]));
    add(MAIN, DOWN, RATIONAL, ...fraction(dpi[1]));
    add(MAIN, UNIT, SHORT, 2);
  }
  if (!made.size) return null;
  add(INNER, 0xa002, LONG, width);
  add(INNER, 0xa003, LONG, height);
  add(INNER, 0xa001, SHORT, 1); // sRGB
  for (;;) {
    const block = written(made, little);
    if (block.length <= room) return block;
    withoutLargest(made);
  }
}

function directory(view, at, little) {
  const made = new Map();
  const count = view.getUint16(at, little);
  for (let i = 0; i < count; i++) {
    const entry = at + 2 + 12 * i;
    if (entry + 12 > view.byteLength) break;
    const [tag, type, values] = [view.getUint16(entry, little), view.getUint16(entry + 2, little), view.getUint32(entry + 4, little)];
    const length = (SIZES[type] ?? 0) * values;
    const from = length > 4 ? view.getUint32(entry + 8, little) : entry + 8;
    if (!length || from + length > view.byteLength) continue; // damaged
    made.set(tag, { type, count: values, data: new Uint8Array(view.buffer, view.byteOffset + from, length) });
  }
  return made;
}

function only(part, wanted) {
  return new Map([...part].filter(([tag]) => wanted(tag)));
}

/** Dots per inch, as far as they make sense. */
function resolution(main, little) {
  const number = (tag) => {
    const { type, data } = main.get(tag);
    return type === RATIONAL ? viewOf(data).getUint32(0, little) / viewOf(data).getUint32(4, little) : NaN;
  };
  if (!main.has(ACROSS) || !main.has(DOWN)) return null;
  const unit = main.has(UNIT) ? viewOf(main.get(UNIT).data).getUint16(0, little) : 2;
  return sensible([ACROSS, DOWN].map((tag) => number(tag) * ({ 2: 1, 3: 2.54 }[unit] ?? NaN)));
}

export const sensible = (dpi) => (dpi?.every((value) => value >= 1 && value <= MOST) ? dpi : null);

/** Directory behind directory, each with its long values behind it, and its offset in the main one. */
function written(directories, little) {
  const inner = [...directories.keys()].filter((key) => key !== MAIN);
  const main = new Map([...(directories.get(MAIN) ?? []), ...inner.map((key) => [key, { type: LONG, count: 1, data: new Uint8Array(4) }])]);
  let end = 8 + spaceOf(main);
  for (const key of inner) {
    main.get(key).data = packed(LONG, [end], little);
    end += spaceOf(directories.get(key));
  }
  const made = new Uint8Array(end);
  const view = viewOf(made);
  view.setUint16(0, little ? 0x4949 : 0x4d4d);
  view.setUint16(2, 42, little);
  view.setUint32(4, 8, little);
  let at = 8;
  for (const part of [main, ...inner.map((key) => directories.get(key))]) at = put(made, view, at, part, little);
  return made;
}

const even = (length) => length + (length % 2);
const spaceOf = (part) => [...part.values()].reduce((sum, { data }) => sum + (data.length > 4 ? even(data.length) : 0), 6 + 12 * part.size);

function put(made, view, start, part, little) {
  view.setUint16(start, part.size, little);
  let [entry, behind] = [start + 2, start + 6 + 12 * part.size];
  for (const [tag, { type, count, data }] of [...part].sort(([a], [b]) => a - b)) {
    view.setUint16(entry, tag, little);
    view.setUint16(entry + 2, type, little);
    view.setUint32(entry + 4, count, little);
    const long = data.length > 4;
    if (long) view.setUint32(entry + 8, behind, little);
    made.set(data, long ? behind : entry + 8);
    if (long) behind += even(data.length);
    entry += 12;
  }
  return behind;
}

function packed(type, numbers, little) {
  const data = new Uint8Array(numbers.length * (type === SHORT ? 2 : 4));
  numbers.forEach((number, i) => (type === SHORT ? viewOf(data).setUint16(2 * i, number, little) : viewOf(data).setUint32(4 * i, number, little)));
  return data;
}

const fraction = (number) => (Number.isInteger(number) ? [number, 1] : [Math.round(number * 1000), 1000]);

function withoutLargest(directories) {
  const all = [...directories].flatMap(([key, part]) => [...part].map(([tag, { data }]) => [data.length, key, tag]));
  const [, key, tag] = all.reduce((one, other) => (other[0] > one[0] ? other : one));
  directories.get(key).delete(tag);
}
