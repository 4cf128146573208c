// What a JPEG carries beside its pixels, in segments before them.

import { begins, bytesOf, joined, textOf, viewOf } from "./bytes.js";

const EXIF = bytesOf("Exif\0\0");
const XMP = bytesOf("http://ns.adobe.com/xap/1.0/\0");
const ICC = bytesOf("ICC_PROFILE\0");
const LARGEST = 65533; // bytes of a segment, less its length
export const ROOM = LARGEST - EXIF.length; // for EXIF

export const isJpeg = (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8;

function* segments(bytes) {
  const view = viewOf(bytes);
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
    const end = at + 2 + view.getUint16(at + 2);
    yield { marker: bytes[at + 1], at, end, data: bytes.subarray(at + 4, end) };
    at = end;
  }
}

export function read(bytes, found) {
  for (const { marker, data } of segments(bytes)) {
    if (marker === 0xe1 && begins(data, EXIF)) found.exif ??= data;
    else if (marker === 0xe1 && begins(data, XMP)) found.xmp ??= data.subarray(XMP.length);
    else if (marker === 0xe0 && textOf(data, 0, 4) === "JFIF" && [1, 2].includes(data[7])) {
      found.dpi = [8, 10].map((at) => viewOf(data).getUint16(at) * (data[7] === 2 ? 2.54 : 1));
    }
  }
}

/** The file without its EXIF, as parts of a Blob. */
export function without(bytes) {
  const made = [bytes.subarray(0, 2)];
  let rest = 2;
  for (const { marker, at, end, data } of segments(bytes)) {
    if (marker !== 0xe1 || !begins(data, EXIF)) made.push(bytes.subarray(at, end));
    rest = end;
  }
  return [...made, bytes.subarray(rest)];
}

/** The file that the browser has made, with more in it: { exif, xmp, icc, dpi }, as parts of a Blob. */
export function write(bytes, { exif, xmp, icc, dpi }) {
  const made = [bytes.slice(0, 2)];
  let rest = 2;
  for (const { marker, at, end, data } of segments(bytes)) {
    if (marker === 0xe0) {
      const own = bytes.slice(at, end);
      if (dpi) {
        own[11] = 1;
        dpi.forEach((value, i) => viewOf(own).setUint16(12 + 2 * i, Math.round(value)));
      }
      made.push(own);
    } else if (!(marker === 0xe2 && begins(data, ICC))) break; // a profile of the browser's
    rest = end;
  }
  const add = (marker, head, data) => {
    if (head.length + data.length > LARGEST) return;
    made.push(Uint8Array.of(0xff, marker, (head.length + data.length + 2) >> 8, (head.length + data.length + 2) & 255), head, data);
  };
  if (exif) add(0xe1, EXIF, exif);
  if (xmp) add(0xe1, XMP, xmp);
  if (icc) add(0xe2, ICC, joined(Uint8Array.of(1, 1), icc)); // the first of one part
  return [...made, bytes.subarray(rest)];
}
