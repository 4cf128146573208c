// What a WebP carries beside its pixels, in chunks of a RIFF file.

import { bytesOf, textOf, viewOf } from "./bytes.js";

export const isWebp = (bytes) => textOf(bytes, 0, 4) === "RIFF" && textOf(bytes, 8, 4) === "WEBP";

function* riff(bytes) {
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = viewOf(bytes).getUint32(at + 4, true);
    yield { kind: textOf(bytes, at, 4), data: bytes.subarray(at + 8, at + 8 + length) };
    at += 8 + length + (length % 2);
  }
}

export function read(bytes, found) {
  for (const { kind, data } of riff(bytes)) {
    if (kind === "EXIF") found.exif ??= data;
    else if (kind === "XMP ") found.xmp ??= data;
  }
}

export function without(bytes) {
  const all = [...riff(bytes)].filter(({ kind }) => kind !== "EXIF");
  return file(all.map(({ kind, data }) => [kind, kind === "VP8X" ? data.map((byte, i) => (i ? byte : byte & ~8)) : data]));
}

export function write(bytes, { exif, xmp, icc, size: [width, height] }) {
  const all = [...riff(bytes)];
  const pixels = all.filter(({ kind }) => ["ALPH", "VP8 ", "VP8L"].includes(kind));
  const lossless = pixels.find(({ kind }) => kind === "VP8L");
  const alpha = pixels.some(({ kind }) => kind === "ALPH") || (lossless && lossless.data[4] & 0x10);
  const head = new Uint8Array(10);
  head[0] = (icc ? 0x20 : 0) | (alpha ? 0x10 : 0) | (exif ? 8 : 0) | (xmp ? 4 : 0);
  [width - 1, height - 1].forEach((value, i) => [0, 1, 2].forEach((byte) => (head[4 + 3 * i + byte] = (value >> (8 * byte)) & 255)));
  return file([["VP8X", head], ["ICCP", icc], ...pixels.map(({ kind, data }) => [kind, data]), ["EXIF", exif], ["XMP ", xmp]]);
}

function file(all) {
  const parts = all.filter(([, data]) => data).flatMap(([kind, data]) => [bytesOf(kind), littleEndian(data.length), data, new Uint8Array(data.length % 2)]);
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return [bytesOf("RIFF"), littleEndian(length), bytesOf("WEBP"), ...parts];
}

const littleEndian = (number) => Uint8Array.of(number & 255, (number >> 8) & 255, (number >> 16) & 255, (number >> 24) & 255);
