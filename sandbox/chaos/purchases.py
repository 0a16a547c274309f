"""What was paid for more than once, and whether there is an excuse.

A provider has no idempotency key, so a picture in flight when its worker dies is bought again.
Nothing else may be.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.chaos.incidents import KILLED, REDIS_AWAY, STOPPED, Diary
from sandbox.chaos.ledger import Violation
from sandbox.providers.models import Bought, Recorded

MARK = re.compile(r"mark-[0-9a-f]{12}")
"""What the app writes into each shot it asks for; no two requests for a picture have the same."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# From the provider's answer to its id in Redis: milliseconds, on two busy cores up to this.
_KEEPING_S = 2.0


@dataclass(frozen=True, slots=True)
class Purchase:
    """Something paid for; `subject` is a shot's mark, or the id of a project that is rendered."""

    subject: str
    what: Bought
    record: Recorded | None


@dataclass(frozen=True, slots=True)
class Surplus:
    """A purchase that had to be made again, and why."""

    kind: str
    subject: str
    reason: str


def subject_of(bought: Bought, projects: Iterable[str]) -> str:
    """What a purchase is about; empty when that cannot be told."""
    if bought.kind == "image":
        mark = MARK.search(bought.what)
        return mark.group() if mark else ""
    known = set(projects)
    return next((found for found in _UUID.findall(bought.what) if found in known), "")


def purchases(
    items: Sequence[Bought], records: Sequence[Recorded], projects: Iterable[str]
) -> list[Purchase]:
    """Each purchase with the request that made it: the last before it about the same subject."""
    posts = [(record, str(record.body)) for record in records if record.method == "POST"]
    known = list(projects)
    found: list[Purchase] = []
    for item in items:
        subject = subject_of(item, known)
        earlier = [record for record, body in posts if record.at <= item.at and subject in body]
        found.append(Purchase(subject, item, earlier[-1] if earlier else None))
    return found


def judge(
    made: Sequence[Purchase], allowed: Mapping[str, int], diary: Diary
) -> tuple[list[Surplus], list[Violation]]:
    """What was bought again with an excuse, and what without. `allowed` is by subject."""
    by_subject: defaultdict[str, list[Purchase]] = defaultdict(list)
    for one in made:
        by_subject[one.subject].append(one)
    surplus: list[Surplus] = []
    violations: list[Violation] = []
    for subject, group in by_subject.items():
        excess = len(group) - allowed.get(subject, 0)
        if excess <= 0:
            continue
        lost = [(one, reason) for one in group[:-1] if (reason := _excuse(one, diary))]
        excused = [Surplus(one.what.kind, subject, reason) for one, reason in lost[:excess]]
        surplus += excused
        if len(excused) < excess:
            violations.append(_unexcused(subject, group, excess - len(excused), diary))
    return surplus, violations


def reasons(surplus: Iterable[Surplus]) -> Counter[tuple[str, str]]:
    """How often each kind of purchase was made again for each reason."""
    return Counter((one.kind, one.reason) for one in surplus)


def _unexcused(subject: str, group: Sequence[Purchase], excess: int, diary: Diary) -> Violation:
    kind = group[0].what.kind
    told = "; ".join(f"{one.what.at:.3f} {_told(one.record)}" for one in group)
    spans = diary.during(group[0].what.at, group[-1].what.at, {KILLED, STOPPED, REDIS_AWAY})
    between = ", ".join(f"{one.kind} {one.began:.3f}-{one.ended:.3f}" for one in spans)
    text = f"{kind} of {subject or 'unknown'} was bought {len(group)} times, {excess} unexplained"
    return Violation("paid once", f"{text}: {told}; meanwhile: {between or 'nothing'}", (subject,))


def _told(record: Recorded | None) -> str:
    if record is None:
        return "without a request"
    return f"{record.outcome} {record.status} after {record.took_s} s"


def _excuse(purchase: Purchase, diary: Diary) -> str | None:
    """Why what was bought may not have reached the job; None if it must have."""
    record = purchase.record
    if record is None:
        return None
    if record.outcome in {"cut", "reset"}:
        return "the provider broke its answer off"
    if record.status is not None and record.status >= 400:
        return "the provider billed, then answered with an error"
    ended = diary.extended(record.at + (record.took_s or 0), _KEEPING_S)
    ends = diary.during(record.at, ended, {KILLED, STOPPED})
    if ends:
        return f"in flight at a {ends[0].kind}"
    away = diary.during(record.at, ended, {REDIS_AWAY})
    if any(one.outlasts_locks for one in away):
        return "Redis was away for longer than a lock lives"
    return None
