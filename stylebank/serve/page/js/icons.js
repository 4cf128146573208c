// The few drawings on buttons, as lines in a square of 24.

const LINES = {
  open: "M4 19V6a1 1 0 0 1 1-1h4l2 3h8a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1z",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 17a4 4 0 1 0 0-8 4 4 0 0 0 0 8z",
  download: "M12 4v11M7 11l5 5 5-5M4 20h16",
  compare: "M12 3v18M4 6h5v12H4zM15 6h5v12h-5z",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12l5 5 9-10",
  undo: "M9 6L4 11l5 5M4 11h10a5 5 0 0 1 0 10h-3",
  redo: "M15 6l5 5-5 5M20 11H10a5 5 0 0 0 0 10h3",
  brush: "M20 4L10 14M8 14c-3 0-3 5-5 5 2 2 8 1 8-2a3 3 0 0 0-3-3z",
  eraser: "M4 15l9-10 7 6-8 9H8zM12 20h8",
  dice: "M5 5h14v14H5zM9 9h.01M15 15h.01M12 12h.01",
};

export function icon(name) {
  const holder = document.createElement("span");
  holder.className = "glyph";
  holder.setAttribute("aria-hidden", "true");
  draw(holder, name);
  return holder;
}

/** Draws into every element that asks for one with `data-icon`. */
export function drawIcons(root = document) {
  root.querySelectorAll("[data-icon]").forEach((holder) => {
    holder.setAttribute("aria-hidden", "true");
    draw(holder, holder.dataset.icon);
  });
}

function draw(holder, name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", LINES[name]);
  svg.append(path);
  holder.replaceChildren(svg);
}
