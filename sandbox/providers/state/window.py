"""A vendor's limit of requests, in windows that begin anew each minute."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

_WINDOW_S = 60.0


@dataclass
class Window:
    """Counts each key's requests, refused ones too; without a `limit` it admits all.

    `now` in seconds, for tests.
    """

    limit: int | None = None
    now: Callable[[], float] = time.monotonic
    _began_at: float = field(default=float("-inf"), init=False)
    _seen: Counter[str] = field(default_factory=Counter[str], init=False)

    def admits(self, key: str) -> bool:
        """Count a request of the key; whether the limit leaves room for it."""
        if self.now() >= self._began_at + _WINDOW_S:
            self.restart()
        self._seen[key] += 1
        return self.limit is None or self._seen[key] <= self.limit

    def restart(self) -> None:
        """Begin another window."""
        self._began_at = self.now()
        self._seen.clear()
