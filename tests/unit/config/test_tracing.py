"""OpenTelemetry's variables, as far as the worker reads them itself."""

import pytest

from config.environment import Environment
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
