"""The worker's whole log set-up in the test's own process, undone afterwards."""

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from loguru import logger

from config.environment import Environment
from config.log_sources import report_uncaught
from config.logs import set_up_logs
from config.settings import Settings, load_settings


def settings_of(**variables: str) -> Settings:
    base = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_12345"}
    return load_settings(environment=Environment({**base, **variables}, {}))


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
        logger.remove()
        logger.add(sys.__stderr__ or io.StringIO())
