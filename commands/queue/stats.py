"""worker.py stats: a summary of the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bullmq_consumer.inspect.queue import ConnectedWorker, Counts, QueueView, WaitingJob
from commands.call import Call, operator
from commands.options import new_app
from commands.output import Output, age, length, short_name

app = new_app()

_SAME_WORD = ("prioritized", "active", "delayed", "paused", "completed", "failed")
# The states that have a column, and their names in the counts by job name. `waiting-children` has
# none: the app has no flows.
_STATES = {"waiting": "wait", **{word: word for word in _SAME_WORD}}


@app.command(short_help="Show waiting, running and failed jobs, and workers.")
@operator
async def stats(call: Call) -> None:
    """Show waiting, running and failed jobs, and the connected workers.

    \b
    Examples:
      python worker.py stats
      python worker.py stats --json | jq .counts.ready

    `prioritized` are jobs that wait with a priority, as all of the app's do. `completed` and
    `failed` are those that the queue still keeps: the last 50 and 20, unless a job sets otherwise.

    \b
    --json: {queue, is_paused, counts, jobs, oldest_waiting, workers, last_hour}
    """
    view = QueueView(call.redis, call.queue)
    counts = await view.counts()
    names = await view.counts_by_name()
    oldest = await view.oldest_waiting()
    workers = await view.workers()
    hour = await view.last_hour()
    if call.out.as_json:
        call.out.document({
            "queue": call.queue_name,
            "is_paused": counts.is_paused,
            "counts": _numbers(counts),
            "jobs": names,
            "oldest_waiting": asdict(oldest) if oldest else None,
            "workers": None if workers is None else [_worker_document(one) for one in workers],
            "last_hour": asdict(hour),
        })  # fmt: skip
        return
    _show_counts(call, counts, names)
    _show_oldest(call.out, oldest)
    call.out.line(
        f"In the last hour {hour.completed} completed and {hour.failed} failed, as far as the "
        "workers count them."
    )
    _show_workers(call.out, workers)


def _numbers(counts: Counts) -> dict[str, int]:
    numbers = asdict(counts)
    del numbers["is_paused"]
    return {**numbers, "ready": counts.ready}


def _worker_document(worker: ConnectedWorker) -> dict[str, Any]:
    return {
        "name": worker.name,
        "address": worker.address,
        "connections": worker.connections,
        "connected_for_s": worker.connected_for.total_seconds(),
    }


def _show_counts(call: Call, counts: Counts, names: Mapping[str, Mapping[str, int]]) -> None:
    paused = "  It is PAUSED: no worker takes a job until it is resumed." * counts.is_paused
    numbers = _numbers(counts)
    if not any(numbers.values()):
        call.out.line(f"The queue is empty: {call.queue_name} holds no job in any state.{paused}")
        return
    call.out.line(f"Queue {call.queue_name}.{paused}")
    call.out.line()
    states = {state: place for state, place in _STATES.items() if numbers[state]}
    rows: list[Sequence[object]] = [
        (short_name(name), *(found.get(place, 0) for place in states.values()))
        for name, found in sorted(names.items())
    ]
    rows.append(("all jobs", *(numbers[state] for state in states)))
    call.out.table(("", *states), rows, numbers=True)
    call.out.line()


def _show_oldest(out: Output, oldest: WaitingJob | None) -> None:
    if oldest is not None:
        since = age(oldest.since, datetime.now(UTC))
        out.line(
            f"The oldest waiting job is {oldest.job_id} ({short_name(oldest.name)}), for {since}."
        )


def _show_workers(out: Output, workers: Sequence[ConnectedWorker] | None) -> None:
    if workers is None:
        out.line("This Redis does not report which workers are connected (CLIENT LIST).")
    elif not workers:
        out.line("No worker is connected: start one with `python worker.py`.")
    else:
        out.line()
        out.table(("worker", "connected for", "connections", "address"), map(_worker_row, workers))


def _worker_row(worker: ConnectedWorker) -> tuple[Any, ...]:
    name = worker.name or "(without a name)"
    return (name, length(worker.connected_for), worker.connections, worker.address)
