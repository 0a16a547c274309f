"""Long-running operations, whatever vendors call them: tasks, predictions, renders."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from sandbox.providers.drawing.clips import Clip
from sandbox.providers.files.store import GOOGLE_HOST, MEDIA_HOST, Store
from sandbox.providers.models import Operation, OperationKind, Timing

_DEFAULT_TIME_S = 2.0
_ENDLESS = frozenset({"running", "queued", "processing"})


@dataclass
class RunningOperation:
    """An operation since it was ordered, by the body `ordered`.

    `making` may take longer than `lasts_s`.
    """

    id: str
    kind: OperationKind
    operation: Operation
    lasts_s: float
    url: str | None = None
    failure: str | None = None
    making: "asyncio.Task[Any] | None" = None
    ordered: Any = None
    created: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)

    @property
    def share(self) -> float:
        """How much of the time has gone, below 1 until there is a result."""
        passed = time.monotonic() - self.started
        share = 1.0 if passed >= self.lasts_s else passed / self.lasts_s
        is_made = self.making is None or self.making.done()
        return share if is_made and self.operation.final not in _ENDLESS else min(share, 0.99)

    @property
    def final(self) -> str | None:
        """The last word, once it is said; `succeeded` when all went well."""
        if self.share < 1:
            return None
        return "failed" if self.failure else self.operation.final

    @property
    def error_message(self) -> str:
        return self.failure or self.operation.error_message

    def stage(self, *names: str) -> str:
        """The name of the stage it is in, each as long as the others."""
        if self.operation.final in _ENDLESS:
            return self.operation.final
        return names[int(min(self.share, 0.99) * len(names))]


class Operations:
    """All operations by kind and id."""

    def __init__(self, store: Store) -> None:
        self.timing = Timing()
        self._store = store
        self._operations: dict[tuple[OperationKind, str], RunningOperation] = {}

    def add(self, kind: OperationKind, id: str, operation: Operation) -> RunningOperation:
        """Order one, or order it anew; its clip is drawn when somebody fetches it."""
        lasts_s = operation.after_s
        if lasts_s is None:
            timed: float | None = getattr(self.timing, kind)
            lasts_s = _DEFAULT_TIME_S if timed is None else timed
        running = RunningOperation(id, kind, operation, lasts_s)
        running.url = self._clip_url(running) if operation.url is None else operation.url or None
        self._operations[kind, id] = running
        return running

    def get(self, kind: OperationKind, id: str) -> RunningOperation | None:
        return self._operations.get((kind, id))

    def clear(self) -> None:
        """Forget all and stop what is being made."""
        for running in self._operations.values():
            if running.making is not None:
                running.making.cancel()
        self._operations.clear()

    def _clip_url(self, running: RunningOperation) -> str:
        operation = running.operation
        name = running.id.rpartition("/")[2]
        clip = Clip(
            operation.seconds, operation.width, operation.height, operation.number, operation.text
        )
        path = f"{running.kind}/{name}.mp4"
        if running.kind == "operations":
            # Google's videos are downloads of its files API, for which the key is needed.
            path = f"google/v1beta/files/{name}:download"
            return self._store.promise(path, clip).replace(MEDIA_HOST, GOOGLE_HOST, 1)
        return self._store.promise(path, clip)
