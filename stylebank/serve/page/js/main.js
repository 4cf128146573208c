// Begins: chooses the backend, builds the parts, and opens photographs.

import { byId } from "./elements.js";
import { createCamera } from "./camera.js";
import { createFilm } from "./film.js";
import { createIntake } from "./intake.js";
import { createLook } from "./look.js";
import { createMixer, pickStyle } from "./mixer.js";
import { createPainting } from "./painting.js";
import { createPaintPanel } from "./paint_panel.js";
import { createShare } from "./share.js";
import { createStore } from "./store.js";
import { createStrip } from "./thumbnails.js";
import { createTabs } from "./tabs.js";
import { createViewer } from "./viewer.js";
import { drawIcons } from "./icons.js";
import { followKeys } from "./keys.js";
import { startRendering } from "./render.js";
import { begin, clearComplaint, complain, startStatus } from "./status.js";

const FILM = /\.(mp4|m4v|mov|mkv|webm|avi)$/i;
const SHOWN = 4096; // longest side of the photograph as it is shown

async function chosenBackend() {
  const kind = document.querySelector("meta[name=stylebank-backend]").content;
  const { backend } = await import(kind === "static" ? "./backends/static.js" : "./backends/http.js");
  return backend;
}

async function start() {
  drawIcons();
  startStatus();
  const store = createStore();
  let begun;
  const taking = new Promise((resolve) => (begun = resolve));
  createIntake((...given) => taking.then((take) => take(...given))); // a file may come while the rest is still being fetched
  const backend = await chosenBackend();
  const viewer = createViewer();
  const painting = backend.paintings ? createPainting({ store, backend, refresh, pick }) : null;
  const strip = createStrip({ store, backend, pick, addPainting: painting?.open });
  createMixer({ store, strip });
  const paint = createPaintPanel({ store, backend, viewer });
  createLook({ store });
  const share = createShare({ store, backend });
  createTabs({ store });
  const film = backend.films ? createFilm({ store, backend, viewer }) : null;
  startRendering({ store, backend, viewer });
  const take = (file, place) => (painting?.wants(place) ? ready.then(() => painting.take(file)) : takeFile(file)).catch(complain);
  createCamera({ store, backend, take });
  begun(take);
  followKeys({ store, viewer, paint, download: share.download });
  byId("where").textContent = byId("engine").textContent = backend.said();

  const ready = loadBank();
  ready.then(() => (byId("engine").textContent = backend.said()), complain);

  async function loadBank() {
    let finished = begin("Starting…");
    let said = "";
    const tell = (text) => {
      finished();
      finished = begin(text);
    };
    try {
      store.update({ bank: await backend.bank(tell) });
      film?.earlier().catch(() => {});
      painting?.earlier().catch(() => {});
      said = "Ready.";
    } finally {
      finished(said);
    }
  }

  /** The bank has changed: its styles anew, and this photograph in all of them. */
  async function refresh() {
    store.update({ bank: await backend.bank() });
    if (store.state.photo) strip.load().catch(complain);
  }

  function pick(style, adding) {
    if (store.state.tab === "paint") paint.use(style);
    else pickStyle(store, style, adding);
  }

  async function takeFile(file) {
    clearComplaint();
    await ready;
    if (file.name?.toLowerCase().endsWith(".json")) return share.openRecipe(file);
    if (file.type.startsWith("video/") || FILM.test(file.name ?? "")) {
      if (!film) throw new Error("Films are stylized by 'stylebank serve' or the command line, not in the browser.");
      return openFilm(file);
    }
    const finished = begin(`Opening ${file.name || "the picture"}…`);
    let photo;
    try {
      photo = await backend.open(file);
    } finally {
      finished();
    }
    return openPhoto(photo, await backend.photograph(photo, Math.min(SHOWN, Math.max(photo.width, photo.height))), null);
  }

  /** A film is shown by a frame of it, which is a photograph to all but the engine. */
  async function openFilm(file) {
    const opened = await film.open(file);
    const frame = await backend.filmFrame(opened, Math.floor(opened.frames / 3), SHOWN);
    const photo = await backend.open(new File([frame], opened.name));
    return openPhoto({ ...photo, name: opened.name, width: opened.width, height: opened.height }, frame, opened);
  }

  async function openPhoto(photo, picture, opened) {
    const old = store.state.photo;
    Object.assign(document.body.dataset, { photo: "open", kind: opened ? "film" : "photo" });
    byId("photo-name").textContent = `${photo.name} · ${photo.width} × ${photo.height}`;
    viewer.open(photo.width, photo.height);
    await viewer.show("before", picture);
    byId("before").alt = photo.name;
    byId("after").alt = `${photo.name}, stylized`;
    paint.open(photo.width, photo.height);
    const tab = opened ? "film" : store.state.tab === "film" ? "mix" : store.state.tab;
    const { bank, mix } = store.state;
    const chosen = mix.length ? mix : [{ style: bank.styles[0]?.name, weight: 0.5 }].filter(({ style }) => style);
    store.update({ photo, film: opened, masks: [], mix: chosen, tab });
    film?.present(opened);
    if (old && backend.close) backend.close(old);
    await strip.load();
  }

  addEventListener("pagehide", (event) => !event.persisted && store.state.photo && backend.close?.(store.state.photo));
}

start().catch(complain);
