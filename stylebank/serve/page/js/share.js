// The picture as a file, a command line, a recipe.

import { byId, element, saveFile } from "./elements.js";
import { toPng } from "./masks.js";
import { choicesOf, maskNames, recipeOf, stemOf } from "./recipe.js";
import { begin, complain, say } from "./status.js";
import { LOOKS } from "./store.js";

export function createShare({ store, backend }) {
  const command = element("code", { className: "code", tabIndex: 0 });
  command.setAttribute("aria-label", "Command line");
  const copy = element("button", { type: "button", className: "small", textContent: "Copy the command line", onclick: () => copyCommand().catch(complain) });
  const recipe = element("button", { type: "button", className: "small", textContent: "Download the recipe", onclick: () => downloadRecipe().catch(complain) });
  const file = element("input", { type: "file", accept: ".json,application/json", className: "hidden", tabIndex: -1, "aria-label": "Recipe" });
  const load = element("button", { type: "button", className: "small", textContent: "Open a recipe", onclick: () => file.click() });
  file.addEventListener("change", () => {
    const [chosen] = file.files;
    file.value = "";
    if (chosen) openRecipe(chosen).catch(complain);
  });
  byId("share").append(
    element("h3", { textContent: "The same picture from a command line" }), command,
    element("div", { className: "row" }, copy),
    element("h3", { textContent: "Recipe" }),
    element("p", { className: "fine", textContent: "A small file with all that is set here, for other photographs, for the command line (--recipe) and for Python. Masks come with it as grey pictures." }),
    element("div", { className: "row" }, recipe, load, file),
  );
  byId("download").addEventListener("click", () => download().catch(complain));

  let asked = 0;
  async function showCommand() {
    const { state } = store;
    if (state.tab !== "share" || !state.photo) return;
    const mine = ++asked;
    const made = recipeOf(state);
    const text = await backend.command(made, state.photo.name, maskNames(made, stemOf(state.photo.name)));
    if (mine === asked) command.textContent = text;
  }

  async function copyCommand() {
    await showCommand();
    try {
      await navigator.clipboard.writeText(command.textContent);
      say("Copied the command line.");
    } catch {
      getSelection().selectAllChildren(command);
      say("Selected the command line: copy it with Ctrl+C.");
    }
  }

  async function downloadRecipe() {
    const made = recipeOf(store.state);
    const stem = stemOf(store.state.photo.name);
    const names = maskNames(made, stem);
    const plain = { ...made };
    if (made.masks) plain.masks = made.masks.map(({ layer, ...rest }, i) => ({ ...rest, mask: names[i] }));
    saveFile(new Blob([JSON.stringify(plain, null, 2) + "\n"], { type: "application/json" }), `${stem}.recipe.json`);
    for (const [i, mask] of (made.masks ?? []).entries()) saveFile(await toPng(mask.layer), names[i]);
    if (names.length) say(`Downloaded the recipe and ${names.length === 1 ? "its mask" : `${names.length} masks`}: keep them in one folder.`);
  }

  async function openRecipe(chosen) {
    const { choices, masks } = choicesOf(await chosen.text(), store.state);
    store.update(choices);
    say(masks.length ? `Opened ${chosen.name}; its masks (${masks.join(", ")}) are loaded in the brush's panel.` : `Opened ${chosen.name}.`);
  }

  async function download() {
    const { photo } = store.state;
    const format = byId("format").value;
    const finished = begin("Making the file…");
    let said = "";
    try {
      const { blob, name } = await backend.render(photo, recipeOf(store.state), { side: null, format });
      const saved = name ?? `${stemOf(photo.name)}.${format === "jpeg" ? "jpg" : format}`;
      saveFile(blob, saved);
      said = `Downloaded ${saved}, ${sizeOf(blob.size)}.`;
    } finally {
      finished(said);
    }
  }

  store.on([...LOOKS, "tab", "photo"], () => showCommand().catch(complain));
  return { openRecipe, download };
}

export const sizeOf = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
