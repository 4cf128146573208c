// The engine in the browser itself: no server, and no photograph leaves the machine.

import { commandOf, fileName } from "../static/command.js";
import { metadataOf, withMetadata } from "../static/metadata/carry.js";
import { fetched } from "../static/runtime.js";

const [SOON, LATER, AT_LAST] = [0, 1, 2];
const base = new URL("bank/", location.href);
const worker = new Worker(new URL("../static/worker.js", import.meta.url), { type: "module" });
const waiting = new Map();
let counted = 0;
let engine = null;
let about = null;
let profile = null; // sRGB, as a promise
const metadata = new Map(); // id of a photograph -> what its file says of it
let tell = () => {};

worker.onmessage = ({ data }) => {
  if (data.said) return tell(data.said);
  const { resolve, reject } = waiting.get(data.call);
  waiting.delete(data.call);
  if (!data.failed) return resolve(data.made);
  return reject(data.failed.name === "AbortError" ? new DOMException("Cancelled", "AbortError") : new Error(said(data.failed.message)));
};
worker.onerror = (event) => {
  for (const { reject } of waiting.values()) reject(new Error(event.message || "The engine could not be started in this browser."));
  waiting.clear();
};

function ask(name, given, { urgency = SOON, signal, hand = [] } = {}) {
  if (signal?.aborted) return Promise.reject(new DOMException("Cancelled", "AbortError"));
  const call = ++counted;
  signal?.addEventListener("abort", () => worker.postMessage({ name: "cancel", given: call }));
  return new Promise((resolve, reject) => {
    waiting.set(call, { resolve, reject });
    worker.postMessage({ call, name, given, urgency }, hand);
  });
}

export const backend = {
  name: "browser",
  oneAtATime: true,
  said() {
    if (!engine) return "Works in this browser; photographs stay on this machine";
    const where = engine.provider === "webgpu" ? "WebGPU" : engine.threads > 1 ? `processor, ${engine.threads} threads` : "processor, one thread";
    return `In this browser: ${where}`;
  },

  /** @param said told what is being loaded */
  async bank(said) {
    tell = said ?? tell;
    if (!about) ({ about, engine } = await ask("start", { base: String(base), engine: new URLSearchParams(location.search).get("engine") }));
    tell = () => {};
    return { banks: [{ name: about.bank, licence: about.licence }], styles: about.styles.map((style) => ({ ...style, bank: about.bank })), noise: about.noise_channels > 0, version: about.version };
  },

  async open(file) {
    const { upright, turn, ...kept } = await metadataOf(file);
    const photo = await ask("open", { file: upright, name: file.name || "pasted.png", turn });
    metadata.set(photo.id, kept);
    return photo;
  },
  photograph: (photo, side) => ask("photograph", { id: photo.id, side }),
  close(photo) {
    metadata.delete(photo.id);
    return ask("close", { id: photo.id });
  },
  async thumbnail(photo, style, side, signal) {
    const given = { id: photo.id, recipe: { style: style.name }, options: { side, draft: true, format: "jpeg" } };
    return (await ask("render", given, { urgency: AT_LAST, signal })).blob;
  },

  async render(photo, recipe, { side, format, draft = false, signal }) {
    const masks = recipe.masks?.map(({ layer, ...rest }) => ({ ...rest, data: layer.data, width: layer.width, height: layer.height }));
    const given = { id: photo.id, recipe: masks ? { ...recipe, masks } : recipe, options: { side, draft, format } };
    const { blob, size } = await ask("render", given, { urgency: draft ? SOON : LATER, signal });
    const name = fileName(photo.name, recipe, format);
    if (side || !metadata.has(photo.id)) return { blob, name };
    profile ??= fetched(new URL(about.profile, base)).then((bytes) => new Uint8Array(bytes));
    return { blob: await withMetadata(blob, format, size, metadata.get(photo.id), await profile), name };
  },

  regions: (photo, count) => ask("regions", { id: photo.id, count }),
  command: async (recipe, name, masks) => commandOf(recipe, name, masks, about.bank === "stylebank-14" ? null : about.bank),
  live: (bitmap, style) => ask("live", { bitmap, style }, { hand: [bitmap] }),
};

/** What the engine says of too little memory, as a sentence. */
function said(message) {
  if (/memory|allocat|out of bounds|OOM/i.test(message)) return "This does not fit into the browser's memory: set a smaller size.";
  return message;
}
