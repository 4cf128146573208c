// A recipe applied to features, piece by piece, and decoded.

import { blend } from "./filters.js";
import { cropped, forPiece, grid, statistics } from "./features.js";
import { regionMaps, sharesAt } from "./mask_maps.js";

/** The stylized picture, of the photograph's size: { data: RGBA, width, height }. */
export async function paint({ runtime, filters, about }, features, photo, recipe, side, check) {
  const { rows, columns, channels } = features;
  const parts = await mixtures(filters, recipe);
  const maps = parts.length > 1 ? regionMaps(recipe.masks, columns, rows) : null;
  const noise = await noiseOf(runtime, about, features, recipe.seed ?? 0);
  const whole = { data: new Uint8ClampedArray(4 * photo.width * photo.height), width: photo.width, height: photo.height };
  const pieces = grid(rows, columns, side, about.margin / about.multiple);
  for (const { down, across } of pieces) {
    check();
    const piece = cropped(features.data, channels, rows, columns, down, across);
    const size = [down.to - down.from, across.to - across.from];
    const own = pieces.length > 1 ? statistics(piece, channels, size[0] * size[1]) : null;
    const used = own ? parts.map((part) => forPiece(part, features, own, about)) : parts;
    const inputs = { features: runtime.tensor(piece, [1, channels, ...size]), ...filterInputs(runtime, about, used) };
    if (maps) inputs.maps = runtime.tensor(cropped(maps, parts.length, rows, columns, down, across), [parts.length, ...size]);
    if (noise) inputs.noise = runtime.tensor(cropped(noise, about.noise_channels, rows, columns, down, across), [1, about.noise_channels, ...size]);
    const fused = await runtime.run(maps ? "regions" : "apply", inputs);
    check();
    const decoded = await runtime.run("decoder", { fused: runtime.tensor(fused.data, fused.dims) });
    copyPicture(decoded, whole, photo, down, across, about.multiple);
  }
  if (recipe.style === "original") keepOriginal(whole, photo, recipe.masks);
  return whole;
}

/** Kernel, bias and identity of every mask's style, and last of what is outside them. */
async function mixtures(filters, recipe) {
  const alpha = recipe.strength ?? 1;
  const masks = recipe.masks ?? [];
  const weights = masks.map(({ style, strength = 1 }) => (style === "identity" ? { identity: 1 } : blend({ [style]: strength }, alpha)));
  const base = recipe.style;
  if (base === "identity" || base === "original") weights.push({ identity: 1 });
  else weights.push(blend(typeof base === "string" ? { [base]: 1 } : base, alpha));
  return Promise.all(weights.map((each) => filters.mixed(each)));
}

function filterInputs(runtime, { channels, noise_channels: noise, kernel_size: k }, parts) {
  const shape = [channels, channels + noise, k, k];
  if (parts.length === 1) {
    const [{ kernel, bias, identity }] = parts;
    return { kernel: runtime.tensor(kernel, shape), bias: runtime.tensor(bias, [channels]), identity: runtime.tensor(Float32Array.of(identity), [1]) };
  }
  return {
    kernels: runtime.tensor(joined(parts.map((part) => part.kernel)), [parts.length, ...shape]),
    biases: runtime.tensor(joined(parts.map((part) => part.bias)), [parts.length, channels]),
    identities: runtime.tensor(Float32Array.from(parts, (part) => part.identity), [parts.length]),
  };
}

/** Of the whole picture, so that its pieces agree. */
async function noiseOf(runtime, about, { data, rows, columns, channels }, seed) {
  if (!about.noise_channels) return null;
  const inputs = { features: runtime.tensor(data, [1, channels, rows, columns]), seed: runtime.whole([Math.floor(seed / 65536), seed % 65536]) };
  return (await runtime.run("noise", inputs)).data;
}

function copyPicture({ data, dims }, whole, photo, down, across, multiple) {
  const [, , high, wide] = dims;
  const bottom = Math.min(whole.height, down.last * multiple);
  const right = Math.min(whole.width, across.last * multiple);
  for (let y = down.first * multiple; y < bottom; y++) {
    let at = (y - down.from * multiple) * wide + (across.first - across.from) * multiple;
    for (let x = across.first * multiple, to = (y * whole.width + x) * 4; x < right; x++, at++, to += 4) {
      whole.data[to] = data[at] * 255;
      whole.data[to + 1] = data[at + high * wide] * 255;
      whole.data[to + 2] = data[at + 2 * high * wide] * 255;
      whole.data[to + 3] = photo.data[to + 3];
    }
  }
}

/** The photograph itself where no mask is. */
function keepOriginal(whole, photo, masks) {
  const covered = sharesAt(masks, whole.width, whole.height);
  for (let i = 0, at = 0; i < covered.length; i++, at += 4) {
    const outside = Math.max(0, 1 - covered[i]);
    for (let c = at; c < at + 3; c++) whole.data[c] += outside * (photo.data[c] - whole.data[c]);
  }
}

function joined(arrays) {
  const made = new Float32Array(arrays.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const each of arrays) {
    made.set(each, at);
    at += each.length;
  }
  return made;
}
