// The brush: painting with a style's mask on the stage. Sizes are in pixels of the picture.

import { byId } from "./elements.js";
import { beginStroke } from "./stroke.js";

/**
 * @param tool {size, hardness, erasing}: shared with the panel, read at every stroke
 * @param masks () => the MaskSet there is now
 * @param mask () => the Mask to paint on, or null, which says so itself
 */
export function createBrush({ viewer, overlay, tool, masks, mask }) {
  const ring = byId("ring");
  let stroke = null;
  const place = (x, y) => [x * masks().width - 0.5, y * masks().height - 0.5];

  const brush = {
    start(x, y) {
      const painted = mask();
      if (!painted) return;
      overlay.show("clear");
      stroke = beginStroke(masks(), painted, { radius: (tool.size / 2) * masks().scale, hardness: tool.hardness, erasing: tool.erasing });
      brush.move(x, y);
    },
    move(x, y) {
      if (stroke) overlay.draw(masks(), stroke.to(...place(x, y)));
    },
    end() {
      stroke?.end();
      stroke = null;
      overlay.show("faint");
    },
    cancel() {
      stroke?.cancel();
      if (stroke) overlay.draw(masks());
      stroke = null;
      overlay.show("faint");
    },
    hover(x, y) {
      ring.hidden = x === null;
      if (x === null) return;
      const across = Math.max(4, tool.size * viewer.zoom);
      Object.assign(ring.style, { left: `${x}px`, top: `${y}px`, width: `${across}px`, height: `${across}px` });
    },
  };
  return brush;
}
