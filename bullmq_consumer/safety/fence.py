"""Whether this worker still holds the running job, and may write for it.

If a worker is disconnected from Redis for longer than its lock lasts, another one may have the job.
Services call `check` before each request that changes something outside; it does nothing outside of
a job. What happens to an attempt whose lock is lost: `Runner._on_loss`.
"""

from contextvars import ContextVar, Token
from typing import Protocol


class Fence(Protocol):
    """One delivery's hold on its job."""

    @property
    def job_id(self) -> str:
        """The job's id."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether it is known that another worker has the job, or that it was removed."""
        ...

    async def check(self) -> None:
        """Return if the lock is held. Raises LockLost; RetryableError if Redis is unreachable."""
        ...


_current: ContextVar[Fence | None] = ContextVar("fence", default=None)


class fenced:
    """Make `check` use `fence` inside the block, and in tasks that are started there."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._before: Token[Fence | None] | None = None

    def __enter__(self) -> None:
        self._before = _current.set(self._fence)

    def __exit__(self, *_: object) -> None:
        assert self._before is not None
        _current.reset(self._before)


async def check() -> None:
    """Raise LockLost when the running job is no longer ours."""
    fence = _current.get()
    if fence is not None:
        await fence.check()


def current_job() -> str | None:
    """The id of the running job, None outside of one."""
    fence = _current.get()
    return None if fence is None else fence.job_id
