"""The server's pictures are those of `infer.py`; masks, regions, recipes over HTTP; every refusal is one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import noise, smooth
from PIL import Image
from serving import client_of, file_of, opened, service_behind, settings_in, told
from starlette.testclient import TestClient
from tiny import succeed

from stylebank import __version__
from stylebank.inference.saved_recipe import SavedRecipe
from stylebank.inference.tiling import TiledPicture
from stylebank.serve.line import Ticket
from stylebank.serve.refusals import Cancelled

PHOTO = smooth(90, 60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(settings_in(folder)) as client:
        yield client


@pytest.fixture(scope="module")
def photo(client: TestClient) -> str:
    """The id of an uploaded photograph."""
    return str(upload(client, file_of(PHOTO))["id"])


def upload(client: TestClient, data: bytes, name: str = "photo.png", kind: str = "pictures") -> dict[str, Any]:
    answer = client.post(f"/api/{kind}", files={"file": (name, data)})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def render(client: TestClient, key: str, **body: Any) -> bytes:
    answer = client.post(f"/api/pictures/{key}/render", json=body)
    assert answer.status_code == 200, answer.text
    return answer.content


def special_files() -> dict[str, bytes]:
    """Photographs with what files have beside pixels."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    see_through = PHOTO.convert("RGBA")
    see_through.putalpha(noise(90, 60, 1))
    return {
        "turned.jpg": file_of(PHOTO, "JPEG", exif=exif, dpi=(300, 300)),
        "alpha.png": file_of(see_through),
        "deep.png": file_of(Image.fromarray(np.arange(90 * 60, dtype=np.uint16).reshape(60, 90) * 12)),
        "tiny.webp": file_of(PHOTO.crop((0, 0, 16, 17)), "WEBP", lossless=True),
    }


