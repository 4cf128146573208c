// Fingers, pens, mice and wheels on the stage: move, zoom, or paint.

/** @param view see viewer.js; `view.brush`, if set, is told `start`, `move`, `end`, `cancel` with places in the picture */
export function followGestures(view) {
  const { frame } = view;
  const fingers = new Map();
  let painting = false;
  let spread = null; // of two fingers: distance and middle

  const at = (event) => {
    const box = frame.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  frame.addEventListener("pointerdown", (event) => {
    if (event.button === 2) return;
    frame.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    if (fingers.size === 2) {
      if (painting) view.brush?.cancel();
      painting = false;
      spread = spreadOf(fingers);
    } else if (fingers.size === 1 && view.brush && event.button === 0 && !view.holdingSpace) {
      painting = true;
      view.brush.start(...view.inPicture(...at(event)), event.pressure);
    } else if (fingers.size === 1) {
      frame.classList.add("dragging");
    }
  });

  frame.addEventListener("pointermove", (event) => {
    view.brush?.hover(...at(event));
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    fingers.set(event.pointerId, now);
    if (fingers.size === 2) {
      const wider = spreadOf(fingers);
      view.pan(wider.x - spread.x, wider.y - spread.y);
      view.zoomAt(wider.distance / spread.distance, wider.x, wider.y);
      spread = wider;
    } else if (painting) {
      const places = event.getCoalescedEvents?.() ?? [];
      for (const each of places.length ? places : [event]) view.brush?.move(...view.inPicture(...at(each)));
    } else {
      view.pan(now[0] - before[0], now[1] - before[1]);
    }
  });

  const up = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (painting) event.type === "pointerup" ? view.brush?.end() : view.brush?.cancel();
    painting = false;
    frame.classList.remove("dragging");
  };
  frame.addEventListener("pointerup", up);
  frame.addEventListener("pointercancel", up);
  frame.addEventListener("pointerleave", () => view.brush?.hover(null));

  frame.addEventListener("wheel", (event) => {
    event.preventDefault();
    const step = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    view.zoomAt(Math.exp(-Math.max(-120, Math.min(120, step)) / 400), ...at(event));
  }, { passive: false });

  frame.addEventListener("dblclick", (event) => {
    if (view.brush) return;
    if (view.fitted) view.zoomAt(Math.max(2, 1 / view.zoom), ...at(event));
    else view.fit();
  });
}

function spreadOf(fingers) {
  const [[ax, ay], [bx, by]] = [...fingers.values()];
  return { distance: Math.max(1, Math.hypot(ax - bx, ay - by)), x: (ax + bx) / 2, y: (ay + by) / 2 };
}
