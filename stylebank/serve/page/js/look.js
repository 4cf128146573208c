// Stroke, colours, seed and size.

import { byId, choices, element, slider } from "./elements.js";
import { icon } from "./icons.js";

export function createLook({ store }) {
  const { state } = store;
  const colors = choices("Colours", [["none", "Painting's"], ["luma", "Photograph's"], ["histogram", "Its palette"]], state.colors, (value) => store.update({ colors: value }));

  const auto = choices("Width of strokes", [["auto", "Fit the size"], ["own", "Set"]], "auto", (value) => store.update({ stroke: value === "auto" ? "auto" : widthOf(width.input.value) }));
  const width = slider({
    label: "Width", min: -1, max: 4, step: 0.25, value: 0, shown: (value) => `${round(2 ** value)}×`,
    note: "1× as the painting has them; halves and doubles.",
    change: (value, resting) => store.update({ stroke: widthOf(value) }, resting ? "rest" : "drag"),
  });

  const seed = element("input", { type: "number", id: "seed", min: 0, max: 4294967295, step: 1, value: state.seed });
  seed.addEventListener("change", () => store.update({ seed: whole(seed, 0, 4294967295) ?? 0 }));
  const dice = element("button", { type: "button", className: "icon", title: "Other strokes", onclick: () => store.update({ seed: Math.floor(Math.random() * 10000) }) }, icon("dice"), element("span", { className: "hidden", textContent: "Other strokes" }));
  const seedField = element("div", { className: "field" }, element("label", { for: "seed", textContent: "Seed of the strokes in plain areas" }), element("span"), element("div", { className: "full row" }, seed, dice));
  seed.style.flex = "1";

  const size = element("input", { type: "number", id: "size", min: 16, max: 20000, step: 1, placeholder: "as the photograph" });
  size.addEventListener("change", () => store.update({ size: whole(size, 16, 20000) }));
  const result = element("span", { className: "value" });
  const sizeField = element("div", { className: "field" }, element("label", { for: "size", textContent: "Short side in pixels" }), result, element("div", { className: "full" }, size));

  byId("look").append(colors.field, auto.field, width.field, seedField, sizeField);

  const show = () => {
    colors.set(state.colors);
    const own = state.stroke !== "auto";
    auto.set(own ? "own" : "auto");
    width.field.hidden = !own;
    if (own) width.set(Math.log2(state.stroke));
    seed.value = state.seed;
    size.value = state.size ?? "";
    seedField.hidden = !state.bank?.noise;
    result.textContent = state.photo ? sizeOf(state).join(" × ") : "";
  };
  store.on(["colors", "stroke", "seed", "size", "photo", "bank"], show);
  show();
}

/** [width, height] of the finished picture. */
export function sizeOf({ photo, size }) {
  if (!size) return [photo.width, photo.height];
  const scale = size / Math.min(photo.width, photo.height);
  return [photo.width, photo.height].map((side) => (side === Math.min(photo.width, photo.height) ? size : Math.round(side * scale)));
}

function whole(input, low, high) {
  if (input.value.trim() === "") return null;
  const number = Math.round(Number(input.value));
  return Number.isFinite(number) ? Math.min(high, Math.max(low, number)) : null;
}

const widthOf = (exponent) => round(2 ** Number(exponent));
const round = (number) => Math.round(number * 100) / 100;
