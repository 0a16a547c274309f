"""What the demo shows of the queue, from Node's QueueEvents alone: what the app would see."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sandbox.producer import Event

_ENDS = ("completed", "failed")


@dataclass
class Seen:
    """One job as its events tell of it; times in epoch ms."""

    job_id: str
    name: str = ""
    state: str = "waiting"
    percent: int = 0
    message: str = ""
    attempts: int = 0
    began_at: int = 0
    ended_at: int = 0

    @property
    def seconds(self) -> float:
        """From the first attempt to the end."""
        return (self.ended_at - self.began_at) / 1000 if self.ended_at else 0.0

    def take(self, event: Event) -> None:
        """Learn from one more event."""
        match event.name:
            case "added":
                self.name = event.args["name"]
            case "active":
                self.state = "active"
                self.attempts += 1
                self.began_at = self.began_at or event.at
            case "progress":
                self.percent = event.args["data"]["percent"]
                self.message = event.args["data"]["message"]
            case "completed" | "failed":
                self.state = event.name
                self.ended_at = event.at
                self.message = event.args.get("failedReason") or self.message
            case _:
                pass


def jobs_seen(events: Iterable[Event]) -> list[Seen]:
    """Every run of every job, in the order in which they were added."""
    runs: list[Seen] = []
    latest: dict[str, Seen] = {}
    for event in events:
        if event.job_id is None:
            continue
        if event.name == "added" or event.job_id not in latest:
            latest[event.job_id] = Seen(event.job_id)
            runs.append(latest[event.job_id])
        latest[event.job_id].take(event)
    return runs


def live_board(events: Iterable[Event]) -> RenderableType:
    """One line a job name: how many are done, and what the last one says."""
    by_name: dict[str, list[Seen]] = defaultdict(list)
    for job in jobs_seen(list(events)):
        by_name[job.name].append(job)
    return Group(*(_line(name, jobs) for name, jobs in by_name.items()))


def final_table(events: Iterable[Event]) -> Table:
    """One row a run: job, state, seconds, attempts."""
    table = Table(title="jobs", title_justify="left")
    for column in ("job", "state", "seconds", "attempts"):
        table.add_column(column, justify="right" if column in {"seconds", "attempts"} else "left")
    for job in jobs_seen(events):
        table.add_row(job.name, job.state, f"{job.seconds:.1f}", str(job.attempts))
    return table


def _line(name: str, jobs: list[Seen]) -> Table:
    done = sum(job.state in _ENDS for job in jobs)
    percent = sum(100 if job.state in _ENDS else job.percent for job in jobs) / len(jobs)
    shown = next((job for job in reversed(jobs) if job.message), jobs[-1])
    line = Table.grid(padding=(0, 1))
    for width in (22, 24, 6):
        line.add_column(width=width)
    line.add_row(
        Text(name),
        ProgressBar(total=100, completed=percent, width=24),
        f"{done}/{len(jobs)}",
        Text(shown.message, overflow="ellipsis", no_wrap=True),
    )
    return line
