// A job in the background: how far it is, and what can be done with it.

import { element } from "./elements.js";
import { complain } from "./status.js";

/**
 * @param job what is known of it already
 * @param told called with every state of it
 * @param whenDone called once it is done
 */
export function jobCard({ backend, id, job = null, told, whenDone }) {
  const name = element("strong");
  const bar = element("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const text = element("p", { className: "fine" });
  const picture = element("img", { className: "preview", alt: "", hidden: true });
  const stop = element("button", { type: "button", className: "small", textContent: "Stop", onclick: () => backend.stopJob(id).catch(complain) });
  const resume = element("button", { type: "button", className: "small", textContent: "Go on", onclick: () => backend.resumeJob(id).then(listen).catch(complain) });
  const get = element("a", { className: "file-button", textContent: "Download", href: backend.jobResultUrl(id), download: "" });
  const card = element("div", { className: "job" }, name, bar, text, picture, element("div", { className: "row" }, stop, resume, get));
  let looked = 0;

  function show(now) {
    name.textContent = now.name ?? "";
    if (now.total) bar.value = now.done / now.total;
    else bar.removeAttribute("value");
    if (now.state !== "running" && now.state !== "waiting") bar.value = now.state === "done" ? 1 : (now.total ? now.done / now.total : 0);
    const losses = Object.entries(now.losses ?? {}).map(([key, value]) => `${key} ${Number(value).toPrecision(3)}`).join(", ");
    text.textContent = [now.message, left(now), losses].filter(Boolean).join(" · ");
    stop.hidden = !["waiting", "running"].includes(now.state);
    resume.hidden = !["stopped", "failed"].includes(now.state);
    get.hidden = now.state !== "done" || now.kind === "painting";
    told?.(now);
    const ended = now.state === "done" || now.state === "stopped";
    if (ended || (now.state === "running" && now.done > 0 && performance.now() - looked > 2000)) look();
    if (now.state === "done") whenDone?.(now);
    if (now.state === "failed") complain(now.message);
  }

  /** The server is gone; the browser asks it again and again. */
  function miss() {
    text.textContent = "The server does not answer; what is done is kept, and it can be gone on with when the server is there again.";
  }

  async function look() {
    looked = performance.now();
    try {
      const blob = await backend.jobPreview(id);
      if (!blob.size) return;
      if (picture.src) URL.revokeObjectURL(picture.src);
      picture.src = URL.createObjectURL(blob);
      picture.hidden = false;
    } catch {
      // There is none yet.
    }
  }

  const listen = () => backend.follow(id, show, miss);
  if (job) show(job);
  if (!job || ["waiting", "running"].includes(job.state)) listen();
  return card;
}

const left = ({ state, seconds_left: seconds }) => (state === "running" && seconds ? `${clock(seconds)} left` : "");

export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (parts[0] ? parts : parts.slice(1)).map((part, i) => (i ? String(part).padStart(2, "0") : part)).join(":");
}
