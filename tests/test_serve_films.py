"""Films and paintings over HTTP: frames, previews, long jobs with progress, stopping and going on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import describe, gray, make_film
from httpx2 import Client
from pictures import smooth
from PIL import Image
from serving import at_rest, client_of, file_of, opened, service_behind, settings_in, told
from starlette.testclient import TestClient
from tiny import files_of, paint, with_predictor

from stylebank.bank.io import load_bank
from stylebank.losses.weights import WEIGHTS_VARIABLE
from stylebank.serve.film_job import FilmJob
from stylebank.serve.painting_job import PaintingJob
from stylebank.serve.settings import Limits
from stylebank.training.training_run import TrainingRun
from stylebank.video import open_reader

RECIPE = {"style": "storm", "stroke": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def film(folder: Path) -> Path:
    return make_film(folder / "holiday.mp4", frames=12, audio=True)


@pytest.fixture
def client(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    with client_of(settings_in(folder, keep=tmp_path / "kept")) as client:
        yield client


def long_film(path: Path, frames: int) -> Path:
    return make_film(path, frames, pictures=[gray(number % 12) for number in range(frames)])


def upload(client: TestClient, film: Path) -> dict[str, Any]:
    answer = client.post("/api/films", files={"file": (film.name, film.read_bytes())})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def start(client: TestClient, film: Path, **body: Any) -> str:
    key = upload(client, film)["id"]
    answer = client.post(f"/api/films/{key}/start", json={"recipe": RECIPE, **body})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


def frames_of(path: Path) -> np.ndarray:
    return np.stack([frame.rgb for frame in open_reader(path)])


def test_a_film_is_looked_at_frame_by_frame(client: TestClient, film: Path) -> None:
    told_of = upload(client, film)
    assert (told_of["name"], told_of["frames"], told_of["fps"]) == ("holiday.mp4", 12, 25.0)
    assert (told_of["width"], told_of["height"], told_of["seconds"], told_of["sound"]) == (64, 48, 0.48, True)
    key = told_of["id"]
    shown = [opened(client.get(f"/api/films/{key}/frame/{n}").content) for n in (0, 5, 11, 400)]
    wanted = frames_of(film)
    for picture, number in zip(shown, (0, 5, 11, 11), strict=True):
        assert np.abs(np.asarray(picture).astype(int) - wanted[number]).max() <= 3
    preview = client.post(f"/api/films/{key}/preview", json={"recipe": RECIPE, "frame": 5, "side": 32})
    assert opened(preview.content).size == (32, 24)
    assert "Did you mean 'storm'?" in told(
        client.post(f"/api/films/{key}/preview", json={"recipe": {"style": "strom"}}), 400
    )


def test_a_film_is_made_with_its_sound(client: TestClient, film: Path) -> None:
    job = start(client, film, stabilize="blend")
    status = at_rest(client, job)
    assert (status["state"], status["done"], status["total"], status["kind"]) == ("done", 12, 12, "film")
    assert status["message"] == "Done: 12 frames."
    answer = client.get(f"/api/jobs/{job}/result")
    assert 'filename="holiday_stylized.mp4"' in answer.headers["content-disposition"]
    made = service_behind(client).settings.keep / "made.mp4"
    made.write_bytes(answer.content)
    assert describe(made).frames == 12
    assert [stream.kind for stream in describe(made).streams] == ["audio"]
    assert opened(client.get(f"/api/jobs/{job}/preview").content).size == (64, 48)
    assert client.delete(f"/api/jobs/{job}").status_code == 204
    told(client.get(f"/api/jobs/{job}"), 404)
    assert not list((service_behind(client).settings.keep / "films").iterdir())


def test_progress_is_told_until_the_job_rests(client: TestClient, film: Path) -> None:
    job = start(client, film)
    with client.stream("GET", f"/api/jobs/{job}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data")]
    assert events[-1]["state"] == "done"
    assert [event["done"] for event in events] == sorted(event["done"] for event in events)


def held(monkeypatch: pytest.MonkeyPatch, after: int) -> Callable[[], None]:
    """Lets films stand still once so many of their batches are done; returns what lets them go on."""
    asked, going = FilmJob._stopped, [False]
    batches = [0]

    def stopped(self: FilmJob) -> bool:
        batches[0] += 1
        while batches[0] > after and not going[0] and not self.asked_to_stop():
            time.sleep(0.01)
        return asked(self)

    monkeypatch.setattr(FilmJob, "_stopped", stopped)

    def go_on() -> None:
        going[0] = True

    return go_on


@pytest.fixture
def one_frame_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylebank.films.stylize.BATCH_PIXELS", {"cpu": 1})


@pytest.mark.usefixtures("one_frame_at_a_time")
def test_a_film_is_stopped_and_gone_on_with_even_by_another_server(
    folder: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = long_film(tmp_path / "long.mp4", 60)
    settings = settings_in(folder, keep=tmp_path / "kept")
    with client_of(settings) as client:
        whole = start(client, long)
        assert at_rest(client, whole)["state"] == "done"
        go_on = held(monkeypatch, after=52)
        job = start(client, long)
        while client.get(f"/api/jobs/{job}").json()["done"] < 50:
            time.sleep(0.02)
        told(client.get(f"/api/jobs/{job}/result"), 409)
        told(client.post(f"/api/jobs/{job}/resume"), 409)
        told(client.delete(f"/api/jobs/{job}"), 409)
        other = start(client, film)
        assert client.get(f"/api/jobs/{other}").json()["state"] == "waiting"
        assert client.post(f"/api/jobs/{other}/stop").json()["state"] == "stopped"
        assert client.post(f"/api/jobs/{other}/resume").json()["state"] == "waiting"
        assert client.post(f"/api/jobs/{job}/stop").status_code == 200
        status = at_rest(client, job)
        assert status["state"] == "stopped"
        expected = client.get(f"/api/jobs/{whole}/result").content
    # The server has ended, as on Ctrl-C; what was in line is not lost either.
    go_on()
    with client_of(settings) as client:
        states = {each["id"]: each["state"] for each in client.get("/api/jobs").json()}
        assert states == {whole: "done", job: "stopped", other: "stopped"}
        assert client.post(f"/api/jobs/{job}/resume").status_code == 200
        status = at_rest(client, job)
        assert (status["state"], status["done"]) == ("done", 60)
        (tmp_path / "a.mp4").write_bytes(expected)
        (tmp_path / "b.mp4").write_bytes(client.get(f"/api/jobs/{job}/result").content)
        assert np.array_equal(frames_of(tmp_path / "a.mp4"), frames_of(tmp_path / "b.mp4"))


def test_ctrl_c_ends_the_command_and_keeps_what_is_done(folder: Path, tmp_path: Path) -> None:
    """The command itself, in a process of its own, with a film at work and somebody watching it."""
    settings = settings_in(folder, keep=tmp_path / "kept")
    where = ("--port", "0", "--bank", settings.banks[0], "--keep", settings.keep, "--precision", "float32")
    command = [sys.executable, "-m", "stylebank", "serve", *map(str, where)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[2].rstrip("/")
        assert server.stdout.readline() == "Ready.\n"
        with Client(base_url=url, timeout=60) as client:
            film = long_film(tmp_path / "long.mp4", 400)
            key = client.post("/api/films", files={"file": ("long.mp4", film.read_bytes())}).json()["id"]
            job = client.post(f"/api/films/{key}/start", json={"recipe": RECIPE}).json()["job"]
            with client.stream("GET", f"/api/jobs/{job}/events") as watched:
                for line in watched.iter_lines():
                    if line.startswith("data") and json.loads(line.removeprefix("data: "))["done"] >= 1:
                        break
                server.send_signal(signal.SIGINT)
                out, error = server.communicate(timeout=60)
    finally:
        server.kill()
    assert (server.returncode, error) == (0, "")
    assert out.strip() == f"Ended; films and styles are in {settings.keep}."
    with client_of(settings) as again:
        assert [each["state"] for each in again.get("/api/jobs").json()] == ["stopped"]


def test_masks_go_with_the_film(client: TestClient, film: Path) -> None:
    left = file_of(Image.fromarray(np.repeat(np.uint8([[255] * 32 + [0] * 32]), 48, 0)))
    mask = client.post("/api/masks", files={"file": ("left.png", left)}).json()["id"]
    recipe = {"style": "original", "stroke": 1, "masks": [{"style": "storm", "mask": mask}]}
    job = start(client, film, recipe=recipe)
    client.delete(f"/api/masks/{mask}")  # the job has a copy
    assert at_rest(client, job)["state"] == "done"
    kept = service_behind(client).settings.keep / "films" / job
    made, before = frames_of(kept / "holiday_stylized.mp4").astype(int), frames_of(film)
    assert np.abs(made - before)[:, :, 48:].mean() < 3 < np.abs(made - before)[:, :, :16].mean()


def test_films_that_cannot_be_made_are_refused_at_once(
    folder: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(film_seconds=1, jobs=1)
    with client_of(settings_in(folder, keep=tmp_path / "kept", limits=limits)) as client:
        long = long_film(tmp_path / "long.mp4", 30)
        assert "--max-film-seconds" in told(
            client.post("/api/films", files={"file": ("a.mp4", long.read_bytes())}), 413
        )
        assert "'a.mp4'" in told(client.post("/api/films", files={"file": ("a.mp4", b"no film")}), 400)
        told(client.post("/api/films", data={"x": "y"}), 422)
        key = upload(client, film)["id"]
        monkeypatch.setitem(sys.modules, "cv2", None)
        flow = client.post(f"/api/films/{key}/start", json={"recipe": RECIPE, "stabilize": "flow"})
        assert "stylebank[flow]" in told(flow, 501)
        wrong = {"style": {"calm": -1, "storm": 1}}
        assert "negative" in told(client.post(f"/api/films/{key}/start", json={"recipe": wrong}), 400)
        service_behind(client).jobs._limit = 0
        assert "--max-jobs" in told(client.post(f"/api/films/{key}/start", json={"recipe": RECIPE}), 503)
        assert not (tmp_path / "kept").exists()


def test_a_film_that_is_named_stays_where_it_is(folder: Path, film: Path, tmp_path: Path) -> None:
    with client_of(settings_in(folder, keep=tmp_path / "kept", allow_paths=True)) as client:
        key = client.post("/api/films", json={"path": str(film)}).json()["id"]
        job = client.post(f"/api/films/{key}/start", json={"recipe": RECIPE}).json()["job"]
        assert at_rest(client, job)["state"] == "done"
        client.delete(f"/api/films/{key}")
        client.delete(f"/api/jobs/{job}")
    assert film.exists()


def test_a_painting_becomes_a_style_even_if_it_is_stopped(
    folder: Path, photos: Path, tmp_path: Path, random_vgg_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, stops = PaintingJob.step_ends, [2]

    def step_ends(self: PaintingJob, run: TrainingRun) -> None:
        if run.step in stops:
            stops.remove(run.step)
            self.stop()
        ends(self, run)

    monkeypatch.setattr(PaintingJob, "step_ends", step_ends)
    monkeypatch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 32)  # instead of 256: seconds less
    for photograph in list(photos.iterdir())[4:]:
        photograph.unlink()  # of four one is measured on
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(random_vgg_weights))
    painting = (paint(tmp_path / "paintings", "dawn") / "dawn.png").read_bytes()
    settings = settings_in(folder, keep=tmp_path / "kept", content=photos)
    bank = files_of(folder / "tiny")
    with client_of(settings) as client:
        told(client.post("/api/paintings", files={"file": ("a.png", b"nothing")}), 400)
        told(client.post("/api/paintings", files={"file": ("a.png", painting)}, data={"name": "No Name"}), 400)
        post: dict[str, Any] = {"files": {"file": ("Dawn (1900).png", painting)}, "data": {"steps": "4"}}
        job = client.post("/api/paintings", **post).json()["job"]
        assert "dawn_1900" in told(client.post("/api/paintings", **post), 409)
        status = at_rest(client, job)
        assert (status["state"], status["done"], status["total"]) == ("stopped", 2, 4), status
        assert [style["name"] for style in client.get("/api/bank").json()["styles"]] == ["calm", "storm"]
        client.post(f"/api/jobs/{job}/resume")
        status = at_rest(client, job)
        assert (status["state"], status["done"], status["total"]) == ("done", 4, 4), status
        assert status["losses"]["style"] > 0
        assert opened(client.get(f"/api/jobs/{job}/preview").content).width > 32
        assert client.get(f"/api/jobs/{job}/result").content[:2] == b"PK"
        assert [style["name"] for style in client.get("/api/bank").json()["styles"]] == ["calm", "storm", "dawn_1900"]
        photo = client.post("/api/pictures", files={"file": ("a.png", file_of(smooth(60, 40)))}).json()["id"]
        thumbnails = [client.get(f"/api/pictures/{photo}/thumbnails/{s}").content for s in ("calm", "dawn_1900")]
        assert thumbnails[0] != thumbnails[1]
    assert files_of(folder / "tiny") == bank
    with client_of(settings) as client:
        assert [style["name"] for style in client.get("/api/bank").json()["styles"]] == ["calm", "storm", "dawn_1900"]
        assert [each["state"] for each in client.get("/api/jobs").json()] == ["done"]


def test_a_painting_is_a_style_at_once_of_a_bank_that_can(
    folder: Path, tmp_path: Path, random_vgg_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(random_vgg_weights))
    with_predictor(folder / "tiny", tmp_path / "quick")
    painting = (paint(tmp_path / "paintings", "dawn") / "dawn.png").read_bytes()
    settings = settings_in(folder, keep=tmp_path / "kept")
    with client_of(settings) as client:
        assert not client.get("/api/bank").json()["predictor"]
        assert "predictor" in told(client.post("/api/paintings/instant", files={"file": ("dawn.png", painting)}), 409)
    with client_of(replace(settings, banks=(folder / "tiny", tmp_path / "quick"))) as client:
        assert client.get("/api/bank").json()["predictor"]
        added = client.post("/api/paintings/instant", files={"file": ("dawn.png", painting)})
        assert (added.status_code, added.json()) == (201, {"style": "dawn", "bank": "quick"})
        assert [each["name"] for each in client.get("/api/bank").json()["styles"] if each["predicted"]] == ["dawn"]
        photo = client.post("/api/pictures", files={"file": ("a.png", file_of(smooth(60, 40)))}).json()["id"]
        assert client.get(f"/api/pictures/{photo}/thumbnails/dawn").status_code == 200
        told(client.post("/api/paintings/instant", files={"file": ("dawn.png", painting)}), 409)
        told(client.post("/api/paintings/instant", files={"file": ("a.png", b"nothing")}), 400)
        assert [path.name for path in service_behind(client).store.folder.iterdir() if path.is_dir()] == []
        post: dict[str, Any] = {"files": {"file": ("calm.png", painting)}, "data": {"start": "predicted"}}
        assert "no predictor" in told(client.post("/api/paintings", **post), 409)  # of the first bank
        post["data"]["bank"] = "quick"
        assert "'calm'" in told(client.post("/api/paintings", **post), 409)  # is the bank's own
    assert load_bank(tmp_path / "kept" / "banks" / "quick").predictor
