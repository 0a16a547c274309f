"""When cron patterns fall due, held against the parser of Node's BullMQ 5."""

import asyncio
import json
import os
import random
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bullmq_consumer.schedules.cron import next_due
from sandbox import node

ZONES = [
    *("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"),
    *("Asia/Beirut", "America/Havana", "Africa/Cairo", "America/Santiago", "Asia/Shanghai"),
    *("UTC", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia", "Antarctica/Troll"),
    *("Atlantic/Azores", "Asia/Gaza", "UTC+8", "utc-3:30", "+05:45", "CST", "america/new_york"),
]
MINUTES = ["*", "0", "30", "*/15", "0,30", "7-40/11", "5/20", "59"]
HOURS = ["*", "0", "1", "2", "3", "1-3", "2,3", "0,1", "23", "*/6", "*/5", "22-23"]
DAYS = [*["*"] * 6, "L", "1", "15", "31", "1-7", "1,15", "*/5", "29", "?", "30"]
MONTHS = [*["*"] * 8, "2", "3", "10", "JAN", "1-6", "*/3", "nov", "4,6"]
WEEKDAYS = [
    *["*"] * 6,
    *("0-6", "1-5", "MON-FRI", "1-7", "5L", "1#2", "0", "7", "sun", "5#5", "1,3", "0-7/2"),
    *("*/2", "?", "FRIL", "2-7/4", "L", "8", "1#6", "5-1", "*/0"),
]
FIRST, LAST = datetime(2017, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)


async def as_node_says(cases: list[dict[str, Any]]) -> list[int | None]:
    runtime = await node.install()
    done = await asyncio.to_thread(
        subprocess.run,
        runtime.command("cron.mjs"),
        cwd=runtime.folder,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return json.loads(done.stdout)


def as_we_say(case: dict[str, Any]) -> int | None:
    try:
        found = next_due(case["pattern"], case["at"] / 1000, case["tz"])
    except ValueError:
        return None
    return None if found is None else found * 1000


def changes_of(zone: str) -> list[int]:
    """To a day, when clocks change there."""
    try:
        tz = ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        return [int(FIRST.timestamp())]  # named by its offset: they do not
    moments = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days)]
    offsets = [moment.astimezone(tz).utcoffset() for moment in moments]
    pairs = zip(offsets, offsets[1:], moments[1:], strict=False)
    found = [int(moment.timestamp()) for before, after, moment in pairs if before != after]
    return found or [int(FIRST.timestamp())]


def pattern_by(chance: random.Random) -> str:
    fields = [chance.choice(each) for each in (MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS)]
    shape = chance.random()
    if shape < 0.15:
        return " ".join([chance.choice(["0", "30", "*/10", "*"]), *fields])
    return " ".join(fields[1:] if shape < 0.2 else fields)


async def test_patterns_fall_due_when_node_says() -> None:
    """Around the days when clocks change, in zones that do it in many ways."""
    chance = random.Random(5)
    changes = {zone: changes_of(zone) for zone in ZONES}
    cases: list[dict[str, Any]] = []
    for _ in range(4000):
        zone = chance.choice(ZONES)
        at = chance.choice(changes[zone]) * 1000 + chance.randint(-120_000, 90_000) * 1000
        at += chance.choice([0, 0, 0, 500])
        cases.append({"pattern": pattern_by(chance), "tz": zone, "at": at})
    theirs = await as_node_says(cases)
    wrong = [
        (case, node_says, ours)
        for case, node_says in zip(cases, theirs, strict=True)
        if (ours := as_we_say(case)) != node_says
    ]
    assert wrong == []
    assert 0 < theirs.count(None) < len(cases) / 3
