"""Reading a request's JSON."""

import json
from collections.abc import Callable, Iterable
from typing import Any, cast

from starlette.requests import Request

from sandbox.providers.models import Recorded
from sandbox.providers.state.app_state import AppState

Json = dict[str, Any]


def state_of(request: Request) -> AppState:
    return request.app.state.shared


async def json_of(request: Request, refuse: Callable[[str], Exception]) -> Json:
    """The body's JSON object. Raises what `refuse` makes of a reason."""
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise refuse("The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise refuse("The request body is not a JSON object.")
    return cast("Json", body)


def note_undocumented(request: Request, body: Json, documented: Iterable[str]) -> None:
    """Put fields on record that the vendor ignores, though nobody should send them."""
    record: Recorded | None = request.scope.get("record")
    if record is not None:
        record.undocumented = sorted(set(body) - set(documented))
