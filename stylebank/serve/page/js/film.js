// A film: a scrubber on the stage, and a job in the background that can be stopped and gone on with.

import { byId, choices, element, showPart } from "./elements.js";
import { recipeOf } from "./recipe.js";
import { begin, complain, say } from "./status.js";
import { LOOKS } from "./store.js";

const SIDE = 960;

export function createFilm({ store, backend, viewer }) {
  const bar = byId("film-bar");
  const scrubber = element("input", { type: "range", min: 0, max: 1, step: 1, value: 0, "aria-label": "Frame of the film" });
  const time = element("output");
  bar.append(scrubber, time);
  let stabilize = "none";
  const steady = choices("Keep still what stands still", [["none", "No"], ["blend", "Quick"], ["flow", "By motion"]], stabilize, (value) => (stabilize = value));
  const about = element("p", { className: "fine" });
  const start = element("button", { type: "button", className: "primary", textContent: "Stylize the film", onclick: () => begun().catch(complain) });
  const list = element("div", { "aria-live": "off" });
  byId("film").append(about, steady.field, element("div", { className: "row" }, start), list);

  let work = new AbortController();
  let timer = 0;
  const at = () => Number(scrubber.value);

  scrubber.addEventListener("input", () => {
    showPart(scrubber);
    tell();
    soon();
  });
  store.on(LOOKS, () => store.state.film && soon());

  function tell() {
    const { film } = store.state;
    const seconds = at() / film.fps;
    time.textContent = clock(seconds);
    scrubber.setAttribute("aria-valuetext", `${clock(seconds)} of ${clock(film.seconds ?? film.frames / film.fps)}`);
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(() => show().catch(complain), 80);
  }

  async function show() {
    work.abort();
    work = new AbortController();
    const { signal } = work;
    const { film } = store.state;
    const finished = begin(`Painting the frame at ${clock(at() / film.fps)}…`);
    try {
      await viewer.show("before", await backend.filmFrame(film, at(), SIDE, signal));
      const blob = await backend.filmPreview(film, recipeOf(store.state), at(), SIDE, signal);
      if (!signal.aborted) await viewer.show("after", blob);
    } finally {
      finished(signal.aborted ? "" : `Frame at ${clock(at() / film.fps)}`);
    }
  }

  async function begun() {
    const { film } = store.state;
    const { job } = await backend.startFilm(film, recipeOf(store.state), stabilize);
    say(`The film is in line; it goes on while you look at other pictures.`);
    list.prepend(jobCard({ backend, id: job }));
  }

  async function open(file) {
    const finished = begin(`Opening ${file.name}…`);
    try {
      const film = await backend.openFilm(file);
      return { ...film, frames: film.frames || Math.max(1, Math.round((film.seconds ?? 0) * film.fps)) };
    } finally {
      finished();
    }
  }

  function begin_(film) {
    bar.hidden = byId("tab-film").hidden = !film;
    if (!film) return;
    Object.assign(scrubber, { max: Math.max(0, film.frames - 1), value: Math.floor(film.frames / 3) });
    showPart(scrubber);
    about.textContent = `${film.name}: ${film.width} × ${film.height}, ${film.frames} frames in ${clock(film.frames / film.fps)}${film.sound ? ", with sound, which is kept" : ""}.`;
    tell();
    soon();
  }

  /** Shows the jobs of an earlier visit, too. */
  async function earlier() {
    const jobs = await backend.jobs();
    for (const job of jobs.filter(({ kind }) => kind === "film")) list.append(jobCard({ backend, id: job.id, job }));
  }

  return { open, begin: begin_, earlier };
}

/** A job: its name, how far it is, and what can be done with it. */
export function jobCard({ backend, id, job = null, whenDone }) {
  const name = element("strong");
  const bar = element("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const text = element("p", { className: "fine", role: "status" });
  const picture = element("img", { className: "preview", alt: "", hidden: true });
  const stop = element("button", { type: "button", className: "small", textContent: "Stop", onclick: () => backend.stopJob(id).catch(complain) });
  const resume = element("button", { type: "button", className: "small", textContent: "Go on", onclick: () => backend.resumeJob(id).then(listen).catch(complain) });
  const get = element("a", { className: "file-button", textContent: "Download", href: backend.jobResultUrl(id), download: "" });
  const card = element("div", { className: "job" }, name, bar, text, picture, element("div", { className: "row" }, stop, resume, get));
  let looked = 0;

  function show(now) {
    name.textContent = now.name ?? "";
    if (now.total) bar.value = now.done / now.total;
    else bar.removeAttribute("value");
    if (now.state !== "running" && now.state !== "waiting") bar.value = now.state === "done" ? 1 : (now.total ? now.done / now.total : 0);
    const losses = Object.entries(now.losses ?? {}).map(([key, value]) => `${key} ${Number(value).toPrecision(3)}`).join(", ");
    text.textContent = [now.message, left(now), losses].filter(Boolean).join(" · ");
    stop.hidden = !["waiting", "running"].includes(now.state);
    resume.hidden = !["stopped", "failed"].includes(now.state);
    get.hidden = now.state !== "done" || now.kind === "painting";
    if (now.state === "running" && now.done > 0 && performance.now() - looked > 2000) look();
    if (now.state === "done") whenDone?.(now);
    if (now.state === "failed") complain(now.message);
  }

  async function look() {
    looked = performance.now();
    try {
      const blob = await backend.jobPreview(id);
      if (!blob.size) return;
      if (picture.src) URL.revokeObjectURL(picture.src);
      picture.src = URL.createObjectURL(blob);
      picture.hidden = false;
    } catch {
      // There is none yet.
    }
  }

  const listen = () => backend.follow(id, show);
  if (job) show(job);
  if (!job || ["waiting", "running"].includes(job.state)) listen();
  return card;
}

const left = ({ state, seconds_left: seconds }) => (state === "running" && seconds ? `${clock(seconds)} left` : "");

export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (parts[0] ? parts : parts.slice(1)).map((part, i) => (i ? String(part).padStart(2, "0") : part)).join(":");
}
