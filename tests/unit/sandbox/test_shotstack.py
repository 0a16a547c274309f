"""What the stand-in for Shotstack takes, makes, and refuses as the vendor does."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.providers import keys
from sandbox.providers.app import new_app
from sandbox.providers.files.store import Store
from sandbox.providers.models import Operation
from sandbox.providers.state.app_state import AppState
from sandbox.providers.state.window import Window
from services.media.description import Probed
from services.media.ffmpeg import Ffmpeg

RENDER = "/shotstack/render"
LIMITED = {"message": "Too Many Requests"}


@pytest.fixture
def state(tmp_path: Path) -> AppState:
    return AppState(Store(tmp_path))


@pytest.fixture
async def client(state: AppState) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(new_app(state, "api")),
        base_url="http://stand-in",
        headers={"x-api-key": keys.SHOTSTACK},
    ) as client:
        yield client
    state.operations.clear()


def edit(state: AppState, output: dict[str, Any], **clip: Any) -> dict[str, Any]:
    """Of one clip of a second."""
    source = f"{state.store.url('clip/a.mp4')}?seconds=1&size=64x36"
    placed = {"asset": {"type": "video", "src": source}, "start": 0, "length": 1, **clip}
    return {"timeline": {"tracks": [{"clips": [placed]}]}, "output": {"format": "mp4", **output}}


async def made(state: AppState, client: httpx.AsyncClient, output: dict[str, Any]) -> Probed:
    """The film of an order, as ffmpeg reads it."""
    answer = await client.post(RENDER, json=edit(state, output))
    assert answer.status_code == 201
    number = answer.json()["response"]["id"]
    running = state.operations.get("renders", number)
    assert running is not None
    assert running.making is not None
    await running.making
    assert running.failure is None
    return await Ffmpeg().probe(state.store.folder / f"shotstack/{number}.mp4")


@pytest.mark.parametrize(
    ("output", "fps"), [({}, 25), ({"fps": 24}, 24), ({"fps": 29.97}, 29.97), ({"fps": 12}, 12)]
)
async def test_a_film_has_25_frames_a_second_unless_it_is_ordered_with_others(
    state: AppState, client: httpx.AsyncClient, output: dict[str, Any], fps: float
) -> None:
    assert (await made(state, client, {**output, "resolution": "preview"})).fps == fps


async def test_a_film_of_another_size_and_without_sound(
    state: AppState, client: httpx.AsyncClient
) -> None:
    film = await made(state, client, {"size": {"width": 128, "height": 96}, "mute": True})
    assert (film.width, film.height, film.has_audio) == (128, 96, False)


@pytest.mark.parametrize(
    "output",
    [
        *({"format": kind} for kind in ("gif", "mp3", "jpg", "png", "bmp")),
        {"range": {"start": 0, "length": 1}},
        {"poster": {"capture": 1}},
        {"thumbnail": {"capture": 1, "scale": 0.3}},
        {"scaleTo": "sd"},
    ],
    ids=str,
)
async def test_what_is_documented_but_not_made_here_is_taken_and_fails(
    state: AppState, client: httpx.AsyncClient, output: dict[str, Any]
) -> None:
    answer = await client.post(RENDER, json=edit(state, output))
    running = state.operations.get("renders", answer.json()["response"]["id"])
    assert running is not None
    assert running.making is not None
    await running.making
    assert "does not make" in str(running.failure)


@pytest.mark.parametrize(
    ("output", "clip"),
    [
        ({"fps": 23}, {}),
        ({"fps": "24"}, {}),
        ({"size": {"width": 127, "height": 96}}, {}),
        ({"format": "webm"}, {}),
        ({"destinations": [{"provider": "dropbox"}]}, {}),
        ({"thumbnail": {"capture": 1}}, {}),
        ({"watermark": False}, {}),
        ({}, {"start": "end"}),
        ({}, {"start": -1}),
        ({}, {"length": "all"}),
    ],
    ids=str,
)
async def test_what_is_not_documented_is_refused(
    state: AppState, client: httpx.AsyncClient, output: dict[str, Any], clip: dict[str, Any]
) -> None:
    answer = await client.post(RENDER, json=edit(state, output, **clip))
    assert answer.status_code == 400
    assert answer.json()["response"]["error"].startswith("Validation Failed: ")
    assert state.paid().renders == 0


@pytest.mark.parametrize("clip", [{"start": "auto"}, {"length": "auto"}, {"length": "end"}])
async def test_clips_may_place_themselves(
    state: AppState, client: httpx.AsyncClient, clip: dict[str, Any]
) -> None:
    assert (await client.post(RENDER, json=edit(state, {}, **clip))).status_code == 201


@pytest.mark.parametrize(
    ("query", "is_there"), [("", True), ("?data=true", True), ("?data=false", False)]
)
async def test_the_order_comes_back_unless_it_is_declined(
    state: AppState, client: httpx.AsyncClient, query: str, is_there: bool
) -> None:
    sent = edit(state, {"format": "gif"})
    number = (await client.post(RENDER, json=sent)).json()["response"]["id"]
    answer = (await client.get(f"{RENDER}/{number}{query}")).json()["response"]
    assert answer.get("data") == (sent if is_there else None)


async def test_requests_over_the_limit_are_refused_until_another_window_begins(
    state: AppState, client: httpx.AsyncClient
) -> None:
    state.operations.add("renders", "r", Operation())
    await client.post("/control/limit", json={"requests": 2})
    found = [await client.get(f"{RENDER}/r") for _ in range(3)]
    assert [one.status_code for one in found] == [200, 200, 429]
    assert found[2].json() == LIMITED
    assert "retry-after" not in found[2].headers
    await client.post("/control/limit", json={"requests": 2})
    assert (await client.get(f"{RENDER}/r")).status_code == 200


def test_a_window_is_a_minute_and_each_key_has_its_own() -> None:
    at = [7.0]
    window = Window(2, lambda: at[0])
    assert [window.admits(key) for key in ("a", "a", "b", "a")] == [True, True, True, False]
    at[0] += 59.9
    assert not window.admits("a"), "whenever it was asked last"
    at[0] += 0.2
    assert window.admits("a")


def test_without_a_limit_all_are_admitted() -> None:
    window = Window()
    assert all(window.admits("a") for _ in range(1000))
