"""What people are shown of settings that are addresses."""

import pytest

from config.environment import Environment
from config.errors import ConfigError
from config.settings import load_settings


def test_a_wrong_address_is_shown_without_its_login() -> None:
    """The classic mistake: the address of the database in place of Supabase's."""
    variables = {
        "BULLMQ_REDIS_URL": "redis://127.0.0.1:6379",
        "SUPABASE_URL": "postgres://postgres:hunter2222@db.example.com/postgres",
        "SUPABASE_SERVICE_KEY": "sb_secret_12345678",
    }
    with pytest.raises(ConfigError) as raised:
        load_settings(environment=Environment(variables, {}))
    said = " ".join(raised.value.problems)
    assert "db.example.com" in said
    assert "hunter2222" not in said
