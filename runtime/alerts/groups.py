"""Decides which alerts are sent singly, and which are summed up. Pure: the caller has the clock."""

from dataclasses import dataclass

from core.alert import Alert, Notice

# The number of kinds with a group of their own; all further kinds share one group.
_MAX_KINDS = 20
_ALL_OTHERS = "*"


@dataclass(slots=True)
class _Group:
    last: Alert
    more: int = 0


class AlertGroups:
    """One open group per kind. Memory does not grow with the number of alerts."""

    def __init__(self) -> None:
        self._open: dict[str, _Group] = {}

    def add(self, alert: Alert) -> str | None:
        """Count an alert. Returns the group's name if it is new: then the alert is sent singly."""
        is_known = alert.kind in self._open
        name = alert.kind if is_known or len(self._open) < _MAX_KINDS else _ALL_OTHERS
        group = self._open.get(name)
        if group is None:
            self._open[name] = _Group(alert)
            return name
        group.last = alert
        group.more += 1
        return None

    def sum_up(self, name: str) -> Notice | None:
        """The alerts since the group was opened or last summed up; None, and closed, without any.

        So a lasting problem is reported once per window.
        """
        group = self._open.get(name)
        if group is None or not group.more:
            self._open.pop(name, None)
            return None
        like = "of other kinds" if name == _ALL_OTHERS else "like it"
        text = f"… and {group.more} more {like} in the last minute, e.g. {group.last.text}"
        notice = Notice(group.last, text, group.more)
        group.more = 0
        return notice

    def names(self) -> list[str]:
        """The open groups."""
        return list(self._open)
