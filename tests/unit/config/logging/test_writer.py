"""Lines reach who reads them, all and in order; who does not read them holds up nobody."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from loguru import logger

from config.logging.setup import set_up_logs
from tests.support.logs import settings_of, worker_log

ROOT = Path(__file__).parents[4]
# 4 MiB wait, 64 KiB are in the pipe: what is written here is more than both.
LINES = 3000
TEXT = "x" * 4000

Pipe = tuple[TextIO, TextIO]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as reader, os.fdopen(write, "w") as writer:
        yield reader, writer


def _number(line: str) -> int | None:
    found = line.split("number ")[1:]
    return int(found[0].split(" ")[0]) if found else None


@pytest.mark.parametrize("form", ["pretty", "json"])
def test_what_is_read_is_complete_and_in_order(pipe: Pipe, form: str) -> None:
    reader, writer = pipe
    lines: list[str] = []
    reading = threading.Thread(target=lambda: lines.extend(reader))
    with worker_log():
        set_up_logs(settings_of(LOG_FORMAT=form), writer)
        reading.start()
        for number in range(2000):
            logger.info("number {} 正在", number)
        logger.remove()
        writer.close()
        reading.join()
    assert [_number(line) for line in lines] == list(range(2000))
    assert "正在" in lines[-1]


@pytest.mark.parametrize("form", ["pretty", "json"])
def test_what_nobody_reads_is_dropped_and_counted_in_its_place(pipe: Pipe, form: str) -> None:
    reader, writer = pipe
    missing: list[int] = []
    with worker_log():
        set_up_logs(settings_of(LOG_FORMAT=form), writer)
        for number in range(LINES):
            logger.info("number {} {}", number, TEXT)
        written, told = LINES, 0
        while told < written:
            line = reader.readline()
            text = json.loads(line)["message"] if form == "json" else line
            if "are missing here" in text:
                missing += [int(word) for word in text.split() if word.isdecimal()]
                told += missing[-1]
            else:
                assert _number(text) == told
                told += 1
            if not missing:  # there is room again for a short one
                logger.info("number {} again", written)
                written += 1
    assert missing[0] > LINES // 2


def test_a_pipe_that_somebody_made_impatient_is_waited_for(pipe: Pipe) -> None:
    """Node sets pipes so, for all who have them."""
    reader, writer = pipe
    os.set_blocking(writer.fileno(), False)
    with worker_log():
        set_up_logs(settings_of(), writer)
        for number in range(500):
            logger.info("number {} {}", number, TEXT)
        lines = [reader.readline() for _ in range(500)]
    assert [_number(line) for line in lines] == list(range(500))


ENDS = {
    "in order": "",
    "hard": "drain_logs(); os._exit(0)",
    "by an error": "raise SystemExit(0)",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_the_last_lines_are_written_however_the_process_ends(end: str) -> None:
    script = (
        "import os\n"
        "from loguru import logger\n"
        "from config.logging.setup import drain_logs, set_up_logs\n"
        "from tests.support.logs import settings_of\n"
        "set_up_logs(settings_of())\n"
        "for number in range(1000): logger.info('number {} ', number)\n" + end
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True
    )
    assert [_number(line) for line in ended.stdout.decode().splitlines()] == list(range(1000))


def test_what_is_freed_in_the_thread_may_log() -> None:
    """The garbage collector runs wherever something is made, in the log's own thread too."""
    script = (
        "import gc, threading, time\n"
        "from loguru import logger\n"
        "from config.logging.setup import set_up_logs\n"
        "from tests.support.logs import settings_of\n"
        "class Loud:\n"
        "    def __init__(self): self.itself = self\n"
        "    def __del__(self):\n"
        "        if threading.current_thread().name == 'log':\n"
        "            time.sleep(0.001)  # another thread's turn\n"
        "            logger.info('freed')\n"
        "set_up_logs(settings_of())\n"
        "gc.set_threshold(3)\n"
        "for number in range(3000):\n"
        "    for _ in range(number % 7 % 4): Loud()\n"
        "    logger.info('number {} ', number)\n"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60).returncode == 0
