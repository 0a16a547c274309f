"""worker.py jobs: list the jobs of one state."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from bullmq_consumer.inspect.job import JobView, JobViews
from bullmq_consumer.inspect.queue import Counts, QueueView
from commands.call import Call, operator
from commands.options import new_app
from commands.output import age, short_name
from runtime.http.redacted import redacted_view

app = new_app()

State = Annotated[
    Literal["waiting", "prioritized", "active", "delayed", "paused", "completed", "failed"],
    typer.Option("--state", help="Jobs with a priority, as all of the app's, are `prioritized`."),
]
Name = Annotated[str | None, typer.Option("--name", help="Only jobs of this name.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="The maximum number of jobs.")]


@app.command(short_help="List the jobs of one state.")
@operator
async def jobs(call: Call, state: State = "failed", name: Name = None, limit: Limit = 20) -> None:
    """List the jobs of one state: those that ended newest first, others as they will be taken.

    \b
    Examples:
      python worker.py jobs
      python worker.py jobs --state prioritized --limit 100
      python worker.py jobs --state failed --name va_compose_video --json

    \b
    --json: {queue, state, jobs: [{id, name, created_at, finished_at, attempts_made, attempts,
    priority, failed_reason, reason, progress}]}
    """
    views = JobViews(call.redis, call.queue)
    show = redacted_view(call.settings, full=False)
    found = [await views.get(job_id) for job_id in await views.ids(state, limit, name=name)]
    listed = [one for one in found if one is not None]
    if call.out.as_json:
        rows = [show(_document(one)) for one in listed]
        call.out.document({"queue": call.queue_name, "state": state, "jobs": rows})
    elif listed:
        column = {"failed": "reason", "active": "progress"}.get(state, "")
        names = ("id", "name", "age", "attempts", column)
        call.out.table(names, ([*_cells(one), show(_last(one))] for one in listed))
    else:
        counts = await QueueView(call.redis, call.queue).counts()
        call.out.line(_none(state, name, counts))


def _document(job: JobView) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "name": job.name,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "attempts_made": job.attempts_made,
        "attempts": job.attempts,
        "priority": job.priority,
        "failed_reason": job.failed_reason,
        "reason": job.reason,
        "progress": job.progress,
    }


def _cells(job: JobView) -> Sequence[str]:
    since = job.finished_at or job.created_at
    return (job.job_id, short_name(job.name), age(since), f"{job.attempts_made} of {job.attempts}")


def _last(job: JobView) -> str:
    match job:
        case JobView(state="failed", reason=str(reason)):
            return " ".join(reason.split())
        case JobView(state="active", progress={"percent": percent, "message": message}):
            return f"{percent}% {message}"
        case _:
            return ""


def _none(state: str, name: str | None, counts: Counts) -> str:
    """The sentence for no job, with the counts of other names and states."""
    called = f" called {name}" if name else ""
    numbers = {
        "waiting": counts.waiting,
        "prioritized": counts.prioritized,
        "active": counts.active,
        "delayed": counts.delayed,
        "paused": counts.paused,
        "completed": counts.completed,
        "failed": counts.failed,
    }
    here = numbers.pop(state)
    elsewhere = [f"{count} {word}" for word, count in numbers.items() if count]
    rest = ""
    if name and here:
        rest += f", but {here} of other names {'is' if here == 1 else 'are'}"
    if elsewhere:
        rest += f"; the queue holds {', '.join(elsewhere)}"
    return f"No job{called} is {state}{rest or '; the queue holds no other'}."
