"""What is said of a wrong setting: nothing that may be a secret, whichever variable it is in."""

import pytest

from config.environment import Environment
from config.errors import ConfigError
from config.settings import load_settings

GOOD = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_12345678"}
HIDDEN = "a value that is not shown"


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("SUPABASE_URL", "https://user:hunter2@h/?apikey=hunter3", "'https://…'"),
        ("SUPABASE_URL", "https://user:hunter2/pw@h", "'https://…'"),
        ("SUPABASE_URL", "https://user:12/hunter2@h", "'https://…'"),
        # Two classic mistakes: the address of the database, and two values swapped.
        ("SUPABASE_URL", "postgres://postgres:hunter2/pw@db.h/postgres", "'postgres://…'"),
        ("SUPABASE_URL", "sb_secret_hunter2", HIDDEN),
        ("SUPABASE_URL", "user:hunter2@h", HIDDEN),
        ("GOOGLE_GEMINI_BASE_URL", "user:hunter2@h", HIDDEN),
        ("REDIS_HOST", "default:hunter2:x", HIDDEN),
        ("REDIS_HOST", "redis://:hunter2/x@h", "'redis://…'"),
        ("HEALTH_HOST", "https://u:hunter2@x", "'https://…'"),
        ("DOWNLOAD_ALLOWED_HOSTS", "https://u:hunter2@x=1", "'https://…'"),
        ("DOWNLOAD_ALLOWED_HOSTS", "a=10.0.0.1,u:hunter2@x=1", HIDDEN),
        ("QUEUE_PREFIX", "redis://:hunter2/x@h", "'redis://…'"),
        ("REDIS_PORT", "redis://:hunter2/x@h", "'redis://…'"),
        ("LOG_FORMAT", f"{'x' * 100}hunter2", HIDDEN),
        ("REDIS_PORT", "http", "'http'"),
        ("LOG_FORMAT", "xml", "'xml'"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "'/nowhere/ca.pem'"),
    ],
)
def test_what_is_shown_of_a_wrong_value(variable: str, value: str, shown: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings(environment=Environment({**GOOD, variable: value}, {}))
    [problem] = raised.value.problems
    assert problem.startswith(f"{variable}: got {shown}, wants ")
    assert "hunter" not in problem
