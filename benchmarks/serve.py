"""Many pictures from several clients at once: does the server lose any, make any wrong, and how long do they wait.

    python benchmarks/serve.py --pictures 200 --clients 8 --previews 1000

Starts `stylebank serve` on a free port. Each client posts generated photographs of mixed sizes to `/api/stylize`, one
after the other, and compares every answer, pixel by pixel, with what `Stylizer` makes of the same photograph here.
After that, previews in many styles and strengths are asked for. Printed are the times that requests took (in the line,
too), and the server's resident memory before, halfway and after each of the two.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from generated import photograph
from PIL import Image

from stylebank.inference.stylizer import Stylizer
from stylebank.shipped import DEFAULT_BANK

SIZES = ((96, 64), (320, 240), (240, 320), (512, 512), (800, 600), (1280, 720), (1920, 1080))
DISTINCT = 28
"""Photographs with a look each; the pictures are drawn from these, so that what is right is worked out once."""

Case = tuple[bytes, str, np.ndarray]
"""A photograph's file, the style, and the right answer (H, W, 3)."""


class Server:
    """`stylebank serve` in a process of its own."""

    def __init__(self, bank: Path, folder: Path) -> None:
        where = ("--port", "0", "--bank", str(bank), "--keep", str(folder / "kept"))
        command = [sys.executable, "-m", "stylebank", "serve", *where]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.url = line.split()[2].rstrip("/")
        while self.process.stdout.readline().strip() != "Ready.":
            if self.process.poll() is not None:
                raise SystemExit("The server did not start.")

    def post(self, path: str, body: bytes, kind: str) -> bytes:
        """The answer to a POST, `OSError` if it is a refusal."""
        request = urllib.request.Request(f"{self.url}{path}", body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=600) as answer:
            data: bytes = answer.read()
            return data

    def memory(self) -> float:
        """Resident megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def end(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def form(parts: dict[str, str], file: bytes) -> tuple[bytes, str]:
    """A multipart form with a picture, and its content type."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    body = "".join(f'{head}{name}"\r\n\r\n{value}\r\n' for name, value in parts.items()).encode()
    body += f'{head}file"; filename="photo.png"\r\n\r\n'.encode() + file + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def cases(stylizer: Stylizer) -> list[Case]:
    """Photographs of all sizes, styles in turn, and what is right."""
    made = []
    for number in range(DISTINCT):
        picture, buffer = photograph(*SIZES[number % len(SIZES)], np.random.default_rng(number)), io.BytesIO()
        picture.save(buffer, "PNG")
        style = stylizer.styles[number % len(stylizer.styles)]
        made.append((buffer.getvalue(), style, np.asarray(stylizer.stylize(picture, style))))
    return made


def run(clients: int, count: int, work: Callable[[int], None], server: Server) -> tuple[list[float], list[float]]:
    """Does work number 0 to `count` with so many clients; returns the seconds of each, and memory on the way."""
    numbers, lock = iter(range(count)), threading.Lock()
    times: list[float] = []
    memory = [server.memory()]

    def client() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            began = time.perf_counter()
            work(number)
            with lock:
                times.append(time.perf_counter() - began)
                if len(times) == count // 2:
                    memory.append(server.memory())

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, [*memory, server.memory()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the load and returns 1 if a picture was lost or wrong."""
    parser = argparse.ArgumentParser(description="Many pictures from several clients at once.")
    parser.add_argument("--bank", type=Path, default=DEFAULT_BANK, help="a bank's folder or name")
    parser.add_argument("--pictures", type=int, default=200, help="pictures at full size")
    parser.add_argument("--previews", type=int, default=1000, help="previews of one photograph, after that")
    parser.add_argument("--clients", type=int, default=8, help="at once")
    options = parser.parse_args(arguments)
    known = cases(Stylizer.load(options.bank))
    order = random.Random(0)
    chosen = [order.randrange(len(known)) for _ in range(options.pictures)]
    lost: list[str] = []
    wrong: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(options.bank, Path(folder))
        try:

            def picture(number: int) -> None:
                data, style, right = known[chosen[number]]
                body, kind = form({"recipe": json.dumps({"style": style}), "format": "png"}, data)
                try:
                    answer = server.post("/api/stylize", body, kind)
                except OSError as error:
                    lost.append(str(error))
                    return
                if not np.array_equal(np.asarray(Image.open(io.BytesIO(answer))), right):
                    wrong.append(number)

            tell("pictures", *run(options.clients, options.pictures, picture, server))
            body, kind = form({}, known[5][0])
            key = json.loads(server.post("/api/pictures", body, kind))["id"]
            styles = [style for _, style, _ in known]

            def preview(number: int) -> None:
                recipe: dict[str, Any] = {"style": styles[number % len(styles)], "strength": number % 11 / 10}
                wanted = json.dumps({"recipe": recipe, "side": 256, "draft": True}).encode()
                try:
                    server.post(f"/api/pictures/{key}/render", wanted, "application/json")
                except OSError as error:
                    lost.append(str(error))

            tell("previews", *run(options.clients, options.previews, preview, server))
        finally:
            server.end()
    print(f"lost {len(lost)}, wrong {len(wrong)}" + "".join(f"\n{text}" for text in sorted(set(lost))))
    return int(bool(lost or wrong))


def tell(what: str, times: Sequence[float], memory: Sequence[float]) -> None:
    """Prints how long requests took, and the server's memory."""
    if len(times) < 2:
        return
    p95 = statistics.quantiles(times, n=20)[-1]
    middle = statistics.median(times)
    print(f"{len(times)} {what}: median {middle:.2f} s, 95 % within {p95:.2f} s, at most {max(times):.2f} s")
    print("memory before, halfway, after: " + ", ".join(f"{each:,.0f} MB" for each in memory))


if __name__ == "__main__":
    sys.exit(main())
