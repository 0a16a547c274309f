"""Calls of providers as a job's own log tells them: one line for each try.

Seedream, picture for shot 3: made (6.2 s)
Seedream, picture for shot 3: status 429, "Too many requests" (0.4 s)
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from loguru import logger

from bullmq_consumer.sanitize.text import one_line
from core.errors import ProviderDown, ServiceError, UnrecoverableError
from core.story import story, subject
from services.net.circuit import Circuit
from services.net.http import with_retries

Answer = TypeVar("Answer")

# Of what a provider says of an error.
_LONGEST = 200


@dataclass(frozen=True)  # no slots: Python 3.11 cannot make a generic one
class Told(Generic[Answer]):
    """How calls of one kind are told: `service` is asked for `what`.

    `state` says of an answer what it means. What is polled is told when its state changes.
    """

    service: str
    what: str
    state: Callable[[Answer], str]
    is_polled: bool = False

    async def with_retries(
        self, call: Callable[[], Awaitable[Answer]], *, attempts: int, circuit: Circuit
    ) -> Answer:
        """As `http.with_retries`, and each try is told once it has ended, in whatever way."""
        story().begin()
        try:
            return await with_retries(lambda: self._told(call), attempts=attempts, circuit=circuit)
        except ProviderDown as error:
            self._tell(f"{error}, no more calls for {error.delay.total_seconds():.0f} s")
            raise

    async def _told(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        began = time.monotonic()
        state = "cut off" if self.is_polled else "cut off, perhaps billed"
        try:
            answer = await call()
            state = self._state(answer)
        except Exception as error:
            state = _failure(error)
            raise
        finally:
            self._tell(f"{state} ({time.monotonic() - began:.1f} s)", state)
        return answer

    def _state(self, answer: Answer) -> str:
        """One that cannot be described is an answer all the same, and may have been billed."""
        try:
            return self.state(answer)
        except Exception as error:
            logger.exception("An answer of {} cannot be described", self.service)
            return f"answered, {type(error).__name__} when it was described"

    def _tell(self, outcome: str, state: str = "") -> None:
        """Tell an outcome, of what is polled only with another `state` than before."""
        of = f" for {subject()}" if subject() else ""
        what = f"{self.service}, {self.what}{of}"
        if self.is_polled:
            story().poll(what, outcome, state or outcome)
        else:
            story().add(f"{what}: {outcome}")


def _failure(error: Exception) -> str:
    reason = one_line(str(error), _LONGEST) or type(error).__name__
    match error:
        case ServiceError():
            status = f'status {error.status}, "{reason}"' if error.status else reason
            return f"{status}, perhaps billed" if error.billed else status
        case UnrecoverableError():
            return f'refused, "{reason}"'
        case _:
            return f"{type(error).__name__}, {reason}"
