// What a PNG carries beside its pixels, in chunks.

import { bytesOf, joined, textOf, through, viewOf } from "./bytes.js";

const INCH = 0.0254; // metres
const XMP = "XML:com.adobe.xmp";
const REPLACED = ["iCCP", "sRGB", "gAMA", "cHRM", "eXIf", "pHYs"];

export const isPng = (bytes) => textOf(bytes, 1, 3) === "PNG";

function* chunks(bytes) {
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 12 + viewOf(bytes).getUint32(at);
    yield { kind: textOf(bytes, at + 4, 4), whole: bytes.subarray(at, end), data: bytes.subarray(at + 8, end - 4) };
    at = end;
  }
}

export async function read(bytes, found) {
  for (const { kind, data } of chunks(bytes)) {
    if (kind === "eXIf") found.exif ??= data;
    else if (kind === "pHYs" && data[8] === 1) found.dpi = [0, 4].map((at) => viewOf(data).getUint32(at) * INCH);
    else if (kind === "iTXt" && textOf(data, 0, XMP.length + 1) === `${XMP}\0`) found.xmp ??= await textChunk(data);
  }
}

/** The text of an iTXt chunk: after its keyword, a flag and a method, and two more texts, each ended by a zero. */
async function textChunk(data) {
  const flag = data[XMP.length + 1];
  let at = XMP.length + 3;
  for (let i = 0; i < 2; i++) at = data.indexOf(0, at) + 1;
  return flag ? through(data.subarray(at), new DecompressionStream("deflate")) : data.subarray(at);
}

export function without(bytes) {
  return [bytes.subarray(0, 8), ...[...chunks(bytes)].filter(({ kind }) => kind !== "eXIf").map(({ whole }) => whole)];
}

export async function write(bytes, { exif, xmp, icc, dpi }) {
  const all = [...chunks(bytes)].filter(({ kind }) => !REPLACED.includes(kind)).map(({ whole }) => whole);
  const added = [];
  if (icc) added.push(chunk("iCCP", joined(bytesOf("ICC Profile\0\0"), await through(icc, new CompressionStream("deflate")))));
  if (dpi) {
    const data = new Uint8Array(9);
    dpi.forEach((value, i) => viewOf(data).setUint32(4 * i, Math.round(value / INCH)));
    data[8] = 1;
    added.push(chunk("pHYs", data));
  }
  if (xmp) added.push(chunk("iTXt", joined(bytesOf(`${XMP}\0\0\0\0\0`), xmp)));
  if (exif) added.push(chunk("eXIf", exif));
  return [bytes.subarray(0, 8), all[0], ...added, ...all.slice(1)];
}

function chunk(kind, data) {
  const made = new Uint8Array(12 + data.length);
  viewOf(made).setUint32(0, data.length);
  made.set(bytesOf(kind), 4);
  made.set(data, 8);
  viewOf(made).setUint32(8 + data.length, checksum(made.subarray(4, 8 + data.length)));
  return made;
}

const CHECKS = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});
const checksum = (bytes) => ~bytes.reduce((sum, byte) => CHECKS[(sum ^ byte) & 255] ^ (sum >>> 8), -1) >>> 0;
