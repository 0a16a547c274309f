"""The worker of hello.py inside of a web application: `uvicorn web:app`.

FastAPI's `lifespan` is the same: see bullmq_consumer/docs/fastapi.md.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from hello import worker
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None]:
    """Jobs are taken for as long as the application runs."""
    async with worker.running():
        yield


async def readyz(request: Request) -> JSONResponse:
    """For the probe: 503 while no jobs are taken."""
    health = worker.health()
    shown = {"ready": health.ready, "running": health.running, "whyNot": health.why_not}
    return JSONResponse(shown, 200 if health.ready else 503)


app = Starlette(routes=[Route("/readyz", readyz)], lifespan=lifespan)
