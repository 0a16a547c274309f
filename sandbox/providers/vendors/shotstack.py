"""Shotstack Edit v1: renders.

Sources: github.com/shotstack/oas-api-definition; of the limit shotstack.io/docs,
guide/architecting-an-application/limitations.
"""

import asyncio
import time
import uuid
from datetime import UTC, datetime

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.providers import keys
from sandbox.providers.files.store import Store
from sandbox.providers.models import Operation
from sandbox.providers.request_body import Json, json_of, state_of
from sandbox.providers.state.operations import RunningOperation
from sandbox.providers.vendors.composer import ComposeError, compose
from sandbox.providers.vendors.errors import shotstack_error
from sandbox.providers.vendors.timeline import Edit

_STAGES = ("queued", "fetching", "rendering", "saving")


async def create(request: Request) -> Response:
    """`POST render`: 201 with the render's id."""
    _admit(request)
    body = await json_of(request, lambda reason: shotstack_error(400, reason))
    try:
        edit = Edit.model_validate(body)
    except ValidationError as error:
        raise shotstack_error(400, _complaint(error)) from None
    state = state_of(request)
    state.bill("render", "shotstack", ", ".join(clip.asset.src for clip in edit.clips))
    id = str(uuid.uuid4())
    path = f"shotstack/{id}.mp4"
    running = state.operations.add("renders", id, Operation(url=state.store.url(path)))
    running.ordered = body
    running.making = asyncio.create_task(_made(running, edit, state.store, path))
    response = {"message": "Render Successfully Queued", "id": id}
    return JSONResponse({"success": True, "message": "Created", "response": response}, 201)


async def show(request: Request) -> Response:
    """`GET render/{id}`, with all that was ordered but by `data=false`."""
    _admit(request)
    running = state_of(request).operations.get("renders", request.path_params["id"])
    if running is None:
        raise shotstack_error(404, "Render not found")
    answer = _answer(running)
    # "The default is currently `true`, this is deprecated" (paths/renderid.yaml).
    if request.query_params.get("data") != "false":
        answer["data"] = running.ordered
    return JSONResponse({"success": True, "message": "OK", "response": answer})


ROUTES = [
    Route("/shotstack/render", create, methods=["POST"]),
    Route("/shotstack/render/{id}", show, methods=["GET"]),
]


def _admit(request: Request) -> None:
    """Check the key, and that it has not used up its requests: 429, without a Retry-After."""
    sent = request.headers.get("x-api-key")
    if sent != keys.SHOTSTACK:
        raise shotstack_error(401 if sent is None else 403)
    if not state_of(request).window.admits(sent):
        raise shotstack_error(429)


async def _made(running: RunningOperation, edit: Edit, store: Store, path: str) -> None:
    try:
        running.operation.seconds = await compose(edit, store, path)
    except ComposeError as error:
        running.failure = str(error)


def _answer(running: RunningOperation) -> Json:
    """Without size, width and height, as the vendor's."""
    final = running.final
    status = "done" if final == "succeeded" else final or running.stage(*_STAGES)
    answer: Json = {
        "id": running.id,
        "owner": "sandbox",
        "plan": "basic",
        "status": status,
        "error": "",
        "created": _iso(running.created),
        "updated": _iso(time.time()),
    }
    if status == "done":
        rendered = {"duration": running.operation.seconds, "renderTime": running.lasts_s * 1000}
        answer |= {**rendered, "url": running.url, "poster": None, "thumbnail": None}
    if status == "failed":
        answer["error"] = running.error_message
    return answer


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"Validation Failed: {'.'.join(map(str, first['loc']))}: {first['msg']}"
