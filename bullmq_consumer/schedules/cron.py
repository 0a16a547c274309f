"""The next due time of a cron pattern, to the second as Node's BullMQ 5 computes it. Pure.

The same search as cron-parser 4.9's, so that a queue with workers of both kinds has one schedule,
also on the days when clocks change:

- a named hour that is skipped counts as the one after it, once;
- a named hour that comes twice counts the first time;
- a pattern that names no hour runs through, both times.
"""

from datetime import date, datetime, timedelta, tzinfo

from bullmq_consumer.schedules.pattern import LONGEST_MONTHS, Pattern, parse
from bullmq_consumer.schedules.time_zone import zone

# Node's own limit: a pattern that matches nothing within so many steps is never due. They were
# measured with up to 0.23 s, for days that no month has; a nightly pattern takes 0.3 ms.
_MOST_STEPS = 10_000
_HOUR_S, _MINUTE_S = 3600, 60
_DAY, _WEEK, _LONGEST_MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=31)


def next_due(pattern: str, after: float, tz: str | None = None) -> int | None:
    """The next time after `after`, both in seconds since the epoch; None if there is none.

    Without `tz` in the machine's own time zone (`TZ`), as Node. Raises InvalidPattern, UnknownZone.
    """
    return _Search(parse(pattern), zone(tz), after).run()


class _Search:
    """Goes forward by the largest unit of time that does not match, until all of them do."""

    def __init__(self, pattern: Pattern, tz: tzinfo | None, after: float) -> None:
        self._pattern = pattern
        self._tz = tz
        self._after = after
        self._skipped_before: int | None = None
        self._repeated: int | None = None
        self._set(int(after))

    def run(self) -> int | None:
        for _ in range(_MOST_STEPS):
            if self._step():
                continue
            if self._now > self._after:
                return self._now
            self._forward_to(self._now + 1)
        return None

    def _step(self) -> bool:
        """Advance the largest unit that does not match; False where all match."""
        pattern, local = self._pattern, self._local
        if not _is_day(pattern, local.date()):
            self._to_midnight(local.date() + _DAY)
        elif local.month not in pattern.months:
            self._to_midnight((local.date().replace(day=1) + _LONGEST_MONTH).replace(day=1))
        elif not self._is_hour():
            self._forward_to(self._next_hour())
        elif local.minute not in pattern.minutes:
            self._forward_to(self._now + _MINUTE_S - local.second)
        elif local.second not in pattern.seconds:
            self._forward_to(self._now + 1)
        else:
            return False
        return True

    def _is_hour(self) -> bool:
        """Whether the hour matches; resets a change of clocks once it is accounted for."""
        hour, hours = self._local.hour, self._pattern.hours
        if hour in hours:
            if hour != self._repeated:
                return True
            self._repeated = None
            return False
        if hour == self._skipped_before:
            return hour - 1 in hours
        self._skipped_before = None
        return False

    def _next_hour(self) -> int:
        """The start of the next hour; of the one after it where clocks leap by half an hour."""
        later = datetime.fromtimestamp(self._now + _HOUR_S, self._tz)
        began = int(later.replace(minute=0, second=0).timestamp())
        return began if began > self._now else began + _HOUR_S

    def _forward_to(self, moment: int) -> None:
        """Advance in UTC, and detect when the local clock changes."""
        before = self._local.hour
        self._set(moment)
        local = self._local
        if self._pattern.is_every_hour:
            return
        if local.hour - before == 2:
            self._skipped_before = local.hour
        elif local.hour == before and local.minute == 0 and local.second == 0:
            self._repeated = local.hour

    def _to_midnight(self, day: date) -> None:
        """Where clocks skip midnight, to the moment when they do.

        Of two midnights Node takes the one that is as far from UTC as this time on that day.
        """
        local = self._local
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._tz)
        first, second = (int(midnight.replace(fold=fold).timestamp()) for fold in (0, 1))
        since_midnight = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second)
        that_day = int((midnight + since_midnight).timestamp() - since_midnight.total_seconds())
        self._set(second if that_day == second > first else first)

    def _set(self, now: int) -> None:
        self._now = now
        self._local = datetime.fromtimestamp(now, self._tz)


def _is_day(pattern: Pattern, day: date) -> bool:
    """Where both are restricted, the day of the month or that of the week is enough."""
    fits_month = day.day in pattern.days or (
        pattern.is_last_day and (day + _DAY).month != day.month
    )
    weekday = day.isoweekday() % 7
    fits_week = weekday in pattern.weekdays or (
        weekday in pattern.last_weekdays and (day + _WEEK).month != day.month
    )
    if pattern.nth_weekday and (day.day + 6) // 7 != pattern.nth_weekday:
        return False
    if pattern.is_every_weekday:
        return fits_month
    is_every_day = len(pattern.days) >= LONGEST_MONTHS[day.month - 1]
    return fits_week if is_every_day else fits_month or fits_week
