"""Whom the server refuses: other names, other pages, those without the token, too much; and what every answer says."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pictures import smooth
from serving import client_of, file_of, service_behind, settings_in, told
from starlette.testclient import TestClient
from tiny import fail

from stylebank.errors import StyleBankError
from stylebank.folder_lock import LOCK, in_use
from stylebank.images import LIMIT_VARIABLE
from stylebank.serve.guard import LARGEST_JSON
from stylebank.serve.run import address, serve
from stylebank.serve.settings import Limits, ServeSettings

TOKEN = "an-honest-token-of-length"
PHOTO = file_of(smooth(60, 40))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(settings_in(folder, port=8123, limits=Limits(upload_megabytes=1))) as client:
        yield client


@pytest.fixture(scope="module")
def public(folder: Path) -> Iterator[TestClient]:
    settings = settings_in(folder, host="0.0.0.0", token=TOKEN, allowed_hosts=("studio.example",))
    with client_of(settings, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8123", "10.0.0.5", "", "[::", "localhost.evil"]
)
def test_a_name_that_is_not_ours_is_refused(client: TestClient, host: str) -> None:
    """As in DNS rebinding, where a stranger's name leads to this machine."""
    for path in ("/api/bank", "/", "/api/health"):
        told(client.get(path, headers={"host": host}), 403)


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123", "LOCALHOST", "[::1]:8123"])
def test_our_own_names_are_not(client: TestClient, host: str) -> None:
    assert client.get("/api/bank", headers={"host": host, "origin": f"http://{host}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://127.0.0.1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_what_another_page_sends_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    before = len(service_behind(client).store)
    told(client.post("/api/pictures", files={"file": ("a.png", PHOTO)}, headers=headers), 403)
    told(client.get("/api/bank", headers=headers), 403)
    assert len(service_behind(client).store) == before


def test_what_its_own_page_sends_is_not(client: TestClient) -> None:
    headers = {"origin": "http://127.0.0.1:8123", "sec-fetch-site": "same-origin"}
    assert client.post("/api/pictures", files={"file": ("a.png", PHOTO)}, headers=headers).status_code == 200


def test_every_answer_tells_browsers_to_be_strict(client: TestClient) -> None:
    for answer in (client.get("/api/bank"), client.get("/api/none"), client.get("/api/bank", headers={"host": "x"})):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    named = re.findall(r"""(?:src|href)=["']([^"'#]+)["']""", page.text)
    assert any(path.endswith(".js") for path in named)
    for path in named:
        assert "//" not in path
        assert client.get(f"/{path.removeprefix('/').removeprefix('./')}").status_code == 200, path


def test_too_large_uploads_end_early(client: TestClient) -> None:
    """Told beforehand or not."""
    large = b"x" * (2**20 + 1)
    assert "--max-upload" in told(client.post("/api/pictures", files={"file": ("a.png", large)}), 413)
    boundary = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'

    def pieces() -> Iterator[bytes]:
        yield boundary
        for _ in range(64):
            yield b"x" * 2**16
        yield b"\r\n--b--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert "--max-upload" in told(client.post("/api/pictures", content=pieces(), headers=headers), 413)
    json = {"content-type": "application/json"}
    told(client.post("/api/command", content=b" " * (LARGEST_JSON + 1), headers=json), 413)
    assert not [file for file in service_behind(client).store.folder.iterdir() if file.stat().st_size > len(PHOTO)]


def test_too_many_pixels_are_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "0.001")
    assert "--max-megapixels" in told(client.post("/api/pictures", files={"file": ("a.png", PHOTO)}), 400)


def test_a_full_line_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_behind(client).line, "limit", 0)
    assert "--max-waiting" in told(client.post("/api/pictures", files={"file": ("a.png", PHOTO)}), 503)


def test_no_file_of_this_machine_is_opened_unless_allowed(client: TestClient, folder: Path) -> None:
    assert "--allow-paths" in told(client.post("/api/films", json={"path": "/etc/passwd"}), 403)
    key = client.post("/api/pictures", files={"file": ("../../../etc/passwd", PHOTO)}).json()
    assert key["name"] == "passwd"
    for path in ("/../../../../etc/passwd", "/%2e%2e/%2e%2e/pyproject.toml", "/api/masks/..%2f..%2fetc%2fpasswd.png"):
        assert client.get(path).status_code == 404
    with client_of(settings_in(folder, allow_paths=True)) as trusting:
        assert "not a film" in told(trusting.post("/api/films", json={"path": str(folder / "tiny" / "bank.json")}), 400)
        assert "does not exist" in told(trusting.post("/api/films", json={"path": "/none.mp4"}), 400)
        told(trusting.post("/api/films", json={"pat": 3}), 422)


