"""What a running job asks of its queue: progress, checkpoint, new jobs."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from redis.exceptions import RedisError

from bullmq_consumer.delivery import whole_number
from bullmq_consumer.engine.adding import Addition
from bullmq_consumer.engine.progress import ProgressStream
from bullmq_consumer.engine.queues import Queues
from bullmq_consumer.errors import LockLost
from bullmq_consumer.new_job import JobDefaults, NewJob, bulk_entry
from bullmq_consumer.protocol.commands import Commands
from bullmq_consumer.protocol.job import Job
from bullmq_consumer.safety.durable_writes import DurableWrites
from bullmq_consumer.safety.leases import Lease
from bullmq_consumer.sanitize.strict_json import as_json
from bullmq_consumer.scripts.queue_scripts import Hold, QueueScripts
from bullmq_consumer.telemetry.spans import UNTRACED, JobSpans

logger = logging.getLogger(__name__)

# Bull Board shows all lines of a log at once.
_LONGEST_LINE = 10_000
# Lines of a job that are sent before Redis answers, and those that wait for that: 10 MB at most.
_AT_ONCE, _MOST_WAITING = 100, 1000


class LiveHandle:
    """The `JobHandle` of one delivery. `progress` is the last reported object."""

    def __init__(
        self,
        queues: Queues,
        job: Job,
        lease: Lease,
        defaults: JobDefaults,
        scripts: QueueScripts,
        writes: DurableWrites,
        commands: Commands,
        spans: JobSpans = UNTRACED,
    ) -> None:
        self._queues = queues
        self._job = job
        self._lease = lease
        self._defaults = defaults
        self._scripts = scripts
        self._writes = writes
        self._commands = commands
        self._spans = spans
        self._saved = self._sent = job.fields.get("checkpoint", "")
        self._unsaved: str | None = None
        self._saving = 0
        self._soon: asyncio.Future[None] | None = None
        self._lines = _LogLines(job.id, self._write_lines)
        self.progress: Mapping[str, Any] = {}
        self.events = ProgressStream(self._publish, self._not_published)

    @property
    def fence(self) -> Lease:
        """The lease to check before any write for the job."""
        return self._lease

    def report(self, progress: Any) -> None:
        """Publish progress soon; an unreachable Redis drops the event, not the job.

        Raises ValueError when it is not JSON.
        """
        self.events.put(as_json(progress))
        self.progress = cast("dict[str, Any]", progress) if isinstance(progress, dict) else {}

    def _publish(self, progress: str) -> asyncio.Future[Any]:
        # Nothing is shown of a job that has ended, or that another worker has.
        return self._scripts.show_progress(self._job.id, self._job.token, progress)

    def _not_published(self, error: BaseException) -> None:
        logger.warning("Progress of job %s was not sent: %s", self._job.id, error)

    async def log(self, *lines: str) -> None:
        """Add lines to the job's own log; an unreachable queue costs the lines, not the job.

        A job whose lock is lost gets none: another worker's attempt is told there.
        """
        if self._lease.is_lost or not lines:
            return
        self._lines.put([_sendable(line[:_LONGEST_LINE]) for line in lines])
        await asyncio.sleep(0)  # then it is on its way, before what the job sends next

    async def _write_lines(self, lines: Sequence[str]) -> None:
        keep = whole_number(str(self._job.options.get("keepLogs", "")))
        await self._scripts.log(self._job.id, lines, keep)

    async def children(self) -> Mapping[str, Any]:
        """What the job's children returned, by their keys. Raises RedisError, OSError."""
        return await self._commands.children(self._job.id)

    async def save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Save the checkpoint in the job's hash, from which the next delivery reads it."""
        self._unsaved = json.dumps(checkpoint)
        try:
            await self.flush()
        except (RedisError, OSError) as error:
            logger.warning("The checkpoint of job %s waits for Redis: %s", self._job.id, error)

    async def flush(self) -> None:
        """Save a checkpoint that could not be saved before. Raises LockLost, RedisError, OSError.

        It is called again with each checkpoint, and before the job returns to the queue.
        """
        if self._unsaved is None:
            return
        if self._soon is None:
            self._soon = asyncio.ensure_future(self._save_soon(self._unsaved))
            self._soon.add_done_callback(_retrieved)  # also when nobody waits any more
        await asyncio.shield(self._soon)

    async def _save_soon(self, text: str) -> None:
        """Save the newest of those that come in one turn of the loop, for all of them."""
        await asyncio.sleep(0)
        self._soon = None
        await self._save(self._unsaved or text)

    async def _save(self, text: str) -> None:
        """Send it behind those that are under way: Redis takes them in the order of the calls.

        Each names the checkpoint before it, which is the last one that was sent; or the last one
        that was saved, if nothing is under way.
        """
        job_id, before = self._job.id, self._sent if self._saving else self._saved
        self._sent = text
        self._saving += 1
        try:
            held = await self._scripts.save_checkpoint(job_id, self._job.token, text, before)
        finally:
            self._saving -= 1
        self._saved = text
        if self._unsaved == text:
            self._unsaved = None
        if held is not Hold.OURS:
            self._lease.refused_checkpoint = text
            self._lease.lose()
            raise LockLost

    async def add_jobs(self, jobs: Sequence[NewJob]) -> None:
        """Add jobs; a finished job of the same id is replaced, an unfinished one stays.

        Waits while Redis is unreachable or takes no writes. Raises LockLost; RedisError, OSError or
        RetryableError when that takes too long.
        """
        with self._spans.added(jobs) as trace:
            for name in dict.fromkeys(job.queue for job in jobs):
                await self._add_to(name, [job for job in jobs if job.queue == name], trace)

    async def _add_to(self, name: str | None, jobs: Sequence[NewJob], trace: str | None) -> None:
        queue = await self._queues.called(name)
        addition = Addition(queue, [bulk_entry(one, self._defaults, trace) for one in jobs])
        await self._write_durably(addition.send)
        if addition.kept_out:
            await self._write_durably(addition.remove_ended)
            await self._write_durably(addition.send_again)

    async def _write_durably(self, write: Callable[[], Awaitable[object]]) -> None:
        """Write while the lock is held; a write whose response was lost is repeated."""

        async def while_held() -> None:
            await self._lease.check()
            await write()

        await self._writes.until_acknowledged(while_held)


