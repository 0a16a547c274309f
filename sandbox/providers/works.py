"""Work that takes its time: tasks, predictions, operations and renders."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from sandbox.providers.clips import Clip
from sandbox.providers.models import Timing, Work, WorkKind
from sandbox.providers.store import GOOGLE_HOST, MEDIA_HOST, Store

_DEFAULT_TIME_S = 2.0
_ENDLESS = frozenset({"running", "queued", "processing"})


@dataclass
class RunningWork:
    """A piece of work since it was ordered. `making` may take longer than `lasts_s`."""

    id: str
    kind: WorkKind
    work: Work
    lasts_s: float
    url: str | None = None
    failure: str | None = None
    making: "asyncio.Task[Any] | None" = None
    created: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)

    @property
    def share(self) -> float:
        """How much of the time has gone, below 1 until there is a result."""
        passed = time.monotonic() - self.started
        share = 1.0 if passed >= self.lasts_s else passed / self.lasts_s
        is_made = self.making is None or self.making.done()
        return share if is_made and self.work.final not in _ENDLESS else min(share, 0.99)

    @property
    def final(self) -> str | None:
        """The last word, once it is said; `succeeded` when all went well."""
        if self.share < 1:
            return None
        return "failed" if self.failure else self.work.final

    @property
    def error_message(self) -> str:
        return self.failure or self.work.error_message

    def stage(self, *names: str) -> str:
        """The name of the stage it is in, each as long as the others."""
        if self.work.final in _ENDLESS:
            return self.work.final
        return names[int(min(self.share, 0.99) * len(names))]


class Works:
    """All work by kind and id."""

    def __init__(self, store: Store) -> None:
        self.timing = Timing()
        self._store = store
        self._works: dict[tuple[WorkKind, str], RunningWork] = {}

    def add(self, kind: WorkKind, id: str, work: Work) -> RunningWork:
        """Order work, or order it anew; its clip is drawn when somebody fetches it."""
        lasts_s = work.after_s
        if lasts_s is None:
            timed: float | None = getattr(self.timing, kind)
            lasts_s = _DEFAULT_TIME_S if timed is None else timed
        running = RunningWork(id, kind, work, lasts_s)
        running.url = self._clip_url(running) if work.url is None else work.url or None
        self._works[kind, id] = running
        return running

    def get(self, kind: WorkKind, id: str) -> RunningWork | None:
        return self._works.get((kind, id))

    def clear(self) -> None:
        """Forget all and stop what is being made."""
        for running in self._works.values():
            if running.making is not None:
                running.making.cancel()
        self._works.clear()

    def _clip_url(self, running: RunningWork) -> str:
        work = running.work
        name = running.id.rpartition("/")[2]
        clip = Clip(work.seconds, work.width, work.height, work.number, work.text)
        path = f"{running.kind}/{name}.mp4"
        if running.kind == "operations":
            # Google's videos are downloads of its files API, for which the key is needed.
            path = f"google/v1beta/files/{name}:download"
            return self._store.promise(path, clip).replace(MEDIA_HOST, GOOGLE_HOST, 1)
        return self._store.promise(path, clip)
