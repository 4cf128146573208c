"""Parts of the server by themselves: the cache, the uploads, the line, and how large previews are worked on."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import refused
from httpx2 import Client
from hypothesis import given
from hypothesis import strategies as st
from pictures import smooth
from serving import file_of, settings_in, told
from tiny import files_of, write_bank

from stylebank.bank.io import load_bank, save_bank
from stylebank.bank.operations import extract_style, merge_banks, remove_styles
from stylebank.bank.records import StyleInfo
from stylebank.errors import BankError, ConfigError
from stylebank.inference.saved_recipe import MaskedStyle, SavedRecipe
from stylebank.inference.strokes import work_size
from stylebank.serve.banks import Banks
from stylebank.serve.cache import ByteCache
from stylebank.serve.http import HttpServer
from stylebank.serve.line import LATER, URGENT, Line, Ticket
from stylebank.serve.preview_size import scaled_to, shown_at, worked_at
from stylebank.serve.refusals import Cancelled, Refused
from stylebank.serve.store import Store, plain_name

# ---------------------------------------------------------------------------------------------------- cache, store


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 80)), max_size=60))
def test_the_cache_never_holds_more_than_its_limit(puts: list[tuple[int, int]]) -> None:
    cache = ByteCache(100)
    for key, size in puts:
        cache.put((key, "value"), size, size)
        assert 0 <= cache.used <= 100
        if size <= 50:
            assert cache.get((key, "value")) == size
    for key in range(10):
        cache.forget(key)
    assert cache.used == 0


def test_what_was_asked_for_longest_goes_first() -> None:
    cache = ByteCache(100)
    for key in "abc":
        cache.put((key,), key, 30)
    assert cache.get(("a",)) == "a"
    cache.put(("d",), "d", 30)
    assert [cache.get((key,)) for key in "abcd"] == ["a", None, "c", "d"]
    cache.put((("film", 3), "photo"), "frame", 10)
    cache.forget("film")
    assert cache.get((("film", 3), "photo")) is None


def test_the_oldest_uploads_make_room() -> None:
    gone: list[str] = []
    with Store(100, gone.append) as store:
        first, second = (store.add("picture", "a.png", io.BytesIO(b"x" * 40)) for _ in range(2))
        store.get("picture", first.id)  # asked for since
        third = store.add("picture", "a.png", io.BytesIO(b"x" * 40))
        assert gone == [second.id]
        assert not second.path.exists()
        assert store.used == 80
        with refused(Refused, "upload it again"):
            store.get("picture", second.id)
        with refused(Refused, "upload it again"):
            store.get("mask", third.id)
        with refused(Refused, "--max-stored"):
            store.add("picture", "a.png", io.BytesIO(b"x" * 101))
        folder = store.folder
        assert len(list(folder.iterdir())) == 2
    assert not folder.exists()


def test_ever_so_small_uploads_make_room_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylebank.serve.store.MOST", 3)
    with Store(100) as store:
        uploads = [store.add("mask", "a.png", io.BytesIO(b"x")) for _ in range(5)]
        assert [store.find(upload.id) is not None for upload in uploads] == [False, False, True, True, True]
        assert len(list(store.folder.iterdir())) == 3


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("holiday.jpg", "holiday.jpg"),
        ("C:\\pictures\\a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("a\x00b\n.png", "ab.png"),
        (None, "picture"),
        ("///", "picture"),
        ("x" * 500 + ".png", "x" * 120 + ".png"),
        ("<b>.png", "b.png"),
    ],
)
def test_names_are_made_harmless(name: str | None, plain: str) -> None:
    assert plain_name(name, "picture") == plain


# ----------------------------------------------------------------------------------------------------------- banks


def test_a_picture_s_styles_come_from_one_bank(tmp_path: Path) -> None:
    one = write_bank(tmp_path / "one", "calm", "storm")
    write_bank(tmp_path / "two" / "bank", "storm", "dusk", seed=1)
    banks = Banks([one, tmp_path / "two", one], tmp_path / "kept", "cpu", "float32")
    assert [bank.name for bank in banks.all()] == ["one", "two", "one-2"]
    for style, name in (("storm", "one"), ("dusk", "two"), ({"storm": 1, "dusk": 1}, "two"), ("identity", "one")):
        assert banks.of(SavedRecipe(style=style)).name == name
    assert banks.of(SavedRecipe(style="storm", bank="two")).name == "two"
    masked = SavedRecipe(style="original", masks=(MaskedStyle(style="dusk", mask="a"),))
    assert banks.of(masked).name == "two"
    with refused(BankError, "calm, dusk", "one bank"):
        banks.of(SavedRecipe(style={"calm": 1, "dusk": 1}))
    with refused(BankError, "Did you mean 'dusk'?"):
        banks.of(SavedRecipe(style="dsuk"))
    with refused(BankError, "Did you mean 'two'?"):
        banks.of(SavedRecipe(style="dusk", bank="twoo"))
    assert banks.stylizer(banks.named("two")) is banks.stylizer(banks.named("two"))


def test_an_added_style_is_in_the_copy_alone(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "one", "calm")
    before = files_of(bank)
    more = write_bank(tmp_path / "more", "calm", "dusk")
    banks = Banks([bank], tmp_path / "kept", "cpu", "float32")
    old = banks.stylizer(banks.named(None))
    style = extract_style(more, "dusk", tmp_path / "style")
    banks.add("one", style)
    assert list(banks.named("one").records) == ["calm", "dusk"]
    assert banks.stylizer(banks.named(None)) is not old
    assert files_of(bank) == before
    with refused(BankError, "dusk"):
        banks.add("one", style)
    assert not list((tmp_path / "kept").glob(".*"))
    shutil.rmtree(bank)  # and there is another one now, with a style more
    night = extract_style(write_bank(tmp_path / "third", "calm", "dusk", "night"), "night", tmp_path / "night")
    remove_styles(more, ["dusk"], tmp_path / "fewer")
    merge_banks(tmp_path / "fewer", [night], bank)
    again = Banks([bank], tmp_path / "kept", "cpu", "float32").named("one")
    assert (list(again.records), again.folder) == (["calm", "night", "dusk"], tmp_path / "kept" / "one")
    other = write_bank(tmp_path / "elsewhere" / "one", "night", seed=5)
    with refused(ConfigError, "another --keep"):
        Banks([other], tmp_path / "kept", "cpu", "float32")


def test_a_trained_style_takes_the_place_of_a_predicted_one(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "one", "calm")
    loaded = load_bank(write_bank(tmp_path / "more", "calm", "dusk", "dawn"))
    infos = {name: StyleInfo(predicted=name != "dawn") for name in loaded.records}
    save_bank(loaded.model, tmp_path / "guessed", infos)
    banks = Banks([bank], tmp_path / "kept", "cpu", "float32")
    for name in ("dusk", "dawn"):
        banks.add("one", extract_style(tmp_path / "guessed", name, tmp_path / "guesses"))
    assert [banks.takes("one", name) for name in ("calm", "dusk", "dawn", "night")] == [False, True, False, True]
    trained = write_bank(tmp_path / "trained", "calm", "dusk", seed=0)
    banks.add("one", extract_style(trained, "dusk", tmp_path / "style"))
    assert list(banks.named("one").records) == ["calm", "dawn", "dusk"]
    assert not banks.named("one").records["dusk"].predicted
    assert not banks.takes("one", "dusk")
    with refused(BankError, "dusk"):
        banks.add("one", tmp_path / "style" / "dusk.safetensors")


# ------------------------------------------------------------------------------------------------------------ line


class Held:
    """Work that ends when it is let go."""

    def __init__(self, number: int, order: list[int]) -> None:
        self.number, self.order = number, order
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, ticket: Ticket) -> int:
        self.began.set()
        while not self.go.wait(0.005):
            ticket.check()
        self.order.append(self.number)
        return self.number


def in_line(check: Callable[[Line, list[int]], Any], limit: int = 8) -> None:
    """Runs a check with a line of one thread."""
    line = Line(1, limit)
    try:
        asyncio.run(asyncio.wait_for(check(line, []), 20))
        assert line.open == 0
    finally:
        line.end()


def test_the_urgent_goes_first() -> None:
    async def check(line: Line, order: list[int]) -> None:
        first = Held(0, order)
        tasks = [asyncio.create_task(line.run(first))]
        while not first.began.is_set():
            await asyncio.sleep(0.005)
        for number, urgency in ((1, LATER), (2, URGENT), (3, LATER), (4, URGENT)):
            work = Held(number, order)
            work.go.set()
            tasks.append(asyncio.create_task(line.run(work, urgency=urgency)))
        await asyncio.sleep(0.02)
        first.go.set()
        assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4]
        assert order == [0, 2, 4, 1, 3]

    in_line(check)


def test_newer_work_takes_the_place_of_older_of_the_same_key() -> None:
    async def check(line: Line, order: list[int]) -> None:
        works = [Held(number, order) for number in range(3)]
        tasks = []
        for work in works:
            tasks.append(asyncio.create_task(line.run(work, key="slider")))
            await asyncio.sleep(0.02)
        other = Held(9, order)
        other.go.set()
        tasks.append(asyncio.create_task(line.run(other, key="another")))
        works[2].go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(result, "status", result) for result in results] == [409, 409, 2, 9]
        assert order == [2, 9]
        assert line.cancelled == 2

    in_line(check)


def test_nothing_is_done_for_those_who_have_left() -> None:
    async def check(line: Line, order: list[int]) -> None:
        work, left = Held(0, order), [False]

        async def gone() -> bool:
            return left[0]

        task = asyncio.create_task(line.run(work, gone=gone))
        while not work.began.is_set():
            await asyncio.sleep(0.005)
        left[0] = True
        with pytest.raises(Cancelled):
            await task
        while line.open:
            await asyncio.sleep(0.005)
        assert order == []

    in_line(check)


def test_a_full_line_refuses_and_an_error_is_told() -> None:
    async def check(line: Line, order: list[int]) -> None:
        works = [Held(number, order) for number in range(2)]
        tasks = [asyncio.create_task(line.run(work)) for work in works]
        await asyncio.sleep(0.02)
        with refused(Refused, "--max-waiting"):
            await line.run(Held(3, order))
        for work in works:
            work.go.set()
        assert await asyncio.gather(*tasks) == [0, 1]

        def fail(_: Ticket) -> None:
            raise ValueError("as it happens")

        with pytest.raises(ValueError, match="as it happens"):
            await line.run(fail)

    in_line(check, limit=2)


def test_long_work_stands_back_while_somebody_waits() -> None:
    async def check(line: Line, order: list[int]) -> None:
        work = Held(0, order)
        task = asyncio.create_task(line.run(work))
        await asyncio.sleep(0.02)
        film = asyncio.create_task(asyncio.to_thread(lambda: (line.wait_for_quiet(lambda: False), order.append(1))))
        await asyncio.sleep(0.1)
        work.go.set()
        await asyncio.gather(task, film)
        assert order == [0, 1]
        began = time.monotonic()
        line.wait_for_quiet(lambda: False)
        assert time.monotonic() - began < 1

    in_line(check)


@pytest.fixture
def held_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[HttpServer, Held, str]]:
    """A real server whose previews stand still, that work, and the address of one."""
    work = Held(0, [])
    preview = "stylebank.serve.picture_routes._preview"
    monkeypatch.setattr(preview, lambda _service, _upload, _body, ticket: work(ticket))
    server = HttpServer(settings_in(tmp_path))
    upload = server.service.store.add("picture", "a.png", io.BytesIO(file_of(smooth(40, 40))))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield server, work, f"http://127.0.0.1:{listening.getsockname()[1]}/api/pictures/{upload.id}/render"
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


BODY = {"recipe": {"style": "calm"}, "side": 32}


def test_a_connection_that_closes_stops_the_work(held_server: tuple[HttpServer, Held, str]) -> None:
    server, work, url = held_server
    address, path = url.removeprefix("http://").split("/", 1)
    body = json.dumps(BODY)
    head = f"POST /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(tuple(address.split(":"))) as connection:
        connection.sendall(f"{head}Content-Type: application/json\r\n\r\n{body}".encode())
        assert work.began.wait(30)
    end = time.monotonic() + 30
    while server.service.line.open and time.monotonic() < end:
        time.sleep(0.01)
    assert server.service.line.open == 0
    assert not work.order


def test_at_the_end_those_who_wait_are_told(held_server: tuple[HttpServer, Held, str]) -> None:
    server, work, url = held_server
    with ThreadPoolExecutor() as pool, Client(timeout=60) as client:
        answers = [pool.submit(client.post, url, json=BODY) for _ in range(3)]
        assert work.began.wait(30)
        while server.service.line.open < 3:
            time.sleep(0.01)
        server.should_exit = True
        assert [told(answer.result(), 503) for answer in answers] == ["The server is ending."] * 3
    assert not work.order


# ---------------------------------------------------------------------------------------------------- preview size


sizes = st.tuples(st.integers(32, 6000), st.integers(32, 6000)).filter(lambda size: max(size) < 20 * min(size))


@given(sizes, st.integers(64, 2000), st.just("auto") | st.floats(0.5, 2), st.booleans())
def test_a_preview_has_the_pictures_own_strokes_or_is_small(
    size: tuple[int, int], side: int, stroke: Any, draft: bool
) -> None:
    shown = shown_at(size, side)
    assert max(shown) == min(side, max(size))
    work = worked_at(size, shown, stroke, draft)
    assert min(work) >= 16
    if work != work_size(size, stroke):
        assert max(work) <= max(1 if draft else 2, 16 / min(shown)) * max(shown) + 2
    assert worked_at(size, size, stroke) == work_size(size, stroke)


def test_a_size_counts_as_for_files() -> None:
    assert scaled_to((400, 300), 150) == (200, 150)
    assert scaled_to((400, 300), None) == (400, 300)
