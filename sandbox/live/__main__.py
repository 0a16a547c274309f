"""`python -m sandbox.live`: ask the real vendors and the stand-ins the same, and compare.

Prints where status, code or the shape of a body differ, and exits with 1 if any does. The keys come
from the environment, .env.local or .env; without them, or without consent, it exits with 2. It buys
one picture and one second of film at most, and only after `yes`; with --free nothing at all.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from config.environment import read_environment
from config.errors import ConfigError
from sandbox.live.answers import differences
from sandbox.live.scenes import Scene, scenes
from sandbox.live.stage import Stage, Target, settings_of, stand_ins
from sandbox.processes import SandboxError
from services.accounts.vendor import Vendor
from services.vendors import VENDORS

_NOT_RUN = 2
# The one that Shotstack's own pages use: shotstack.io/learn/trim-video-api.
_CLIP = "https://shotstack-assets.s3-ap-southeast-2.amazonaws.com/footage/beach-overhead.mp4"
_NAMES = {vendor.name.lower(): vendor for vendor in VENDORS}


def main() -> int:
    """The process's exit code."""
    given = _parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False, markup=False)
    vendors = [_NAMES[name] for name in given.only or _NAMES]
    try:
        target = Target(settings_of(read_environment(given.env_file).values), given.clip)
    except ConfigError as error:
        console.print("\n".join(error.problems))
        return _NOT_RUN
    chosen = scenes(vendors, free=given.free)
    if not _may_run(console, target, vendors, chosen, is_agreed=given.yes):
        return _NOT_RUN
    try:
        return asyncio.run(_run(console, target, chosen))
    except SandboxError as error:
        console.print(f"✗ The stand-ins do not run: {error}")
        return _NOT_RUN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.live",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--free", action="store_true", help="ask only what costs nothing")
    parser.add_argument("--yes", action="store_true", help="agree to the costs beforehand")
    parser.add_argument("--only", action="append", choices=_NAMES, help="this vendor; repeatable")
    parser.add_argument("--env-file", type=Path, help="instead of .env.local and .env")
    parser.add_argument("--clip", default=_CLIP, help="a public video for the film")
    return parser


def _may_run(
    console: Console,
    target: Target,
    vendors: Sequence[Vendor],
    chosen: Sequence[Scene],
    *,
    is_agreed: bool,
) -> bool:
    if os.environ.get("CI"):
        console.print("Not in CI: this costs money and depends on others")
        return False
    missing = [one.variable for one in vendors if one.key(target.settings) is None]
    if missing:
        console.print(f"Missing: {', '.join(missing)}. Set them, or choose vendors by --only")
        return False
    _plan(console, target, chosen)
    return is_agreed or all(scene.price is None for scene in chosen) or _agreed(console)


def _plan(console: Console, target: Target, chosen: Sequence[Scene]) -> None:
    for scene in chosen:
        price = scene.price and scene.price(Stage(target, scene.vendor))
        console.print(f"  {scene.vendor.name}: {scene.name}, {price or 'free'}")


def _agreed(console: Console) -> bool:
    try:
        is_agreed = input("Type yes to buy this: ").strip() == "yes"
    except EOFError:
        is_agreed = False
    if not is_agreed:
        console.print("Nothing was asked")
    return is_agreed


async def _run(console: Console, real: Target, chosen: Sequence[Scene]) -> int:
    table = Table("vendor", "scene", "step", "what", "vendor's", "stand-in's")
    with tempfile.TemporaryDirectory(prefix="vidfab-live-") as folder:
        async with stand_ins(Path(folder), real.settings) as stand_in:
            for scene in chosen:
                for row in await _compared(scene, real, stand_in):
                    table.add_row(scene.vendor.name, scene.name, *row)
    if not table.row_count:
        console.print(f"✓ {len(chosen)} scenes, no difference")
        return 0
    console.print(table)
    console.print(f"✗ {table.row_count} differences: the stand-ins are not as the vendors are")
    return 1


async def _compared(
    scene: Scene, real: Target, stand_in: Target
) -> list[tuple[str, str, str, str]]:
    played = (scene.play(Stage(target, scene.vendor)) for target in (real, stand_in))
    return differences(*await asyncio.gather(*played))


if __name__ == "__main__":
    sys.exit(main())
