// Shortcuts. None works while something is typed.

import { byId } from "./elements.js";

export function followKeys({ store, viewer, paint, download }) {
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=range]):not([type=radio]), select, textarea, dialog[open]");
    if (typing || !store.state.photo) return;
    const painting = store.state.tab === "paint";
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    const work = command ? commands[key] : plain[key];
    if (!work || event.altKey) return;
    if (work({ painting, shift: event.shiftKey }) !== false) event.preventDefault();
  });
  addEventListener("keydown", (event) => hold(event, true));
  addEventListener("keyup", (event) => hold(event, false));

  const commands = {
    z: ({ painting, shift }) => painting && (shift ? paint.redo() : paint.undo()),
    y: ({ painting }) => painting && paint.redo(),
    s: () => download(),
  };
  const plain = {
    "+": () => viewer.zoomAt(1.25),
    "=": () => viewer.zoomAt(1.25),
    "-": () => viewer.zoomAt(0.8),
    0: () => viewer.fit(),
    1: () => viewer.zoomAt(1 / viewer.zoom),
    b: ({ painting }) => !painting && viewer.compare.toggle(),
    "[": ({ painting }) => painting && paint.resize(-0.05),
    "]": ({ painting }) => painting && paint.resize(0.05),
  };

  /** While the space bar is held the brush moves the picture instead. */
  function hold(event, down) {
    if (event.key !== " " || (event.target !== document.body && event.target !== byId("frame"))) return;
    if (down) event.preventDefault();
    viewer.holdingSpace = down;
  }
}
