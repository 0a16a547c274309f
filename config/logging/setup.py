"""Log set-up: one line an event to stdout, pretty or flat JSON, secrets redacted by value."""

import json
import re
import sys
import traceback
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO, cast

from loguru import logger

from config.logging.redaction import Redact, scrubber
from config.logging.sources import take_in_libraries
from config.logging.writer import LogWriter
from config.settings import Settings

if TYPE_CHECKING:
    from loguru import Record, RecordException

# What would end a line, move a terminal's cursor, turn the direction of text, or not be encodable.
_CONTROLS = re.compile(
    "[\x00-\x08\n-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# A producer may call a job by a megabyte.
_LONGEST = 16 * 1024
_COLOURS = {
    "TRACE": "\x1b[36m",
    "DEBUG": "\x1b[34m",
    "SUCCESS": "\x1b[32m",
    "WARNING": "\x1b[33m",
    "ERROR": "\x1b[31m",
    "CRITICAL": "\x1b[41m",
}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"

_in_use: list[LogWriter] = []


def set_up_logs(settings: Settings, stream: TextIO = sys.stdout) -> None:
    """Send every log line, those of the libraries too, to `stream` in the configured form."""
    redact = scrubber(settings.secrets())
    is_json = settings.log_format == "json"
    form = (
        partial(_flat_json, redact=redact)
        if is_json
        else partial(_pretty, redact=redact, in_colour=stream.isatty())
    )

    def write_line(record: "Record") -> str:
        """Loguru's template for the record, which gets its line here, before any lock is taken.

        Were it made in the sink, an object that logs as it is freed there would meet the lock.
        """
        cast("dict[str, Any]", record)["line"] = form(record)
        return "{line}\n"

    logger.remove()
    _in_use[:] = [LogWriter(stream, lambda count: f"{form(_missing(count))}\n")]
    logger.add(
        _in_use[0],
        level=settings.log_level,
        format=write_line,
        backtrace=False,
        diagnose=False,  # it would print the values of variables
    )
    take_in_libraries(settings.log_level)


def drain_logs() -> None:
    """Have all lines written before the process ends hard; takes 0.3 s where nobody reads them."""
    for writer in _in_use:
        writer.drain()


def _missing(count: int) -> "Record":
    """The record of a line that stands for `count` others."""
    text = f"{count} lines are missing here: nobody read this log"
    record: dict[str, Any] = {
        "time": datetime.now().astimezone(),
        "level": SimpleNamespace(name="WARNING"),
        "message": text,
        "extra": {},
        "exception": None,
    }
    return cast("Record", record)


def _pretty(record: "Record", *, redact: Redact, in_colour: bool) -> str:
    """`time level message`, and the trace's id if there is one.

    A traceback stands below, indented so that it can pass for no line.
    """
    level = f"{record['level'].name: <8}"
    if in_colour:
        level = f"{_BOLD}{_COLOURS.get(record['level'].name, '')}{level}{_PLAIN}"
    time = record["time"].isoformat(timespec="milliseconds")[11:23]
    trace_id = record["extra"].get("trace_id")
    end = f" trace_id={trace_id}" if trace_id else ""
    lines = [f"{time} {level} {_escaped(_cut(record['message']) + end)}"]
    if record["exception"] is not None:
        trace = _trace(record["exception"])
        lines += [f"    {_escaped(line)}" for line in trace.rstrip("\n").split("\n")]
    return redact("\n".join(lines))


def _flat_json(record: "Record", *, redact: Redact) -> str:
    """One object: time (ISO), level, message, what was bound, and the exception if there is one."""
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
    }
    line = {**line, **record["extra"], **line}  # nothing that is bound can stand in for these
    line = {name: _cut(value) if isinstance(value, str) else value for name, value in line.items()}
    if record["exception"] is not None:
        line["exception"] = _trace(record["exception"])
    whole = _escaped(_dumped(line))
    redacted = redact(whole)
    if redacted == whole or _is_json(redacted):
        return redacted
    # A secret of digits stood in a number, or one with quotes reached out of a text.
    texts = {redact(name): redact(_text(value)) for name, value in line.items()}
    return _escaped(json.dumps(texts, ensure_ascii=False))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _dumped(line: dict[str, Any]) -> str:
    try:
        return json.dumps(line, ensure_ascii=False, default=_text, skipkeys=True, allow_nan=False)
    except (ValueError, RecursionError):  # something bound holds itself, or is no number in JSON
        texts = {name: _text(value) for name, value in line.items()}
        return json.dumps(texts, ensure_ascii=False)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # whatever its own method raises
        return f"<{type(value).__name__} without a readable form>"


def _escaped(text: str) -> str:
    r"""Without characters that could forge another line: `\n`, `\u001b`, as in JSON."""
    return _CONTROLS.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _trace(error: "RecordException") -> str:
    text = "".join(traceback.format_exception(error.type, error.value, error.traceback))
    return "\n".join(map(_cut, text.split("\n")))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
