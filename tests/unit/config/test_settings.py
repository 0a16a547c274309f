"""Settings: aliases, precedence, files, and what is said of wrong values."""

from pathlib import Path

import certifi
import httpx
import pytest

from config.environment import Environment, read_environment
from config.errors import ConfigError
from config.reading import read_settings
from config.settings import Settings, load_settings

SUPABASE = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_1"}


def settings(**values: str) -> Settings:
    return load_settings(environment=Environment({**SUPABASE, **values}, {}))


def problems(**values: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(environment=Environment(values, {}))
    return caught.value.problems


def test_defaults_are_those_of_the_contract() -> None:
    found = settings()
    assert found.queue_name == "vidfab-video-processing"
    assert (found.queue_concurrency, found.queue_max_retries) == (3, 3)
    assert found.queue_retry_delay_ms == 60_000
    assert found.storyboard_concurrency == 3
    assert found.redis_address() == "redis://localhost:6379/0"
    assert found.environment == "development"


@pytest.mark.parametrize(
    ("values", "address"),
    [
        (
            {
                "BULLMQ_REDIS_URL": "redis://a:1",
                "UPSTASH_REDIS_URL": "redis://b:1",
                "REDIS_URL": "redis://c:1",
            },
            "redis://a:1",
        ),
        ({"UPSTASH_REDIS_URL": "rediss://b:1", "REDIS_URL": "redis://c:1"}, "rediss://b:1"),
        ({"REDIS_URL": "redis://c:1", "REDIS_HOST": "d"}, "redis://c:1"),
        ({"REDIS_HOST": "d", "REDIS_PORT": "7", "REDIS_DB": "2"}, "redis://d:7/2"),
        ({"REDIS_PASSWORD": "p@ss/word"}, "redis://:p%40ss%2Fword@localhost:6379/0"),
    ],
)
def test_the_first_redis_variable_that_is_set_wins(values: dict[str, str], address: str) -> None:
    assert settings(**values).redis_address() == address


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("byteplus_key", ["BYTEPLUS_API_KEY", "BYTEPLUS_ARK_API_KEY"]),
        ("google_key", ["GOOGLE_AI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"]),
        (
            "supabase_key",
            ["SUPABASE_SERVICE_KEY", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SECRET_KEY"],
        ),
    ],
)
def test_aliases_are_ranked(field: str, names: list[str]) -> None:
    base = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "default"}
    if field == "supabase_key":
        del base["SUPABASE_SERVICE_KEY"]
    for rank, name in enumerate(names):
        lower = {other: "lower" for other in names[rank + 1 :]}
        seen = Environment({**base, **lower, name: "wins"}, {})
        secret = getattr(load_settings(environment=seen), field)
        assert secret.get_secret_value() == "wins"


