"""Log lines: forms and redaction."""

import io
import json

import pytest
from loguru import logger

from config.environment import Environment
from config.logs import set_up_logs
from config.settings import Settings, load_settings


def configured(**values: str) -> Settings:
    base = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_12345"}
    return load_settings(environment=Environment({**base, **values}, {}))


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_pretty_lines_keep_their_text(stream: io.StringIO) -> None:
    set_up_logs(configured(), stream)
    logger.info("🔥 Processing job: {} {}", "storyboard_generation", '{"a": 1}')
    assert '🔥 Processing job: storyboard_generation {"a": 1}\n' in stream.getvalue()


def test_json_lines_are_flat(stream: io.StringIO) -> None:
    set_up_logs(configured(LOG_FORMAT="json"), stream)
    logger.bind(job_id="j1").info("⏳ 正在生成")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"], line["job_id"]) == ("INFO", "⏳ 正在生成", "j1")


@pytest.mark.parametrize("form", ["pretty", "json"])
def test_secrets_are_redacted_in_text_fields_and_tracebacks(stream: io.StringIO, form: str) -> None:
    key = 'ark"key\\1'
    values = {"BYTEPLUS_API_KEY": key, "REDIS_URL": "redis://:pass-word@h:1"}
    set_up_logs(configured(LOG_FORMAT=form, **values), stream)
    logger.bind(note=f"uses {key}").info("with {} and redis://:pass-word@h:1", key)
    try:
        raise ValueError(f"refused {key}")
    except ValueError:
        logger.exception("failed")
    text = stream.getvalue()
    assert "ValueError" in text
    assert key not in text
    assert json.dumps(key)[1:-1] not in text
    assert "pass-word" not in text


def test_the_level_is_obeyed(stream: io.StringIO) -> None:
    set_up_logs(configured(LOG_LEVEL="error"), stream)
    logger.info("quiet")
    logger.error("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()