def _retrieved(saving: asyncio.Future[None]) -> None:
    if not saving.cancelled():
        saving.exception()


def _sendable(line: str) -> str:
    """Without halves of surrogate pairs, which UTF-8 has no place for."""
    return line if line.isascii() else line.encode(errors="replace").decode()


class _LogLines:
    """Sends lines for the log of a job, beside the job. `write` must keep the order of its calls.

    Lines that come together are one command. While Redis does not answer some commands are on their
    way and some wait, of which the oldest are lost when there are too many. One that `write` raises
    RedisError or OSError for takes all that wait with it. What was lost is logged once.
    """

    def __init__(self, job_id: str, write: Callable[[Sequence[str]], Awaitable[None]]) -> None:
        self._job_id = job_id
        self._write = write
        self._waiting: deque[Sequence[str]] = deque()
        self._sending: set[asyncio.Task[None]] = set()
        self._lost, self._why = 0, ""

    def put(self, lines: Sequence[str]) -> None:
        self._waiting.append(lines)
        if len(self._waiting) > _MOST_WAITING:
            lost = len(self._waiting.popleft())
            self._lost, self._why = self._lost + lost, "too many waited for Redis"
        self._send()

    def _send(self) -> None:
        while self._waiting and len(self._sending) < _AT_ONCE:
            sending = asyncio.create_task(self._one(self._waiting.popleft()))
            self._sending.add(sending)
            sending.add_done_callback(self._sent)

    async def _one(self, lines: Sequence[str]) -> None:
        try:
            await self._write(lines)
        except (RedisError, OSError) as error:
            lost = len(lines) + sum(len(waiting) for waiting in self._waiting)
            self._lost, self._why = self._lost + lost, str(error)
            self._waiting.clear()

    def _sent(self, sending: asyncio.Task[None]) -> None:
        self._sending.discard(sending)
        self._send()
        if self._lost and not self._sending:
            what = "Lines lost for the log of job %s: %d (%s)"
            logger.warning(what, self._job_id, self._lost, self._why)
            self._lost = 0