SUPABASE_KEYS = ("SUPABASE_SERVICE_KEY", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SECRET_KEY")


@pytest.mark.parametrize("name", SUPABASE_KEYS)
def test_a_newer_key_of_supabase_wins_whichever_variable_it_stands_in(
    tmp_path: Path, name: str
) -> None:
    older = dict.fromkeys(SUPABASE_KEYS, "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoieCJ9.c2ln")
    values = {"SUPABASE_URL": "https://x.supabase.co", **older, name: "sb_secret_newer"}
    file = tmp_path / "product"
    file.write_text("".join(f"{key}={value}\n" for key, value in values.items()), "utf-8")
    reading = read_settings(file)
    assert load_settings(file) == reading.settings
    assert reading.settings.supabase_key.get_secret_value() == "sb_secret_newer"
    [shown] = [one for one in reading.shown() if one.name in SUPABASE_KEYS]
    assert (shown.name, shown.value) == (name, "set (15 characters)")


def test_the_key_that_is_read_is_the_one_that_is_told_of() -> None:
    values = {**SUPABASE, "SUPABASE_SERVICE_KEY": "older", "SUPABASE_SECRET_KEY": "sb_secret_ä"}
    [line] = problems(**values)
    assert line.startswith("SUPABASE_SECRET_KEY: got a value that is kept secret, wants")


def test_process_environment_then_env_local_then_env(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("A=env\nB=env\nC=env\nD=\n", encoding="utf-8")
    Path(".env.local").write_text("A=local\nB=local\n", encoding="utf-8")
    seen = read_environment(process={"A": "process"})
    assert seen.values == {"A": "process", "B": "local", "C": "env"}
    assert seen.origins == {"A": "process environment", "B": ".env.local", "C": ".env"}


def test_an_alias_of_higher_rank_in_a_file_beats_a_lower_one_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("BULLMQ_REDIS_URL=redis://file:1\n", encoding="utf-8")
    seen = read_environment(process={**SUPABASE, "REDIS_URL": "redis://process:1"})
    assert load_settings(environment=seen).redis_address() == "redis://file:1"


def test_env_file_replaces_the_default_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("A=env\n", encoding="utf-8")
    Path("product").write_text("B=product\n", encoding="utf-8")
    assert read_environment(Path("product"), process={}).values == {"B": "product"}
    with pytest.raises(ConfigError, match="nowhere is not a file"):
        read_environment(Path("nowhere"), process={})


@pytest.mark.parametrize("quote", ['"', "'"])
def test_one_pair_of_quotes_is_stripped(quote: str) -> None:
    seen = read_environment(process={**SUPABASE, "REDIS_URL": f"{quote}rediss://:pw@h:6379{quote}"})
    assert load_settings(environment=seen).redis_address() == "rediss://:pw@h:6379"


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        QUEUE_CONCURRENCY="three", REDIS_PORT="99999", LOG_FORMAT="xml", APP_LANGUAGE="fr"
    )
    assert found == [
        "REDIS_PORT: got '99999', wants a port from 1 to 65535",
        "QUEUE_CONCURRENCY: got 'three', wants a whole number from 1 to 1000",
        "SUPABASE_URL or NEXT_PUBLIC_SUPABASE_URL: missing, wants the project's "
        "https://….supabase.co address",
        "SUPABASE_SERVICE_KEY or SUPABASE_SERVICE_ROLE_KEY or SUPABASE_SECRET_KEY: missing, "
        "wants the project's service_role or sb_secret_ key",
        "APP_LANGUAGE: got 'fr', wants en or zh",
        "LOG_FORMAT: got 'xml', wants pretty or json",
    ]


def test_a_rest_address_for_redis_is_explained_and_not_shown() -> None:
    [line] = problems(**SUPABASE, UPSTASH_REDIS_URL="https://eu1-secret-name.upstash.io")
    assert line.startswith("UPSTASH_REDIS_URL: got a value that is kept secret, wants redis://")
    assert "REST address" in line
    assert "rediss://" in line
    assert "eu1-secret-name" not in line


def test_a_provider_without_its_key_stops_the_start() -> None:
    assert problems(**SUPABASE, IMAGE_PROVIDER="gemini") == [
        "IMAGE_PROVIDER: got 'gemini', wants GOOGLE_AI_API_KEY set"
    ]


def test_shotstack_without_its_key_stops_the_start() -> None:
    assert problems(**SUPABASE, VIDEO_COMPOSER="Shotstack") == [
        "VIDEO_COMPOSER: got 'shotstack', wants SHOTSTACK_API_KEY set"
    ]
    assert settings(VIDEO_COMPOSER="shotstack", SHOTSTACK_API_KEY="k").video_composer == "shotstack"
    assert settings().video_composer == "auto"


def test_secrets_stay_out_of_the_repr_and_into_the_redaction_list() -> None:
    found = settings(BYTEPLUS_API_KEY="ark-12345", BULLMQ_REDIS_URL="rediss://u:pa%20ss@h:1")
    assert "ark-12345" not in repr(found)
    assert "pa%20ss" not in repr(found)
    assert {"ark-12345", "sb_secret_1", "pa%20ss", "pa ss"} <= set(found.secrets())


def test_keys_inside_of_addresses_are_secrets_too() -> None:
    token, key = "x" * 24, "k" * 32
    found = settings(
        SLACK_WEBHOOK_URL=f"https://chat.example/services/T0/B0/{token}/",
        SENTRY_DSN=f"https://{key}:pass@errors.example/42",
    ).secrets()
    assert {token, key, "pass"} <= set(found)
    assert not {"services", "42", "T0"} & set(found)


def test_keys_in_the_middle_of_a_path_are_secrets_too() -> None:
    token = "y" * 68
    url = f"https://talk.example/api/webhooks/123456789012345678/{token}/slack"
    found = settings(DISCORD_WEBHOOK_URL=url).secrets()
    assert {url, token, "123456789012345678"} <= set(found)
    assert not {"webhooks", "slack"} & set(found)


def test_keys_in_the_query_of_a_plain_address_are_secrets_too() -> None:
    url = "https://db.example?apikey=0123456789abcdef&region=eu"
    found = settings(SUPABASE_URL=url).secrets()
    assert "0123456789abcdef" in found
    assert "eu" not in found


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("https://user:x/y@h", "it must not hold a login: take out what stands before the @"),
        ("https://user:12/y@h", "it must not hold a login: take out what stands before the @"),
        ("https://user@h", "it must not hold a login: take out what stands before the @"),
        ("h.example", "not an http(s) address"),
        ("ftp://h", "not an http(s) address"),
        *(
            (value, "its host or port cannot be read, or it holds a space")
            for value in (
                *("https://", "https://[", "https://[::1]1", "https://a]b[::1", "https://[::x]"),
                *("https://h:99999", "https://h:x", "https://:1", "https://a..b", "https://.h"),
                *("https://a b", "https://h/a b", "https://h/\x7f", "https://h*", "https://-é.h"),
                *("https://1.2.3.256", f"https://{'a' * 64}.h"),
            )
        ),
    ],
)
def test_an_address_that_cannot_be_read_is_one_sentence(value: str, reason: str) -> None:
    [supabase, shotstack] = problems(
        SUPABASE_URL=value, SUPABASE_SERVICE_KEY="sb_secret_1", SHOTSTACK_API_URL=value
    )
    assert supabase.endswith(f"wants the project's https://….supabase.co address ({reason})")
    assert shotstack.endswith(f"wants an http(s) address ({reason})")


