"""All that the stand-ins know at one moment."""

import time
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from sandbox.providers.files.store import Store
from sandbox.providers.models import Bought, Paid, Recorded
from sandbox.providers.state.faults import Faults
from sandbox.providers.state.operations import Operations
from sandbox.providers.state.window import Window

# A benchmark's requests, with bodies of some kilobytes each, stay below 100 MB.
_MAX_RECORDED = 20_000


@dataclass
class AppState:
    """One per process; lives on `app.state.shared` of both servers."""

    store: Store
    operations: Operations = field(init=False)
    faults: Faults = field(default_factory=Faults)
    window: Window = field(default_factory=Window)
    """Of the requests to Shotstack."""
    requests: deque[Recorded] = field(default_factory=lambda: deque[Recorded](maxlen=_MAX_RECORDED))
    bought: list[Bought] = field(default_factory=list[Bought])
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    pictures: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.operations = Operations(self.store)

    def begin(self, **request: Any) -> Recorded:
        """Put a request on record."""
        record = Recorded(number=next(self.numbers), at=time.time(), **request)
        self.requests.append(record)
        return record

    def bill(
        self,
        kind: Literal["image", "task", "render"],
        vendor: Literal["byteplus", "google", "shotstack"],
        what: str,
    ) -> None:
        """From here on it costs money."""
        self.bought.append(Bought(kind=kind, vendor=vendor, what=what, at=time.time()))

    def paid(self) -> Paid:
        kinds = [item.kind for item in self.bought]
        return Paid(
            images=kinds.count("image"),
            tasks=kinds.count("task"),
            renders=kinds.count("render"),
            items=self.bought,
        )
