"""What people are told of Redis never holds its password."""

import pytest
from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError, ResponseError

from bullmq_consumer.redis.clients import explain
from config.consumer import redis_of
from config.environment import Environment
from config.settings import load_settings

SUPABASE = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_1"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:hunter2secret@h:1/2", "redis://h:1/2"),
        ("rediss://:hunter2secret@h", "rediss://h"),
        ("redis://h:1/0?password=hunter2secret&db=1", "redis://h:1/0"),
    ],
)
def test_the_password_is_left_out_and_redacted(url: str, shown: str) -> None:
    settings = load_settings(environment=Environment({**SUPABASE, "REDIS_URL": url}, {}))
    assert str(redis_of(settings)) == shown
    assert "hunter2secret" not in repr(redis_of(settings))
    assert "hunter2secret" in settings.secrets()


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"REDIS_PASSWORD": "p@ss-word"}, "redis://localhost:6379/0"),
        ({}, "redis://localhost:6379/0"),
    ],
)
def test_an_address_in_parts(values: dict[str, str], shown: str) -> None:
    settings = load_settings(environment=Environment({**SUPABASE, **values}, {}))
    assert str(redis_of(settings)) == shown


@pytest.mark.parametrize(
    ("values", "error", "said", "is_final"),
    [
        ({}, ConnectionError("refused"), "does not answer (refused)", False),
        ({}, ConnectionError("refused"), "in BULLMQ_REDIS_URL is right", False),
        ({"REDIS_HOST": "h"}, ConnectionError("no"), "in REDIS_HOST, REDIS_PORT and", False),
        ({"REDIS_PASSWORD": "p"}, AuthenticationError("no"), "check it in REDIS_PASSWORD", True),
        ({"REDIS_URL": "redis://h"}, AuthenticationError("no"), "it in BULLMQ_REDIS_URL", True),
        ({}, ResponseError("DB index is out of range"), "refuses the worker (DB index", True),
        ({}, NoPermissionError("no PING"), "check the user's rights", True),
        ({}, ResponseError("max daily request limit exceeded"), "this day's commands of", False),
    ],
)
def test_what_is_wrong_and_the_variable_to_look_at(
    values: dict[str, str], error: Exception, said: str, is_final: bool
) -> None:
    settings = load_settings(environment=Environment({**SUPABASE, **values}, {}))
    found = explain(redis_of(settings), error)
    assert said in str(found)
    assert found.is_final == is_final
