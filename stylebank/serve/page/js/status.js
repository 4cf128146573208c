// One line that says what is going on, and one for what went wrong.

import { byId } from "./elements.js";

const running = new Map();
let last = "";
let hide;

/** Says what is being done until the returned function is called, with what there is to say then. */
export function begin(text) {
  const key = {};
  running.set(key, text);
  show();
  return (done) => {
    running.delete(key);
    if (done) last = done;
    show();
  };
}

export function say(text) {
  last = text;
  show();
}

/** Shows an error as one sentence; aborted work is none. */
export function complain(error) {
  if (error?.name === "AbortError") return;
  const text = String(error?.message ?? error).split("\n")[0].trim();
  const notice = byId("notice");
  notice.querySelector("p").textContent = text || "Something went wrong, and nothing said what.";
  notice.hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => (notice.hidden = true), 15_000);
}

export function startStatus() {
  byId("notice").querySelector("button").addEventListener("click", () => (byId("notice").hidden = true));
}

export function clearComplaint() {
  byId("notice").hidden = true;
}

function show() {
  const texts = [...running.values()];
  byId("status").textContent = texts.at(-1) ?? last;
  byId("pulse").hidden = byId("busy").hidden = !texts.length;
}
