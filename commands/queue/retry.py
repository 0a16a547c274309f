"""worker.py retry: return failed jobs to the queue."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from bullmq_consumer.inspect.edit import NotChanged, QueueEdit
from bullmq_consumer.inspect.job import JobViews
from commands.call import Call, Refused, operator
from commands.options import new_app
from config.consumer import job_defaults_of

app = new_app()

# More than a queue keeps; each job is one round trip.
_ALL = 1_000_000

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Failed jobs.")]
AllFailed = Annotated[bool, typer.Option("--all-failed", help="Every failed job.")]
Name = Annotated[
    str | None, typer.Option("--name", help="With --all-failed: only jobs of this name.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


@app.command(short_help="Return failed jobs to the queue.")
@operator
async def retry(
    call: Call, ids: Ids = None, all_failed: AllFailed = False, name: Name = None, yes: Yes = False
) -> None:
    """Retry failed jobs, with their priority, their checkpoint and all their attempts.

    A retry does not buy or fetch existing pictures, renders and files again. A storyboard's row
    that is `failed` becomes `generating` when its picture is requested; the project's step stays
    `failed` or `partial` until the job ends. A composition sets its project back to `processing`.
    If the user has made a newer request meanwhile, it is not overwritten. A storyboard job that is
    older than 12 minutes buys nothing: it writes what it bought before, and fails the rest.

    Jobs whose ids are derived from an entity (downloads, thumbnails, syncs, quotas) are removed at
    their end: the app requests them again, or `enqueue` adds them.

    \b
    Examples:
      python worker.py retry storyboard_0f8fad5b-d9cb-469f-a165-70867728950e_1764000000000
      python worker.py retry --all-failed --name va_compose_video
      python worker.py retry --all-failed --yes --json

    \b
    --json: {retried: [id], refused: [{id, reason}]}. Exit code 1 if one was refused.
    """
    if all_failed == bool(ids) or (name and not all_failed):
        raise Refused("Name the jobs, or give --all-failed with or without --name")
    chosen = list(ids or []) or await _all_failed(call, name, yes=yes)
    edit = QueueEdit(call.redis, call.queue, job_defaults_of(call.settings))
    retried: list[str] = []
    refused: list[dict[str, str]] = []
    for job_id in chosen:
        try:
            await edit.retry(job_id)
            retried.append(job_id)
        except NotChanged as error:
            refused.append({"id": job_id, "reason": str(error)})
    _report(call, retried, refused)


async def _all_failed(call: Call, name: str | None, *, yes: bool) -> list[str]:
    found = await JobViews(call.redis, call.queue).ids("failed", _ALL, name=name)
    if found and not yes:
        if not sys.stdin.isatty():
            raise Refused(f"{_jobs(len(found))} would be retried: add --yes to confirm")
        typer.confirm(
            f"Retry {_jobs(len(found))} of the queue {call.queue_name}?", abort=True, err=True
        )
    # The oldest failure first, as they came.
    return found[::-1]


def _report(call: Call, retried: Sequence[str], refused: Sequence[dict[str, str]]) -> None:
    if call.out.as_json:
        call.out.document({"retried": retried, "refused": refused})
    elif retried:
        call.out.line(f"{_jobs(len(retried))} back in the queue.")
    elif not refused:
        call.out.line("No failed job to retry.")
    if not refused:
        return
    if not call.out.as_json:
        call.out.refuse(one["reason"] for one in refused)
    raise typer.Exit(1)


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"
