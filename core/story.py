"""What an attempt at a job does, line by line, for the job's own log; none is kept outside of one.

The port lies here so that services can tell what they did without knowing for which job.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Protocol


class Story(Protocol):
    """Of one attempt. None of its methods raises or waits."""

    def begin(self) -> None:
        """Say that the attempt has begun, before something that takes long."""
        ...

    def add(self, line: str) -> None:
        """Add a line."""
        ...

    def poll(self, what: str, found: str, state: str) -> None:
        """Add what was `found` of `what`; while that stays in this `state`, once."""
        ...


class _Untold:
    """Keeps nothing."""

    def begin(self) -> None: ...

    def add(self, line: str) -> None: ...

    def poll(self, what: str, found: str, state: str) -> None: ...


_UNTOLD = _Untold()
_current: ContextVar[Story | None] = ContextVar("story", default=None)
_subject: ContextVar[str] = ContextVar("subject", default="")


class told_in:
    """Tell in `story` what is done inside the block, and in tasks that are started there."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._before: Token[Story | None] | None = None

    def __enter__(self) -> None:
        self._before = _current.set(self._story)

    def __exit__(self, *_: object) -> None:
        assert self._before is not None
        _current.reset(self._before)


@contextmanager
def about(subject: str) -> Generator[None]:
    """What services are asked for inside the block is for this part of the job, as `shot 3`."""
    token = _subject.set(subject)
    try:
        yield
    finally:
        _subject.reset(token)


def story() -> Story:
    """The story of the running attempt."""
    return _current.get() or _UNTOLD


def subject() -> str:
    """The part of the job that is worked on, empty where it has none."""
    return _subject.get()
