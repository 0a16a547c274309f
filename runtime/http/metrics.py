"""The metrics for Prometheus. Imported only when the endpoints are enabled.

Labels hold only names of jobs and services that this code knows; any other job name is `other`.
"""

import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bullmq_consumer.health.attempts import Attempt
from bullmq_consumer.health.status import Phase, WorkerStatus
from bullmq_consumer.inspect.queue import Counts
from bullmq_consumer.redis.traffic import TRAFFIC
from config.version import VERSION
from core.meter import Direction, End, Result

_OTHER = "other"
_ENDS: tuple[End, ...] = ("completed", "retried", "failed", "handed_back", "lost")
_METHODS = {"GET": "read", "HEAD": "read", "OPTIONS": "read"}
# A row's job takes tenths of a second, a batch of pictures minutes, a film up to half an hour.
_JOB_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
# From an idle worker, a few ms, to a backlog of a day.
_WAIT_S = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 24 * 3600)
# From a row, some ms, to a picture, whose time limit is 5 minutes.
_CALL_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 180, 300)


class PrometheusMeter:
    """The `core.meter.Meter` of one worker, in `registry`. `names` are those of its jobs."""

    def __init__(self, registry: CollectorRegistry, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._jobs = Counter(
            "vidfab_worker_jobs",
            "Attempts that ended here, by what became of the job.",
            ("name", "outcome"),
            registry=registry,
        )
        self._durations = Histogram(
            "vidfab_worker_job_duration_seconds",
            "From an attempt's begin to its end.",
            ("name",),
            buckets=_JOB_S,
            registry=registry,
        )
        self._waits = Histogram(
            "vidfab_worker_job_wait_seconds",
            "From when a job could first be taken to when it was, by two machines' clocks.",
            ("name",),
            buckets=_WAIT_S,
            registry=registry,
        )
        self._calls = Histogram(
            "vidfab_worker_service_request_duration_seconds",
            "HTTP requests to services, until the head of the answer.",
            ("service", "operation", "outcome"),
            buckets=_CALL_S,
            registry=registry,
        )
        self._bytes = Counter(
            "vidfab_worker_service_bytes",
            "Bodies that went to services (sent) or came from them (received).",
            ("service", "direction"),
            registry=registry,
        )
        self._paid = Counter(
            "vidfab_worker_paid_calls",
            "What providers bill: delivered, or uncertain when the answer was lost.",
            ("service", "kind", "result"),
            registry=registry,
        )
        self._unknown_codes = Counter(
            "vidfab_worker_unknown_codes",
            "Error codes of services that this worker does not know, and judged by their status.",
            ("service",),
            registry=registry,
        )
        self._broken_schedules = Counter(
            "vidfab_worker_broken_schedules",
            "Repeatable jobs and job schedulers that ended, since they cannot be read.",
            registry=registry,
        )
        for name in (*self._names, _OTHER):
            self._begin_at_zero(name)

    def _begin_at_zero(self, name: str) -> None:
        """Start counters at 0: a rate needs a first value."""
        self._durations.labels(name)
        self._waits.labels(name)
        for end in _ENDS:
            self._jobs.labels(name, end)

    def job_taken(self, name: str, waited_s: float | None) -> None:
        """An attempt began."""
        if waited_s is not None:
            self._waits.labels(self.known(name)).observe(waited_s)

    def job_ended(self, name: str, end: End, seconds: float) -> None:
        """An attempt ended."""
        self._jobs.labels(self.known(name), end).inc()
        self._durations.labels(self.known(name)).observe(seconds)

    def http_request(self, service: str, method: str, outcome: str, seconds: float) -> None:
        """An HTTP request to a service ended."""
        operation = _METHODS.get(method, "write")
        self._calls.labels(service, operation, outcome).observe(seconds)

    def bytes_transferred(self, service: str, direction: Direction, size_bytes: int) -> None:
        """A part of a body was transferred."""
        self._bytes.labels(service, direction).inc(size_bytes)

    def purchase(self, service: str, kind: str, result: Result) -> None:
        """Something was bought."""
        self._paid.labels(service, kind, result).inc()

    def unknown_code(self, service: str) -> None:
        """A service gave a code that is in no table; which one is told by the log and `check`."""
        self._unknown_codes.labels(service).inc()

    def schedule_broke(self) -> None:
        """A schedule ended."""
        self._broken_schedules.inc()

    def known(self, name: str) -> str:
        """The job's name as a label."""
        return name if name in self._names else _OTHER


class _Worker(Collector):
    """The worker as it is at this moment."""

    def __init__(
        self, worker_status: WorkerStatus, meter: PrometheusMeter, concurrency: int
    ) -> None:
        self._worker_status = worker_status
        self._meter = meter
        self._concurrency = concurrency

    def collect(self) -> Iterator[Metric]:
        worker_status = self._worker_status
        yield _build()
        yield GaugeMetricFamily(
            "vidfab_worker_concurrency", "Jobs that may run here at a time.", self._concurrency
        )
        yield GaugeMetricFamily(
            "vidfab_worker_stopping",
            "1 from the stop signal on.",
            worker_status.phase is Phase.STOPPING,
        )
        yield GaugeMetricFamily(
            "vidfab_worker_event_loop_lag_seconds",
            "How late the event loop was at worst in the last minute or two.",
            worker_status.lag().total_seconds(),
        )
        yield CounterMetricFamily(
            "vidfab_worker_redis_commands", "Commands that Redis answered.", TRAFFIC.commands
        )
        yield from self._active()

    def _active(self) -> Iterator[Metric]:
        """Per job name: how many run, and the age and progress of the oldest."""
        active = GaugeMetricFamily(
            "vidfab_worker_jobs_active", "Jobs that run here.", labels=("name",)
        )
        age = GaugeMetricFamily(
            "vidfab_worker_oldest_job_age_seconds",
            "For how long the oldest of them has run.",
            labels=("name",),
        )
        progress = GaugeMetricFamily(
            "vidfab_worker_oldest_job_progress_ratio",
            "How far the oldest of them is, 0 to 1.",
            labels=("name",),
        )
        for name, attempts in self._by_name().items():
            oldest = max(attempts, key=lambda attempt: attempt.seconds)
            active.add_metric((name,), len(attempts))
            age.add_metric((name,), oldest.seconds)
            progress.add_metric((name,), oldest.percent / 100)
        yield from (active, age, progress)

    def _by_name(self) -> dict[str, list[Attempt]]:
        found: dict[str, list[Attempt]] = {}
        for attempt in self._worker_status.attempts.attempts:
            found.setdefault(self._meter.known(attempt.delivery.name), []).append(attempt)
        return found


class _Queue(Collector):
    """The queue, with the names of Node's `exportPrometheusMetrics()`. None: Redis is unreachable.

    The totals are BullMQ's own, over all workers with metrics enabled.
    """

    def __init__(self, queue_name: str) -> None:
        self._queue_name = queue_name
        self.counts: Counts | None = None

    def collect(self) -> Iterator[Metric]:
        counts = self.counts
        yield GaugeMetricFamily(
            "vidfab_worker_redis_up", "Whether Redis answers.", counts is not None
        )
        if counts is None:
            return
        jobs = GaugeMetricFamily(
            "bullmq_job_count",
            "Number of jobs in the queue by state",
            labels=("queue", "state"),
        )
        for state, count in _by_state(counts).items():
            jobs.add_metric((self._queue_name, state), count)
        yield jobs
        for end, total in (("completed", counts.completed_total), ("failed", counts.failed_total)):
            ended = CounterMetricFamily(
                f"bullmq_job_{end}", f"Total number of {end} jobs", labels=("queue",)
            )
            ended.add_metric((self._queue_name,), total)
            yield ended


class Metrics:
    """All metrics of one worker; install `meter` to have them counted."""

    def __init__(
        self,
        worker_status: WorkerStatus,
        *,
        names: Iterable[str],
        queue_name: str,
        concurrency: int,
    ) -> None:
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._queue = _Queue(queue_name)
        self.meter = PrometheusMeter(self._registry, names)
        self._registry.register(_Worker(worker_status, self.meter, concurrency))
        self._registry.register(self._queue)
        ProcessCollector(registry=self._registry)

    def text(self, counts: Counts | None) -> bytes:
        """In Prometheus's text format 0.0.4; `counts` None means that Redis is unreachable."""
        self._queue.counts = counts
        return generate_latest(self._registry)


def _build() -> Metric:
    build = GaugeMetricFamily(
        "vidfab_worker_build_info",
        "1; the labels say what runs.",
        labels=("version", "python", "bullmq"),
    )
    build.add_metric((VERSION, platform.python_version(), version("bullmq")), 1)
    return build


def _by_state(counts: Counts) -> dict[str, int]:
    """By BullMQ's states, with each job in one of them."""
    return {
        "waiting": counts.waiting,
        "prioritized": counts.prioritized,
        "active": counts.active,
        "delayed": counts.delayed,
        "waiting-children": counts.waiting_children,
        "paused": counts.paused,
        "completed": counts.completed,
        "failed": counts.failed,
    }
