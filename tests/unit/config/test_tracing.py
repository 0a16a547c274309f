"""OpenTelemetry's variables, as far as the worker reads them itself."""

import pytest

from config.environment import Environment
from config.errors import ConfigError
from config.tracing import traces_address, traces_headers, variables_of_sdk
from tests.support.logs import settings_of

URL = "https://otlp.example"


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL}, f"{URL}/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"{URL}/otlp/"}, f"{URL}/otlp/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{URL}/t"}, f"{URL}/t"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{URL}/t",
            },
            f"{URL}/t",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_TRACES_EXPORTER": "console"}, None),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_TRACES_EXPORTER": "console, OTLP"},
            f"{URL}/v1/traces",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": "false"}, f"{URL}/v1/traces"),
    ],
)
def test_where_spans_go(variables: dict[str, str], address: str | None) -> None:
    assert traces_address(settings_of(**variables)) == address


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://u:hunter2@h:4317"},
            "OTEL_EXPORTER_OTLP_ENDPOINT: got 'grpc://…', wants an http(s) address",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "collector:4318"},
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: got a value that is not shown, wants an http(s)",
        ),
        (
            {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=hunter2é"},
            "OTEL_EXPORTER_OTLP_HEADERS: got a value that is kept secret, wants headers",
        ),
        ({"OTEL_SDK_DISABLED": "perhaps"}, "OTEL_SDK_DISABLED: got 'perhaps', wants true or false"),
    ],
)
def test_what_is_wrong_about_traces_costs_the_traces_alone(
    variables: dict[str, str], said: str
) -> None:
    """A right address beside it is not used: spans would arrive without their key."""
    settings = settings_of(**{"OTEL_EXPORTER_OTLP_ENDPOINT": URL, **variables}, LOG_FORMAT="json")
    [problem] = settings.untraced
    assert problem.startswith(said)
    assert "hunter2" not in problem
    assert (traces_address(settings), settings.log_format) == (None, "json")
    assert settings.model_copy().untraced == settings.untraced


@pytest.mark.parametrize(
    "more", [{"LOG_FORMAT": "xml"}, {"IMAGE_PROVIDER": "gemini"}], ids=["one", "of the whole"]
)
def test_beside_another_wrong_setting_it_is_told_at_once(more: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_of(OTEL_EXPORTER_OTLP_ENDPOINT="ftp://x", **more)
    names = [problem.partition(":")[0] for problem in refused.value.problems]
    assert sorted(names) == sorted(["OTEL_EXPORTER_OTLP_ENDPOINT", *more])


def test_headers_are_read_and_their_values_kept_secret() -> None:
    settings = settings_of(
        OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20abc-def,api-key= 12345678 ,odd"
    )
    assert traces_headers(settings) == {"authorization": "Bearer abc-def", "api-key": "12345678"}
    assert {"Bearer abc-def", "abc-def", "Bearer%20abc-def", "12345678"} <= {*settings.secrets()}
    words = settings_of(OTEL_EXPORTER_OTLP_HEADERS="x-dataset=vidfab,x-plan=abcdefghijklmnop")
    assert "vidfab" not in words.secrets()
    assert "abcdefghijklmnop" in words.secrets()
    mine = settings_of(OTEL_EXPORTER_OTLP_TRACES_HEADERS="a=1", OTEL_EXPORTER_OTLP_HEADERS="b=2")
    assert traces_headers(mine) == {"a": "1"}


def test_of_a_file_the_sdk_gets_what_it_reads_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "process")
    seen = Environment(
        {
            "OTEL_SERVICE_NAME": "file",
            "OTEL_TRACES_SAMPLER": "always_off",
            "OTEL_EXPORTER_OTLP_HEADERS": "key=secret",
            "REDIS_URL": "redis://x",
        },
        {},
    )
    assert dict(variables_of_sdk(seen)) == {"OTEL_TRACES_SAMPLER": "always_off"}
