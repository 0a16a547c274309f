"""The HTTP endpoints. Imported only when they are enabled.

    /livez    200, or 503 when the worker should be restarted
    /readyz   200 while jobs are taken: 503 at start, from the stop signal on, while Redis is
              unreachable or refuses fetches, and while this machine is unfit for jobs
    /metrics  for Prometheus            /stats     the queue and this worker, as JSON
    /jobs/ID  one job, as JSON          /          this list

All but the first two require `Authorization: Bearer HEALTH_TOKEN` where that is set. Redis is
queried only on request.
"""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bullmq_consumer.health.status import Phase, RedisProbe, WorkerStatus
from bullmq_consumer.inspect.job import JobViews
from bullmq_consumer.inspect.queue import Counts, QueueView
from bullmq_consumer.redis.clients import connect_briefly
from config.consumer import WORKER_NAME, queue_of, redis_of
from config.settings import Settings
from core.jobs.registry import discover
from core.meter import install
from runtime.http.metrics import Metrics
from runtime.http.public_job import public_job, when
from runtime.http.redacted import redacted_view

# How long the queue's counts are cached.
_COUNTS_LIVE_S = 5.0
# Together these give each client a response within 3 s, even if Redis is unreachable.
_REDIS_TIMEOUT_S = 1.5
_QUERY_TIMEOUT_S = 2.5
# BullMQ's own ids are numbers, the app's a hundred characters at most.
_LONGEST_ID = 256
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PATHS = ("/livez", "/readyz", "/metrics", "/stats", "/jobs/{id}")
_UNREACHABLE = "Redis does not answer"


class _Json(JSONResponse):
    """JSON in ASCII, so that any text can be sent, lone surrogates included."""

    def render(self, content: Any) -> bytes:
        """As bytes."""
        return json.dumps(content).encode()


Endpoint = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def new_app(settings: Settings, worker_status: WorkerStatus) -> AsyncGenerator[Starlette]:
    """The ASGI application, with its own Redis client. Installs the worker's meter."""
    async with connect_briefly(redis_of(settings), _REDIS_TIMEOUT_S) as redis:
        metrics = Metrics(
            worker_status,
            names=discover().entries(),
            queue_name=settings.queue_name,
            concurrency=settings.queue_concurrency,
        )
        install(metrics.meter)
        queue = _Queue(QueueView(redis, queue_of(settings)))
        jobs = JobViews(redis, queue_of(settings))
        endpoints = _Endpoints(settings, worker_status, RedisProbe(redis), queue, jobs, metrics)
        yield _application(settings, endpoints)


class _Queue:
    """The queue's counts, cached for some seconds; one query at a time."""

    def __init__(self, view: QueueView) -> None:
        self._view = view
        self._querying = asyncio.Lock()
        self._queried_at = float("-inf")
        self._counts: Counts | None = None

    async def counts(self) -> Counts | None:
        """None while Redis is unreachable."""
        async with self._querying:
            if time.monotonic() - self._queried_at > _COUNTS_LIVE_S:
                self._counts = await self._query()
                self._queried_at = time.monotonic()
        return self._counts

    async def _query(self) -> Counts | None:
        try:
            async with asyncio.timeout(_QUERY_TIMEOUT_S):
                return await self._view.counts()
        except (RedisError, OSError):
            return None


