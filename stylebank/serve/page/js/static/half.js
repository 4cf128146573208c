// float16 beside float32: what the models take and give, and what filters are stored in.

/** Bits of float16 as float32. */
export function fromHalf(bits) {
  const made = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const [sign, exponent, fraction] = [bits[i] & 0x8000 ? -1 : 1, (bits[i] >> 10) & 31, bits[i] & 1023];
    if (exponent === 0) made[i] = sign * fraction * 2 ** -24;
    else if (exponent === 31) made[i] = fraction ? NaN : sign * Infinity;
    else made[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return made;
}

/** float32 as bits of float16, rounded to the nearest. */
export function toHalf(numbers) {
  const words = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
  const made = new Uint16Array(numbers.length);
  for (let i = 0; i < words.length; i++) {
    const sign = (words[i] >>> 16) & 0x8000;
    const exponent = ((words[i] >>> 23) & 255) - 112;
    const fraction = words[i] & 0x7fffff;
    if (exponent >= 31) made[i] = sign | 0x7c00;
    else if (exponent > 0) made[i] = sign | ((((exponent << 23) | fraction) + 0xfff + ((fraction >> 13) & 1)) >>> 13);
    else if (exponent > -11) made[i] = sign | Math.round((fraction | 0x800000) / 2 ** (14 - exponent));
    else made[i] = sign;
  }
  return made;
}

/** A tensor's data as float32, whatever it is in. */
export function asFloats(data) {
  if (data instanceof Float32Array) return data;
  return data instanceof Uint16Array ? fromHalf(data) : Float32Array.from(data); // Float16Array
}
