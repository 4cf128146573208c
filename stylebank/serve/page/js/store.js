// What is chosen, and who wants to know when it changes.

export const LOOKS = ["mix", "strength", "seed", "stroke", "colors", "size", "feather", "outside", "masks"];
/** Keys that change the picture. */

export const DEFAULTS = {
  mix: [], // [{style, weight}] in the order of choosing
  strength: 1,
  seed: 0,
  stroke: "auto",
  colors: "none",
  size: null, // short side in pixels
  feather: 0, // pixels of the picture
  outside: "mix", // where masks are and no mask is: "mix" or "original"
  masks: [], // Mask, see masks.js
};

export function createStore() {
  const state = { ...DEFAULTS, bank: null, photo: null, film: null, tab: "mix", brushStyle: null };
  const listeners = [];
  return {
    state,
    /** @param how "drag" while a slider moves, else "rest" */
    update(patch, how = "rest") {
      const changed = Object.keys(patch).filter((key) => patch[key] !== state[key]);
      if (!changed.length && how === "drag") return;
      Object.assign(state, patch);
      for (const [keys, listener] of listeners) if (keys.some((key) => changed.includes(key))) listener(state, how, changed);
    },
    /** @param listener called with (state, how, changed keys) */
    on(keys, listener) {
      listeners.push([keys, listener]);
    },
  };
}

export function title(state, name) {
  if (name === "identity") return "Photograph, repainted";
  const style = state.bank?.styles.find((each) => each.name === name);
  return style?.title || name.replaceAll("_", " ");
}

/** The title without its year, for where there is little room. */
export const shortTitle = (state, name) => title(state, name).replace(/\s*\([^()]*\)$/, "");
