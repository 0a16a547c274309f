"""worker.py job: one job and its history."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from bullmq_consumer.inspect.job import JobEvent, JobView, JobViews, read_json
from bullmq_consumer.inspect.states import moment
from commands.call import Call, Refused, operator
from commands.options import new_app
from commands.output import Output, length
from runtime.http.redacted import View, redacted_view

app = new_app()

JobId = Annotated[
    str, typer.Argument(metavar="ID", help="The job's id, as the log and `jobs` show it.")
]
Full = Annotated[
    bool, typer.Option("--full", help="Whole values and addresses, and the stack traces.")
]
# Some screens; a storyboard of 30 shots has 10,000 characters of data.
_LONGEST_VALUE = 20_000


@app.command(short_help="Show one job and its history.")
@operator
async def job(call: Call, job_id: JobId, full: Full = False) -> None:
    """Show one job: its state, its attempts, why it failed, and what happened when.

    Keys and passwords are never shown; of addresses only what stands before the `?`, since
    signatures follow it. What happened is known of the queue's last 10,000 events.

    \b
    Examples:
      python worker.py job va_compose_0f8fad5b-d9cb-469f-a165-70867728950e
      python worker.py job storyboard_… --full
      python worker.py job download_… --json | jq -r .failed_reason

    \b
    --json: {id, name, state, priority, attempts_made, attempts, failed_reason, reason,
    created_at, started_at, finished_at, delay_ms, worker, stalled, waits, progress, data,
    checkpoint, returnvalue, timeline: [{at, event, details}]}; with --full also stacktrace
    """
    views = JobViews(call.redis, call.queue)
    found = await views.get(job_id)
    if found is None:
        raise Refused(
            f"The queue {call.queue_name} has no job {job_id}: it was never added, or it has ended "
            "and was not kept, as most are not; see the log"
        )
    timeline = await views.timeline(job_id)
    show = redacted_view(call.settings, full=full)
    document = _document(found, full=full)
    happened = [_event(one) for one in timeline]
    if call.out.as_json:
        call.out.document({**show(document), "timeline": show(happened)})
    else:
        _show(call.out, found, show(document), full=full)
        _show_timeline(call.out, happened, show)


def _document(job: JobView, *, full: bool) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "name": job.name,
        "state": job.state,
        "priority": job.priority,
        "attempts_made": job.attempts_made,
        "attempts": job.attempts,
        "failed_reason": job.failed_reason,
        "reason": job.reason,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "delay_ms": job.delay_ms,
        "worker": job.worker,
        "stalled": job.stalled,
        "waits": job.waits,
        "progress": job.progress,
        "data": job.data,
        "checkpoint": job.checkpoint,
        "returnvalue": job.returnvalue,
        **({"stacktrace": job.stacktrace} if full else {}),
    }


def _event(entry: JobEvent) -> dict[str, Any]:
    details: dict[str, Any] = dict(entry.details)
    if entry.event == "progress":
        details["data"] = read_json(details.get("data"))
    return {"at": entry.at, "event": entry.event, "details": details}


def _show(out: Output, job: JobView, shown: dict[str, Any], *, full: bool) -> None:
    pairs: list[tuple[str, object]] = [
        ("id", shown["id"]),
        ("name", shown["name"]),
        ("state", _state(job)),
        ("priority", job.priority or "none"),
        ("attempts", f"{job.attempts_made} of {job.attempts} made"),
        ("waits", _waits(job)),
        ("progress", _progress(shown["progress"])),
        ("failed", shown["reason"] or ""),
        ("shown", shown["failed_reason"] if shown["failed_reason"] != shown["reason"] else ""),
        ("created", _moment(job.created_at)),
        ("started", _started(job)),
        ("finished", _finished(job)),
        *((name, _pretty(shown[name])) for name in ("data", "checkpoint", "returnvalue")),
        ("stack trace", "\n".join(shown.get("stacktrace", []))),
    ]
    longest = sys.maxsize if full else _LONGEST_VALUE
    out.fields((name, _cut(str(value), longest)) for name, value in pairs if value != "")


def _cut(text: str, longest: int) -> str:
    more = len(text) - longest
    return text if more <= 0 else f"{text[:longest]}… and {more} more characters: --full"


def _state(job: JobView) -> str:
    if job.state != "unknown":
        return job.state
    return "unknown: it is in none of the queue's sets, so no worker will take it"


def _waits(job: JobView) -> str:
    """The hand-backs, which burnt no attempt."""
    words = {
        "stops": "for a worker that stopped",
        "providers": "for a provider or for its time",
        "rows": "for its rows",
    }
    found = [f"{count} x {words[kind]}" for kind, count in job.waits.items() if count]
    stalled = [f"{job.stalled} x found stalled"] if job.stalled else []
    return ", ".join([*found, *stalled])


def _progress(progress: Any) -> str:
    match progress:
        case {"percent": percent, "message": message}:
            return f"{percent}% {message}"
        case None | 0:
            return ""
        case _:
            return _pretty(progress)


def _started(job: JobView) -> str:
    if job.started_at is None:
        return ""
    by = f" by {job.worker}" if job.worker else ""
    return f"{_moment(job.started_at)}{by}{_later(job.started_at, job.created_at)}"


def _finished(job: JobView) -> str:
    return f"{_moment(job.finished_at)}{_later(job.finished_at, job.started_at)}"


def _later(at: datetime | None, before: datetime | None) -> str:
    return f" ({length(at - before)} later)" if at and before else ""


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) if value not in (None, {}) else ""


def _show_timeline(out: Output, happened: Sequence[dict[str, Any]], show: View) -> None:
    out.line()
    if not happened:
        out.line("What happened to it is no longer among the queue's events.")
        return
    before: datetime = happened[0]["at"]
    rows: list[tuple[str, str, str, str]] = []
    for one in happened:
        at: datetime = one["at"]
        words = " ".join(str(show(_words(one["event"], one["details"]))).split())
        rows.append(
            (at.strftime("%H:%M:%S.%f")[:-3], f"+{length(at - before)}", one["event"], words)
        )
        before = at
    out.table(("at (UTC)", "after", "event", ""), rows)


def _words(event: str, details: dict[str, Any]) -> str:
    match event, details:
        case "progress", {"data": data}:
            return _progress(data)
        case "failed", {"failedReason": reason}:
            return reason
        case "waiting", {"prev": prev}:
            return f"back from {prev}"
        case "added", {"name": name}:
            return name
        case "delayed", {"delay": until} if moment(until):
            return f"until {_moment(moment(until))}"
        case _:
            return ""
