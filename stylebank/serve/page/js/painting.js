// A painting of one's own as a new style: at once, of banks that predict filters, and trained in the background.

import { byId, element } from "./elements.js";
import { jobCard } from "./jobs.js";
import { stemOf } from "./recipe.js";
import { begin, complain, say } from "./status.js";

const [STEPS, MOST_STEPS] = [250, 20_000];
const SHOWN = 640; // long side of what the painting made of the photograph
const ABOUT = "The bank learns to paint like it. That takes a while; it goes on in the background, and the style appears among the others when it is done. Crops with brushwork and few large plain areas are learnt best.";
const ABOUT_INSTANT = "The bank paints like it at once, as well as it can tell from looking; the style appears among the others. Learning it takes a while, and comes closer.";

export function createPainting({ store, backend, refresh, pick }) {
  const dialog = byId("painting-dialog");
  const about = element("p", { className: "fine" });
  const file = element("input", { type: "file", accept: "image/*", id: "painting-file" });
  const image = element("img", { className: "preview", alt: "The painting", hidden: true });
  const made = element("img", { className: "preview", alt: "The photograph, painted like it", hidden: true });
  const name = element("input", { type: "text", id: "painting-name", maxLength: 60, autocomplete: "off" });
  const steps = element("input", { type: "number", id: "painting-steps", min: 1, max: MOST_STEPS, step: 1, value: STEPS });
  const start = button("Learn this painting", begun);
  const instant = button("Paint like it now", atOnce);
  const close = element("button", { type: "button", className: "quiet", textContent: "Close", onclick: () => dialog.close() });
  const list = element("div");
  dialog.append(
    element("h2", { textContent: "Add a painting" }), about,
    field("painting-file", "Picture of the painting", file), element("div", { className: "pair" }, image, made),
    field("painting-name", "Name of the style", name), field("painting-steps", "Steps of learning", steps),
    element("div", { className: "row" }, instant, start, close), list,
  );
  let chosen = null;
  const listed = new Set(); // ids of jobs that have a card
  const learning = new Map(); // name of a style -> how far it is, in percent
  file.addEventListener("change", () => choose(file.files[0] ?? null));
  image.addEventListener("error", () => (image.hidden = true)); // a format that only the server reads, or no picture

  function button(text, act) {
    return element("button", { type: "button", className: "primary", textContent: text, disabled: true, onclick: () => act().catch(complain) });
  }

  function choose(painting) {
    chosen = painting;
    start.disabled = instant.disabled = !chosen;
    image.hidden = !chosen;
    made.hidden = true;
    if (!chosen) return;
    show(image, chosen);
    name.value = freeName(nameOf(chosen.name || "painting"));
  }

  /** A painting that was dropped or pasted: shown, and painted like at once where the bank can. */
  async function take(painting) {
    if (!/^image\//.test(painting.type || "image/")) throw new Error(`'${painting.name}' is no picture of a painting.`);
    choose(painting);
    const transfer = new DataTransfer(); // so that the dialog says which file it is
    transfer.items.add(painting);
    file.files = transfer.files;
    await open();
    if (store.state.bank.predictor) await atOnce();
  }

  function freeName(wanted) {
    const taken = (each) => learning.has(each) || store.state.bank.styles.some((style) => style.name === each);
    let free = wanted || "painting";
    for (let number = 2; taken(free); number++) free = `${wanted || "painting"}_${number}`;
    return free;
  }

  /** The name that was typed, as a style may be called. */
  function wantedName(training) {
    const wanted = nameOf(name.value);
    name.value = wanted;
    if (!wanted) throw new Error("A style's name has letters, digits, '_' and '-'.");
    const known = store.state.bank.styles.find((style) => style.name === wanted);
    if (known && !(training && known.predicted)) throw new Error(`The bank has a style '${wanted}' already; choose another name.`);
    return wanted;
  }

  async function atOnce() {
    const wanted = wantedName(false);
    const finished = begin("Looking at the painting…");
    let said = "";
    start.disabled = instant.disabled = true;
    try {
      const { bank } = await backend.instantPainting(chosen, wanted);
      await refresh();
      pick(wanted, false);
      await present({ name: wanted, bank });
      said = `The bank paints like ${wanted}.`;
    } catch (error) {
      instant.disabled = false;
      throw error;
    } finally {
      start.disabled = false;
      finished(said);
    }
  }

  /** Shows the photograph in a new style. */
  async function present(style) {
    const { photo } = store.state;
    if (!photo) return;
    show(made, await backend.thumbnail(photo, style, SHOWN));
    made.hidden = false;
  }

  async function begun() {
    const wanted = wantedName(true);
    const count = Math.round(Number(steps.value));
    if (!(count >= 1 && count <= MOST_STEPS)) throw new Error(`Steps of learning go from 1 to ${MOST_STEPS.toLocaleString("en")}.`);
    const known = store.state.bank.styles.find((style) => style.name === wanted);
    start.disabled = true;
    try {
      const { job } = await backend.startPainting(chosen, wanted, { steps: count, bank: known?.bank, start: "auto" });
      list.prepend(card({ id: job }));
      say(`Learning ${wanted}: it goes on in the background.`);
    } catch (error) {
      start.disabled = false;
      throw error;
    }
  }

  function card(job) {
    listed.add(job.id);
    return jobCard({ backend, id: job.id, job: job.state ? job : null, told, whenDone: ({ name: style }) => learnt(style).catch(complain) });
  }

  /** Says on the strip's button what is being learnt, as dialogs are closed. */
  function told({ name: style, state, done, total }) {
    if (state === "running" || state === "waiting") learning.set(style, total ? Math.floor((100 * done) / total) : 0);
    else learning.delete(style);
    store.update({ learning: [...learning].map(([each, percent]) => `${each.replaceAll("_", " ")} ${percent}%`).join(", ") });
  }

  async function learnt(style) {
    await refresh();
    say(`The bank has learnt ${style}.`);
  }

  /** Lists what another tab or an earlier visit began, too. */
  async function earlier() {
    const jobs = await backend.jobs();
    for (const job of jobs) if (job.kind === "painting" && job.state !== "done" && !listed.has(job.id)) list.prepend(card(job));
  }

  async function open() {
    const { predictor } = store.state.bank;
    instant.hidden = !predictor;
    about.textContent = predictor ? ABOUT_INSTANT : ABOUT;
    start.classList.toggle("primary", !predictor);
    if (!dialog.open) dialog.showModal();
    await earlier();
  }

  return { open: () => open().catch(complain), take, earlier, wants: (place) => dialog.open || Boolean(place?.closest?.(".style-new")) };
}

function field(id, text, input) {
  return element("div", { className: "field" }, element("label", { for: id, textContent: text }), element("span"), element("div", { className: "full" }, input));
}

function show(image, picture) {
  if (image.src) URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(picture);
}

const nameOf = (text) => stemOf(text).toLowerCase().replace(/[^a-z0-9_-]+/g, "_").replace(/^[_-]+|[_-]+$/g, "").slice(0, 60);
