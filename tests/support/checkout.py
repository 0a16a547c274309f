"""The project in a folder of its own, as a reader of the pages has it, and its console."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.processes import PATIENCE_S
from tests.support.pages import ROOT, Page

_LINKED = (
    "bullmq_consumer",
    "commands",
    "config",
    "core",
    "runtime",
    "services",
    "pyproject.toml",
    "tests/support",
)
_COPIED = ("handlers", "worker.py")
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")
_READS = re.compile(r"worker\.py (?:stats|jobs?)\b")
_LOOKS = 10
# The queue that the pages speak of.
_QUEUE = "vidfab-video-processing"


class Checkout:
    """A folder that holds the worker, `.venv`, and `.env.local` with the settings."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self._queue = settings["QUEUE_PREFIX"]
        (folder / "tests/unit/handlers").mkdir(parents=True)
        (folder / ".venv").symlink_to(sys.prefix)
        for name in _LINKED:
            (folder / name).symlink_to(ROOT / name)
        shutil.copy2(ROOT / "worker.py", folder)
        shutil.copytree(ROOT / "handlers", folder / "handlers")
        lines = (f'{name}="{value}"\n' for name, value in settings.items())
        (folder / ".env.local").write_text("".join(lines), "utf-8")

    async def run(self, command: str, **environment: str) -> str:
        """What a line of shell prints. AssertionError when it fails, TimeoutError in the end."""
        own = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", command),
            cwd=self.folder,
            env={**own, "PYTHONUTF8": "1", "COLUMNS": "100", **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = output.decode()
        assert process.returncode == 0, f"{command}\n{text}"
        return text

    async def play(self, page: Page) -> None:
        """Run what the page's console blocks show, in their order, and compare the output.

        Numbers may differ, and `…` on the page stands for anything.
        """
        for block in page.blocks:
            if block.language == "console":
                for command, shown in _dialogue(block.text):
                    await self._shows(command, _like(shown))

    async def _shows(self, command: str, shown: re.Pattern[str]) -> None:
        """Look again as a reader would: the worker may still be at it."""
        for _ in range(_LOOKS if _READS.search(command) else 1):
            printed = (await self.run(command)).replace(self._queue, _QUEUE)
            if shown.fullmatch(printed):
                return
        raise AssertionError(f"{command}\n{printed}")


def _dialogue(text: str) -> list[tuple[str, str]]:
    """Each command with what it prints."""
    _, *parts = re.split(r"^\$ ", text.replace("\\\n", ""), flags=re.MULTILINE)
    pairs = (part.partition("\n") for part in parts)
    return [(command, shown) for command, _, shown in pairs]


def _like(shown: str) -> re.Pattern[str]:
    pattern = re.escape(shown.strip())
    # Numbers, and the rules of tables that are as long as what stands in them.
    pattern = re.sub("─+", "─+", re.sub(r"\d+", r"\\d+", pattern)).replace("…", ".*?")
    return re.compile(r"\s*" + re.sub(r"(?:\\?\s)+", r"\\s+", pattern) + r"\s*", re.DOTALL)
