"""What /metrics says, read as Prometheus reads it."""

import re
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

_UNITS = ("_seconds", "_bytes", "_ratio", "_total", "_info")
# Counts of things have no unit; the last two are fixed by Node and the client library.
_PLAIN = re.compile(
    r"vidfab_worker_(jobs_active|concurrency|stopping|redis_up)|bullmq_job_count"
    r"|process_(open|max)_fds"
)

Series = tuple[str, frozenset[tuple[str, str]]]


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(text: str) -> dict[Series, float]:
    """Of each series."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(text).values()
        for sample in family.samples
    }


def value(text: str, series: str, **labels: str) -> float | None:
    return values(text).get((series, frozenset(labels.items())))


def faults(text: str) -> Iterator[str]:
    """What a linter of metrics would say."""
    named = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
    helped = set(re.findall(r"^# HELP (\S+) \S", text, re.M))
    yield from (f"{name}: no help" for name in named - helped)
    for family in families(text).values():
        full = f"{family.name}_total" if family.type == "counter" else family.name
        if full not in named:
            yield f"{full}: no type, or a counter without _total"
        if not full.endswith(_UNITS) and not _PLAIN.fullmatch(full):
            yield f"{full}: no base unit"
        if not re.fullmatch(r"[a-z_]+", full):
            yield f"{full}: odd name"
