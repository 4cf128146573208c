// The mixture: a slider for every chosen style, and the strength of the whole.

import { byId, element, showPart, slider } from "./elements.js";
import { icon } from "./icons.js";
import { shortTitle, title } from "./store.js";

export function createMixer({ store, strip }) {
  const body = byId("mix");
  const hint = element("p", { className: "fine" });
  const list = element("ul", { className: "mixed", "aria-label": "Styles in the mixture" });
  const strength = slider({
    label: "Strength", min: 0, max: 1, step: 0.01, value: 1, shown: percent,
    change: (value, resting) => store.update({ strength: value }, resting ? "rest" : "drag"),
  });
  const even = element("button", { type: "button", className: "small", textContent: "Even shares", onclick: () => store.update({ mix: store.state.mix.map((each) => ({ ...each, weight: 0.5 })) }) });
  const none = element("button", { type: "button", className: "small", textContent: "Take all out", onclick: () => store.update({ mix: [] }) });
  const buttons = element("div", { className: "row" }, even, none);
  body.append(list, hint, strength.field, buttons);

  let rows = new Map();

  function build() {
    const { mix } = store.state;
    const focused = document.activeElement?.dataset?.style;
    rows = new Map();
    list.replaceChildren(...mix.map(({ style }) => rowOf(style)));
    hint.textContent = mix.length === 0
      ? "Choose a style in the strip. The plus on a second one mixes both."
      : mix.length === 1 ? "The plus on another style in the strip mixes it in." : "";
    hint.hidden = mix.length > 1;
    even.hidden = mix.length < 2;
    none.hidden = mix.length === 0;
    if (focused) rows.get(focused)?.input.focus();
    show();
  }

  function rowOf(style) {
    const name = title(store.state, style);
    const known = store.state.bank.styles.find((each) => each.name === style);
    const input = element("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": `Share of ${name}` });
    input.dataset.style = style;
    const output = element("output");
    const moved = (how) => store.update({ mix: store.state.mix.map((each) => (each.style === style ? { style, weight: Number(input.value) } : each)) }, how);
    input.addEventListener("input", () => moved("drag"));
    input.addEventListener("change", () => moved("rest"));
    const image = element("img", { alt: "", src: strip.urlOf(style) ?? "" });
    if (!image.getAttribute("src")) image.removeAttribute("src");
    const out = element("button", { type: "button", title: `Take ${name} out`, onclick: () => remove(style) }, icon("close"), element("span", { className: "hidden", textContent: `Take ${name} out` }));
    const line = element("div", { className: "line" }, input, output);
    const who = element("span", { className: "title", title: name }, shortTitle(store.state, style));
    rows.set(style, { input, output, line, image, who, artist: known?.artist });
    return element("li", {}, image, who, out, line);
  }

  function remove(style) {
    store.update({ mix: store.state.mix.filter((each) => each.style !== style) });
  }

  function show() {
    const { mix } = store.state;
    const total = mix.reduce((sum, { weight }) => sum + weight, 0);
    for (const { style, weight } of mix) {
      const { input, output, line, who, artist } = rows.get(style);
      const share = percent(total ? weight / total : 0);
      input.value = weight;
      showPart(input);
      input.setAttribute("aria-valuetext", share);
      output.textContent = share;
      // One style alone has no share to set: its strength is the slider below.
      const alone = mix.length === 1;
      input.hidden = output.hidden = alone;
      let who2 = line.querySelector(".who");
      if (alone && !who2) line.append(element("span", { className: "who", textContent: artist ?? "" }));
      if (!alone) who2?.remove();
    }
  }

  store.on(["mix", "bank"], (state) => {
    const same = state.mix.length === rows.size && state.mix.every(({ style }) => rows.has(style));
    same ? show() : build();
  });
  store.on(["strength"], (state) => strength.set(state.strength));
  byId("styles").addEventListener("thumbnail", ({ detail }) => {
    const row = rows.get(detail.name);
    if (row) row.image.src = detail.url;
  });
  build();
}

/** Takes a style alone, or adds it to the mixture, or takes it out again. */
export function pickStyle(store, style, adding) {
  const { mix } = store.state;
  const there = mix.some((each) => each.style === style);
  if (!adding) return store.update({ mix: [{ style, weight: 0.5 }] });
  if (there) return mix.length > 1 && store.update({ mix: mix.filter((each) => each.style !== style) });
  return store.update({ mix: [...mix, { style, weight: 0.5 }] });
}

export const percent = (share) => `${Math.round(share * 100)}%`;
