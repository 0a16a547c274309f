"""A run from its first round to its verdict."""

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sandbox.chaos.actions import calm, drawn
from sandbox.chaos.arena import QUEUE, Arena
from sandbox.chaos.audit import audit
from sandbox.chaos.report import show
from sandbox.chaos.rows import wrong_quotas
from sandbox.chaos.traffic import Traffic
from sandbox.json_lines import Refused

# How long a round's faults may show before the next round's.
_ROUND_S = (0.4, 2.4)
# A job whose worker was killed is back after at most 60 s; then it has to be done.
_DRAIN_LIMIT_S = 180
_LOOK_EVERY_S = 0.5
# A clip that Seedance still makes at the end is ready after 2 s, and downloaded in less.
_MAX_POLLS = 5
_POLL_LIMIT_S = 30


@dataclass(frozen=True, slots=True)
class Plan:
    """What to play. Rounds end early when `seconds` have passed."""

    rounds: int
    seed: int
    seconds: float


async def play(console: Console, plan: Plan, folder: Path) -> bool:
    """Rounds, drain, audit, report; whether all was in order."""
    began = time.monotonic()
    async with Arena(folder, plan.seed) as arena:
        traffic = Traffic(arena)
        actions = await _rounds(console, plan, arena, traffic)
        console.print("All faults off: the queue drains...")
        undrained, drifted = await _settled(arena, traffic)
        findings = await audit(arena, traffic, undrained, drifted)
        show(console, findings, arena.look(), arena.diary, actions)
        rounds, seconds = actions.total(), time.monotonic() - began
        console.print(f"{rounds} rounds, seed {plan.seed}, {seconds:.0f} s", highlight=False)
        return not findings.violations


async def _rounds(console: Console, plan: Plan, arena: Arena, traffic: Traffic) -> Counter[str]:
    ends = time.monotonic() + plan.seconds
    actions: Counter[str] = Counter()
    for number in range(1, plan.rounds + 1):
        if time.monotonic() > ends:
            console.print(f"Time is up after {number - 1} of {plan.rounds} rounds")
            break
        arena.diary.round = number
        name, detail = await _round(f"{plan.seed} {number}", arena, traffic)
        actions[name] += 1
        line = f"round {number:>3}/{plan.rounds}  {len(arena.look().open_runs):>3} open  {name}"
        console.print(f"{line}  {detail}", markup=False, highlight=False, soft_wrap=True)
    return actions


async def _round(seed: str, arena: Arena, traffic: Traffic) -> tuple[str, str]:
    """One action, and jobs that are added meanwhile. Equal seeds choose alike."""
    rng = random.Random(f"{seed} action")
    action = drawn(rng)
    adding = traffic.round(random.Random(f"{seed} traffic"))
    if action.alone:
        await adding
        detail = await action.run(arena, rng)
    else:
        async with asyncio.TaskGroup() as group:
            group.create_task(adding)
            acting = group.create_task(action.run(arena, rng))
        detail = acting.result()
    await asyncio.sleep(random.Random(f"{seed} pause").uniform(*_ROUND_S))
    return action.name, detail


async def _settled(arena: Arena, traffic: Traffic) -> tuple[int, int]:
    """Everything at its end, and what the app's page would still ask for at its end too.

    Returns how many jobs are not, and how many quota rows were wrong before they were recounted.
    """
    await calm(arena)
    await _drained(arena, _DRAIN_LIMIT_S)
    for _ in range(_MAX_POLLS):
        if not await traffic.poll(limit=200):
            break
        await _drained(arena, _POLL_LIMIT_S)
    drifted = len(await wrong_quotas(arena.vidfab.supabase))
    await traffic.recount()
    return await _drained(arena, _POLL_LIMIT_S), drifted


async def _drained(arena: Arena, limit_s: float) -> int:
    """Wait until no job is open; returns how many are when time is up."""
    ends = time.monotonic() + limit_s
    while open_jobs := await arena.unfinished() or len(arena.look().open_runs):
        if time.monotonic() > ends:
            return open_jobs
        await _promote(arena)
        await asyncio.sleep(_LOOK_EVERY_S)
    return 0


async def _promote(arena: Arena) -> None:
    """Backoffs need not be waited for: the app's queue can start delayed jobs now."""
    for job in await arena.app.jobs("delayed", queue=QUEUE):
        with suppress(Refused):  # it has just begun by itself
            await arena.app.promote(job.id)
