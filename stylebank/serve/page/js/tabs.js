// The panel's tabs: arrow keys go from one to the next.

import { byId } from "./elements.js";

export function createTabs({ store }) {
  const buttons = [...byId("tabs").querySelectorAll("[role=tab]")];
  const nameOf = (button) => button.getAttribute("aria-controls");
  for (const button of buttons) button.addEventListener("click", () => store.update({ tab: nameOf(button) }));
  byId("tabs").addEventListener("keydown", (event) => {
    const there = buttons.filter((button) => !button.hidden);
    const at = there.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: there.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = there[(to + there.length) % there.length];
    next.focus();
    store.update({ tab: nameOf(next) });
  });
  const show = () => {
    for (const button of buttons) {
      const chosen = nameOf(button) === store.state.tab;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      byId(nameOf(button)).hidden = !chosen;
    }
  };
  store.on(["tab"], show);
  show();
}
