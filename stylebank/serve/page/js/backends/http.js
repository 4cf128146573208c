// The server of `stylebank serve`: what the page asks for, as requests.

import { toPng } from "../masks.js";

export const backend = {
  name: "server",
  films: true,
  paintings: true,
  said: () => "Works on your own machine" + (isLocal() ? "" : ` (${location.host})`),

  bank: () => json("api/bank"),

  async open(file) {
    const form = new FormData();
    form.append("file", file, file.name || "pasted.png");
    return json("api/pictures", { method: "POST", body: form });
  },

  photograph: (photo, side) => blob(`api/pictures/${photo.id}/preview?side=${side}`),

  close(photo) {
    return request(`api/pictures/${photo.id}`, { method: "DELETE", keepalive: true }).catch(() => {});
  },

  thumbnail: (photo, style, side, signal) => blob(`api/pictures/${photo.id}/thumbnails/${encodeURIComponent(style.name)}?side=${side}&bank=${encodeURIComponent(style.bank)}`, { signal }),

  /** @returns {{blob, name}} the picture, and what the server calls its file */
  async render(photo, recipe, { side, format, draft = false, signal }) {
    const body = JSON.stringify({ recipe: await withMasks(recipe), side, format, draft });
    const headers = { "Content-Type": "application/json", "X-Cancel": `${KEY}-${draft ? "draft" : format}` };
    const response = await request(`api/pictures/${photo.id}/render`, { method: "POST", body, headers, signal });
    return { blob: await response.blob(), name: nameIn(response) };
  },

  async regions(photo, count) {
    const picture = await blob(`api/pictures/${photo.id}/regions`, posted({ count, method: "kmeans" }));
    return labelsOf(picture);
  },

  /** The same regions as the coloured label map that `--label-map` takes. */
  labelMap: (photo, count) => blob(`api/pictures/${photo.id}/regions`, posted({ count, method: "kmeans", colors: true })),
  async openLabelMap(file) {
    const form = new FormData();
    form.append("file", file, file.name);
    return labelsOf(await blob("api/label-maps", { method: "POST", body: form }));
  },

  async command(recipe, name, masks) {
    const { command } = await json("api/command", posted({ recipe: named(recipe, masks), name }));
    return command;
  },

  // Films, paintings and what goes on in the background.
  async openFilm(file) {
    const form = new FormData();
    form.append("file", file, file.name);
    return json("api/films", { method: "POST", body: form });
  },
  filmFrame: (film, frame, side, signal) => blob(`api/films/${film.id}/frame/${frame}?side=${side}`, { signal }),
  async filmPreview(film, recipe, frame, side, signal) {
    return blob(`api/films/${film.id}/preview`, { ...posted({ recipe: await withMasks(recipe), frame, side }), signal });
  },
  async startFilm(film, recipe, stabilize) {
    return json(`api/films/${film.id}/start`, posted({ recipe: await withMasks(recipe), stabilize }));
  },
  async startPainting(file, name, steps) {
    const form = new FormData();
    form.append("file", file, file.name);
    form.append("name", name);
    if (steps) form.append("steps", steps);
    return json("api/paintings", { method: "POST", body: form });
  },
  jobs: () => json("api/jobs"),
  stopJob: (id) => json(`api/jobs/${id}/stop`, { method: "POST" }),
  resumeJob: (id) => json(`api/jobs/${id}/resume`, { method: "POST" }),
  jobResult: (id) => request(`api/jobs/${id}/result`).then(async (response) => ({ blob: await response.blob(), name: nameIn(response) })),
  jobResultUrl: (id) => `api/jobs/${id}/result`,
  jobPreview: (id) => blob(`api/jobs/${id}/preview?${Date.now()}`),
  /** Calls `told` with every state of a job until it ends; returns what stops listening. */
  follow(id, told) {
    const events = new EventSource(`api/jobs/${id}/events`);
    const hear = (event) => {
      const job = JSON.parse(event.data);
      if (["done", "failed", "stopped"].includes(job.state)) events.close();
      told(job);
    };
    events.onmessage = hear;
    events.addEventListener("job", hear);
    return () => events.close();
  },
};

const KEY = Math.random().toString(36).slice(2); // of this tab
const sent = new Map(); // version of a mask -> its name on the server

async function withMasks(recipe) {
  if (!recipe.masks) return recipe;
  const masks = await Promise.all(recipe.masks.map(async ({ layer, ...rest }) => ({ ...rest, mask: await sendMask(layer) })));
  return { ...recipe, masks };
}

function sendMask(layer) {
  const { version } = layer;
  if (!sent.has(version)) {
    const upload = toPng(layer).then(async (png) => {
      const form = new FormData();
      form.append("file", png, "mask.png");
      return (await json("api/masks", { method: "POST", body: form })).id;
    });
    sent.set(version, upload);
    upload.catch(() => sent.delete(version));
    if (sent.size > 500) sent.delete(sent.keys().next().value);
  }
  return sent.get(version);
}

function named(recipe, names) {
  if (!recipe.masks) return recipe;
  return { ...recipe, masks: recipe.masks.map(({ layer, ...rest }, i) => ({ ...rest, mask: names[i] })) };
}

const posted = (body) => ({ method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
const json = async (path, options) => (await request(path, options)).json();
const blob = async (path, options) => (await request(path, options)).blob();

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer: is 'stylebank serve' still running?");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  if (response.status === 409 && options.headers?.["X-Cancel"]) throw new DOMException("Cancelled", "AbortError");
  throw new Error(said?.error ?? `The server answered with ${response.status} ${response.statusText}.`);
}

function nameIn(response) {
  const said = response.headers.get("Content-Disposition") ?? "";
  const whole = said.match(/filename\*=UTF-8''([^;]+)/i);
  if (whole) return decodeURIComponent(whole[1]);
  return said.match(/filename="?([^";]+)"?/i)?.[1] ?? null;
}

/** A label map's numbers: a grey PNG whose values they are. */
async function labelsOf(picture) {
  const bitmap = await createImageBitmap(picture, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { labels: Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]), width, height };
}

const isLocal = () => ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
