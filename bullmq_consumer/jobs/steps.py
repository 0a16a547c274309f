"""The results that a job's handler keeps with the job, each under the name of its step."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.errors import UnrecoverableError
from bullmq_consumer.jobs.adapters import adapter_of, load
from bullmq_consumer.sanitize.strict_json import as_json

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

FIELD = "steps"
"""Of the checkpoint."""


class Steps:
    """Of one attempt. `checkpoint` is what is kept with the job, and is kept up to date."""

    def __init__(self, checkpoint: dict[str, Any], handle: JobHandle) -> None:
        self._checkpoint = checkpoint
        self._handle = handle

    async def run(
        self, name: str, work: Callable[[], Awaitable[T]], returns: "type[T] | TypeAdapter[T]"
    ) -> T:
        """The step's kept result, or else that of `work`, kept from now on."""
        await load()
        if not self.has(name):
            await self.keep(name, await work(), returns)
        return self.kept(name, returns)

    def has(self, name: str) -> bool:
        """Whether a result is kept."""
        return name in self._done

    async def keep(self, name: str, result: T, returns: "type[T] | TypeAdapter[T]") -> None:
        """Keep a result. Raises LockLost, and TypeError for what cannot be read back from JSON."""
        adapter = adapter_of(returns)
        try:
            value = adapter.dump_python(result, mode="json", by_alias=True)
            adapter.validate_json(as_json(value))
        except ValueError as error:
            raise TypeError(f"The result of step '{name}' cannot be kept: {error}") from error
        self._checkpoint[FIELD] = {**self._done, name: value}
        await self._handle.save_checkpoint(self._checkpoint)

    def kept(self, name: str, returns: "type[T] | TypeAdapter[T]") -> T:
        """The kept result. Raises UnrecoverableError when it does not fit `returns` any more."""
        from pydantic import ValidationError

        try:
            return adapter_of(returns).validate_json(as_json(self._done[name]))
        except ValidationError as error:
            what = error.errors(include_url=False)[0]["msg"]
            raise UnrecoverableError(f"The kept result of step '{name}': {what}") from error

    @property
    def _done(self) -> dict[str, Any]:
        steps = self._checkpoint.get(FIELD)
        return cast("dict[str, Any]", steps) if isinstance(steps, dict) else {}