@pytest.mark.parametrize(
    "value",
    [
        *("https://x.supabase.co", "http://localhost:54321", "http://10.0.0.5", "http://[::1]:80"),
        *("https://my_own-1.example.", "http://kong:8000/base/v1", "https://büro.example"),
    ],
)
def test_an_address_of_any_kind(value: str) -> None:
    found = settings(SUPABASE_URL=f"{value}/")
    assert found.supabase_url == value
    assert httpx.URL(found.supabase_url).host


def test_certificates_are_looked_at_at_once(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("no certificates\n", "utf-8")
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (tmp_path / "broken.pem").write_text(broken, "utf-8")
    said = {
        "none.pem": "there are no certificates in it",
        "broken.pem": "there are no certificates in it",
        "nowhere.pem": "No such file or directory",
        ".": "Is a directory",
        "x" * 300: "File name too long",
    }
    for name, reason in said.items():
        [problem] = problems(**SUPABASE, SSL_CERT_FILE=str(tmp_path / name))
        assert problem.startswith("SSL_CERT_FILE: got ")
        assert problem.endswith(f"wants a readable PEM file ({reason})")
    assert settings(SSL_CERT_FILE=certifi.where()).ca_file == Path(certifi.where())


@pytest.mark.parametrize(
    "host",
    [
        "redis://:topsecret@h:6379",
        "default:topsecret:x",
        "[default:topsecret:x]",
        "topsecret..x",
        "default:topsecret@h:6379",
        ":topsecret@h",
        "h:6379",
        "h/0",
        "h h",
    ],
)
def test_a_redis_host_that_is_more_is_refused_without_its_password(host: str) -> None:
    [problem] = problems(**SUPABASE, REDIS_HOST=host)
    assert problem.startswith("REDIS_HOST: got ")
    assert problem.endswith(
        "wants a host name alone; a whole address goes into BULLMQ_REDIS_URL "
        "(not the name or address of a host)"
    )
    assert "topsecret" not in problem


@pytest.mark.parametrize(
    ("host", "shown"),
    [("::1", "[::1]"), ("[::1]", "[::1]"), ("redis_1.local", "redis_1.local"), ("10.1", "10.1")],
)
def test_a_redis_host_of_any_kind(host: str, shown: str) -> None:
    found = load_settings(environment=Environment({**SUPABASE, "REDIS_HOST": host}, {}))
    assert found.redis_address() == f"redis://{shown}:6379/0"


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("SLACK_WEBHOOK_URL", "chat.example/services/T0", "not an http(s) address"),
        ("SLACK_WEBHOOK_URL", "https://", "not an http(s) address"),
        ("DISCORD_WEBHOOK_URL", "https://h:topsecret/x", "not an address"),
        ("DISCORD_WEBHOOK_URL", "https://[h/x", "not an address"),
        ("SENTRY_DSN", "https://h/42", "not of the form https://key@host/number"),
        ("SENTRY_DSN", "https://key@h/project", "not of the form https://key@host/number"),
    ],
)
def test_an_address_that_is_none_stops_the_start(variable: str, value: str, reason: str) -> None:
    [problem] = problems(**SUPABASE, **{variable: value})
    assert problem.startswith(f"{variable}: got a value that is kept secret, wants a")
    assert problem.endswith(f"({reason})")


