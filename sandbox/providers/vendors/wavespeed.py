"""Wavespeed: results of predictions, which the control API registers."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.providers import keys
from sandbox.providers.request_body import state_of
from sandbox.providers.vendors.errors import wavespeed_error


async def result(request: Request) -> Response:
    """`GET predictions/{id}/result`: `data.status` and, at the end, `data.outputs`."""
    sent = request.headers.get("authorization")
    if sent != f"Bearer {keys.WAVESPEED}":
        raise wavespeed_error(401, "Unauthorized: missing or invalid API key")
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


ROUTES = [Route("/wavespeed/api/v3/predictions/{id}/result", result, methods=["GET"])]
