"""Plays scenarios on both sides, several at the same time, and judges what differs."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from tests.interop.compare import Difference, differences, faults
from tests.interop.known import KnownList
from tests.interop.stage import SIDES, Run, Stage
from tests.interop.table import Scenario

# Most of a scenario's time is waiting.
AT_ONCE = 12
_PATIENCE_S = 120


@dataclass
class Verdict:
    """Of one scenario with one version: what differs, by the name of the entry that knows it."""

    version: str
    scenario: Scenario
    named: dict[str, list[Difference]] = field(default_factory=dict[str, list[Difference]])
    unnamed: list[Difference] = field(default_factory=list[Difference])
    seconds: float = 0


async def judge_all(
    stage: Stage, scenarios: Sequence[Scenario], known: KnownList, at_once: int = AT_ONCE
) -> list[Verdict]:
    """Those that this version can play, in their order."""
    places = asyncio.Semaphore(at_once)

    async def one(scenario: Scenario) -> Verdict:
        async with places:
            return await judge(stage, scenario, known)

    playable = [each for each in scenarios if stage.version in each.versions]
    return await asyncio.gather(*(one(each) for each in playable))


async def _in_time(play: Awaitable[Run]) -> Run:
    async with asyncio.timeout(_PATIENCE_S):
        return await play


async def judge(stage: Stage, scenario: Scenario, known: KnownList) -> Verdict:
    """Both sides at the same time: what depends on the hour is then the same for both."""
    verdict = Verdict(stage.version, scenario)
    began = time.monotonic()
    runs = [_in_time(stage.play(scenario.steps, side)) for side in SIDES]
    node, ours = await asyncio.gather(*runs, return_exceptions=True)
    verdict.seconds = time.monotonic() - began
    if isinstance(node, BaseException) or isinstance(ours, BaseException):
        verdict.unnamed.append(Difference("(not played)", repr(node), repr(ours)))
        return verdict
    verdict.unnamed += faults(node, ours)
    for difference in differences(node, ours):
        name = known.name_of(stage.version, scenario.name, difference)
        if name is None:
            verdict.unnamed.append(difference)
        else:
            verdict.named.setdefault(name, []).append(difference)
    return verdict
