"""Alerts about paid clips whose provider does not report their status."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from core.alert import Alert, AlertSink, kind_of, shown
from core.errors import ServiceError

# Apps poll a project's clips every few seconds. A lasting problem is alerted again after an hour.
_SILENCE_S = 3600.0


class ClipAlerts:
    """One alert an hour for each reason. `now` in seconds, for tests."""

    def __init__(self, notify: AlertSink, now: Callable[[], float] = time.monotonic) -> None:
        self._notify = notify
        self._now = now
        self._alerted_at: dict[str, float] = {}

    def stay_generating(self, project_id: str, refusals: Iterable[ServiceError]) -> None:
        """Alert about clips of a project that were left unchanged, one for each of `refusals`."""
        by_kind: defaultdict[str, list[ServiceError]] = defaultdict(list)
        for error in refusals:
            by_kind[kind_of("clips stay generating", error.service, str(error))].append(error)
        for kind, errors in by_kind.items():
            if self._is_due(kind):
                self._notify(_alert(kind, errors, project_id))

    def _is_due(self, kind: str) -> bool:
        now = self._now()
        # Old entries go: memory must not grow with the texts of providers.
        self._alerted_at = {
            one: at for one, at in self._alerted_at.items() if now - at < _SILENCE_S
        }
        if kind in self._alerted_at:
            return False
        self._alerted_at[kind] = now
        return True


def _alert(kind: str, errors: Sequence[ServiceError], project_id: str) -> Alert:
    clips = "1 clip stays" if len(errors) == 1 else f"{len(errors)} clips stay"
    error = errors[0]
    status = f" ({error.status})" if error.status else ""
    text = (
        f"⏳ {clips} 'generating', {error.service} does not report their status{status}: {error}. "
        "Check its key, address and region"
    )
    return Alert(kind, shown(text), "error", {"project_id": project_id})
