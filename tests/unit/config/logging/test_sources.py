"""What libraries, warnings and uncaught exceptions say in the worker's log."""

import asyncio
import gc
import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from typing import Any

import pytest

from config.logging.sources import report_uncaught
from tests.support.logs import worker_log

KEY = "sb_secret_12345"


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("info", ["WARNING", "ERROR"]),
        ("debug", ["DEBUG", "WARNING", "ERROR"]),
        ("trace", ["TRACE", "DEBUG", "WARNING", "ERROR"]),
        ("error", ["ERROR"]),
    ],
)
@pytest.mark.parametrize("name", ["httpx", "uvicorn.error", "uvicorn.access"])
def test_libraries_are_heard_one_level_below(name: str, level: str, said: list[str]) -> None:
    with worker_log(LOG_FORMAT="json", LOG_LEVEL=level) as stream:
        library = logging.getLogger(name)
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            library.log(number, "asked %s", "once")
    lines = read(stream)
    assert [line["level"] for line in lines] == said
    assert {line["logger"] for line in lines} == {name}
    assert {line["message"] for line in lines} == {f"{name}: asked once"}


def test_warnings_are_lines() -> None:
    with warnings.catch_warnings(), worker_log() as stream:
        warnings.simplefilter("always")
        warnings.warn(f"old: {KEY}", DeprecationWarning, stacklevel=1)
    [line] = stream.getvalue().splitlines()
    assert "WARNING  py.warnings: " in line
    assert "DeprecationWarning: old: ***" in line


def test_arguments_that_do_not_fit_are_a_line() -> None:
    with worker_log() as stream:
        logging.getLogger("lib").error("%d jobs", "x")
    assert stream.getvalue().endswith("lib: %d jobs (its arguments do not fit: TypeError)\n")


async def test_a_task_whose_exception_nobody_took() -> None:
    async def fail() -> None:
        raise ValueError(f"with {KEY}")

    with worker_log(LOG_FORMAT="json") as stream:
        task = asyncio.create_task(fail())
        await asyncio.wait({task})
        del task
        gc.collect()
    [line] = read(stream)
    assert line["message"].startswith("asyncio: Task exception was never retrieved")
    assert line["exception"].endswith("ValueError: with ***\n")


def test_a_thread_that_dies() -> None:
    def fail() -> None:
        raise ValueError(f"with {KEY}")

    with worker_log() as stream:
        thread = threading.Thread(target=fail, name="t1")
        thread.start()
        thread.join()
    assert "ERROR    Uncaught in the thread t1\n    Traceback" in stream.getvalue()
    assert stream.getvalue().endswith("    ValueError: with ***\n")


def test_what_fails_while_it_is_freed() -> None:
    class Bad:
        def __del__(self) -> None:
            raise ValueError(f"with {KEY}")

    with worker_log() as stream:
        Bad()
        gc.collect()
    assert "Bad.__del__" in stream.getvalue()
    assert stream.getvalue().endswith("    ValueError: with ***\n")


def test_the_main_thread_ends_with_a_line_and_code_1() -> None:
    program = (
        "from tests.support.logs import settings_of\n"
        "from config.logging.setup import set_up_logs\n"
        "from config.logging.sources import report_uncaught\n"
        "set_up_logs(settings_of(LOG_FORMAT='json'))\n"
        "report_uncaught()\n"
        f"raise ValueError('with {KEY}')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    line = json.loads(ran.stdout)
    assert (ran.returncode, ran.stderr, line["level"]) == (1, "", "CRITICAL")
    assert line["exception"].endswith("ValueError: with ***\n")


def test_ctrl_c_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    with worker_log() as stream:
        report_uncaught()
        sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert stream.getvalue() == ""
    assert "KeyboardInterrupt" in capsys.readouterr().err
