"""The control API: faults, delays, operations to come, and what was seen."""

from fnmatch import fnmatchcase
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.providers.models import Delay, Fault, Limit, Operation, OperationKind, Timing
from sandbox.providers.request_body import state_of

Model = TypeVar("Model", bound=BaseModel)


async def add_fault(request: Request) -> Response:
    state_of(request).faults.add(await _read(request, Fault))
    return _done()


async def drop_faults(request: Request) -> Response:
    state_of(request).faults.rules.clear()
    return _done()


async def requests(request: Request) -> Response:
    """Those whose path fits the query's glob `path`."""
    glob = request.query_params.get("path", "*")
    found = [one for one in state_of(request).requests if fnmatchcase(one.path, glob)]
    return JSONResponse([one.model_dump() for one in found])


async def drop_requests(request: Request) -> Response:
    """What was paid is forgotten too."""
    state_of(request).requests.clear()
    state_of(request).bought.clear()
    return _done()


async def paid(request: Request) -> Response:
    return JSONResponse(state_of(request).paid().model_dump())


async def add_delay(request: Request) -> Response:
    delay = await _read(request, Delay)
    delays = state_of(request).faults.delays
    delays[:] = [one for one in delays if one.path != delay.path] + [delay]
    return _done()


async def drop_delays(request: Request) -> Response:
    state_of(request).faults.delays.clear()
    return _done()


async def set_timing(request: Request) -> Response:
    timing = await _read(request, Timing)
    operations = state_of(request).operations
    operations.timing = operations.timing.model_copy(update=timing.model_dump(exclude_none=True))
    return _done()


async def set_limit(request: Request) -> Response:
    window = state_of(request).window
    window.limit = (await _read(request, Limit)).requests
    window.restart()
    return _done()


async def add_operation(request: Request) -> Response:
    """Answers with the URL that the result will have."""
    kind: OperationKind = request.path_params["kind"]
    if kind not in get_args(OperationKind):
        raise HTTPException(
            404, f"no such kind of operation, only {', '.join(get_args(OperationKind))}"
        )
    operation = await _read(request, Operation)
    running = state_of(request).operations.add(kind, request.path_params["id"], operation)
    return JSONResponse({"url": running.url})


async def reset(request: Request) -> Response:
    """As after the start, but for the files."""
    state = state_of(request)
    state.faults.rules.clear()
    state.faults.delays.clear()
    state.requests.clear()
    state.bought.clear()
    state.operations.clear()
    state.operations.timing = Timing()
    state.window.limit = None
    return _done()


ROUTES = [
    Route("/control/faults", add_fault, methods=["POST"]),
    Route("/control/faults", drop_faults, methods=["DELETE"]),
    Route("/control/requests", requests, methods=["GET"]),
    Route("/control/requests", drop_requests, methods=["DELETE"]),
    Route("/control/paid", paid, methods=["GET"]),
    Route("/control/delay", add_delay, methods=["POST"]),
    Route("/control/delay", drop_delays, methods=["DELETE"]),
    Route("/control/timing", set_timing, methods=["POST"]),
    Route("/control/limit", set_limit, methods=["POST"]),
    Route("/control/reset", reset, methods=["POST"]),
    Route("/control/{kind}/{id:path}", add_operation, methods=["POST"]),
]


async def _read(request: Request, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise HTTPException(400, str(error)) from None


def _done() -> Response:
    return Response(status_code=204)
