"""What VidFab's handlers have beside the payload: progress, checkpoint, new jobs, services."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bullmq_consumer import Job
from bullmq_consumer.new_job import NewJob
from config.variables import Language
from core.errors import why_of
from core.people import Cause, Thing, Why, late, sentence
from core.story import story

if TYPE_CHECKING:
    from loguru import Logger

Services = TypeVar("Services")


_FAILURE = "failure"


@dataclass(slots=True)
class Failure:
    """What an attempt raised; None while it runs, and for a job that fails without an attempt."""

    error: Exception | None = None


@dataclass(slots=True)  # a frozen one takes three times as long to make
class JobContext(Generic[Services]):
    """One attempt at one job, made of the consumer's `job`.

    `least_percent` is how far an earlier attempt came: progress never falls. `checkpoint_fields`
    are kept beside each other; the consumer's own `job.step` would not keep them.
    """

    job: Job[Any, Any]
    log: "Logger"
    services: Services
    folder: Callable[[], Path]
    checkpoint_fields: dict[str, Any] = field(default_factory=dict[str, Any])
    least_percent: int = 0
    language: Language = "en"
    failure: Failure = field(default_factory=Failure)
    _reported: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.job.id

    @property
    def is_last_attempt(self) -> bool:
        """Whether the job fails for good if this attempt fails."""
        return self.job.is_last_attempt

    @property
    def is_stopping(self) -> bool:
        """Whether this attempt should end, as the worker stops: begin nothing that is paid for."""
        return self.job.stop_reason is not None

    async def until_stopping(self) -> None:
        """Wait until it should end."""
        await self.job.wait_stop()

    @property
    def workdir(self) -> Path:
        """This attempt's own folder, created on first use and removed afterwards."""
        return self.folder()

    async def progress(self, percent: int, message: str, **extra: Any) -> None:
        """Show `percent` (0 to 100, never falls) and `message` to the person who waits."""
        percent = max(percent, self._reported.get("percent", self.least_percent))
        progress = {"percent": percent, "message": message, **extra}
        if progress == self._reported:
            return
        self._reported.clear()
        self._reported.update(progress)
        self.log.info("⏳ Progress: {}% - {}", percent, message)
        self.job.handle.report(progress)

    async def checkpoint(self, **fields: Any) -> None:
        """Save `fields` with the job; do so *before* waiting for anything that was paid for."""
        self.checkpoint_fields.update(fields)
        await self.job.handle.save_checkpoint(self.checkpoint_fields)

    def why(self, reason: str) -> Why:
        """What people read of the job's failure, which operators know as `reason`.

        A job that waited to fail knows what was kept then.
        """
        if self.failure.error is not None:
            return why_of(self.failure.error)
        if any(reason == late(thing, self.language) for thing in Thing):
            return Why(Cause.TOO_LONG)  # it was given up while it waited in the queue
        kept = self.checkpoint_fields.get(_FAILURE)
        match kept:
            case {"reason": str(told), "why": why} if told == reason:
                return Why.of_kept(why)
            case _:
                return Why()

    def for_people(self, thing: Thing, why: Why | str) -> str:
        """The sentence for a person about their `thing`; `why`, or the reason of the failure."""
        why = self.why(why) if isinstance(why, str) else why
        return sentence(why, thing, self.language)

    async def keep_failure(self, reason: str) -> None:
        """Keep why the job fails for the delivery that finalises its rows; only `reason` comes."""
        if self.failure.error is not None:
            kept = why_of(self.failure.error).kept()
            await self.checkpoint(**{_FAILURE: {"reason": reason, "why": kept}})

    async def note(self, line: str) -> None:
        """Add a line to the job's own log, for who looks at it in Bull Board. Does not wait."""
        story().add(line)

    async def enqueue(self, *follow_ups: NewJob) -> None:
        """Add follow-up jobs; adding the id of an unfinished job again has no effect."""
        if follow_ups:
            await self.job.handle.add_jobs(follow_ups)


def percent_of(progress: Any) -> int:
    """How far a reported progress says that its job is, 0 for what is no such report."""
    if not isinstance(progress, dict):
        return 0
    percent = cast("dict[str, Any]", progress).get("percent")
    if not isinstance(percent, int | float) or isinstance(percent, bool):
        return 0
    return int(percent) if 0 <= percent <= 100 else 0
