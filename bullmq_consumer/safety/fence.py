"""Whether the running job is still this worker's to write for.

A worker that was cut off from Redis for longer than its lock lasts may find that another one has
the job. Before each request that changes something outside, services ask here; code that runs for
no job is not held up. What happens to an attempt whose lock is lost: `Worker._on_lock_lost`.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Fence(Protocol):
    """One delivery's hold on its job."""

    @property
    def job_id(self) -> str:
        """The job's id."""
        ...

    async def check(self) -> None:
        """Return while the lock is held. Raises LockLost, or RetryableError if Redis is away."""
        ...


_current: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def fenced(fence: Fence) -> Generator[None]:
    """Ask `fence` for all that runs inside, and for the tasks that are started there."""
    token = _current.set(fence)
    try:
        yield
    finally:
        _current.reset(token)


async def check() -> None:
    """Raise LockLost when the running job is no longer ours."""
    fence = _current.get()
    if fence is not None:
        await fence.check()


def current_job() -> str | None:
    """The id of the running job, None outside of one."""
    fence = _current.get()
    return None if fence is None else fence.job_id
