"""Wavespeed: results of predictions, which the control API registers, and the balance."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.providers import keys
from sandbox.providers.request_body import state_of
from sandbox.providers.vendors.errors import wavespeed_error


async def result(request: Request) -> Response:
    """`GET predictions/{id}/result`: `data.status` and, at the end, `data.outputs`."""
    _check_key(request)
    running = state_of(request).operations.get("predictions", request.path_params["id"])
    if running is None:
        raise wavespeed_error(404, "prediction not found")
    final = running.final
    is_done = final == "succeeded"
    data = {
        "id": running.id,
        "model": "google/veo3",
        "outputs": [running.url] if is_done and running.url else [],
        "urls": {"get": str(request.url)},
        "status": "completed" if is_done else final or running.stage("created", "processing"),
        "error": running.error_message if final == "failed" else "",
        "timings": {"inference": round(running.lasts_s * 1000) if is_done else 0},
    }
    return JSONResponse({"code": 200, "message": "success", "data": data})


async def balance(request: Request) -> Response:
    """`GET balance`, as wavespeed.ai/docs-common-api/balance has it: USD."""
    _check_key(request)
    return JSONResponse({"code": 200, "message": "success", "data": {"balance": 12.5}})


def _check_key(request: Request) -> None:
    if request.headers.get("authorization") != f"Bearer {keys.WAVESPEED}":
        raise wavespeed_error(401, "Unauthorized: missing or invalid API key")


ROUTES = [
    Route("/wavespeed/api/v3/predictions/{id}/result", result, methods=["GET"]),
    Route("/wavespeed/api/v3/balance", balance, methods=["GET"]),
]