def test_allowed_hosts_are_read_and_checked() -> None:
    hosts = settings(DOWNLOAD_ALLOWED_HOSTS="Media.Example=10.0.0.5, cdn.x:9000=::1")
    allowed = hosts.download_allowed_hosts
    assert allowed.address_of("media.example", 443) == "10.0.0.5"
    assert allowed.address_of("media.example", 444) is None
    assert allowed.address_of("CDN.x", 9000) == "::1"
    [line] = problems(**SUPABASE, DOWNLOAD_ALLOWED_HOSTS="a=1.2.3.4,b=nonsense")
    assert line.endswith("(cannot read its entry 2)")


def test_what_is_missing_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_environment(process={}).looked_in == f"there is no .env.local or .env in {tmp_path}"
    Path(".env").write_text("A=1\n", "utf-8")
    with pytest.raises(ConfigError, match=r"SUPABASE_URL: missing \(not in .env\), wants the"):
        load_settings(environment=read_environment(process={}))


def test_a_file_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "product.env"
    file.write_text("SUPABASE_URL=https://x.supabase.co\n", "utf-16")
    with pytest.raises(ConfigError, match=r"product\.env: not a text in UTF-8; save it as one"):
        read_environment(file, {})


@pytest.mark.parametrize(
    "query",
    ["ssl_cert_reqs=none", "ssl_cert_reqs=", "db=1&ssl_check_hostname=0", "ssl_cert_reqs=OPTIONAL"],
)
def test_an_address_cannot_switch_off_the_check_of_certificates(query: str) -> None:
    values = {**SUPABASE, "REDIS_URL": f"rediss://:hunter2secret@h:1/0?{query}"}
    with pytest.raises(ConfigError) as refused:
        load_settings(environment=Environment(values, {}))
    [line] = refused.value.problems
    assert "set REDIS_TLS_INSECURE=1 if nothing else is possible" in line
    assert "hunter2secret" not in line


@pytest.mark.parametrize(
    "url",
    [
        "rediss://rediss://user:hunter2secret@h:1/0",
        "redis://user:12#hunter2secret@h:1/0",
        "redis://user:12?hunter2secret@h:1/0",
        "redis://h:1/hunter2secret@h",
        "redis://h/hunter2secret",
    ],
    ids=["scheme twice", "hash", "question mark", "slash", "database"],
)
def test_an_address_that_shows_a_part_of_its_password_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(environment=Environment({**SUPABASE, "REDIS_URL": url}, {}))
    [line] = refused.value.problems
    assert "in a password write / # ? @ as %2F %23 %3F %40" in line
    assert "hunter2" not in line


