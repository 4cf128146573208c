// The server of `stylebank serve`: what the page asks for, as requests.

import { about, forget, named, open, withMasks } from "../server/photographs.js";
import { blob, json, labelsOf, nameIn, posted, request } from "../server/requests.js";

const KEY = Math.random().toString(36).slice(2); // of this tab

export const backend = {
  name: "server",
  films: true,
  paintings: true,
  said: () => "Works on your own machine" + (isLocal() ? "" : ` (${location.host})`),

  bank: () => json("api/bank"),

  open,
  photograph: (photo, side) => about(photo, (id) => blob(`api/pictures/${id}/preview?side=${side}`)),

  close: (photo) => request(`api/pictures/${forget(photo)}`, { method: "DELETE", keepalive: true }).catch(() => {}),
  thumbnail: (photo, style, side, signal) =>
    about(photo, (id) => blob(`api/pictures/${id}/thumbnails/${encodeURIComponent(style.name)}?side=${side}&bank=${encodeURIComponent(style.bank)}`, { signal })),

  /** @returns {{blob, name}} the picture, and what the server calls its file */
  async render(photo, recipe, { side, format, draft = false, signal }) {
    const headers = { "Content-Type": "application/json", "X-Cancel": `${KEY}-${draft ? "draft" : format}` };
    const response = await about(photo, async (id) => {
      const body = JSON.stringify({ recipe: await withMasks(recipe), side, format, draft });
      return request(`api/pictures/${id}/render`, { method: "POST", body, headers, signal });
    });
    return { blob: await response.blob(), name: nameIn(response) };
  },

  async regions(photo, count) {
    return labelsOf(await about(photo, (id) => blob(`api/pictures/${id}/regions`, posted({ count, method: "kmeans" }))));
  },

  /** The same regions as the coloured label map that `--label-map` takes. */
  labelMap: (photo, count) => about(photo, (id) => blob(`api/pictures/${id}/regions`, posted({ count, method: "kmeans", colors: true }))),
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
  /** @param options {steps, bank, start}: what the server takes beside file and name */
  async startPainting(file, name, options) {
    const form = new FormData();
    form.append("file", file, file.name);
    form.append("name", name);
    for (const [key, value] of Object.entries(options)) if (value !== undefined) form.append(key, value);
    return json("api/paintings", { method: "POST", body: form });
  },
  /** A style of a painting at once, of banks that predict filters. */
  async instantPainting(file, name) {
    const form = new FormData();
    form.append("file", file, file.name);
    form.append("name", name);
    return json("api/paintings/instant", { method: "POST", body: form });
  },
  jobs: () => json("api/jobs"),
  stopJob: (id) => json(`api/jobs/${id}/stop`, { method: "POST" }),
  resumeJob: (id) => json(`api/jobs/${id}/resume`, { method: "POST" }),
  jobResult: (id) => request(`api/jobs/${id}/result`).then(async (response) => ({ blob: await response.blob(), name: nameIn(response) })),
  jobResultUrl: (id) => `api/jobs/${id}/result`,
  jobPreview: (id) => blob(`api/jobs/${id}/preview?${Date.now()}`),
  /** Calls `told` with every state of a job until it ends, `missed` when the server is gone; returns what stops listening. */
  follow(id, told, missed) {
    const events = new EventSource(`api/jobs/${id}/events`);
    const hear = (event) => {
      const job = JSON.parse(event.data);
      if (["done", "failed", "stopped"].includes(job.state)) events.close();
      told(job);
    };
    events.onmessage = hear;
    events.onerror = () => missed?.();
    return () => events.close();
  },
};

const isLocal = () => ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
