// The brush's panel: which style is painted, with what brush, what is outside, and regions to begin with.

import { byId, choices, element, saveFile, slider } from "./elements.js";
import { createBrush } from "./brush.js";
import { icon } from "./icons.js";
import { fromPicture, MaskSet, toPng } from "./masks.js";
import { createOverlay } from "./overlay.js";
import { stemOf } from "./recipe.js";
import { createRegions } from "./regions.js";
import { complain, say } from "./status.js";
import { shortTitle, title } from "./store.js";

export function createPaintPanel({ store, backend, viewer }) {
  const overlay = createOverlay();
  const tool = { size: 80, hardness: 0.5, erasing: false };
  let set = new MaskSet(1, 1, () => {});
  const current = () => (store.state.brushStyle ? set.of(store.state.brushStyle) : null);
  const changed = () => store.update({ masks: [...set.masks] });

  const brush = createBrush({
    viewer, overlay, tool, masks: () => set,
    mask() {
      const { brushStyle } = store.state;
      if (!brushStyle) say("Choose a style in the strip first: that is what the brush paints with.");
      return brushStyle ? set.ensure(brushStyle) : null;
    },
  });
  const regions = createRegions({
    store, backend, viewer, overlay, brush, masks: () => set,
    target: () => (store.state.brushStyle ? set.ensure(store.state.brushStyle) : null),
    redraw: () => overlay.draw(set),
  });
  const parts = controls();
  byId("paint").append(...parts.all, regions.field);

  function controls() {
    const hint = element("p", { className: "fine" });
    const list = element("ul", { className: "masks", "aria-label": "Masks" });
    const button = (text, name, work, small = "small") => element("button", { type: "button", className: small, title: text, onclick: work }, name ? icon(name) : text, name ? element("span", { className: "hidden", textContent: text }) : null);
    const kind = choices("Tool", [["brush", "Brush"], ["eraser", "Eraser"]], "brush", (value) => (tool.erasing = value === "eraser"));
    const size = slider({ label: "Size", min: 0, max: 1, step: 0.01, value: 0.5, shown: () => `${Math.round(tool.size)} px`, change: (value) => setSize(value) });
    const hardness = slider({ label: "Hardness", min: 0, max: 1, step: 0.05, value: tool.hardness, shown: (value) => `${Math.round(value * 100)}%`, change: (value) => (tool.hardness = value) });
    const undo = button("Undo", "undo", () => set.undo());
    const redo = button("Redo", "redo", () => set.redo());
    const acts = [["Fill", () => set.fill(set.ensure(store.state.brushStyle))], ["Invert", () => set.invert(set.ensure(store.state.brushStyle))], ["Clear", () => current() && set.clear(current())]];
    const whole = acts.map(([text, work]) => button(text, null, work));
    const file = element("input", { type: "file", accept: "image/*", className: "hidden", tabIndex: -1, "aria-label": "Mask" });
    file.addEventListener("change", () => loadMask(file).catch(complain));
    const load = button("Load a mask", null, () => file.click());
    const save = button("Save the mask", null, () => saveMask().catch(complain));
    const strength = slider({ label: "Strength", min: 0, max: 1, step: 0.01, value: 1, shown: (value) => `${Math.round(value * 100)}%`, change: setStrength });
    const outside = choices("Where nothing is painted", [["mix", "The mixture"], ["original", "The photograph"]], "mix", (value) => store.update({ outside: value }));
    const soft = slider({ label: "Soft edges", min: 0, max: 200, step: 1, value: 0, shown: (value) => `${value} px`, change: (value, resting) => store.update({ feather: value }, resting ? "rest" : "drag") });
    const all = [hint, list, kind.field, size.field, hardness.field, element("div", { className: "row" }, undo, redo, ...whole), strength.field, outside.field, soft.field, element("div", { className: "row" }, load, save, file)];
    return { all, hint, list, kind, size, undo, redo, whole, load, save, strength, outside, soft };
  }

  /** The size goes from 2 pixels to half the long side, in proportion. */
  function setSize(value) {
    tool.size = 2 * (largest() / 2) ** value;
    parts.size.set(value);
  }
  const largest = () => Math.max(8, Math.max(viewer.width, viewer.height) / 2);

  function setStrength(value, resting) {
    const mask = current();
    if (!mask) return;
    if (resting) set.changed();
    else mask.strength = value;
    if (!resting) store.update({ masks: [...set.masks] }, "drag");
  }

  async function saveMask() {
    const mask = current();
    if (mask) saveFile(await toPng(mask), `${stemOf(store.state.photo.name)}.${mask.style}.mask.png`);
  }

  async function loadMask(input) {
    const [chosen] = input.files;
    input.value = "";
    if (!chosen) return;
    const data = await fromPicture(chosen, set.width, set.height);
    set.step(() => set.put(set.ensure(store.state.brushStyle), data));
    say(`Loaded ${chosen.name} as the mask of ${title(store.state, store.state.brushStyle)}.`);
  }

  function show() {
    const { state } = store;
    const name = state.brushStyle && shortTitle(state, state.brushStyle);
    parts.hint.textContent = name ? `Paint on the picture where ${name} goes. Another style in the strip is another brush.` : "Choose a style in the strip, then paint on the picture where it goes.";
    parts.list.replaceChildren(...set.masks.map(rowOf));
    parts.list.hidden = !set.masks.length;
    parts.undo.disabled = !set.past.length;
    parts.redo.disabled = !set.future.length;
    for (const button of [...parts.whole, parts.load]) button.disabled = !state.brushStyle;
    parts.save.disabled = !current() || current().empty;
    parts.strength.field.hidden = !current();
    if (current()) parts.strength.set(current().strength);
    parts.outside.set(state.outside);
    parts.soft.set(state.feather);
  }

  function rowOf(mask) {
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = mask.color;
    const pick = element("button", { type: "button", className: "pick small", "aria-pressed": String(mask.style === store.state.brushStyle), onclick: () => store.update({ brushStyle: mask.style }) }, swatch, element("span", { textContent: shortTitle(store.state, mask.style) }));
    const out = element("button", { type: "button", className: "quiet small", title: "Remove this mask", onclick: () => set.remove(mask) }, icon("close"), element("span", { className: "hidden", textContent: `Remove the mask of ${title(store.state, mask.style)}` }));
    return element("li", {}, pick, out);
  }

  function activate() {
    const active = store.state.tab === "paint" && Boolean(store.state.photo);
    viewer.brush = active ? brush : null;
    viewer.frame.classList.toggle("painting", active);
    if (!active) byId("ring").hidden = true;
    if (active) viewer.compare.set(null);
    regions.stop();
    if (active) overlay.draw(set);
    overlay.show(active ? "faint" : "no");
  }

  store.on(["masks"], () => overlay.draw(set));
  store.on(["masks", "brushStyle", "outside", "feather", "bank"], show);
  store.on(["tab", "photo"], activate);
  show();
  return {
    /** Begins anew for a photograph. */
    open(width, height) {
      set = new MaskSet(width, height, changed);
      setSize(0.6);
      overlay.draw(set);
    },
    undo: () => set.undo(),
    redo: () => set.redo(),
    resize: (factor) => setSize(Math.min(1, Math.max(0, Number(parts.size.input.value) + factor))),
    use: (style) => store.update({ brushStyle: style }),
  };
}