def test_a_token_is_wanted_where_others_can_reach_the_server(public: TestClient) -> None:
    told(public.get("/api/bank"), 401)
    told(public.get("/"), 401)
    told(public.get("/api/bank", headers={"authorization": "Bearer wrong"}), 401)
    told(public.get(f"/api/bank?token={TOKEN}"), 401)
    told(public.get("/?token=wrong"), 401)
    assert public.get("/api/bank", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert public.get("/api/health").status_code == 200
    moved = public.get(f"/?token={TOKEN}")
    assert (moved.status_code, moved.headers["location"]) == (303, "/")
    assert "HttpOnly" in moved.headers["set-cookie"]
    assert "samesite=strict" in moved.headers["set-cookie"].lower()
    assert public.get("/api/bank").status_code == 200  # by the cookie
    public.cookies.clear()


def test_there_names_are_refused_and_addresses_are_not(public: TestClient) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    for host, status in (
        ("evil.example", 403),
        ("192.168.0.7:8000", 200),
        ("studio.example", 200),
        (socket.gethostname(), 200),
    ):
        assert public.get("/api/bank", headers={**headers, "host": host}).status_code == status


def test_a_port_that_is_taken_is_one_sentence(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StyleBankError, match=f"cannot listen at 127.0.0.1, port {port}"):
            serve(settings_in(folder, port=port), print)


def begin(settings: ServeSettings) -> subprocess.Popen[str]:
    """The command in a process of its own, once it is ready."""
    where = ("--port", "0", "--bank", settings.banks[0], "--keep", settings.keep)
    command = [sys.executable, "-m", "stylebank", "serve", *map(str, where)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline().startswith("Starting at ")
    assert server.stdout.readline() == "Ready.\n"
    return server


def test_a_folder_in_use_is_refused_until_its_server_has_ended_however_it_does(folder: Path, tmp_path: Path) -> None:
    settings = settings_in(folder, keep=tmp_path / "kept", port=0)
    server = begin(settings)
    try:
        wanted = rf"'{settings.keep}' is in use by another server \(process {server.pid}, port \d+\); .*--keep\.$"
        with pytest.raises(StyleBankError, match=wanted):
            serve(settings, print)
        assert server.poll() is None  # and is not disturbed
    finally:
        server.kill()
        server.communicate()
    assert list(settings.keep.iterdir()) == [settings.keep / LOCK]  # what a killed one leaves hinders nobody
    with in_use(settings.keep, "server", "end it", "port 80"), pytest.raises(StyleBankError, match="port 80"):
        serve(settings, print)
    assert list(settings.keep.iterdir()) == []
    server = begin(settings)
    server.send_signal(signal.SIGINT)
    assert server.communicate(timeout=60)[1] == ""
    assert server.returncode == 0
    assert list(settings.keep.iterdir()) == []


def test_the_folder_is_there_while_it_is_used(tmp_path: Path) -> None:
    with in_use(tmp_path / "kept", "server", "end it"):
        pass
    assert not (tmp_path / "kept").exists()
    with in_use(tmp_path / "kept", "server", "end it"):
        (tmp_path / "kept" / "film").touch()
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["film"]
    (tmp_path / "file").touch()
    with in_use(tmp_path / "file", "server", "end it"):  # pictures can be served even so
        pass


def test_addresses_are_written_as_browsers_take_them() -> None:
    assert address(ServeSettings(port=80)) == "http://127.0.0.1:80/"
    assert address(ServeSettings(host="::1", port=81, token="abc")) == "http://[::1]:81/?token=abc"


def test_options_that_make_no_sense_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command: tuple[Any, ...] = ("serve", "--port", 0, "--keep", folder / "kept")
    fail(capsys, *command, "--content", folder / "none", mentions=["none", "folder"])
    fail(capsys, *command, "--bank", folder / "none", mentions=["none is not a bank"])
    monkeypatch.setenv("STYLEBANK_TOKEN", "short")
    fail(capsys, *command, mentions=["STYLEBANK_TOKEN", "16"])


def test_what_is_not_installed_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylebank.serve.find_spec", lambda name: None if name == "fastapi" else True)
    line = fail(capsys, "serve", mentions=["fastapi", "pip install 'stylebank[serve]'"])
    assert "uvicorn" not in line
