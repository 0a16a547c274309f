"""Makes what two runs cannot share comparable, and nothing else. Pure.

- A time of the run itself becomes `<now>`, one that lies ahead `<now+delay>`, with a delay that
  the scenario names or a job's hash has. Others stay: those of far off cron patterns are the same.
- The queue's own name becomes `{Q}`, a generated UUID `<uuid n>` in the order of appearance.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_MOMENT = re.compile(r"(?<![\d.])\d{13}(?!\d)")
_NUMBER = re.compile(r"(?<![\w.-])\d{4,12}(?![\w.])")
_OFFSET = re.compile(r'("offset": ?)([1-9]\d*)')
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Both clocks are this machine's, but each rounds for itself.
_SLACK_MS = 3
# What is not further ahead is due, or as good as.
_SOON_MS = 1_500
# Of a delay until a time, so much may be over when it is counted.
LATE_MS = 20
_DAY_MS = 24 * 3600 * 1000


@dataclass
class Normal:
    """Of one snapshot, of a run that `began` and was looked at `now`, in epoch ms."""

    queue: str
    began: int
    now: int
    delays: Sequence[int] = ()
    uuids: dict[str, str] = field(default_factory=dict[str, str])

    def text(self, text: str) -> str:
        """One text without what only one run can have."""
        text = text.replace(self.queue, "{Q}")
        text = _UUID.sub(self._uuid, text)
        text = _OFFSET.sub(self._offset, text)
        return _MOMENT.sub(lambda found: self.moment(int(found.group())), text)

    def moment(self, ms: float) -> str:
        """The class of a time."""
        if self._is_of_run(ms):
            return "<now>"
        for delay in self.delays:
            if self._is_of_run(ms - delay):
                return f"<now+{delay}>"
        if self.now < ms < self.now + _SOON_MS:
            return "<soon>"
        return f"{ms:.0f}"

    def _offset(self, found: re.Match[str]) -> str:
        """Where in its period a scheduler began: at a time of the run, if nobody says otherwise."""
        given = int(found[2]) in self.delays
        return found[0] if given else f'{found[1]}"<offset>"'

    def delay(self, ms: int) -> str:
        """The one that was asked for, of which a few ms may be over."""
        asked = (one for one in self.delays if 0 <= one - ms <= LATE_MS)
        return str(next(asked, ms))

    def _is_of_run(self, ms: float) -> bool:
        return self.began - _SLACK_MS <= ms <= self.now + _SLACK_MS

    def _uuid(self, found: re.Match[str]) -> str:
        return self.uuids.setdefault(found.group(), f"<uuid {len(self.uuids) + 1}>")


def delays_in(texts: Iterable[str]) -> set[int]:
    """All numbers of a second and more that are no times themselves; of days, a few times each."""
    found = {int(one) for text in texts for one in _NUMBER.findall(text)}
    return found | {one * times for one in found if one >= _DAY_MS for times in (2, 3, 4)}
