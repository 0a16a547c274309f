"""make live: stand-ins under other names are the vendors, and are made to differ."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.providers.client import IMAGES, TASKS, Control
from sandbox.providers.models import Operation
from sandbox.vidfab import VidFab
from sandbox.worker_process import ROOT


@dataclass(frozen=True)
class Ran:
    code: int
    out: str

    def has_row(self, *cells: str) -> bool:
        """Whether a row of the table holds all of these."""
        rows = [line for line in self.out.splitlines() if "│" in line]
        return any(all(cell in row for cell in cells) for row in rows)


class Live:
    """Runs the command with the variables of a user who has these keys, and no file."""

    def __init__(self, vidfab: VidFab, folder: Path) -> None:
        self.control: Control = vidfab.providers.control
        self._vendors = vidfab.providers.environment
        self._no_file = folder / "none.env"
        self._no_file.touch()

    async def run(self, *arguments: str, stdin: str = "", **variables: str) -> Ran:
        system = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox.live", "--env-file", str(self._no_file), *arguments),
            cwd=ROOT,
            env={**system, **self._vendors, **variables},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate(stdin.encode())
        assert process.returncode is not None
        assert not any(
            self._vendors[name] in out.decode() for name in self._vendors if "KEY" in name
        )
        return Ran(process.returncode, out.decode())


@pytest.fixture
def live(vidfab: VidFab, tmp_path: Path) -> Live:
    return Live(vidfab, tmp_path)


async def test_equal_answers_pass_for_one_picture_and_one_second_of_film(live: Live) -> None:
    clip = await live.control.register("tasks", "cgt-clip", Operation(seconds=1))
    assert clip is not None
    ran = await live.run("--clip", clip, stdin="yes\n")
    assert ran.code == 0, ran.out
    assert "BytePlus: one picture, $0.035 (third-party lists, October 2026)" in ran.out
    assert "Shotstack: one second of film, 1/60 credit" in ran.out
    assert "no difference" in ran.out
    paid = await live.control.paid()
    assert [(item.kind, item.vendor) for item in paid.items] == [
        ("image", "byteplus"), ("render", "shotstack"),
    ]  # fmt: skip
    [order] = [one for one in await live.control.requests("/shotstack/render") if one.status == 201]
    assert order.body["timeline"]["tracks"][0]["clips"][0]["length"] == 1


async def test_vendors_that_answer_otherwise_are_shown_and_fail(live: Live) -> None:
    gone = {"error": {"code": "TaskExpired", "message": "The task is gone.", "hint": "none"}}
    await live.control.fail(f"{TASKS}/*", 410, body=gone)
    ran = await live.run("--free")
    assert ran.code == 1, ran.out
    step = "GET /contents/generations/tasks/…"
    assert ran.has_row("BytePlus", "what check asks", step)
    assert ran.has_row("status", "410", "404")
    assert ran.has_row("code", "TaskExpired", "ResourceNotFound")
    assert ran.has_row("body", "$.error.hint: text")
    assert ran.has_row("body", "$.error.param: text")
    assert not ran.has_row("Google")
    assert (await live.control.paid()).items == []


async def test_what_is_bought_is_compared_too(live: Live) -> None:
    picture = {"model": "m", "created": 1, "data": [{"url": "https://x/1.jpg"}]}
    await live.control.fail(IMAGES, 200, body=picture, body_contains="A red door")
    ran = await live.run("--only", "byteplus", "--yes")
    assert ran.code == 1, ran.out
    assert ran.has_row("one picture", "POST /images/generations", "$.data[].size: text")
    assert ran.has_row("body", "$.usage.total_tokens: number")
    assert "Shotstack" not in ran.out


async def test_nothing_is_asked_without_keys_consent_or_in_ci(live: Live) -> None:
    no_keys = await live.run("--yes", WAVESPEED_API_KEY="", SHOTSTACK_API_KEY="")
    assert (no_keys.code, no_keys.out.split(".")[0]) == (
        2,
        "Missing: WAVESPEED_API_KEY, SHOTSTACK_API_KEY",
    )
    silent = await live.run()
    assert (silent.code, "Nothing was asked" in silent.out) == (2, True)
    refused = await live.run(stdin="y\n")
    assert (refused.code, "Nothing was asked" in refused.out) == (2, True)
    in_ci = await live.run("--yes", CI="true")
    assert (in_ci.code, in_ci.out) == (2, "Not in CI: this costs money and depends on others\n")
    wrong = await live.run("--yes", BYTEPLUS_ARK_BASE_URL="ark")
    assert (wrong.code, wrong.out.startswith("BYTEPLUS_ARK_BASE_URL:")) == (2, True)
    assert await live.control.requests() == []
