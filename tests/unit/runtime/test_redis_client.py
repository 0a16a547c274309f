"""What people are told of Redis never holds its password."""

import pytest

from config.environment import Environment
from config.settings import load_settings
from runtime.redis_client import address

SUPABASE = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_1"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:hunter2secret@h:1/2", "redis://h:1/2"),
        ("rediss://:hunter2secret@h", "rediss://h"),
        ("redis://h:1/0?password=hunter2secret&x=1", "redis://h:1/0"),
    ],
)
def test_the_password_is_left_out_and_redacted(url: str, shown: str) -> None:
    settings = load_settings(environment=Environment({**SUPABASE, "REDIS_URL": url}, {}))
    assert address(settings) == shown
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
    assert address(settings) == shown
