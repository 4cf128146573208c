// When to make which picture: small ones while something moves, the whole one when it rests.

import { begin, clearComplaint, complain } from "./status.js";
import { recipeOf } from "./recipe.js";
import { sizeOf } from "./look.js";
import { LOOKS } from "./store.js";

const SIDES = [256, 384, 512, 768]; // long sides of previews
const QUICK = 220; // milliseconds a preview should take at most
const REST = 280; // milliseconds without a change, after which the whole picture is made
const SHOWN = 4096; // longest side that is shown; downloads have all of it

export function startRendering({ store, backend, viewer }) {
  let newest = 0;
  let whole = null; // AbortController
  let timer = 0;
  let previewing = false;
  let side = 1;

  function request(_, how) {
    const { photo, film } = store.state;
    if (!photo || film) return;
    newest++;
    whole?.abort();
    whole = null;
    clearTimeout(timer);
    timer = setTimeout(makeWhole, how === "drag" ? REST : 40);
    // Of a small picture at rest the whole is as quick as a preview.
    if (how === "drag" || Math.max(...sizeOf(store.state)) > SIDES[side]) preview();
  }

  async function preview() {
    if (previewing) return;
    previewing = true;
    let made = 0;
    try {
      while (made !== newest && store.state.photo) {
        made = newest;
        const { photo } = store.state;
        const began = performance.now();
        const { blob } = await backend.render(photo, recipeOf(store.state), { side: SIDES[side], format: "jpeg", draft: true });
        adapt(performance.now() - began);
        if (store.state.photo === photo && !whole?.done) await viewer.show("after", blob);
      }
    } catch (error) {
      complain(error);
    } finally {
      previewing = false;
    }
  }

  function adapt(took) {
    if (took > QUICK * 1.5 && side > 0) side--;
    else if (took < QUICK / 3 && side < SIDES.length - 1) side++;
  }

  async function makeWhole() {
    const { photo } = store.state;
    if (!photo) return;
    const mine = (whole = new AbortController());
    const sides = sizeOf(store.state);
    const long = Math.max(...sides);
    const finished = begin(`Painting ${sides.join(" × ")} pixels…`);
    const began = performance.now();
    let said = "";
    try {
      const options = { side: long > SHOWN ? SHOWN : null, format: "jpeg", signal: mine.signal };
      const { blob } = await backend.render(photo, recipeOf(store.state), options);
      if (mine.signal.aborted) return;
      mine.done = true; // a preview that is still under way comes too late
      await viewer.show("after", blob);
      clearComplaint();
      const seconds = (performance.now() - began) / 1000;
      said = `${sides.join(" × ")} pixels in ${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
      if (long > SHOWN) said += `, shown at ${SHOWN}; a download has all of them`;
      document.body.dataset.rendered = String(Number(document.body.dataset.rendered ?? 0) + 1);
    } catch (error) {
      if (!mine.signal.aborted) complain(error);
    } finally {
      finished(said);
    }
  }

  store.on([...LOOKS, "photo"], request);
}
