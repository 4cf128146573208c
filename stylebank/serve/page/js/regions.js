// Regions found in the photograph: click one, and the brush's style goes there.

import { element, saveFile, slider } from "./elements.js";
import { regionColor } from "./overlay.js";
import { stemOf } from "./recipe.js";
import { begin, complain, say } from "./status.js";
import { title } from "./store.js";

/** @param target () => the Mask of the brush's style, or null */
export function createRegions({ store, backend, viewer, overlay, brush, masks, target, redraw }) {
  let found = null;
  const count = slider({ label: "Regions", min: 2, max: 12, step: 1, value: 4, shown: String, change: () => {} });
  const find = element("button", { type: "button", className: "small", textContent: "Find regions", onclick: () => start().catch(complain) });
  const leave = element("button", { type: "button", className: "small", textContent: "Back to the brush", hidden: true, onclick: () => stop() });
  const file = element("input", { type: "file", accept: "image/png", className: "hidden", tabIndex: -1, "aria-label": "Label map" });
  const load = element("button", { type: "button", className: "small", textContent: "Load a label map", hidden: !backend.openLabelMap, onclick: () => file.click() });
  const save = element("button", { type: "button", className: "small", textContent: "Save the label map", hidden: true, onclick: () => saveMap().catch(complain) });
  file.addEventListener("change", () => {
    const [chosen] = file.files;
    file.value = "";
    if (chosen) begun(() => backend.openLabelMap(chosen)).catch(complain);
  });
  const chips = element("div", { className: "regions", role: "group", "aria-label": "Regions" });
  const hint = element("p", { className: "note" });
  const field = element("div", { className: "field" }, ...count.field.childNodes, element("div", { className: "full row" }, find, load, leave, save, file), hint, element("div", { className: "full" }, chips));

  const picker = {
    start: (x, y) => give(at(x, y)),
    move() {},
    end() {},
    cancel() {},
    hover(x, y) {
      if (x !== null) highlight(at(...viewer.inPicture(x, y)));
    },
  };
  let strong = null;

  const start = () => begun(() => backend.regions(store.state.photo, Number(count.input.value)), Number(count.input.value));

  /** @param counted how many were asked for, if they were not read from a file */
  async function begun(find, counted = 0) {
    const { photo } = store.state;
    const finished = begin("Looking for regions…");
    let said = "";
    try {
      const made = await find();
      if (store.state.photo !== photo || store.state.tab !== "paint") return;
      found = { ...fitted(made, masks()), counted };
      said = "Click a region to give it the brush's style.";
    } finally {
      finished(said);
    }
    viewer.brush = picker;
    viewer.frame.classList.remove("painting");
    leave.hidden = false;
    save.hidden = !counted || !backend.labelMap;
    hint.textContent = "Click regions in the picture, or press their buttons.";
    chips.replaceChildren(...[...new Set(found.labels)].sort((a, b) => a - b).map(chipOf));
    overlay.show("clear");
    overlay.regions(found, null);
  }

  async function saveMap() {
    const { photo } = store.state;
    saveFile(await backend.labelMap(photo, found.counted), `${stemOf(photo.name)}.regions.png`);
  }

  function chipOf(label) {
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = regionColor(label);
    return element("button", { type: "button", className: "small", onclick: () => give(label), onfocus: () => highlight(label), onpointerenter: () => highlight(label) }, swatch, `Region ${label + 1}`);
  }

  function at(x, y) {
    const { width, height, labels } = found;
    if (x < 0 || y < 0 || x >= 1 || y >= 1) return null;
    return labels[Math.floor(y * height) * width + Math.floor(x * width)];
  }

  function highlight(label) {
    if (!found || label === strong) return;
    strong = label;
    overlay.regions(found, label);
  }

  function give(label) {
    if (label === null || !found) return;
    const mask = target();
    if (!mask) return say("Choose a style in the strip first: that is what the region gets.");
    masks().join(mask, Uint8Array.from(found.labels, (each) => (each === label ? 255 : 0)));
    say(`Region ${label + 1} gets ${title(store.state, mask.style)}.`);
  }

  function stop() {
    if (!found) return;
    found = strong = null;
    leave.hidden = save.hidden = true;
    hint.textContent = "";
    chips.replaceChildren();
    if (store.state.tab === "paint") {
      viewer.brush = brush;
      viewer.frame.classList.add("painting");
      overlay.show("faint");
    }
    redraw();
  }

  store.on(["brushStyle"], () => found && say("Click a region to give it this style."));
  return { field, stop };
}

/** Labels on the masks' grid, by the nearest. */
function fitted({ labels, width, height }, set) {
  const made = new Uint8Array(set.width * set.height);
  for (let row = 0, at = 0; row < set.height; row++) {
    const from = Math.min(height - 1, Math.floor(((row + 0.5) * height) / set.height)) * width;
    for (let column = 0; column < set.width; column++, at++) {
      made[at] = labels[from + Math.min(width - 1, Math.floor(((column + 0.5) * width) / set.width))];
    }
  }
  return { labels: made, width: set.width, height: set.height };
}
