"""The worker's whole log set-up in the test's own process, undone afterwards."""

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from loguru import logger

from config.environment import Environment
from config.logging.setup import set_up_logs
from config.logging.sources import report_uncaught
from config.settings import Settings, load_settings

CONSUMER = "bullmq_consumer"


def settings_of(**variables: str) -> Settings:
    base = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_12345"}
    return load_settings(environment=Environment({**base, **variables}, {}))


class _Lines(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        self._found.append(f"{record.levelname} {record.getMessage()}")


@contextmanager
def consumer_log(found: list[str]) -> Iterator[None]:
    """Add what the consumer logs meanwhile to `found`: one `LEVEL message` each."""
    consumer, handler = logging.getLogger(CONSUMER), _Lines(found)
    consumer.setLevel(logging.DEBUG)
    consumer.addHandler(handler)
    try:
        yield
    finally:
        consumer.removeHandler(handler)
        consumer.setLevel(logging.NOTSET)


@contextmanager
def worker_log(**variables: str) -> Iterator[io.StringIO]:
    """What is written meanwhile. Without pytest's own handlers, which fail on wrong records."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    root.handlers = []
    try:
        set_up_logs(settings_of(**variables), stream)
        report_uncaught()
        yield stream
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(False)
        root.handlers = handlers
        root.setLevel(level)
        logging.getLogger(CONSUMER).setLevel(logging.NOTSET)
        logger.remove()
        logger.add(sys.__stderr__ or io.StringIO())
