"""Alerts about paid clips whose provider does not report their status."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from core.alert import Alert, AlertSink, Reminders, kind_of, shown
from core.errors import ServiceError


class ClipAlerts:
    """One alert an hour for each reason. `now` in seconds, for tests."""

    def __init__(self, notify: AlertSink, now: Callable[[], float] = time.monotonic) -> None:
        self._notify = notify
        self._reminders = Reminders(now)  # apps poll a project's clips every few seconds

    def stay_generating(self, project_id: str, refusals: Iterable[ServiceError]) -> None:
        """Alert about clips of a project that were left unchanged, one for each of `refusals`."""
        by_kind: defaultdict[str, list[ServiceError]] = defaultdict(list)
        for error in refusals:
            by_kind[kind_of("clips stay generating", error.service, str(error))].append(error)
        for kind, errors in by_kind.items():
            if self._reminders.is_due(kind):
                self._notify(_alert(kind, errors, project_id))


def _alert(kind: str, errors: Sequence[ServiceError], project_id: str) -> Alert:
    clips = "1 clip stays" if len(errors) == 1 else f"{len(errors)} clips stay"
    error = errors[0]
    status = f" ({error.status})" if error.status else ""
    text = (
        f"⏳ {clips} 'generating', {error.service} does not report their status{status}: {error}. "
        "Check its key, address and region"
    )
    return Alert(kind, shown(text), "error", {"project_id": project_id})
