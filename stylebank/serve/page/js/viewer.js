// The picture on the stage: photograph below, result above, zoomed and moved; before and after.

import { byId } from "./elements.js";
import { clamp } from "./recipe.js";
import { followGestures } from "./gestures.js";

const LARGEST = 16; // screen pixels a pixel of the picture takes

export function createViewer() {
  const frame = byId("frame");
  const sheet = byId("sheet");
  const view = { width: 1, height: 1, zoom: 1, x: 0, y: 0, fitted: true, brush: null };
  const shownUrls = new Map();

  /** What is left and right, above, and below for the buttons, when the picture is shown whole. */
  function margins() {
    const film = document.body.dataset.kind === "film";
    return frame.clientWidth < 600 ? [8, 8, film ? 104 : 8] : [24, 20, 62];
  }

  function fitZoom() {
    const [side, above, below] = margins();
    const room = [frame.clientWidth - 2 * side, frame.clientHeight - above - below];
    return Math.max(0.005, Math.min(room[0] / view.width, room[1] / view.height, LARGEST));
  }

  function place() {
    const [width, height] = [view.width * view.zoom, view.height * view.zoom];
    const [roomX, roomY] = [frame.clientWidth, frame.clientHeight];
    view.x = width <= roomX ? (roomX - width) / 2 : clamp(view.x, roomX - width, 0);
    const [, above, below] = margins();
    view.y = height <= roomY - above - below ? above + (roomY - above - below - height) / 2 : clamp(view.y, Math.min(above, roomY - below - height), above);
    Object.assign(sheet.style, { left: `${view.x}px`, top: `${view.y}px`, width: `${width}px`, height: `${height}px` });
    sheet.classList.toggle("close-up", view.zoom >= 4);
    byId("zoom-value").textContent = `${view.zoom < 0.1 ? (view.zoom * 100).toFixed(1) : Math.round(view.zoom * 100)}%`;
    view.placed?.();
  }

  function fit() {
    view.zoom = fitZoom();
    view.fitted = true;
    place();
  }

  /** Zooms by a factor; the place (x, y) of the frame stays where it is. */
  function zoomAt(factor, x = frame.clientWidth / 2, y = frame.clientHeight / 2) {
    const zoom = clamp(view.zoom * factor, Math.min(fitZoom(), 0.25), LARGEST);
    view.x = x - ((x - view.x) * zoom) / view.zoom;
    view.y = y - ((y - view.y) * zoom) / view.zoom;
    Object.assign(view, { zoom, fitted: false });
    place();
  }

  function pan(dx, dy) {
    view.x += dx;
    view.y += dy;
    view.fitted = false;
    place();
  }

  async function show(layer, blob) {
    const url = URL.createObjectURL(blob);
    const image = byId(layer);
    const old = shownUrls.get(layer);
    shownUrls.set(layer, url);
    image.src = url;
    await image.decode().catch(() => {}); // replaced meanwhile
    if (old) URL.revokeObjectURL(old);
  }

  Object.assign(view, {
    frame,
    fit,
    zoomAt,
    pan,
    show,
    /** A new picture: its size in pixels, shown whole. */
    open(width, height) {
      Object.assign(view, { width, height });
      byId("after").removeAttribute("src");
      compare.set(null);
      fit();
    },
    /** Place of the frame -> place in the picture, 0 to 1 across and down. */
    inPicture: (x, y) => [(x - view.x) / (view.width * view.zoom), (y - view.y) / (view.height * view.zoom)],
  });
  const compare = followDivider(view);
  view.compare = compare;

  new ResizeObserver(() => (view.fitted ? fit() : place())).observe(frame);
  followGestures(view);
  followButtons(view);
  return view;
}

/** The line between photograph (left of it) and result. */
function followDivider(view) {
  const [divider, after, button] = [byId("divider"), byId("after"), byId("compare")];
  let share = null;
  function set(wanted) {
    share = wanted === null ? null : clamp(wanted, 0, 1);
    divider.hidden = byId("tag-before").hidden = share === null;
    button.setAttribute("aria-pressed", String(share !== null));
    const percent = Math.round((share ?? 0) * 100);
    after.style.clipPath = share === null ? "" : `inset(0 0 0 ${share * 100}%)`;
    divider.style.left = `${percent}%`;
    divider.setAttribute("aria-valuenow", percent);
    divider.setAttribute("aria-valuetext", `${percent} percent photograph, the rest stylized`);
  }
  divider.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    divider.setPointerCapture(event.pointerId);
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    set(view.inPicture(event.clientX - view.frame.getBoundingClientRect().left, 0)[0]);
  });
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.05, ArrowDown: -0.05, ArrowRight: 0.05, ArrowUp: 0.05, Home: -1, End: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    set((share ?? 0.5) + step);
  });
  const toggle = () => set(share === null ? 0.5 : null);
  button.addEventListener("click", toggle);
  return { set, toggle };
}

function followButtons(view) {
  byId("zoom-in").addEventListener("click", () => view.zoomAt(1.4));
  byId("zoom-out").addEventListener("click", () => view.zoomAt(1 / 1.4));
  byId("zoom-fit").addEventListener("click", () => view.fit());
  view.frame.addEventListener("keydown", (event) => {
    if (event.target !== view.frame || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (move) {
      event.preventDefault();
      view.pan(...move);
    }
  });
}