@pytest.mark.parametrize("name", sorted(special_files()))
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_download_is_byte_for_byte_what_infer_py_writes(
    client: TestClient, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    source = tmp_path / name
    source.write_bytes(special_files()[name])
    recipe = {"style": {"calm": 0.6, "storm": 0.4}, "strength": 0.9, "colors": "histogram", "size": 40}
    (tmp_path / "look.json").write_text(json.dumps(recipe))
    target = tmp_path / f"out.{'jpg' if kind == 'jpeg' else kind}"
    look = ("--recipe", tmp_path / "look.json", "--precision", "float32", "--device", "cpu")
    succeed(capsys, "stylize", "--bank", folder / "tiny", *look, "--input", source, "--output", target)
    told_of = upload(client, source.read_bytes(), name)
    with opened(target.read_bytes()) as picture:
        assert told_of["width"] / told_of["height"] == pytest.approx(picture.width / picture.height, rel=0.05)
    assert render(client, told_of["id"], recipe=recipe, format=kind) == target.read_bytes()
    parts = {"recipe": json.dumps(recipe), "format": kind}
    at_once = client.post("/api/stylize", files={"file": (name, source.read_bytes())}, data=parts)
    assert at_once.content == target.read_bytes()
    assert at_once.headers["content-type"] == f"image/{kind}"


def test_masks_go_where_they_are_white(client: TestClient, tmp_path: Path) -> None:
    photo = upload(client, file_of(PHOTO))
    left = Image.fromarray(np.repeat(np.uint8([[255] * 45 + [0] * 45]), 60, 0))
    mask = upload(client, file_of(left), "left.png", "masks")
    assert (mask["width"], mask["height"]) == (90, 60)
    recipe = {"style": "original", "masks": [{"style": "storm", "mask": mask["id"]}]}
    made = np.asarray(opened(render(client, photo["id"], recipe=recipe, format="png"))).astype(int)
    changed = np.abs(made - np.asarray(PHOTO).astype(int)).max(-1)
    assert changed[:, :40].mean() > 5
    assert changed[:, 60:].max() <= 1
    again = client.get(f"/api/masks/{mask['id']}.png")
    assert np.array_equal(np.asarray(opened(again.content)), np.asarray(left))
    named = recipe | {"masks": [{"style": "storm", "mask": "left.png"}]}
    parts = {"recipe": json.dumps(named), "format": "png"}
    files = [("file", ("photo.png", file_of(PHOTO))), ("mask", ("left.png", file_of(left)))]
    at_once = client.post("/api/stylize", files=files, data=parts)
    assert np.array_equal(np.asarray(opened(at_once.content)), made)
    assert client.delete(f"/api/masks/{mask['id']}").status_code == 204
    assert "mask" in told(client.post(f"/api/pictures/{photo['id']}/render", json={"recipe": recipe}), 404)


@pytest.mark.parametrize(
    ("more", "recipe", "mention"),
    [
        ([("fromat", (None, "webp"))], {}, "'fromat' is no field of this form; it has file, recipe, mask, format."),
        ([("format", (None, "webp")), ("format", (None, "png"))], {}, "'format' 2 times"),
        ([("file", ("again.png", b""))], {}, "'file' 2 times"),
        ([("mask", ("left.png", b""))], {}, "No mask of the recipe is called 'left.png'"),
        ([("mask", ("a.png", b""))] * 2, {"masks": [{"style": "storm", "mask": "a.png"}]}, "called 'a.png'"),
    ],
)
def test_what_a_form_says_in_vain_is_refused(
    client: TestClient, more: list[Any], recipe: dict[str, Any], mention: str
) -> None:
    parts = [("file", ("photo.png", file_of(PHOTO))), ("recipe", (None, json.dumps({"style": "calm"} | recipe)))]
    answer = client.post("/api/stylize", files=[*parts, *more])
    assert mention in told(answer, answer.status_code)
    assert answer.status_code in (400, 422)
    for place in ("pictures", "masks", "label-maps", "paintings", "paintings/instant"):
        assert "'nonsense' is no field" in told(
            client.post(f"/api/{place}", files=[*parts[:1], ("nonsense", (None, "1"))]), 422
        )


def test_a_preview_looks_as_the_picture_does_from_further_away(client: TestClient) -> None:
    photo = upload(client, file_of(smooth(640, 480)))
    recipe = {"style": "storm", "stroke": 2}
    full = opened(render(client, photo["id"], recipe=recipe, format="png"))
    for side in (320, 640, 4000):
        preview = opened(render(client, photo["id"], recipe=recipe, format="png", side=side))
        assert preview.size == (min(side, 640), min(side, 640) * 3 // 4)
        seen = np.asarray(full.resize(preview.size, Image.Resampling.LANCZOS)).astype(int)
        assert np.abs(seen - np.asarray(preview)).mean() < 4
    draft = opened(render(client, photo["id"], recipe=recipe, format="png", side=100, draft=True))
    assert draft.size == (100, 75)


def test_thumbnails_and_the_photograph_itself(client: TestClient) -> None:
    key = upload(client, file_of(PHOTO))["id"]
    made = [client.get(f"/api/pictures/{key}/thumbnails/{style}?side=32").content for style in ("calm", "storm")]
    assert made[0] != made[1]
    assert [opened(data).size for data in made] == [(32, 21)] * 2
    assert opened(client.get(f"/api/pictures/{key}/preview?side=50").content).size == (50, 33)
    guess = told(client.get(f"/api/pictures/{key}/thumbnails/strom"), 400)
    assert "Did you mean 'storm'?" in guess


def test_regions_are_a_label_map_of_the_photograph(client: TestClient) -> None:
    key = upload(client, file_of(PHOTO))["id"]
    for method in ("kmeans", "slic"):
        answer = client.post(f"/api/pictures/{key}/regions", json={"count": 3, "method": method})
        labels = np.asarray(opened(answer.content))
        assert labels.shape == (60, 90)
        assert set(np.unique(labels)) <= {0, 1, 2}
        assert len(np.unique(labels)) > 1
        colored = client.post(f"/api/pictures/{key}/regions", json={"count": 3, "method": method, "colors": True})
        assert opened(colored.content).mode == "RGB"
        again = client.post("/api/label-maps", files={"file": ("map.png", colored.content)})
        assert np.array_equal(np.asarray(opened(again.content)), labels)
    assert "'photo.png'" in told(client.post("/api/label-maps", files={"file": ("photo.png", file_of(PHOTO))}), 400)


def test_what_is_served_is_told(client: TestClient) -> None:
    bank = client.get("/api/bank").json()
    assert bank["banks"] == [{"name": "tiny", "licence": "CC0-1.0", "predictor": False}]
    assert [(style["name"], style["title"]) for style in bank["styles"]] == [("calm", "Calm"), ("storm", "Storm")]
    assert bank["version"] == __version__
    assert bank["limits"]["upload_bytes"] == 2**30
    assert client.get("/api/health").json() == {"status": "ok"}
    command = client.post("/api/command", json={"recipe": {"style": "calm"}, "name": "a photo.jpg"}).json()["command"]
    assert command.endswith("--style calm --input 'a photo.jpg' --output 'a photo_calm.png'")


def test_the_interface_describes_itself(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/api/pictures", "/api/stylize", "/api/films", "/api/jobs/{key}/events", "/api/metrics"} <= set(paths)
    assert all(each.get("description") for methods in paths.values() for each in methods.values())
    assert client.get("/docs").status_code == 404  # whose scripts come from elsewhere


def test_downloads_are_named_after_photograph_and_look(client: TestClient) -> None:
    key = upload(client, file_of(PHOTO), "../../Käse 1.png")["id"]
    answer = client.post(f"/api/pictures/{key}/render", json={"recipe": {"style": "calm"}})
    assert "filename*=UTF-8''K%C3%A4se%201_calm.jpg" in answer.headers["content-disposition"]
    assert "content-disposition" not in client.post(
        f"/api/pictures/{key}/render", json={"recipe": {"style": "calm"}, "side": 32}
    ).headers  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "mention"),
    [
        ("text.png", b"no picture at all", "'text.png' is no picture"),
        ("empty.png", b"", "'empty.png' is empty"),
        ("cut.jpg", file_of(noise(200, 200), "JPEG")[:5000], "cut.jpg"),
        ("small.png", file_of(noise(15, 200)), "at least 16"),
        ("shot.cr2", b"II*\0", "raw file"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_own_name(
    client: TestClient, name: str, data: bytes, mention: str
) -> None:
    before = len(service_behind(client).store)
    sentence = told(client.post("/api/pictures", files={"file": (name, data)}), 400)
    assert mention in sentence
    assert str(service_behind(client).store.folder) not in sentence
    assert len(service_behind(client).store) == before
    assert mention in told(
        client.post("/api/stylize", files={"file": (name, data)}, data={"recipe": '{"style": "calm"}'}), 400
    )


def test_requests_that_are_not_valid_are_refused(client: TestClient) -> None:
    key = upload(client, file_of(PHOTO))["id"]
    path = f"/api/pictures/{key}/render"
    for body, status, mention in (
        ({"recipe": {"styl": "calm"}}, 422, "Did you mean 'style'?"),
        ({"recipe": {"style": "calm"}, "side": 3}, 422, "side"),
        ({"recipe": {"style": "calm"}, "sise": 64}, 422, "sise"),
        ({"recipe": {"style": "clam"}}, 400, "Did you mean 'calm'?"),
        ({"recipe": {"style": {"calm": -1, "storm": 1}}}, 400, "negative"),
        ({"recipe": {"style": "calm", "bank": "other"}}, 400, "there is tiny"),
        ({"recipe": {"style": "calm", "stroke": 16}}, 400, "too small"),
        ({"recipe": {"masks": [{"style": "calm", "mask": "/etc/passwd"}]}}, 404, "mask"),
    ):
        assert mention in told(client.post(path, json=body), status)
    told(client.post(path, content=b"{", headers={"content-type": "application/json"}), 422)
    told(client.post("/api/pictures/nothing/render", json={"recipe": {}}), 404)
    told(client.get("/api/nothing"), 404)
    told(client.put(path), 405)
    told(client.post("/api/pictures"), 422)
    told(client.post("/api/stylize", files={"file": ("a.png", file_of(PHOTO))}, data={"recipe": "{"}), 400)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["style", "strength", "masks", "stroke", "size", "seed", "colors", "feather", "bank", "styl"])


@given(st.dictionaries(keys, anything, min_size=1, max_size=3), st.none() | st.integers(-5, 100))
def test_whatever_is_asked_is_answered_with_a_picture_or_a_sentence(
    client: TestClient, photo: str, recipe: dict[str, Any], side: int | None
) -> None:
    answer = client.post(f"/api/pictures/{photo}/render", json={"recipe": recipe, "side": side})
    if answer.status_code == 200:
        opened(answer.content)
    else:
        assert answer.status_code in (400, 404, 422)
        told(answer, answer.status_code)


def test_cancelled_work_in_tiles_ends_between_two_of_them(
    client: TestClient, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, ticket, done = TiledPicture._decode, Ticket(), []

    def counted(self: TiledPicture, *given: Any, **named: Any) -> Any:
        done.append(1)
        if len(done) == 3:
            ticket.cancel()
        return decode(self, *given, **named)

    monkeypatch.setattr("stylebank.inference.stylizer.tile_for", lambda *_: 16)
    monkeypatch.setattr(TiledPicture, "_decode", counted)
    service = service_behind(client)
    upload, recipe = service.store.get("picture", photo), SavedRecipe(style="calm", size=48)
    with pytest.raises(Cancelled):
        service.renderer.full(upload, recipe, "png", service.mask, ticket)
    assert len(done) == 3


def test_memory_stays_flat_over_many_requests(client: TestClient) -> None:
    """The cache is bounded, and a picture that is deleted leaves nothing."""
    service = service_behind(client)
    before, stored = service.cache.used, len(service.store)
    for number in range(30):
        key = upload(client, file_of(noise(60, 40, seed=number)))["id"]
        render(client, key, recipe={"style": "calm"}, side=32)
        assert client.delete(f"/api/pictures/{key}").status_code == 204
    assert (service.cache.used, len(service.store)) == (before, stored)
    assert service.line.open == 0


def test_counters_count(client: TestClient) -> None:
    client.get("/api/health")
    lines = dict(line.rsplit(" ", 1) for line in client.get("/api/metrics").text.splitlines() if line[0] != "#")
    assert float(lines['stylebank_requests_total{route="/api/health",status="200"}']) >= 1
    assert lines["stylebank_pictures_in_line"] == "0"


def test_uploads_are_gone_with_the_server(folder: Path) -> None:
    with client_of(settings_in(folder)) as client:
        upload(client, file_of(PHOTO))
        uploads = service_behind(client).store.folder
        assert uploads.stat().st_mode & 0o077 == 0
        assert len(list(uploads.iterdir())) == 1
    assert not uploads.exists()
    assert not (folder / "kept").exists()
