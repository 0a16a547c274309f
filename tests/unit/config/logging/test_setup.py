"""Log lines: their forms, and that nothing from outside can forge one."""

import io
import json
import re
from typing import Any

import pytest
from loguru import logger

from bullmq_consumer.delivery import Delivery
from config.logging.setup import set_up_logs
from runtime.job_log import JobLogger
from tests.support.logs import settings_of, worker_log

FORGED = "real\n12:00:00.000 INFO     ✅ Completed: fake\r\x1b[2K\x9b1A\u2028\u202e\x85\ud800x"


def test_pretty_lines_keep_their_text() -> None:
    with worker_log() as stream:
        logger.info("🔥 Processing job: {} {}", "storyboard_generation", '{"a": 1}')
        logger.warning("⚠️  Stalled: {}\t{}", "j1", "<red>x</red> {y}")
    first, second = stream.getvalue().splitlines()
    time = r"\d\d:\d\d:\d\d\.\d\d\d"
    text = r'INFO     🔥 Processing job: storyboard_generation {"a": 1}'
    assert re.fullmatch(f"{time} {re.escape(text)}", first)
    assert second.endswith("WARNING  ⚠️  Stalled: j1\t<red>x</red> {y}")


def test_json_lines_are_flat() -> None:
    with worker_log(LOG_FORMAT="json") as stream:
        logger.bind(job_id="j1").info("⏳ 正在生成")
    line = json.loads(stream.getvalue())
    assert list(line) == ["time", "level", "message", "job_id"]
    assert (line["level"], line["message"], line["job_id"]) == ("INFO", "⏳ 正在生成", "j1")


@pytest.mark.parametrize("secret", ["202611", '202611"', "message", '": "x'])
def test_json_lines_stay_json_whatever_a_secret_is(secret: str) -> None:
    """One of digits may stand in a number, one with quotes reach out of its text."""
    with worker_log(LOG_FORMAT="json", REDIS_PASSWORD=secret) as stream:
        logger.bind(duration_ms=1202611, share=float("nan"), x="y").info("of 202611")
    line = json.loads(stream.getvalue(), parse_constant=pytest.fail)
    assert not [value for value in line.values() if secret in str(value)]
    assert line["x"] == "y"


def test_a_jobs_lines_name_it_alike() -> None:
    data = {"userId": "u1", "projectId": "p1", "videoId": "v1", "shotNumber": 3, "prompt": "x"}
    delivery = Delivery("j1", "double", data, attempts_made=1, attempts=3)
    with worker_log(LOG_FORMAT="json") as stream:
        job_logger = JobLogger(delivery, lambda alert: None)
        job_logger.started()
        job_logger.completed({"duration": 12})
    started, completed = map(json.loads, stream.getvalue().splitlines())
    named: dict[str, Any] = {
        "job_id": "j1",
        "job_name": "double",
        "attempt": 2,
        "user_id": "u1",
        "project_id": "p1",
        "video_id": "v1",
        "shot_number": 3,
    }
    kept = {name: value for name, value in started.items() if name in started.keys() - BASE}
    assert kept == named
    assert completed == {**completed, **named, "duration_ms": 12}
    assert started["message"].startswith('🔥 Processing job: double {"jobId": "j1", "attempt": 2')


BASE = {"time", "level", "message"}


@pytest.mark.parametrize("form", ["pretty", "json"])
def test_text_from_outside_forges_no_line(form: str) -> None:
    with worker_log(LOG_FORMAT=form) as stream:
        logger.bind(note=FORGED).info("{}", FORGED)
    text = stream.getvalue()
    assert len(text.splitlines()) == 1
    assert text.encode().isascii() or text.rstrip("\n").isprintable()
    if form == "json":
        line = json.loads(text)
        assert (line["message"], line["note"]) == (FORGED, FORGED)
    else:
        assert r"real\n12:00:00.000 INFO     ✅ Completed: fake\r\u001b[2K\u009b1A\u2028" in text


def test_a_traceback_forges_none_either() -> None:
    with worker_log() as stream:
        logger.opt(exception=ValueError(FORGED)).error("failed")
    lines = stream.getvalue().split("\n")
    assert [line[:4] for line in lines[1:-1]] == ["    "] * (len(lines) - 2)
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("form", ["pretty", "json"])
def test_nothing_makes_a_line_of_megabytes(form: str) -> None:
    """A producer may call a job by one."""
    long = "x" * 2**20
    with worker_log(LOG_FORMAT=form) as stream:
        logger.bind(job_id=long).opt(exception=ValueError(long)).error("failed: {}", long)
    lines = stream.getvalue()
    assert len(lines) < 3 * 17_000
    assert lines.count("… (1048") == (3 if form == "json" else 2)


def test_what_is_bound_stands_in_for_nothing() -> None:
    with worker_log(LOG_FORMAT="json") as stream:
        logger.bind(level="DEBUG", message="other", time="never").info("mine")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"]) == ("INFO", "mine")
    assert line["time"] != "never"


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError


def _loop() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize("bound", [Unreadable(), _loop(), {(1, 2): 3}, {1, 2}, b"x", 2j])
def test_whatever_is_bound_makes_a_line(bound: Any) -> None:
    with worker_log(LOG_FORMAT="json") as stream:
        logger.bind(bound=bound, job_id="j1").info("mine")
    line = json.loads(stream.getvalue())
    assert (line["message"], line["job_id"]) == ("mine", "j1")


def test_the_level_is_obeyed() -> None:
    with worker_log(LOG_LEVEL="error") as stream:
        logger.info("quiet")
        logger.error("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_colours_are_for_terminals() -> None:
    terminal = Terminal()
    with worker_log() as stream:
        logger.warning("here")
        set_up_logs(settings_of(), terminal)
        logger.warning("here")
    assert "\x1b" not in stream.getvalue()
    assert "\x1b[1m\x1b[33mWARNING \x1b[0m here" in terminal.getvalue()


def test_a_log_that_nobody_takes_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with worker_log():
        set_up_logs(settings_of(), Gone())
        logger.info("with sb_secret_12345")
    said = capsys.readouterr().err
    assert said == "Log lines cannot be written: [Errno 32] Broken pipe\n"
