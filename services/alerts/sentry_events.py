"""An alert as a Sentry event. The only module that imports its SDK; not loaded at start-up.

The SDK only makes events. It is not initialised for the process: no integration is installed, and
nothing but alerts is ever sent.
"""

import socket
from collections.abc import Iterator
from traceback import FrameSummary, TracebackException
from typing import TYPE_CHECKING, Any, cast

from sentry_sdk import Client
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from sentry_sdk.utils import Dsn

from config.logging.redaction import Redact
from config.settings import Settings
from core.alert import Alert, Notice

if TYPE_CHECKING:
    from sentry_sdk._types import Event, Hint

_MAX_CAUSES = 5


class _Captured(Transport):
    """Collects envelopes instead of sending them."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)


class SentryEvents:
    """Makes the envelopes for one DSN; `address` and `headers` are where and how they are sent."""

    def __init__(self, settings: Settings, dsn: str, redact: Redact) -> None:
        self._queue = settings.queue_name
        self._redact = redact
        self._captured = _Captured()
        auth = Dsn(dsn).to_auth("vidfab-worker")
        self.address = auth.get_api_url()
        self.headers = {
            "X-Sentry-Auth": auth.to_header(),
            "Content-Type": "application/x-sentry-envelope",
        }
        # Every option that the SDK would otherwise read from the environment or detect is set.
        self._client = Client(
            dsn=dsn,
            transport=self._captured,
            environment=settings.environment,
            release="",
            server_name=socket.gethostname(),
            debug=False,
            spotlight=False,
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            include_local_variables=False,
            enable_backpressure_handling=False,
            send_client_reports=False,
            max_breadcrumbs=0,
            before_send=self._redacted,
        )

    def envelope(self, notice: Notice) -> bytes:
        """One event, serialised."""
        self._client.capture_event(_event(notice, self._queue))
        return self._captured.envelopes.pop().serialize()

    def _redacted(self, event: "Event", hint: "Hint") -> "Event":
        return _each_text(event, self._redact)


def _event(notice: Notice, queue: str) -> "Event":
    alert = notice.alert
    event: Event = {
        "level": alert.level,
        "logger": "vidfab-worker",
        "fingerprint": [alert.kind],
        "message": alert.text,
        "tags": {"queue": queue, **alert.about},
        "extra": {"more_like_it": notice.more},
    }
    if alert.trace is not None:
        event["exception"] = {"values": list(_exceptions(alert))}
    return event


def _exceptions(alert: Alert) -> Iterator[dict[str, Any]]:
    """The error and its causes, the first cause first."""
    chain: list[TracebackException] = []
    error = alert.trace
    while error is not None and len(chain) < _MAX_CAUSES:
        chain.insert(0, error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for one in chain:
        kind, _, text = "".join(one.format_exception_only()).strip().partition(": ")
        yield {
            "type": kind,
            "value": text,
            "stacktrace": {"frames": [_frame(frame) for frame in one.stack]},
        }


def _frame(frame: FrameSummary) -> dict[str, Any]:
    return {
        "filename": frame.filename,
        "function": frame.name,
        "lineno": frame.lineno,
        "context_line": frame.line,
        "in_app": "site-packages" not in frame.filename,
    }


def _each_text(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _each_text(one, redact) for name, one in fields.items()}
    if isinstance(value, list):
        return [_each_text(one, redact) for one in cast("list[Any]", value)]
    return value
