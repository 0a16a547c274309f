"""worker.py check: check settings and dependencies."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from typing import Annotated

import typer

from commands.call import prepare, refuse
from commands.checks import machine, project, queue_redis, vendors
from commands.checks.finding import Finding, Mark, failed, warning
from commands.options import AsJson, EnvFile, new_app
from commands.output import Output
from config.errors import ConfigError
from config.logging.redaction import scrubber
from config.reading import Reading, read_settings
from config.settings import variable_of
from config.variables import IMAGE_KEYS, TRACING
from services.vendors import VENDORS

app = new_app()

_AREA = "Settings"
_SIGNS = {Mark.OK: "✓", Mark.WARNING: "!", Mark.FAILED: "✗"}
# Each request of a check has 5 s, and some make two; a provider's 3.5 s, at most three.
_LIMIT_S = 12
_REDIS_FIELDS = frozenset(
    f"redis_{part}" for part in ("url", "host", "port", "db", "password", "tls_insecure")
)
_SUPABASE_FIELDS = frozenset({"supabase_url", "supabase_key"})

Live = Annotated[
    bool, typer.Option("--live", help="Check the accounts with the providers; costs nothing.")
]


@dataclass(frozen=True, slots=True)
class _Check:
    """One check. `needs` are the settings without which it is skipped."""

    area: str
    run: Callable[[], Awaitable[list[Finding]]]
    needs: frozenset[str] = frozenset()


@app.command(short_help="Check settings and dependencies.")
def check(env_file: EnvFile = None, as_json: AsJson = False, live: Live = False) -> None:
    """Check the settings and all that the worker needs: Redis, Supabase, providers, this machine.

    Nothing is changed: the one write, at Supabase, is of no row. Each line begins with ✓, with !
    for a warning, or with ✗ for an error, and ends with the remedy. Of secrets only the length is
    shown.

    \b
    Examples:
      python worker.py check
      python worker.py check --live --env-file .env.product
      python worker.py check --json | jq '.checks[] | select(.mark != "ok")'

    \b
    --json: {ok, settings: [{name, value, origin}], checks: [{mark, area, text, remedy}]}
    Exit code 1 if there is a ✗.
    """
    out = Output(as_json=as_json)
    prepare()
    try:
        reading = read_settings(env_file)
    except ConfigError as error:
        raise refuse(out, *error.problems) from None
    found = _findings(reading, live=live)
    is_ok = all(one.mark is not Mark.FAILED for one in found)
    if as_json:
        settings = [asdict(one) for one in reading.shown()]
        out.document({"ok": is_ok, "settings": settings, "checks": [asdict(one) for one in found]})
    else:
        _show(out, reading, found)
    raise typer.Exit(0 if is_ok else 1)


def _findings(reading: Reading, *, live: bool) -> list[Finding]:
    """All findings, without secrets, since they quote settings and servers' responses."""
    scrub = scrubber(reading.settings.secrets())
    found = [*_of_settings(reading), *asyncio.run(_all(_checks(reading, live), reading))]
    return [replace(one, text=scrub(one.text), remedy=scrub(one.remedy)) for one in found]


def _of_settings(reading: Reading) -> list[Finding]:
    return [failed(_AREA, problem) for problem in reading.problems]


def _checks(reading: Reading, live: bool) -> list[_Check]:
    settings = reading.settings
    key_variable = reading.variable("supabase_key") or variable_of("supabase_key")
    return [
        _Check(queue_redis.AREA, partial(queue_redis.check, settings), _REDIS_FIELDS),
        _Check(project.AREA, partial(project.check, settings, key_variable), _SUPABASE_FIELDS),
        _Check(
            vendors.AREA,
            partial(vendors.check_choice, settings),
            frozenset(IMAGE_KEYS.values()),
        ),
        *(
            _Check(
                vendors.AREA,
                partial(vendors.check_key, settings, vendor, live=live),
                frozenset({vendor.key_field}),
            )
            for vendor in VENDORS
        ),
        _Check(machine.AREA, machine.check_ffmpeg),
        _Check(machine.AREA, machine.check_folder),
        _Check(machine.AREA, partial(machine.check_port, settings), frozenset({"health_port"})),
        _Check(machine.AREA, partial(machine.check_alerts, settings)),
        _Check(machine.AREA, partial(machine.check_traces, settings), TRACING),
    ]


async def _all(checks: Sequence[_Check], reading: Reading) -> list[Finding]:
    """Run the checks concurrently; the findings are in the order of the list."""
    found = await asyncio.gather(*(_one(check, reading) for check in checks))
    return [finding for findings in found for finding in findings]


async def _one(check: _Check, reading: Reading) -> list[Finding]:
    if check.needs & reading.wrong:
        return [warning(check.area, "Not checked", "Fix its settings first, see above")]
    try:
        async with asyncio.timeout(_LIMIT_S):
            return await check.run()
    except TimeoutError:
        text = f"No answer within {_LIMIT_S} s"
        return [failed(check.area, text, "Check the network between this machine and it")]
    except Exception as error:  # the other checks still run
        text = f"The check itself failed: {type(error).__name__}: {error}"
        return [failed(check.area, text, "Please report this")]


def _show(out: Output, reading: Reading, found: Sequence[Finding]) -> None:
    rows = ((one.name, one.origin, one.value) for one in reading.shown())
    out.table(("setting", "from", "value"), rows)
    for area, findings in groupby(found, key=lambda one: one.area):
        out.line()
        out.line(area)
        for one in findings:
            remedy = f". {one.remedy}" if one.remedy else ""
            out.line(f"  {_SIGNS[one.mark]} {one.text}{remedy}")
    out.line()
    out.line(_verdict(found))


def _verdict(found: Sequence[Finding]) -> str:
    bad = sum(one.mark is Mark.FAILED for one in found)
    warned = sum(one.mark is Mark.WARNING for one in found)
    warnings = _counted(warned, "warning")
    if bad:
        return f"✗ {_counted(bad, 'error')}" + (f", {warnings}" if warned else "")
    return f"✓ Ready: python worker.py{f' ({warnings})' if warned else ''}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
