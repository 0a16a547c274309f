"""What operators are advised to do about an error that Redis answers with."""

import re

from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError

_RIGHTS = "NOPERM"
# Redis's own error codes, which a script's error contains, and the limits of a plan, as Upstash
# words them (upstash.com/docs/redis/troubleshooting).
_ADVICE = {
    "READONLY": "it is a read-only replica, the address must name the primary",
    "OOM": "its memory is full, raise maxmemory or remove old jobs",
    "MISCONF": "it cannot write to its disk, check its own log",
    _RIGHTS: "its user lacks a right that BullMQ needs",
    "MASTERDOWN": "it is a replica that lost its primary",
    "NOREPLICAS": "it has fewer replicas than min-replicas-to-write",
    "CLUSTERDOWN": "its cluster is down",
    "max requests limit": (
        "this month's commands of its plan or budget are used up, upgrade the plan or raise the "
        "budget"
    ),
    "max daily request limit": "this day's commands of its plan are used up, upgrade the plan",
    "max concurrent connections": (
        "it has as many connections as its plan allows, end workers that nobody needs or upgrade "
        "the plan"
    ),
    "max request size": (
        "a command or its answer is larger than its plan allows, put less into the data and the "
        "results of jobs or upgrade the plan"
    ),
}
_KIND = re.compile(rf"\b({'|'.join(_ADVICE)})\b")
# The client removes these codes from the message.
_KIND_OF_TYPE: dict[type[Exception], str] = {
    ReadOnlyError: "READONLY",
    OutOfMemoryError: "OOM",
    NoPermissionError: _RIGHTS,
}


def kind_of(error: Exception) -> str | None:
    """Redis's code for an error, or the limit that was met; None where there is no advice."""
    found = _KIND.search(str(error))
    return found[1] if found else _KIND_OF_TYPE.get(type(error))


def advice_on(error: Exception) -> str | None:
    """Half a sentence: what is wrong with Redis ("it"), and the remedy."""
    kind = kind_of(error)
    return _ADVICE[kind] if kind else None


def remedy_of(error: Exception) -> str | None:
    """The same, but None for a missing right, since who asks knows which one it is."""
    return None if kind_of(error) == _RIGHTS else advice_on(error)
