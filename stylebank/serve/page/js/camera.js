// A photograph from the camera; where the engine can follow, its picture in a style while it moves.

import { byId, element } from "./elements.js";
import { complain } from "./status.js";
import { title } from "./store.js";

const LIVE_SIDE = 256;

export function createCamera({ store, backend, take }) {
  const dialog = byId("camera-dialog");
  const video = element("video", { autoplay: true, muted: true, playsInline: true });
  const live = element("img", { className: "preview", alt: "The camera's picture in the style", hidden: true });
  const which = element("select", { "aria-label": "Live style" });
  const pace = element("span", { className: "fine" });
  let stream = null;
  let facing = "environment";

  const shoot = element("button", { type: "button", className: "primary", textContent: "Take the photograph", onclick: () => photograph().catch(complain) });
  const turn = element("button", { type: "button", textContent: "Other camera", onclick: () => swap().catch(complain) });
  const leave = element("button", { type: "button", className: "quiet", textContent: "Cancel", onclick: () => dialog.close() });
  const styling = element("div", { className: "row" }, which, pace);
  styling.hidden = !backend.live;
  dialog.append(element("h2", { textContent: "Camera" }), video, live, styling, element("div", { className: "row" }, shoot, turn, leave));
  dialog.addEventListener("close", stop);
  for (const id of ["camera", "empty-camera"]) {
    const button = byId(id);
    button.hidden = !navigator.mediaDevices?.getUserMedia;
    button.addEventListener("click", () => open().catch(complain));
  }

  async function open() {
    which.replaceChildren(element("option", { value: "", textContent: "Plain" }), ...(store.state.bank?.styles ?? []).map(({ name }) => element("option", { value: name, textContent: title(store.state, name) })));
    which.value = backend.live ? store.state.mix[0]?.style ?? "" : "";
    await start();
    dialog.showModal();
    if (backend.live) follow().catch(complain);
  }

  async function start() {
    stop();
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: facing, width: { ideal: 1920 } } });
    } catch (error) {
      throw new Error(error.name === "NotAllowedError" ? "The browser was not allowed to use the camera." : "There is no camera that can be used.");
    }
    video.srcObject = stream;
    await video.play();
  }

  async function swap() {
    facing = facing === "environment" ? "user" : "environment";
    await start();
  }

  /** Frame after frame through the engine, as fast as it goes. */
  async function follow() {
    let url = null;
    while (dialog.open) {
      const style = which.value;
      live.hidden = !style;
      video.hidden = Boolean(style);
      if (!style || !video.videoWidth) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      const began = performance.now();
      const frame = await createImageBitmap(video, sized(video.videoWidth, video.videoHeight, LIVE_SIDE));
      const blob = await backend.live(frame, style);
      if (!dialog.open) break;
      if (url) URL.revokeObjectURL(url);
      live.src = url = URL.createObjectURL(blob);
      pace.textContent = `${(1000 / (performance.now() - began)).toFixed(1)} pictures a second`;
    }
  }

  async function photograph() {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await canvas.convertToBlob({ type: "image/png" });
    dialog.close();
    take(new File([blob], "camera.png", { type: "image/png" }));
  }

  function stop() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
  }
}

function sized(width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  return { resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale), resizeQuality: "high" };
}
