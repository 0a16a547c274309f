"""The spans of jobs, as Node's `bullmq-otel` writes them; none is made unless a tracer is given.

Who adds a job keeps with it what names the span that it was added in, the option `tm`: a text that
tracers alone read. So one trace runs from the producer through the job to the jobs that it adds.
"""

import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from bullmq_consumer.health.attempts import end_of
from bullmq_consumer.new_job import NewJob
from bullmq_consumer.outcome import Done, Fail, Outcome, Retry
from bullmq_consumer.protocol.job import Job
from bullmq_consumer.telemetry.tracer import NO_SPAN, NO_TRACER, Span, Tracer, Value


@dataclass(frozen=True, slots=True)
class JobSpans:
    """The spans of one queue's jobs, with the names and attributes of BullMQ's own.

    BullMQ keeps a job's result in its span too. Here it is left out: what is signed in it should
    not lie in one more place.
    """

    tracer: Tracer = NO_TRACER
    queue: str = ""
    worker: str = ""

    def attempt(self, job: Job) -> AbstractContextManager["AttemptSpan"]:
        """Around one attempt, which is told its end inside."""
        if self.tracer is NO_TRACER:
            return nullcontext(AttemptSpan(NO_SPAN, job))
        return self._attempt(job)

    @contextmanager
    def _attempt(self, job: Job) -> Generator["AttemptSpan"]:
        name = f"process {self.queue}"
        with self.tracer.span(name, "consumer", job.trace_metadata) as span:
            if span is not NO_SPAN:
                span.set(self._about(job))
            yield AttemptSpan(span, job)

    @contextmanager
    def added(self, jobs: Sequence[NewJob]) -> Generator[str | None]:
        """Around the adding of jobs; gives what each of them is to carry."""
        with self.tracer.span(f"addBulk {self.queue}", "producer") as span:
            span.set(
                {
                    **self._of_queue("addBulk"),
                    "bullmq.job.bulk.names": [job.name for job in jobs],
                    "bullmq.job.bulk.count": len(jobs),
                }
            )
            yield self.tracer.metadata()

    def _about(self, job: Job) -> dict[str, Value]:
        return {
            **self._of_queue("process"),
            "bullmq.worker.id": self.worker,
            "bullmq.worker.name": self.worker,
            "bullmq.job.id": job.id,
            "bullmq.job.name": job.name,
            "bullmq.job.processed.timestamp": _now_ms(),
            "bullmq.job.outcome": "lost",  # until it has ended
        }

    def _of_queue(self, operation: str) -> dict[str, Value]:
        return {"bullmq.queue.name": self.queue, "bullmq.queue.operation": operation}


UNTRACED = JobSpans()


@dataclass(frozen=True, slots=True)
class AttemptSpan:
    """Of one attempt at `job`; `bullmq.job.outcome` is the one attribute that BullMQ has not."""

    span: Span
    job: Job

    def ended(self, outcome: Done | Outcome) -> None:
        """Note what became of the attempt, before that is written to the queue."""
        if self.span is NO_SPAN:
            return
        is_burnt = isinstance(outcome, Done | Retry | Fail)
        self.span.set(
            {
                "bullmq.job.outcome": end_of(outcome),
                "bullmq.job.attempts.made": self.job.attempts_made + is_burnt,
                "bullmq.job.attempt_finished_timestamp": _now_ms(),
            }
        )
        match outcome:
            case Done():
                self.span.event("job completed", {})
            case Retry() | Fail():
                self.span.event("job failed", {"bullmq.job.failed.reason": outcome.reason})
                self.span.fail(outcome.reason)
            case _:
                self.span.event("job handed back", {"bullmq.job.failed.reason": outcome.reason})


def _now_ms() -> int:
    return round(time.time() * 1000)
