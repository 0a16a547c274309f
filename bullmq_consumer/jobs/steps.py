"""The results that a job's handler keeps with the job, each under the name of its step."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.errors import UnrecoverableError

T = TypeVar("T")

FIELD = "steps"
"""Of the checkpoint."""


class Steps:
    """Of one attempt; `checkpoint` is what earlier ones left with the job."""

    def __init__(self, checkpoint: Mapping[str, Any], handle: JobHandle) -> None:
        self._checkpoint = dict(checkpoint)
        steps = self._checkpoint.get(FIELD)
        self._done = dict(cast("dict[str, Any]", steps)) if isinstance(steps, dict) else {}
        self._handle = handle

    async def run(
        self, name: str, work: Callable[[], Awaitable[T]], returns: type[T] | TypeAdapter[T]
    ) -> T:
        """The step's kept result, or else that of `work`, kept from now on."""
        if not self.has(name):
            await self.keep(name, await work(), returns)
        return self.kept(name, returns)

    def has(self, name: str) -> bool:
        """Whether a result is kept."""
        return name in self._done

    async def keep(self, name: str, result: T, returns: type[T] | TypeAdapter[T]) -> None:
        """Keep a result. Raises TypeError for what is no JSON, and LockLost."""
        try:
            self._done[name] = _adapter(returns).dump_python(result, mode="json", by_alias=True)
            await self._handle.save_checkpoint({**self._checkpoint, FIELD: self._done})
        except ValueError as error:
            raise TypeError(f"The result of step '{name}' is no JSON: {error}") from error

    def kept(self, name: str, returns: type[T] | TypeAdapter[T]) -> T:
        """The kept result. Raises UnrecoverableError when it does not fit `returns` any more."""
        try:
            return _adapter(returns).validate_python(self._done[name])
        except ValidationError as error:
            what = error.errors(include_url=False)[0]["msg"]
            raise UnrecoverableError(f"The kept result of step '{name}': {what}") from error


def _adapter(returns: type[T] | TypeAdapter[T]) -> TypeAdapter[T]:
    return returns if isinstance(returns, TypeAdapter) else TypeAdapter(returns)
