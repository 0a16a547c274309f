"""The command line in this process: `worker.py` costs half a second a start, this next to none."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from loguru import logger
from typer.testing import CliRunner

from commands.app import app


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


async def command(settings: Mapping[str, str], *arguments: str, stdin: str = "") -> Answer:
    """`worker.py ARGUMENTS` that reads exactly `settings`; in a thread, as it has its own loop."""
    with NamedTemporaryFile("w", suffix=".env", encoding="utf-8") as file:
        file.writelines(f'{name}="{value}"\n' for name, value in settings.items())
        file.flush()
        return await asyncio.to_thread(_run, [*arguments, "--env-file", file.name], stdin)


def _run(arguments: list[str], stdin: str) -> Answer:
    try:
        result = CliRunner().invoke(app, arguments, input=stdin, env={"COLUMNS": "100"})
    finally:
        logger.remove()  # the one that the command set up writes to a stream that is closed by now
        logger.add(sys.__stderr__)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def env_file(folder: Path, settings: Mapping[str, str]) -> Path:
    """The same settings for a process of its own."""
    path = folder / "command.env"
    path.write_text("".join(f'{name}="{value}"\n' for name, value in settings.items()), "utf-8")
    return path
