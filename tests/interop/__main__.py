"""The table of scenarios and random programs, with Node's Worker and with ours."""

import argparse
import asyncio
import logging
import sys
from fnmatch import fnmatchcase

from tests.interop.known import KnownList, known_list
from tests.interop.ours import no_chance
from tests.interop.programs import program
from tests.interop.report import Report
from tests.interop.shrink import shortest
from tests.interop.stage import PACKAGES, Stage
from tests.interop.steps import Steps
from tests.interop.table import Scenario, table
from tests.interop.verdict import Verdict, judge, judge_all

# Programs that differ are shortened, each for a minute or so: not all of many.
_MOST_SHORTENED = 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description=__doc__)
    parser.add_argument("--version", choices=PACKAGES, help="one version of BullMQ, not all")
    parser.add_argument("--only", default="*", help="scenarios by name, as a shell pattern")
    parser.add_argument("--rounds", type=int, default=0, help="random programs for each version")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first program")
    parser.add_argument("--details", action="store_true", help="print what is named, too")
    return parser.parse_args()


def programs(seed: int, count: int) -> list[Scenario]:
    """Those of the numbers from `seed` on."""
    return [Scenario(f"program-{one}", program(one)) for one in range(seed, seed + count)]


async def _run(arguments: argparse.Namespace) -> int:
    known, report = known_list(), Report(details=arguments.details)
    for version in [arguments.version] if arguments.version else [*PACKAGES]:
        await _one_version(version, arguments, known, report)
    if arguments.only == "*" and not arguments.version:
        report.unused(known.unused())
    report.summary(known)
    return 1 if report.failed else 0


async def _one_version(
    version: str, arguments: argparse.Namespace, known: KnownList, report: Report
) -> None:
    chosen = [one for one in table() if fnmatchcase(one.name, arguments.only)]
    async with Stage(version) as stage:
        report.verdicts("scenarios", version, await judge_all(stage, chosen, known))
        if arguments.rounds:
            random = programs(arguments.seed, arguments.rounds)
            verdicts = await judge_all(stage, random, known)
            report.verdicts("programs", version, verdicts)
            for one in [one for one in verdicts if one.unnamed][:_MOST_SHORTENED]:
                report.program(one, await _shortened(stage, one, known))


async def _shortened(stage: Stage, verdict: Verdict, known: KnownList) -> Steps:
    async def differs(steps: Steps) -> bool:
        return bool((await judge(stage, Scenario(verdict.scenario.name, steps), known)).unnamed)

    return await shortest(verdict.scenario.steps, differs)


def main() -> int:
    """1 when anything differs that has no name."""
    logging.getLogger("bullmq_consumer").setLevel(logging.CRITICAL)
    with no_chance():
        return asyncio.run(_run(_arguments()))


if __name__ == "__main__":
    sys.exit(main())
