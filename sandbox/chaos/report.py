"""The end of a run, as tables; and the history of what went wrong, to be reproduced."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from sandbox.chaos.audit import Findings
from sandbox.chaos.incidents import Diary
from sandbox.chaos.ledger import Ledger, Run, Violation

_MAX_HISTORIES = 8
_RUNS_EACH = 2
_MAX_EVENTS = 60
_MAX_REASONS = 12


def show(
    console: Console, findings: Findings, ledger: Ledger, diary: Diary, actions: Mapping[str, int]
) -> None:
    """All tables, the violations last."""
    for table in (
        _actions(actions),
        _jobs(findings),
        _reasons(ledger),
        _paid(findings),
    ):
        console.print("\n", table)
    console.print(
        f"\n{findings.objects} stored objects were compared or decoded, "
        f"{findings.drifted_quotas} quota rows had drifted before the last recount"
    )
    met = ", ".join(f"{count} by {whom}" for whom, count in findings.met.items())
    console.print(f"Requests that met a fault: {met}", highlight=False)
    exits = ", ".join(f"{name} {count} times" for name, count in sorted(findings.exits.items()))
    console.print(f"Workers ended: {exits or 'never'}", highlight=False)
    _violations(console, findings.violations, ledger, diary)


def _table(title: str, *columns: str) -> Table:
    """The first column and a last one called `why` hold text, all others numbers."""
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        is_text = place == 0 or column == "why"
        table.add_column(column, justify="left" if is_text else "right", overflow="fold")
    return table


def _actions(actions: Mapping[str, int]) -> Table:
    table = _table("actions", "action", "rounds")
    for name, count in sorted(actions.items(), key=lambda one: -one[1]):
        table.add_row(name, str(count))
    return table


def _jobs(findings: Findings) -> Table:
    table = _table("jobs", "job", "added", "completed", "failed", "taken up", "stalled")
    for name, tally in findings.tallies.items():
        numbers = (tally.runs, tally.completed, tally.failed, tally.taken_up, tally.stalled)
        table.add_row(name, *map(str, numbers))
    return table


def _reasons(ledger: Ledger) -> Table:
    """Why jobs failed for good; a run with many faults has many of them."""
    found = Counter(
        (run.name, run.failed_reason[:110]) for run in ledger.runs if "failed" in run.ends
    )
    table = _table("failed for good", "job", "times", "why")
    for (name, reason), count in found.most_common(_MAX_REASONS):
        table.add_row(name, str(count), reason)
    return table


def _paid(findings: Findings) -> Table:
    table = _table("paid calls", "what", "asked for", "paid", "why")
    paid = {"image": findings.paid.images, "render": findings.paid.renders}
    for kind, count in paid.items():
        table.add_row(kind, str(findings.allowed[kind]), str(count), "")
    for (kind, reason), count in findings.excused.most_common():
        table.add_row(f"  {kind} again", "", str(count), reason)
    return table


def _violations(
    console: Console, violations: Sequence[Violation], ledger: Ledger, diary: Diary
) -> None:
    if not violations:
        console.print("\n[green]✓ No violation: nothing lost, nothing left open, nothing broken[/]")
        return
    console.print(f"\n[red]✗ {len(violations)} violations[/]")
    for one in violations:
        console.print(f"  [red]{one.rule}[/]: ", end="")
        console.print(one.text, markup=False, highlight=False)
    runs = {
        (run.queue, run.job_id, run.events[0].at): run
        for violation in violations
        for run in _telling(violation, ledger)
    }
    for run in list(runs.values())[:_MAX_HISTORIES]:
        _history(console, run, diary)


def _telling(violation: Violation, ledger: Ledger) -> list[Run]:
    """The runs that may say why, those first that did not complete."""
    runs = ledger.about(text for text in violation.about if text)
    return sorted(runs, key=lambda run: run.ends == ["completed"])[:_RUNS_EACH]


def _history(console: Console, run: Run, diary: Diary) -> None:
    """All events of a run, with the incidents among them."""
    first, last = run.events[0].at / 1000, run.events[-1].at / 1000
    lines = [
        (event.at / 1000, f"  {event.name} {_shown(dict(event.args))}") for event in run.events
    ]
    lines += [
        (one.began, f"* round {one.round}: {one.kind} {one.detail} ({one.ended - one.began:.1f} s)")
        for one in diary.incidents
        if one.overlaps(first, last)
    ]
    console.print(f"\n{run.name} {run.job_id}", highlight=False)
    for at, text in sorted(lines)[-_MAX_EVENTS:]:
        moment = datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
        console.print(f"  {moment} {text}", markup=False, highlight=False, soft_wrap=True)


def _shown(args: dict[str, object]) -> str:
    hidden = {"jobId", "returnvalue", "name"}
    return " ".join(f"{key}={value}" for key, value in args.items() if key not in hidden)[:160]
