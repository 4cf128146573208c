// The strip: this photograph in every style. A click takes one alone, the plus adds it to the mixture.

import { byId, element } from "./elements.js";
import { icon } from "./icons.js";
import { shortTitle, title } from "./store.js";

const SIDE = 200; // pixels; shown at half of it on a sharp screen
const AT_ONCE = 2;

export function createStrip({ store, backend, pick, addPainting }) {
  const list = byId("styles");
  const entries = new Map();
  const learning = element("span", { className: "learning", hidden: true });
  let urls = [];
  let work = new AbortController();

  function build() {
    const { state } = store;
    const focused = list.contains(document.activeElement) ? [...entries].find(([, { choose }]) => choose === document.activeElement)?.[0] ?? "new" : null;
    entries.clear();
    list.replaceChildren(...state.bank.styles.map(entryOf));
    if (addPainting) {
      const button = element("button", { type: "button", className: "style-new", onclick: addPainting }, icon("plus"), "Add a painting", learning);
      list.append(element("li", {}, button));
    }
    mark();
    if (focused) (entries.get(focused)?.choose ?? list.querySelector(".style-new"))?.focus();
  }

  /** Says what is being learnt in the background. */
  function tellLearning() {
    learning.textContent = store.state.learning ?? "";
    learning.hidden = !store.state.learning;
  }

  function entryOf(style) {
    const name = title(store.state, style.name);
    const image = element("span", { className: "blank" });
    const choose = element("button", {
      type: "button", className: "style-pick", title: [name, style.artist].filter(Boolean).join(", "),
      onclick: (event) => pick(style.name, event.shiftKey || event.ctrlKey || event.metaKey),
    }, image, element("span", { className: "name", textContent: shortTitle(store.state, style.name) + (style.unfinished ? " (unfinished)" : "") }));
    const add = element("button", { type: "button", className: "style-add", onclick: () => pick(style.name, true) }, icon("plus"));
    entries.set(style.name, { choose, add, name, image });
    return element("li", { className: "style" }, choose, add);
  }

  /** Shows which are chosen. */
  function mark() {
    const { mix, tab, brushStyle } = store.state;
    for (const [style, { choose, add, name }] of entries) {
      const mixed = mix.some((each) => each.style === style);
      const pressed = tab === "paint" ? brushStyle === style : mixed;
      choose.setAttribute("aria-pressed", String(pressed));
      add.hidden = tab === "paint";
      add.setAttribute("aria-pressed", String(mixed && mix.length > 1));
      add.setAttribute("aria-label", mixed ? `Take ${name} out of the mixture` : `Add ${name} to the mixture`);
      add.title = mixed ? "Take out of the mixture" : "Add to the mixture (Shift and click)";
      add.replaceChildren(icon(mixed && mix.length > 1 ? "check" : "plus"));
    }
  }

  /** Renders all of them for the photograph there is now, a few at once. */
  async function load() {
    work.abort();
    work = new AbortController();
    const { signal } = work;
    const { photo, bank } = store.state;
    for (const url of urls) URL.revokeObjectURL(url);
    urls = [];
    build();
    const waiting = [...bank.styles];
    let failed = null;
    const worker = async () => {
      for (let style = waiting.shift(); style && !signal.aborted; style = waiting.shift()) {
        try {
          const blob = await backend.thumbnail(photo, style, SIDE, signal);
          if (signal.aborted) return;
          put(style.name, blob);
        } catch (error) {
          if (error.name === "AbortError") return;
          failed = error;
        }
      }
    };
    await Promise.all(Array.from({ length: backend.oneAtATime ? 1 : AT_ONCE }, worker));
    if (failed && !signal.aborted) throw failed;
  }

  function put(name, blob) {
    const entry = entries.get(name);
    const url = URL.createObjectURL(blob);
    urls.push(url);
    const image = element("img", { src: url, alt: "", draggable: false });
    entry.image.replaceWith(image);
    entry.image = image;
    list.dispatchEvent(new CustomEvent("thumbnail", { detail: { name, url } }));
  }

  // Arrow keys go along the strip, as in a list.
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...list.querySelectorAll(".style-pick")];
    const next = buttons[buttons.indexOf(document.activeElement.closest("li")?.querySelector(".style-pick")) + step];
    next?.focus();
    next?.scrollIntoView({ block: "nearest", inline: "nearest" });
  });

  // A wheel that only goes up and down moves the strip, too.
  list.addEventListener("wheel", (event) => {
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) return;
    event.preventDefault();
    list.scrollLeft += event.deltaY;
  }, { passive: false });

  store.on(["mix", "tab", "brushStyle"], mark);
  store.on(["learning"], tellLearning);
  return { load, stop: () => work.abort(), urlOf: (name) => entries.get(name)?.image.src };
}
