"""worker.py enqueue: add a job manually."""

import json
import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from bullmq_consumer.inspect.edit import NotChanged, QueueEdit
from bullmq_consumer.new_job import NewJob, fault_of_id
from commands.call import Call, Refused, operator
from commands.options import new_app
from commands.output import length
from config.consumer import job_defaults_of
from core.jobs.data import JobData, complaints
from core.jobs.envelope import iso
from core.jobs.registry import discover

app = new_app()

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_UNIT_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
# Longer delays are mistyped units; BullMQ's own limit, that of a number, is in 2039.
_LONGEST_DELAY = timedelta(days=365)
# BullMQ's own limit.
_MAX_PRIORITY = 2**21


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter("give a number with ms, s, m, h or d, such as 5s")
    seconds = float(found[1]) * _UNIT_S[found[2] or "s"]
    if seconds > _LONGEST_DELAY.total_seconds():
        raise typer.BadParameter("a job can wait for a year at most")
    return timedelta(seconds=seconds)


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The job's name, such as va_compose_video.")
]
Data = Annotated[
    str, typer.Option("--data", help="The payload: JSON, @file, or - for standard input.")
]
Id = Annotated[
    str | None, typer.Option("--id", help="Its id; without one NAME and the time in ms.")
]
Priority = Annotated[
    int,
    typer.Option(
        "--priority", min=1, max=_MAX_PRIORITY, help="1 critical, 2 high, 3 normal, 4 low."
    ),
]
Attempts = Annotated[
    int | None, typer.Option("--attempts", min=1, max=100, help="Default: QUEUE_MAX_RETRIES.")
]
Delay = Annotated[
    timedelta | None, typer.Option("--delay", parser=_duration, help="Not before 5s, 10m, 2h …")
]


@app.command(short_help="Add a job as the app does.")
@operator
async def enqueue(
    call: Call,
    name: Name,
    data: Data,
    job_id: Id = None,
    priority: Priority = 3,
    attempts: Attempts = None,
    delay: Delay = None,
) -> None:
    """Add a job as the app does, after its payload was checked.

    Backoff and retention are the app's defaults. `jobId` and `createdAt` are
    added to the payload when they are missing.

    \b
    Examples:
      python worker.py enqueue update_quota --data '{"userId": "…", "operation": "recalculate"}'
      python worker.py enqueue va_compose_video --data @job.json --id va_compose_… --priority 1
      echo '{…}' | python worker.py enqueue cleanup_temp --data - --delay 10m

    \b
    --json: {id, name, queue, priority, attempts, delay_ms, data}
    """
    model = _model(name)
    chosen_id = _checked_id(job_id) if job_id is not None else f"{name}_{time.time_ns() // 10**6}"
    given = _payload(data, name, model)
    payload = {"jobId": chosen_id, "createdAt": iso(datetime.now(UTC)), **given}
    follow_up = NewJob(
        name,
        chosen_id,
        payload,
        priority=priority,
        attempts=attempts or call.settings.queue_max_retries,
        delay_ms=round(delay.total_seconds() * 1000) if delay else 0,
    )
    try:
        await QueueEdit(call.redis, call.queue, job_defaults_of(call.settings)).add(follow_up)
    except NotChanged as error:
        raise Refused(str(error)) from None
    _report(call, follow_up)


def _model(name: str) -> type[JobData]:
    known = discover().entries()
    if name in known:
        return known[name].registered.takes.type
    close = get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise Refused(f"There is no job called {name}.{meant} Known are {', '.join(sorted(known))}")


def _checked_id(job_id: str) -> str:
    if fault := fault_of_id(job_id):
        raise Refused(fault)
    if not job_id.strip() or not job_id.isprintable() or len(job_id) > 500:
        raise Refused("An id is 1 to 500 printable characters")
    return job_id


def _payload(given: str, name: str, model: type[JobData]) -> Mapping[str, Any]:
    try:
        data = json.loads(_text(given))
        json.dumps(data, allow_nan=False)  # Python reads NaN and 1e999, other parsers do not
    except (ValueError, RecursionError) as error:
        raise Refused(f"--data is not JSON: {error}") from None
    wrong = complaints(model, data)
    if wrong:
        raise Refused(*(f"--data of {name}: {one}" for one in wrong))
    return cast("Mapping[str, Any]", data)


def _text(given: str) -> str:
    if given == "-":
        return sys.stdin.read()
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Refused(f"--data: {given[1:]} cannot be read ({reason})") from None


def _report(call: Call, job: NewJob) -> None:
    if call.out.as_json:
        call.out.document({
            "id": job.job_id,
            "name": job.name,
            "queue": call.queue_name,
            "priority": job.priority,
            "attempts": job.attempts,
            "delay_ms": job.delay_ms,
            "data": dict(job.data),
        })  # fmt: skip
        return
    when = f", ready in {length(timedelta(milliseconds=job.delay_ms))}" if job.delay_ms else ""
    call.out.line(f"Added {job.name} as {job.job_id} to the queue {call.queue_name}{when}.")
