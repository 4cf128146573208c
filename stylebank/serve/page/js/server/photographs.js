// Photographs and masks that the server has, and gets again if it has lost them.

import { json } from "./requests.js";
import { toPng } from "../masks.js";

const opened = new Map(); // id of a photograph -> its file, and what the server calls it now
const sent = new Map(); // version of a mask -> its name on the server

/** Sends a photograph; returns what the server says of it. */
export async function open(file) {
  const photo = await upload(file);
  opened.set(photo.id, { file, id: photo.id });
  return photo;
}

/** Returns what the server calls a photograph that is not needed any more. */
export function forget(photo) {
  const id = opened.get(photo.id)?.id ?? photo.id;
  opened.delete(photo.id);
  return id;
}

async function upload(file) {
  const form = new FormData();
  form.append("file", file, file.name || "pasted.png");
  return json("api/pictures", { method: "POST", body: form });
}

/** Does something with a photograph's id. A server that was started anew, or had no room, gets what it lacks again. */
export async function about(photo, work) {
  const known = opened.get(photo.id);
  const id = known?.id ?? photo.id;
  try {
    return await work(id);
  } catch (error) {
    if (error.status !== 404 || !known) throw error;
  }
  sent.clear();
  if (known.id === id) {
    known.again ??= upload(known.file).finally(() => (known.again = null));
    known.id = (await known.again).id;
  }
  return work(known.id);
}

/** A recipe whose masks are what the server calls them. */
export async function withMasks(recipe) {
  if (!recipe.masks) return recipe;
  const masks = await Promise.all(recipe.masks.map(async ({ layer, ...rest }) => ({ ...rest, mask: await sendMask(layer) })));
  return { ...recipe, masks };
}

function sendMask(layer) {
  const { version } = layer;
  if (!sent.has(version)) {
    const upload = toPng(layer).then(async (png) => {
      const form = new FormData();
      form.append("file", png, "mask.png");
      return (await json("api/masks", { method: "POST", body: form })).id;
    });
    sent.set(version, upload);
    upload.catch(() => sent.delete(version));
    if (sent.size > 500) sent.delete(sent.keys().next().value);
  }
  return sent.get(version);
}

/** A recipe whose masks are files' names. */
export function named(recipe, names) {
  if (!recipe.masks) return recipe;
  return { ...recipe, masks: recipe.masks.map(({ layer, ...rest }, i) => ({ ...rest, mask: names[i] })) };
}