@pytest.mark.parametrize("query", ["Family=0", "socket_timeout=1", "db=one", "decode_responses=0"])
def test_options_that_the_client_would_obey_are_refused(query: str) -> None:
    with pytest.raises(ConfigError, match=r"behind the \? it may have db, password, "):
        load_settings(
            environment=Environment({**SUPABASE, "REDIS_URL": f"redis://h:1/0?{query}"}, {})
        )


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?family=0", ""),
        ("?family=4", ""),
        ("?family=6&db=2", "?db=2"),
        ("?db=2&maxRetriesPerRequest=null&connectTimeout=10000&username=u", "?db=2&username=u"),
        ("?enableReadyCheck=false&lazyConnect=true&keepAlive=", ""),
    ],
)
def test_options_of_the_apps_own_client_are_left_out_of_its_address(query: str, kept: str) -> None:
    """It is the same variable as the app's; both families of addresses are tried anyway."""
    found = settings(REDIS_URL=f"redis://default:pw@redis.railway.internal:6379{query}")
    assert found.redis_address() == f"redis://default:pw@redis.railway.internal:6379{kept}"


def test_tls_that_the_app_has_as_an_option_is_asked_for_as_the_scheme() -> None:
    assert settings(REDIS_URL="rediss://h:1?tls=true").redis_address() == "rediss://h:1"
    [problem] = problems(**SUPABASE, REDIS_URL="redis://h:1?tls=true")
    assert "write rediss:// for TLS" in problem


@pytest.mark.parametrize(
    "parts",
    [
        {"REDIS_PORT": "tcp://10.0.171.239:6379"},
        {"REDIS_HOST": "redis://h:1", "REDIS_DB": "none"},
    ],
)
def test_parts_of_an_address_do_not_matter_beside_a_whole_one(parts: dict[str, str]) -> None:
    """A platform sets `REDIS_PORT` for a service that is called redis."""
    assert settings(REDIS_URL="redis://c:1", **parts).redis_address() == "redis://c:1"
    assert [line.split(":")[0] for line in problems(**SUPABASE, **parts)] == [*parts]


def test_parts_that_are_not_read_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = {**SUPABASE, "REDIS_URL": "redis://c:1", "REDIS_PORT": "tcp://10.0.171.239:6379"}
    file = tmp_path / "all.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()), "utf-8")
    reading = read_settings(file)
    assert reading.problems == []
    [port] = [one for one in reading.shown() if one.name == "REDIS_PORT"]
    assert (port.value, port.origin) == ("6379", "default")


@pytest.mark.parametrize("comment", [" # of production", "\t# key", " #"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUPABASE_SERVICE_KEY", "sb_secret_abc"),
        ("SUPABASE_URL", "https://x.supabase.co"),
        ("REDIS_URL", "redis://h:1/0"),
        ("REDIS_HOST", "redis"),
        ("QUEUE_PREFIX", "films"),
        ("BYTEPLUS_API_KEY", '"abc"'),
        ("BYTEPLUS_IMAGE_MODEL", "seedream-5-0"),
        ("GEMINI_IMAGE_MODEL", '"gemini-x"'),
        ("GOOGLE_AI_API_KEY", ""),
        ("WAVESPEED_API_KEY", "'abc'"),
        ("SHOTSTACK_API_KEY", "abc"),
        ("SLACK_WEBHOOK_URL", "https://hooks.example.com/x"),
        ("SENTRY_DSN", "https://key@host/1"),
        ("HEALTH_TOKEN", "abc"),
        ("NODE_ENV", "production"),
        ("QUEUE_CONCURRENCY", "3"),
        ("LOG_FORMAT", "json"),
    ],
)
def test_a_comment_behind_a_value_is_refused_by_name(name: str, value: str, comment: str) -> None:
    """Docker's env-file hands it on with the value; files read here lose it."""
    [line] = problems(**{**SUPABASE, name: f"{value}{comment}".strip()})
    assert line.startswith(f"{name}: got ")
    assert "a comment behind a value" in line
    assert "abc" not in line


def test_a_password_may_look_like_a_comment() -> None:
    assert settings(REDIS_PASSWORD="a # b").redis_address().startswith("redis://:a%20%23%20b@")
