"""Whether traces are sent, where to, and what keeps them from it."""

import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from config.environment import Environment
from config.settings import Settings
from config.validators.headers import headers_in

_PACKAGE = "opentelemetry.exporter.otlp.proto.http"
_INSTALL = "install the extra otel: pip install --no-deps -r requirements/otel.txt"


def traces_address(settings: Settings) -> str | None:
    """Where spans go, None when none are wanted."""
    if settings.otel_disabled or "otlp" not in _words(settings.otel_exporter):
        return None
    if settings.otel_traces_endpoint is not None:
        return settings.otel_traces_endpoint
    return f"{settings.otel_endpoint}/v1/traces" if settings.otel_endpoint else None


def no_traces(settings: Settings) -> str:
    """Why none are wanted."""
    if settings.otel_disabled:
        return "OTEL_SDK_DISABLED is set: no traces"
    if "otlp" not in _words(settings.otel_exporter):
        return f"OTEL_TRACES_EXPORTER={settings.otel_exporter}: no traces"
    return "OTEL_EXPORTER_OTLP_ENDPOINT is not set: no traces"


def traces_obstacle(settings: Settings) -> tuple[str, str] | None:
    """Why none are sent although they are wanted, and what to do about it."""
    if (protocol := settings.otel_protocol) != "http/protobuf":
        said = f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not spoken here"
        return said, "set it to http/protobuf, with the port that the collector has for it (4318)"
    if not _is_installed(_PACKAGE):
        return f"{_address_variable(settings)} is set, but OpenTelemetry is not installed", _INSTALL
    return None


def _address_variable(settings: Settings) -> str:
    is_of_traces = settings.otel_traces_endpoint is not None
    return f"OTEL_EXPORTER_OTLP_{'TRACES_' if is_of_traces else ''}ENDPOINT"


def traces_headers(settings: Settings) -> Mapping[str, str]:
    """What goes with each request to the collector."""
    return headers_in(settings.otel_headers.get_secret_value()) if settings.otel_headers else {}


def variables_of_sdk(seen: Environment) -> Iterator[tuple[str, str]]:
    """Those of OpenTelemetry's that its SDK reads by itself; its headers are secret."""
    for name, value in seen.values.items():
        if name.startswith("OTEL_") and not name.endswith("_HEADERS") and name not in os.environ:
            yield name, value


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even what it is a part of
        return False


def _words(value: str) -> list[str]:
    return [one.strip().lower() for one in value.split(",")]