class _Endpoints:
    def __init__(
        self,
        settings: Settings,
        worker_status: WorkerStatus,
        probe: RedisProbe,
        queue: _Queue,
        jobs: JobViews,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._worker_status = worker_status
        self._probe = probe
        self._queue = queue
        self._jobs = jobs
        self._metrics = metrics
        self._show = redacted_view(settings, full=False)

    async def index(self, _: Request) -> Response:
        return _Json({"endpoints": _PATHS})

    async def livez(self, _: Request) -> Response:
        if self._worker_status.is_stuck:
            return _unavailable("no job was fetched for two minutes although Redis answers")
        return _Json({"status": "alive"})

    async def readyz(self, _: Request) -> Response:
        status = await self._status()
        why = {
            "unfit": f"this machine is unfit for jobs: {self._worker_status.lack()}",
            "starting": "the consumer is not started yet",
            "stopping": "the worker is stopping",
            "redis-away": _UNREACHABLE,
            "redis-refuses": f"Redis refuses to fetch a job: {self._refusal()}",
        }
        if status in why:
            return _unavailable(why[status], status=status)
        return _Json({"status": "ready"})

    async def metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(await self._queue.counts()), media_type=_TEXT)

    async def stats(self, _: Request) -> Response:
        status, counts = await asyncio.gather(self._status(), self._queue.counts())
        return _Json({"queue": _queue_stats(counts), "worker": self._worker(status)})

    async def job(self, request: Request) -> Response:
        job_id: str = request.path_params["id"]
        async with asyncio.timeout(_QUERY_TIMEOUT_S):
            job = await self._jobs.brief(job_id) if len(job_id) <= _LONGEST_ID else None
        if job is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the queue does not hold this job")
        return _Json(public_job(job, self._show))

    async def _status(self) -> str:
        """`starting`, `running`, `stopping`, `unfit`, `redis-away` or `redis-refuses`."""
        phase = self._worker_status.phase
        if phase is Phase.RUNNING and self._worker_status.lack() is not None:
            return "unfit"
        if phase is not Phase.STOPPING and not await self._probe.answers():
            return "redis-away"
        if phase is Phase.RUNNING and self._worker_status.refusal():
            return "redis-refuses"
        return phase.value

    def _refusal(self) -> str:
        return self._show(self._worker_status.refusal())

    def _worker(self, status: str) -> dict[str, Any]:
        work = self._worker_status.attempts
        return {
            "id": WORKER_NAME,
            "status": status,
            "concurrency": self._settings.queue_concurrency,
            "processing": len(work.attempts),
            "startedAt": when(self._worker_status.started_at),
            "processedTotal": work.ended["completed"] + work.ended["failed"],
            "failedTotal": work.ended["failed"],
            "jobs": [
                {
                    "jobId": attempt.delivery.job_id,
                    "name": attempt.delivery.name,
                    "startedAt": when(attempt.began_at),
                    "percent": attempt.percent,
                    "message": self._show(attempt.message),
                }
                for attempt in work.attempts
            ],
        }


def _queue_stats(counts: Counts | None) -> dict[str, int] | None:
    """For `/stats`: `waiting` are all jobs that are ready, `prioritized` those among them."""
    if counts is None:
        return None
    return {
        "waiting": counts.ready,
        "prioritized": counts.prioritized,
        "active": counts.active,
        "completed": counts.completed,
        "failed": counts.failed,
        "delayed": counts.delayed,
        "paused": counts.paused,
    }


def _application(settings: Settings, endpoints: _Endpoints) -> Starlette:
    token = settings.health_token.get_secret_value() if settings.health_token else None
    guarded = {
        "/": endpoints.index,
        "/metrics": endpoints.metrics,
        "/stats": endpoints.stats,
        "/jobs/{id}": endpoints.job,
    }
    routes = [Route(path, _guarded(endpoint, token)) for path, endpoint in guarded.items()]
    routes += [Route("/livez", endpoints.livez), Route("/readyz", endpoints.readyz)]
    handlers: dict[Any, Any] = {
        HTTPException: _refused,
        **dict.fromkeys((RedisError, OSError), _redis_unreachable),
        Exception: _broken,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


def _guarded(endpoint: Endpoint, token: str | None) -> Endpoint:
    """The endpoint behind the token, if one is set."""
    if token is None:
        return endpoint
    wanted = f"Bearer {token}".encode()

    async def guarded(request: Request) -> Response:
        shown = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(shown, wanted):
            headers = {"www-authenticate": "Bearer"}
            raise HTTPException(
                HTTPStatus.UNAUTHORIZED, "wants 'Authorization: Bearer HEALTH_TOKEN'", headers
            )
        return await endpoint(request)

    return guarded


def _unavailable(reason: str, *, status: str = "stuck") -> Response:
    answer = {"status": status, "reason": reason}
    return _Json(answer, HTTPStatus.SERVICE_UNAVAILABLE)


async def _refused(_: Request, error: HTTPException) -> Response:
    return _Json({"error": error.detail}, error.status_code, error.headers)


async def _redis_unreachable(_: Request, __: Exception) -> Response:
    return _Json({"error": _UNREACHABLE}, HTTPStatus.SERVICE_UNAVAILABLE)


async def _broken(_: Request, __: Exception) -> Response:
    return _Json({"error": "see the worker's log"}, HTTPStatus.INTERNAL_SERVER_ERROR)
