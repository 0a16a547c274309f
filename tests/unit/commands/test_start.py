"""Which command lines start the worker without the parser."""

import subprocess
import sys
from pathlib import Path

import pytest

from commands.app import command_first
from commands.start import Plain, plain
from sandbox.worker_process import ROOT


@pytest.mark.parametrize(
    ("words", "env_file"),
    [
        ("", None),
        ("run", None),
        ("--env-file .env.product", Path(".env.product")),
        ("run --env-file .env.product", Path(".env.product")),
    ],
)
def test_what_supervisors_call_needs_no_parser(words: str, env_file: Path | None) -> None:
    assert plain(words.split()) == Plain(env_file)
    assert command_first(words.split())[0] == "run"  # as the parser would read it


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "--version",
        "stats",
        "--watch",
        "run --concurrency 7",
        "--env-file",
        "--env-file --watch",
        "--env-file .env.product stats",
        "run --env-file .env.product --exit-on-no-redis",
    ],
)
def test_all_else_is_left_to_the_parser(words: str) -> None:
    assert plain(words.split()) is None


def test_an_empty_name_is_left_to_the_parser() -> None:
    assert plain(["--env-file", ""]) is None


def test_what_was_loaded_is_not_searched_for_garbage() -> None:
    script = (
        "import gc, runtime.app; from commands.start import start\n"
        "async def run(*_, **__):\n"
        "    print(gc.get_freeze_count() > 10_000, gc.isenabled())\n"
        "    return 0\n"
        "runtime.app.run = run\n"
        "before = gc.get_stats()[2]['collections']\n"
        "start(None)\n"
        "assert gc.get_stats()[2]['collections'] == before\n"
    )
    settings = {
        "REDIS_URL": "redis://127.0.0.1:6379",
        "SUPABASE_URL": "https://project.supabase.co",
        "SUPABASE_SERVICE_KEY": "sb_secret_of_nobody",
    }
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=settings, capture_output=True, text=True
    )
    assert (ended.stdout, ended.stderr) == ("True True\n", "")
