"""What else speaks in this process: libraries, warnings, and exceptions that nobody caught."""

import logging
import sys
import threading
from types import TracebackType

from loguru import logger

# This project's own consumer speaks by `logging` too, and means what it calls INFO.
_CONSUMER = "bullmq_consumer"
# What libraries call INFO is a line for each request: they are heard one level below ours.
_OURS_FOR_THEIRS = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
    (logging.INFO, "DEBUG"),
    (logging.NOTSET, "TRACE"),
)
_THEIRS_FOR_OURS = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.INFO,
    "INFO": logging.WARNING,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}


def take_in_libraries(level: str) -> None:
    """Bring the records of `logging`, and warnings, to the worker's own log."""
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, _ToOurs)] + [_ToOurs()]
    root.setLevel(_THEIRS_FOR_OURS[level])
    logging.getLogger(_CONSUMER).setLevel("DEBUG" if level == "TRACE" else level)
    logging.captureWarnings(True)


def report_uncaught() -> None:
    """Log, redacted, what would end a thread or be printed by the interpreter."""
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


class _ToOurs(logging.Handler):
    """Loguru behind `logging`. JSON lines name the library's logger."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info if record.exc_info and record.exc_info[1] else None
        log = logger.opt(exception=error)
        if record.name.startswith(_CONSUMER):
            log.log(record.levelname, "{}", _message(record))
            return
        level = next(ours for least, ours in _OURS_FOR_THEIRS if record.levelno >= least)
        log.bind(logger=record.name).log(level, "{}: {}", record.name, _message(record))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # arguments that do not fit: worth a line all the same
        return f"{record.msg!s} (its arguments do not fit: {type(error).__name__})"


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger.opt(exception=(kind, error, trace)).critical("Uncaught, the worker ends")


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    name = args.thread.name if args.thread else "unknown"
    error = (args.exc_type, args.exc_value, args.exc_traceback)
    logger.opt(exception=error).error("Uncaught in the thread {}", name)


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    where = args.err_msg or "Ignored"
    error = (args.exc_type, args.exc_value, args.exc_traceback)
    logger.opt(exception=error).error("{}: {!r:.200}", where, args.object)
