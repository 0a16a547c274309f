"""After the drain: is anything missing, open, broken or paid for twice?"""

from collections import Counter
from dataclasses import dataclass, field

import httpx

from sandbox.chaos.arena import Arena
from sandbox.chaos.ledger import Ledger, Run, Tally, Violation, tallies
from sandbox.chaos.objects import Objects
from sandbox.chaos.purchases import judge, purchases, reasons
from sandbox.chaos.rows import unfinished, wrong_quotas
from sandbox.chaos.supervisor import Exit
from sandbox.chaos.traffic import Traffic
from sandbox.providers.models import Paid, Recorded


@dataclass
class Findings:
    """What the report shows."""

    tallies: dict[str, Tally]
    paid: Paid
    allowed: Counter[str]
    excused: Counter[tuple[str, str]]
    objects: int
    drifted_quotas: int
    exits: Counter[str]
    met: Counter[str]
    violations: list[Violation] = field(default_factory=list[Violation])


async def audit(arena: Arena, traffic: Traffic, undrained: int, drifted_quotas: int) -> Findings:
    """Check everything. `undrained` jobs were not at their end when time was up."""
    ledger = arena.look()
    control = arena.vidfab.providers.control
    paid = await control.paid()
    allowed = _allowed(traffic, ledger)
    requests = await control.requests()
    made = purchases(paid.items, requests, traffic.projects)
    surplus, overpaid = judge(made, allowed, arena.diary)
    objects = Objects(arena.vidfab.supabase, arena.vidfab.providers, traffic.marks)
    violations = [
        *_undrained(undrained),
        *ledger.violations(arena.app.asked),
        *await unfinished(arena.vidfab.supabase),
        *await wrong_quotas(arena.vidfab.supabase),
        *await objects.violations(),
        *await _left_behind(arena, traffic, ledger),
        *overpaid,
        *_bad_exits(arena),
    ]
    return Findings(
        tallies(ledger.runs),
        paid,
        Counter(image=len(traffic.marks), render=sum(allowed.values()) - len(traffic.marks)),
        reasons(surplus),
        objects.checked,
        drifted_quotas,
        Counter(f"with code {one.code}" for one in _exits(arena)),
        Counter(Supabase=arena.supabase.met, providers=sum(map(_is_spoilt, requests))),
        violations,
    )


def _allowed(traffic: Traffic, ledger: Ledger) -> Counter[str]:
    """One picture a mark, one render a composition: how often each may be paid for."""
    allowed = Counter(traffic.marks.values())
    for project_id in traffic.projects:
        allowed[project_id] = len(ledger.of(f"va_compose_{project_id}"))
    return allowed


def _undrained(count: int) -> list[Violation]:
    text = f"{count} jobs were not at their end when the drain's time was up"
    return [Violation("all end", text)] if count else []


async def _left_behind(arena: Arena, traffic: Traffic, ledger: Ledger) -> list[Violation]:
    """Temporary files that a clean-up says it has removed."""
    found: list[Violation] = []
    async with httpx.AsyncClient(base_url=arena.vidfab.supabase.url, trust_env=False) as client:
        for cleanup in traffic.cleanups:
            if not any(_is_completed(run) for run in ledger.of(cleanup.job_id)):
                continue
            answer = await client.get(f"/storage/v1/object/public/{cleanup.path}")
            if answer.is_success:
                text = f"{cleanup.path} is still there"
                found.append(Violation("clean-ups clean", text, (cleanup.job_id,)))
    return found


def _is_spoilt(record: Recorded) -> bool:
    return record.outcome in {"cut", "reset"} or (record.status or 0) >= 400


def _is_completed(run: Run) -> bool:
    return "completed" in run.ends


def _bad_exits(arena: Arena) -> list[Violation]:
    bad = [
        Violation("workers live", f"{one.worker} ended with code {one.code} unasked:\n{one.log}")
        if one.asked is None
        else Violation("workers stop", f"{one.worker} ended with {one.code} at {one.asked.name}")
        for one in _exits(arena)
        if not one.is_expected(arena.diary)
    ]
    overdue = [text for worker in arena.workers for text in worker.overdue]
    return [*bad, *(Violation("workers stop", text) for text in overdue)]


def _exits(arena: Arena) -> list[Exit]:
    return [one for worker in arena.workers for one in worker.exits]
