"""The media host: generated files, any file in its folder, and pictures and clips by name.

`/status/{code}/{name}` answers with that status; see `named` for `/img` and `/clip`.
"""

from http import HTTPStatus

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.providers.files.named_files import stored_path
from sandbox.providers.request_body import state_of
from sandbox.providers.vendors.google import check_key


async def status(request: Request) -> Response:
    """Any status, with a text; a 3xx leads to the query's `location`."""
    code: int = request.path_params["code"]
    if not 200 <= code <= 599:
        raise HTTPException(400, "a status is 200 to 599")
    location = request.query_params.get("location")
    headers = {"location": location} if location else {}
    phrase = HTTPStatus(code).phrase if code in set(HTTPStatus) else str(code)
    return PlainTextResponse(f"{code} {phrase}", code, headers)


async def video(request: Request) -> Response:
    """A Veo video: a download of Google's files API, which wants the key."""
    check_key(request)
    return await _served(request, request.url.path.lstrip("/"), "video/mp4")


async def file(request: Request) -> Response:
    """A file of the folder, or one that was promised, or that is drawn from its name."""
    try:
        path = stored_path(state_of(request).store, request.path_params["path"], request.url.query)
    except ValidationError as error:
        raise HTTPException(400, str(error)) from None
    return await _served(request, path)


ROUTES = [
    Route("/status/{code:int}/{name:path}", status),
    Route("/google/v1beta/files/{id}", video),
    Route("/{path:path}", file),
]


async def _served(request: Request, path: str, media_type: str | None = None) -> Response:
    store = state_of(request).store
    # As object stores do: a signature in the query is the one way in, not one of two.
    if "X-Tos-Signature" in request.query_params and "authorization" in request.headers:
        raise HTTPException(400, "Only one way to authorize is allowed")
    if not store.may_read(path, request.url.query):
        raise HTTPException(403, "AccessDenied: the signature does not match or has expired")
    found = await store.file(path)
    if found is None:
        raise HTTPException(404, "NoSuchKey: the file does not exist")
    return FileResponse(found, media_type=media_type)
