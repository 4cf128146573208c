// A recipe as the command line that makes the same picture.

/** @param masks names of the masks' files, in the recipe's order */
export function commandOf(recipe, name, masks, bank) {
  const words = ["stylebank", "stylize"];
  if (bank) words.push("--bank", bank);
  if (typeof recipe.style === "object") words.push("--style", ...Object.entries(recipe.style).map(([style, weight]) => `${style}:${weight}`));
  else if (recipe.style !== "original") words.push("--style", recipe.style);
  if (recipe.strength !== undefined) words.push("--alpha", recipe.strength);
  if (recipe.masks) words.push("--mask", ...recipe.masks.map(({ style, strength }, i) => `${style}${strength === 1 ? "" : `:${strength}`}=${masks[i]}`));
  if (recipe.style === "original") words.push("--outside", "original");
  if (recipe.feather) words.push("--feather", recipe.feather);
  if (recipe.colors) words.push("--preserve-colors", recipe.colors);
  if (recipe.stroke !== undefined) words.push("--stroke", recipe.stroke);
  if (recipe.seed) words.push("--seed", recipe.seed);
  if (recipe.size) words.push("--size", recipe.size);
  words.push("--input", name, "--output", fileName(name, recipe, "png"));
  return words.map(quoted).join(" ");
}

/** `holiday.jpg` in `udnie` is `holiday_udnie.png`. */
export function fileName(name, recipe, format) {
  const stem = name.replace(/\.[^.]*$/, "") || name;
  const look = typeof recipe.style === "string" ? recipe.style : Object.keys(recipe.style).join("+");
  return `${stem}_${look.slice(0, 80)}.${format === "jpeg" ? "jpg" : format}`;
}

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? String(word) : `'${String(word).replaceAll("'", `'"'"'`)}'`);
