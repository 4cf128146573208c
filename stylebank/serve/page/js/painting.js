// A painting of one's own as a new style: trained in the background, into a copy of the bank.

import { byId, element } from "./elements.js";
import { jobCard } from "./film.js";
import { stemOf } from "./recipe.js";
import { complain, say } from "./status.js";

export function createPainting({ store, backend, refresh }) {
  const dialog = byId("painting-dialog");
  const file = element("input", { type: "file", accept: "image/*", id: "painting-file" });
  const image = element("img", { className: "preview", alt: "The painting", hidden: true });
  const name = element("input", { type: "text", id: "painting-name", maxLength: 60, autocomplete: "off" });
  const start = element("button", { type: "button", className: "primary", textContent: "Learn this painting", disabled: true, onclick: () => begun().catch(complain) });
  const close = element("button", { type: "button", className: "quiet", textContent: "Close", onclick: () => dialog.close() });
  const list = element("div");
  dialog.append(
    element("h2", { textContent: "Add a painting" }),
    element("p", { className: "fine", textContent: "The bank learns to paint like it. That takes a while; it goes on in the background, and the style appears among the others when it is done. Crops with brushwork and few large plain areas are learnt best." }),
    element("div", { className: "field" }, element("label", { for: "painting-file", textContent: "Picture of the painting" }), element("span"), element("div", { className: "full" }, file)),
    image,
    element("div", { className: "field" }, element("label", { for: "painting-name", textContent: "Name of the style" }), element("span"), element("div", { className: "full" }, name)),
    element("div", { className: "row" }, start, close), list,
  );
  file.addEventListener("change", () => {
    const [chosen] = file.files;
    start.disabled = !chosen;
    image.hidden = !chosen;
    if (!chosen) return;
    if (image.src) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(chosen);
    if (!name.value) name.value = nameOf(chosen.name);
  });

  async function begun() {
    const [chosen] = file.files;
    const wanted = nameOf(name.value);
    name.value = wanted;
    if (!wanted) throw new Error("A style's name has letters, digits, '_' and '-'.");
    if (store.state.bank.styles.some((style) => style.name === wanted)) throw new Error(`The bank has a style '${wanted}' already; choose another name.`);
    start.disabled = true;
    try {
      const { job } = await backend.startPainting(chosen, wanted);
      list.prepend(jobCard({ backend, id: job, whenDone: () => learnt(wanted) }));
      say(`Learning ${wanted}: it goes on in the background.`);
    } catch (error) {
      start.disabled = false;
      throw error;
    }
  }

  async function learnt(wanted) {
    await refresh();
    say(`The bank has learnt ${wanted}.`);
  }

  return { open: () => dialog.showModal() };
}

const nameOf = (text) => stemOf(text).toLowerCase().replace(/[^a-z0-9_-]+/g, "_").replace(/^[_-]+|[_-]+$/g, "");
