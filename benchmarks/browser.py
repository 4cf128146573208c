"""How long the static page takes in a browser, and how large its parts are.

    stylebank export checkpoints/stylebank-14 --format web --out outputs/web
    python benchmarks/browser.py outputs/web --runs 5

Opens the folder in Chromium without a window, once for each engine, and does by the page's own modules what it does for
a person: a photograph of its own size in a style (encoder, filter, decoder, JPEG), then the same photograph in another
one (filter, decoder, JPEG; what the encoder made is kept). Printed are medians, the seconds until the page is ready
with nothing cached, and the bytes of the folder's parts, as they are and compressed. Needs the extra `page-test`, and
Chromium. `--flags` go to Chromium, as `--flags=--enable-unsafe-webgpu --flags=--use-webgpu-adapter=swiftshader`.
"""

from __future__ import annotations

import argparse
import base64
import http.server
import io
import os
import shutil
import statistics
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from generated import photograph
from playwright.sync_api import sync_playwright

SIZES = {"256": (256, 256), "512": (512, 512), "1080p": (1920, 1080)}
ENGINES = ("one thread", "threads", "webgpu")
PATIENCE = 900_000  # milliseconds
PARTS = {
    "the page": ("index.html", "icon.svg", "css", "js", "bank/bank.json", "bank/srgb.icc"),
    "models, float32": ("bank/float32",),
    "models, float16": ("bank/float16",),
    "filters": ("bank/filters",),
    "onnxruntime-web, processor": ("runtime/ort.wasm.min.mjs", "runtime/ort-wasm-simd-threaded.*"),
    "onnxruntime-web, WebGPU": ("runtime/ort.webgpu.min.mjs", "runtime/ort-wasm-simd-threaded.asyncify.*"),
}
_PAINT = """async ([data, runs]) => {
    const { backend } = await import("./js/backends/static.js");
    const { styles } = await backend.bank();
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const file = new File([bytes], "photo.png", { type: "image/png" });
    const options = { side: null, format: "jpeg" };
    const times = { first: [], other: [] };
    for (let run = 0; run <= runs; run++) {
        const photo = await backend.open(file);
        const marks = [performance.now()];
        for (const style of [styles[0], styles[1 % styles.length]]) {
            await backend.render(photo, { version: 1, style: style.name }, options);
            marks.push(performance.now());
        }
        await backend.close(photo);
        if (run === 0) continue; // engines warm up
        times.first.push(marks[1] - marks[0]);
        times.other.push(marks[2] - marks[1]);
    }
    return times;
}"""


class _Files(http.server.SimpleHTTPRequestHandler):
    """A folder as a web space gives it out, with or without what browsers want for threads."""

    isolated = True

    def end_headers(self) -> None:
        if self.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Plain(_Files):
    isolated = False


@contextmanager
def files_at(folder: Path, isolated: bool) -> Iterator[str]:
    """The folder at an address of this machine."""
    handler = partial(_Files if isolated else _Plain, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def measure(browser: Any, folder: Path, engine: str, sizes: Sequence[str], runs: int) -> None:
    """Prints a row for every size."""
    with files_at(folder, engine != "one thread") as address:
        page = browser.new_context().new_page()
        page.set_default_timeout(PATIENCE)
        began = time.perf_counter()
        page.goto(address if engine == "webgpu" else f"{address}?engine=wasm")
        page.get_by_text("Ready.", exact=True).wait_for()
        ready = time.perf_counter() - began
        said = page.locator("#engine").inner_text()
        print(f"{said}; ready after {ready:.1f} s", flush=True)
        for name in sizes:
            buffer = io.BytesIO()
            photograph(*SIZES[name], np.random.default_rng(0)).save(buffer, "PNG")
            times = page.evaluate(_PAINT, [base64.b64encode(buffer.getvalue()).decode(), runs])
            first, other = (statistics.median(times[key]) / 1000 for key in ("first", "other"))
            print(f"  {name:>6}: a photograph {first:6.2f} s, in another style {other:6.2f} s", flush=True)
        page.context.close()


def weigh(folder: Path) -> None:
    """Prints the bytes of the folder's parts."""
    for part, patterns in PARTS.items():
        found = {file for pattern in patterns for place in folder.glob(pattern) for file in [place, *place.rglob("*")]}
        if part == "onnxruntime-web, processor":
            found = {file for file in found if ".asyncify." not in file.name}
        data = [file.read_bytes() for file in found if file.is_file()]
        if data:
            sent = sum(len(zlib.compress(each, 6)) for each in data)
            print(f"{part:<28} {sum(map(len, data)) / 1e6:6.2f} MB, compressed {sent / 1e6:6.2f} MB")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what was asked for."""
    parser = argparse.ArgumentParser(description="Times and sizes of the static page in a browser.")
    parser.add_argument("folder", type=Path, help="written by stylebank export --format web")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="of photographs")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES[:2]), help="of the browser")
    parser.add_argument("--runs", type=int, default=5, help="of which the median is told, after one to warm up")
    parser.add_argument("--flags", action="append", default=[], help="for Chromium")
    options = parser.parse_args(arguments)
    if not (options.folder / "bank" / "bank.json").is_file():
        parser.error(f"{options.folder} is not written by stylebank export --format web.")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        parser.error("There is no Chromium: apt-get install chromium.")
    weigh(options.folder)
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and not os.geteuid() else []  # root has none
    with sync_playwright() as started:
        for engine in options.engines:
            browser = started.chromium.launch(executable_path=chromium, args=[*sandbox, *options.flags])
            if engine == options.engines[0]:
                print(f"Chromium {browser.version}, {os.cpu_count()} cores")
            measure(browser, options.folder, engine, options.sizes, options.runs)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
