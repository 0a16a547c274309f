"""What is asked. Only the scenes with a price buy anything."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel

from core.timeline import Scene as Shown
from core.timeline import Timeline
from sandbox.live.answers import Seen, not_seen
from sandbox.live.prices import FILM, gemini_picture, seedream_picture
from sandbox.live.stage import Stage
from services.accounts.vendor import UNKNOWN_ID, Question, Vendor
from services.accounts.verdicts import in_form
from services.byteplus import BYTEPLUS
from services.films.shotstack import SHOTSTACK
from services.google import GOOGLE

_WRONG_KEY = "no-key-of-this-vendor"
_PROMPT = "A red door in a white wall"
_PAUSE_S = 3
# Shotstack renders 20 s a minute of film, and queues before.
_PATIENCE_S = 600
_STATE = "GET /render/{id}"
_ENDED = frozenset({"done", "failed"})


class _Render(BaseModel):
    id: str = ""
    status: str = ""


class _Rendered(BaseModel):
    response: _Render


@dataclass(frozen=True, slots=True)
class Scene:
    """`price` is what it costs, by the stage; None for nothing."""

    vendor: Vendor
    name: str
    play: Callable[[Stage], Awaitable[list[Seen]]]
    price: Callable[[Stage], str] | None = None


def scenes(vendors: Collection[Vendor], *, free: bool) -> list[Scene]:
    """Those of the vendors: with `free` those that cost nothing, else one picture and one film."""
    found = [scene for vendor in vendors for scene in _free(vendor)]
    if free:
        return found
    pictures = [scene for scene in _PICTURES if scene.vendor in vendors]
    return [*found, *pictures[:1], *([_FILM_SCENE] if SHOTSTACK in vendors else [])]


def _free(vendor: Vendor) -> list[Scene]:
    return [
        Scene(vendor, "what check asks", _questions),
        Scene(vendor, "a wrong key", _wrong_key),
        Scene(vendor, "a path that is none", _wrong_path),
        *(scene for scene in _OWN if scene.vendor == vendor),
    ]


async def _questions(stage: Stage) -> list[Seen]:
    asked = stage.vendor.questions(stage.settings)
    return [await _asked(stage, question, question.body) for question in asked]


async def _controls(stage: Stage) -> list[Seen]:
    asked = [one for one in stage.vendor.questions(stage.settings) if one.control is not None]
    return [await _asked(stage, question, question.control) for question in asked]


async def _wrong_key(stage: Stage) -> list[Seen]:
    question = stage.vendor.questions(stage.settings)[0]
    return [await _asked(stage, question, question.body, key=_WRONG_KEY)]


async def _asked(stage: Stage, question: Question, body: Any, *, key: str | None = None) -> Seen:
    method = "GET" if body is None else "POST"
    step = f"{method} {question.url.removeprefix(question.where).replace(UNKNOWN_ID, '…')}"
    found, _ = await stage.send(step, method, question.url, body=body, key=key)
    return found


async def _wrong_path(stage: Stage) -> list[Seen]:
    where = stage.vendor.questions(stage.settings)[0].where
    found, _ = await stage.send("GET /no-such-path", "GET", f"{where}/no-such-path")
    return [found]


async def _not_googles(stage: Stage) -> list[Seen]:
    [question] = stage.vendor.questions(stage.settings)
    operation = f"{question.url}/operations/{UNKNOWN_ID}"
    model = f"{question.where}/models/no-such-model"
    asked = (("GET …/operations/…", operation), ("GET /models/no-such-model", model))
    return [(await stage.send(step, "GET", url))[0] for step, url in asked]


async def _no_order(stage: Stage) -> list[Seen]:
    url = f"{stage.settings.shotstack_url}/render"
    found, _ = await stage.send("POST /render {}", "POST", url, body={})
    return [found]


async def _seedream(stage: Stage) -> list[Seen]:
    settings = stage.settings
    body = {
        "model": settings.byteplus_image_model,
        "prompt": _PROMPT,
        "size": "2048x2048",
        "response_format": "url",
        "watermark": False,
    }
    step, url = "POST /images/generations", f"{settings.byteplus_url}/images/generations"
    found, _ = await stage.send(step, "POST", url, body=body)
    return [found]


async def _gemini(stage: Stage) -> list[Seen]:
    [question] = stage.vendor.questions(stage.settings)
    config = {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": "1:1"}}
    body = {"contents": [{"parts": [{"text": _PROMPT}]}], "generationConfig": config}
    step, url = "POST …:generateContent", f"{question.url}:generateContent"
    found, _ = await stage.send(step, "POST", url, body=body)
    return [found]


async def _film(stage: Stage) -> list[Seen]:
    """The order, and the state of the render at its end."""
    edit = Timeline((Shown(1, stage.clip_url, 0, 1),), "16:9").shotstack_edit()
    url = f"{stage.settings.shotstack_url}/render"
    ordered, response = await stage.send("POST /render", "POST", url, body=edit)
    id = _rendered(response).id
    if not id:
        return [ordered]
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return [ordered, await _ended(stage, f"{url}/{id}?data=false")]
    except TimeoutError:
        return [ordered, not_seen(_STATE, f"no end after {_PATIENCE_S} s")]


async def _ended(stage: Stage, url: str) -> Seen:
    """The last state, or the first answer that is none."""
    while True:
        found, response = await stage.send(_STATE, "GET", url)
        status = _rendered(response).status
        if not status or status in _ENDED:
            return found
        await asyncio.sleep(_PAUSE_S)


def _rendered(response: httpx.Response | None) -> _Render:
    """With empty fields where the answer is another than is documented."""
    if response is None or not response.is_success:
        return _Render()
    found = in_form(response, _Rendered)
    return found.response if found else _Render()


_OWN = (
    Scene(BYTEPLUS, "a model that is none", _controls),
    Scene(GOOGLE, "an operation and a model that are none", _not_googles),
    Scene(SHOTSTACK, "an order that is none", _no_order),
)
_PICTURES = (
    Scene(BYTEPLUS, "one picture", _seedream, seedream_picture),
    Scene(GOOGLE, "one picture", _gemini, gemini_picture),
)
_FILM_SCENE = Scene(SHOTSTACK, "one second of film", _film, lambda _: FILM)
