// Bytes (Uint8Arrays) as texts, numbers and one another.

export const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
export const begins = (bytes, head) => head.every((byte, i) => bytes[i] === byte);
export const textOf = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));
export const bytesOf = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

export function joined(...parts) {
  const made = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}

/** Bytes after a compression stream, or before one. */
export async function through(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}
