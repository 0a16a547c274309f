"""BytePlus ModelArk: Seedream pictures and Seedance tasks."""

import base64
import re
import time
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.providers import keys
from sandbox.providers.drawing.captions import caption_of
from sandbox.providers.drawing.pictures import Picture
from sandbox.providers.models import Operation
from sandbox.providers.request_body import Json, json_of, note_undocumented, state_of
from sandbox.providers.state.operations import RunningOperation
from sandbox.providers.vendors.errors import Refused, ark_error
from sandbox.providers.vendors.seedream import IMAGE_FIELDS, PictureOrder, read_order

_TASK_FIELDS = frozenset(
    (
        "model", "content", "callback_url", "return_last_frame", "service_tier", "generate_audio",
        "execution_expires_after", "resolution", "ratio", "duration", "frames", "seed",
        "camera_fixed", "watermark", "draft",
    )
)  # fmt: skip
_SIZES = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (960, 960)}
_FLAG = re.compile(r"--(\w+)\s+(\S+)")


async def generate(request: Request) -> Response:
    """`POST images/generations`."""
    _check_key(request)
    body = await json_of(request, lambda reason: ark_error(400, message=reason))
    note_undocumented(request, body, IMAGE_FIELDS)
    order = await read_order(body, state_of(request).store)
    state_of(request).bill("image", "byteplus", order.prompt)
    item = await _picture(request, order)
    usage = {"generated_images": 1, "output_tokens": order.width * order.height // 256}
    answer = {"model": order.model, "created": int(time.time()), "data": [item]}
    return JSONResponse({**answer, "usage": {**usage, "total_tokens": usage["output_tokens"]}})


async def create_task(request: Request) -> Response:
    """`POST contents/generations/tasks`."""
    _check_key(request)
    body = await json_of(request, lambda reason: ark_error(400, message=reason))
    note_undocumented(request, body, _TASK_FIELDS)
    operation = _task_of(body)
    state = state_of(request)
    number = next(state.numbers)
    state.bill("task", "byteplus", operation.text)
    id = f"cgt-{time.strftime('%Y%m%d%H%M%S')}-{number:05d}"
    state.operations.add("tasks", id, operation)
    return JSONResponse({"id": id})


async def task(request: Request) -> Response:
    """`GET contents/generations/tasks/{id}`."""
    _check_key(request)
    id: str = request.path_params["id"]
    found = state_of(request).operations.get("tasks", id)
    if found is None:
        raise ark_error(404, "ResourceNotFound", f"The task {id} does not exist.", "id")
    return JSONResponse(_task_answer(found, state_of(request).store.url(_last_frame(request, id))))


ROUTES = [
    Route("/ark/api/v3/images/generations", generate, methods=["POST"]),
    Route("/ark/api/v3/contents/generations/tasks", create_task, methods=["POST"]),
    Route("/ark/api/v3/contents/generations/tasks/{id}", task, methods=["GET"]),
]


def _check_key(request: Request) -> None:
    sent = request.headers.get("authorization")
    if sent != f"Bearer {keys.BYTEPLUS}":
        what = "is missing" if sent is None else "is not valid"
        raise ark_error(401, message=f"The API key or AK/SK in the request {what}.")


async def _picture(request: Request, order: PictureOrder) -> Json:
    """One entry of the answer's `data`."""
    state = state_of(request)
    sequence = next(state.pictures)
    caption = caption_of(order.prompt)
    label = "Picture" if caption.number is None else "Shot"
    number = caption.number or sequence
    drawn = await state.store.picture(
        Picture(
            order.width, order.height, number, caption.text, caption.style, order.references, label
        ),
        order.format,
    )
    size = {"size": f"{order.width}x{order.height}"}
    if order.as_bytes:
        return {"b64_json": base64.b64encode(drawn).decode(), **size}
    path = f"img/gen-{sequence}.{'png' if order.format == 'PNG' else 'jpg'}"
    await state.store.save(path, drawn)
    return {"url": state.store.signed_url(path), **size}


def _task_of(body: Json) -> Operation:
    """The clip that is ordered. Flags such as `--dur 5` may stand in the text."""
    if not body.get("model"):
        raise _missing("model")
    content = body.get("content")
    if not isinstance(content, list) or not content:
        raise _missing("content")
    texts = [_checked_part(part) for part in cast("list[Any]", content)]
    text = " ".join(filter(None, texts))
    flags: dict[str, str] = dict(_FLAG.findall(text))
    seconds = body.get("duration") or flags.get("duration") or flags.get("dur") or 5
    ratio = str(body.get("ratio") or flags.get("ratio") or flags.get("rt") or "16:9")
    width, height = _SIZES.get(ratio, _SIZES["16:9"])
    caption = caption_of(_FLAG.sub("", text))
    try:
        length = float(seconds)
    except ValueError:
        length = 0
    if not 2 <= length <= 15:
        raise ark_error(400, message="The duration must be 2 to 15 seconds.", param="duration")
    return Operation(
        seconds=length, width=width, height=height, number=caption.number or 1, text=caption.text
    )


def _checked_part(part: Json) -> str:
    match part:
        case {"type": "text", "text": str(text)} if text.strip():
            return text
        case {"type": "image_url", "image_url": {"url": str(url)}} if url:
            return ""
        case _:
            raise ark_error(400, message="A part of content is not valid.", param="content")


def _missing(field: str) -> Refused:
    message = f"The request failed because it is missing `{field}` parameter."
    return ark_error(400, "MissingParameter", message, field)


def _last_frame(request: Request, id: str) -> str:
    """A picture for the clip's end, drawn when it is fetched."""
    found = state_of(request).operations.get("tasks", id)
    assert found
    operation = found.operation
    path = f"tasks/{id}-last.jpg"
    state_of(request).store.promise(
        path, Picture(operation.width, operation.height, operation.number, operation.text)
    )
    return path


def _task_answer(running: RunningOperation, last_frame_url: str) -> Json:
    final = running.final
    answer: Json = {
        "id": running.id,
        "model": "seedance-1-5-pro-251215",
        "status": final or running.stage("queued", "running", "running"),
        "error": None,
        "created_at": int(running.created),
        "updated_at": int(time.time()),
    }
    if final == "failed":
        answer["error"] = {"code": running.operation.error_code, "message": running.error_message}
    if final == "succeeded":
        frame = {"last_frame_url": last_frame_url} if running.url else {}
        answer["content"] = {**({"video_url": running.url} if running.url else {}), **frame}
        answer["usage"] = {"completion_tokens": 108_900, "total_tokens": 108_900}
    return answer
