// Making and finding elements.

export const byId = (id) => document.getElementById(id);

/** An element; properties that start with "on" are listeners, those with a dash or "role" are attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

let numbered = 0;

/**
 * A labelled slider with its value beside it.
 * @param {{label: string, min: number, max: number, step: number, value: number, shown: (n: number) => string,
 *   note?: string, change: (n: number, resting: boolean) => void}} what
 */
export function slider({ label, min, max, step, value, shown, note, change }) {
  const id = `slider-${++numbered}`;
  const output = element("output", { htmlFor: id, textContent: shown(value) });
  const input = element("input", { type: "range", id, min, max, step, value });
  const field = element("div", { className: "field" }, element("label", { for: id, textContent: label }), output, input);
  if (note) field.append(element("p", { className: "note", textContent: note }));
  const set = (number) => {
    input.value = number;
    showPart(input);
    output.textContent = shown(number);
    input.setAttribute("aria-valuetext", shown(number));
  };
  input.addEventListener("input", () => {
    set(Number(input.value));
    change(Number(input.value), false);
  });
  input.addEventListener("change", () => change(Number(input.value), true));
  set(value);
  return { field, input, set };
}

/** Colours a slider's track up to its thumb. */
export function showPart(input) {
  const share = (Number(input.value) - Number(input.min)) / (Number(input.max) - Number(input.min));
  input.style.setProperty("--part", `${share * 100}%`);
}

/** Radio buttons in a row: [[value, label], ...]. */
export function choices(label, options, value, change) {
  const name = `choices-${++numbered}`;
  const row = element("div", { className: "choices", role: "radiogroup", "aria-label": label });
  for (const [each, text] of options) {
    const input = element("input", { type: "radio", name, value: each, checked: each === value, onchange: () => change(each) });
    row.append(element("label", {}, input, element("span", { textContent: text })));
  }
  const set = (wanted) => row.querySelectorAll("input").forEach((input) => (input.checked = input.value === wanted));
  const field = element("div", { className: "field" }, element("span", { className: "label", textContent: label }));
  row.classList.add("full");
  field.append(row);
  return { field, set };
}

/** Hands a file to the browser's downloads. */
export function saveFile(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
