// Requests to the server, and its refusals as errors of one sentence.

export const posted = (body) => ({ method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
export const json = async (path, options) => (await request(path, options)).json();
export const blob = async (path, options) => (await request(path, options)).blob();

export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer: is 'stylebank serve' still running?");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  if (response.status === 409 && options.headers?.["X-Cancel"]) throw new DOMException("Cancelled", "AbortError");
  throw Object.assign(new Error(said?.error ?? `The server answered with ${response.status} ${response.statusText}.`), { status: response.status });
}

/** What the server calls a file that it sends. */
export function nameIn(response) {
  const said = response.headers.get("Content-Disposition") ?? "";
  const whole = said.match(/filename\*=UTF-8''([^;]+)/i);
  if (whole) return decodeURIComponent(whole[1]);
  return said.match(/filename="?([^";]+)"?/i)?.[1] ?? null;
}

/** A label map's numbers: a grey PNG whose values they are. */
export async function labelsOf(picture) {
  const bitmap = await createImageBitmap(picture, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { labels: Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]), width, height };
}
