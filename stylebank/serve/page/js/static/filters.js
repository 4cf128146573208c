// Filters of styles, and their mixtures: sums of kernels, as filters are linear.

import { fromHalf } from "./half.js";
import { fetched } from "./runtime.js";

/** The bank's filters, fetched when they are first asked for, as float32 with the models' scale. */
export function createFilters(about, base, scale) {
  const kept = new Map();
  const factor = scale / about.filters.scale;

  async function load(name) {
    const style = about.styles.find((each) => each.name === name);
    if (!style) throw new Error(`The bank has no style '${name}'.`);
    const { kernel, bias } = parsed(await fetched(new URL(style.filter, base)));
    return { kernel: kernel.map((value) => value * factor), bias: bias.map((value) => value * factor) };
  }

  function get(name) {
    if (!kept.has(name)) {
      const loading = load(name);
      kept.set(name, loading);
      loading.catch(() => kept.delete(name));
    }
    return kept.get(name);
  }

  return {
    /** Kernel, bias and identity of weights by style; `identity` is the features' own. */
    async mixed(weights) {
      const { identity = 0, ...shares } = balanced(weights, about.identity_gain);
      const { channels, noise_channels, kernel_size } = about;
      const kernel = new Float32Array(channels * (channels + noise_channels) * kernel_size ** 2);
      const bias = new Float32Array(channels);
      for (const [name, share] of Object.entries(shares)) {
        const filter = await get(name);
        for (let i = 0; i < kernel.length; i++) kernel[i] += share * filter.kernel[i];
        for (let i = 0; i < bias.length; i++) bias[i] += share * filter.bias[i];
      }
      return { kernel, bias, identity };
    },
  };
}

/** Safetensors: the length of a JSON header, the header, the numbers. */
function parsed(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const made = {};
  for (const name of ["kernel", "bias"]) {
    const { dtype, data_offsets: [start, end] } = header[name];
    const part = buffer.slice(8 + length + start, 8 + length + end);
    made[name] = dtype === "F16" ? fromHalf(new Uint16Array(part)) : new Float32Array(part);
  }
  return made;
}

/** Weights that sum to 1, with the identity for a strength below 1; as `blend` of the Python engine. */
export function blend(weights, alpha) {
  const names = Object.keys(weights);
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  if (names.length === 1) alpha *= weights[names[0]];
  const mixed = {};
  for (const name of names) mixed[name] = total ? (alpha * weights[name]) / total : 0;
  if (alpha < 1) mixed.identity = (mixed.identity ?? 0) + 1 - alpha;
  return mixed;
}

/** Filters come out larger than features: both are brought to a size between the one's and the other's. */
function balanced(weights, gain) {
  const { identity = 0, ...shares } = weights;
  if (!Object.keys(shares).length || !identity) return weights;
  const size = Object.values(shares).reduce((sum, share) => sum + Math.abs(share), 0);
  const strength = size / (size + Math.abs(identity));
  const made = { identity: identity * gain ** strength };
  for (const [name, share] of Object.entries(shares)) made[name] = share * gain ** (strength - 1);
  return made;
}
