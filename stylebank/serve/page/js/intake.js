// How a file comes in: dropped, pasted, chosen.

import { byId } from "./elements.js";

/** Calls `take` with one file, and the element that it was dropped on, if it was. */
export function createIntake(take) {
  const input = byId("file");
  const choose = () => input.click();
  byId("open").addEventListener("click", choose);
  byId("empty-open").addEventListener("click", choose);
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = ""; // the same file again is a change, too
    if (file) take(file);
  });

  const veil = byId("veil");
  const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let inside = 0;
  addEventListener("dragenter", (event) => {
    if (!hasFile(event)) return;
    inside++;
    veil.hidden = Boolean(document.querySelector("dialog[open]"));
  });
  addEventListener("dragleave", () => {
    inside = Math.max(0, inside - 1);
    if (!inside) veil.hidden = true;
  });
  addEventListener("dragover", (event) => hasFile(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    inside = 0;
    veil.hidden = true;
    if (!hasFile(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) take(file, event.target);
  });

  addEventListener("paste", (event) => {
    if (["INPUT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "range") return;
    const file = [...(event.clipboardData?.items ?? [])].find((item) => item.kind === "file")?.getAsFile();
    if (!file) return;
    event.preventDefault();
    take(file);
  });
}
