// The engine's thread: takes calls from the page one after the other, and answers.

import { createFilters } from "./filters.js";
import { createLine } from "./line.js";
import { fetched, startRuntime } from "./runtime.js";
import { createStudio } from "./studio.js";

const line = createLine();
const cancelled = new Set();
let studio;

const calls = {
  async start({ base, engine }) {
    const said = (text) => postMessage({ said: text });
    const about = JSON.parse(new TextDecoder().decode(await fetched(new URL("bank.json", base))));
    const runtime = await startRuntime(about, base, engine, said);
    studio = createStudio({ about, runtime, filters: createFilters(about, base, runtime.scale) });
    return { about, engine: { ...runtime.engine, threads: runtime.threads } };
  },
  open: ({ file, name, turn }) => studio.open(file, name, turn),
  close: ({ id }) => studio.close(id),
  photograph: ({ id, side }) => studio.photograph(id, side),
  render: ({ id, recipe, options }, check) => studio.render(id, recipe, options, check),
  regions: ({ id, count }) => studio.regions(id, count),
  live: ({ bitmap, style }, check) => studio.live(bitmap, style, check),
};

onmessage = async ({ data: { call, name, given, urgency } }) => {
  if (name === "cancel") return cancelled.add(given);
  try {
    const made = await line.run((check) => calls[name](given, check), urgency ?? 0, () => cancelled.has(call));
    postMessage({ call, made });
  } catch (error) {
    postMessage({ call, failed: { name: error.name, message: error.message ?? String(error) } });
  } finally {
    cancelled.delete(call);
  }
};
