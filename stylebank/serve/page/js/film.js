// A film: a scrubber on the stage, and a job in the background that can be stopped and gone on with.

import { byId, choices, element, showPart } from "./elements.js";
import { clock, jobCard } from "./jobs.js";
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
    say("The film is in line; it goes on while you look at other pictures.");
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

  function present(film) {
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

  return { open, present, earlier };
}
