// Choices as a recipe: the JSON that the server, `infer.py --recipe` and the browser's own backend read.

import { DEFAULTS } from "./store.js";

/** The recipe; its masks carry the drawn `layer` itself, which a backend replaces by what it calls it. */
export function recipeOf(state) {
  const recipe = { version: 1, style: styleOf(state) };
  for (const key of ["strength", "seed", "stroke", "colors", "size"]) {
    if (state[key] !== DEFAULTS[key]) recipe[key] = state[key];
  }
  const masks = state.masks.filter((mask) => !mask.empty);
  if (masks.length) {
    recipe.masks = masks.map((mask) => ({ style: mask.style, strength: mask.strength, layer: mask }));
    if (state.outside === "original") recipe.style = "original";
    if (state.feather) recipe.feather = state.feather;
  }
  const banks = new Set([...state.mix, ...masks].map(({ style }) => bankOf(state, style)).filter(Boolean));
  if (state.bank.banks?.length > 1 && banks.size === 1) recipe.bank = [...banks][0];
  return recipe;
}

/** One style by its name, several by weight; none is the auto-encoder alone. */
function styleOf({ mix }) {
  const used = mix.filter(({ weight }) => weight > 0);
  if (!used.length) return "identity";
  if (used.length === 1) return used[0].style;
  return Object.fromEntries(used.map(({ style, weight }) => [style, weight]));
}

export function bankOf(state, name) {
  return state.bank.styles.find((style) => style.name === name)?.bank;
}

/** What a recipe's file sets; its masks are files of their own, and are named in the answer. */
export function choicesOf(text, state) {
  let recipe;
  try {
    recipe = JSON.parse(text);
  } catch {
    throw new Error("This file is no recipe: it is not JSON.");
  }
  if (!recipe || typeof recipe !== "object" || !("style" in recipe)) throw new Error("This file is no recipe: it names no style.");
  const weights = typeof recipe.style === "string" ? { [recipe.style]: 1 } : recipe.style;
  const known = (name) => state.bank.styles.some((style) => style.name === name);
  const mix = [];
  for (const [style, weight] of Object.entries(weights ?? {})) {
    if (style === "identity" || style === "original") continue;
    if (!known(style)) throw new Error(`The recipe asks for the style '${style}', which is not in this bank.`);
    mix.push({ style, weight: clamp(Number(weight), 0, 1) });
  }
  const made = { ...DEFAULTS, mix };
  delete made.masks;
  // One style alone with a weight below 1: the weight is its strength.
  if (mix.length === 1 && mix[0].weight < 1) Object.assign(made, { strength: mix[0].weight, mix: [{ ...mix[0], weight: 1 }] });
  if (recipe.style === "original") made.outside = "original";
  for (const key of ["strength", "seed", "size", "feather"]) if (Number.isFinite(recipe[key])) made[key] = recipe[key];
  if (recipe.stroke === "auto" || Number.isFinite(recipe.stroke)) made.stroke = recipe.stroke;
  if (["none", "luma", "histogram"].includes(recipe.colors)) made.colors = recipe.colors;
  return { choices: made, masks: (recipe.masks ?? []).map((mask) => mask.mask) };
}

/** File names of the masks that belong to a recipe's file. */
export function maskNames(recipe, stem) {
  const seen = new Map();
  return (recipe.masks ?? []).map(({ style }) => {
    const count = (seen.get(style) ?? 0) + 1;
    seen.set(style, count);
    return `${stem}.${style}${count > 1 ? `-${count}` : ""}.mask.png`;
  });
}

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
export const stemOf = (name) => name.replace(/\.[^.]*$/, "") || "picture";
