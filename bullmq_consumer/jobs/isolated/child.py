"""The process of an isolated handler: runs one attempt after the other until its worker is gone."""

import asyncio
import ctypes
import importlib
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.errors import ExpectedError
from bullmq_consumer.jobs.handler import Registered
from bullmq_consumer.jobs.isolated.remote import (
    Call,
    RemoteHandle,
    described,
    raised,
    receive,
    send,
)
from bullmq_consumer.jobs.job import Job, SyncJob
from bullmq_consumer.jobs.stop import AttemptStopped, Stop, StopReason
from bullmq_consumer.log_filter import logged_as

logger = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1


def main(pipe: Connection, level: int) -> None:
    """Run attempts; ends with the worker, whose log takes lines from `level` on."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the worker gets them too, and decides
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    worker = _Worker(pipe)
    logging.basicConfig(level=level, handlers=[_ToWorker(worker.log)])
    while True:
        worker.run_one()


class _Worker:
    """The worker as its child sees it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._calling = threading.Lock()
        self._runs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._stop = _new_stop()
        threading.Thread(target=self._listen, daemon=True).start()

    def run_one(self) -> None:
        """Wait for an attempt, run it, and send its end."""
        message = self._runs.get()
        try:
            registered = _find(*message["run"])
        except Exception as error:  # of the application's modules
            logger.exception("The module of an isolated handler cannot be imported")
            self._send({"begun": True})
            self._send({"end": {"error": described(error)}})
            return
        self._send({"begun": True})
        try:
            delivery = Delivery(**message["delivery"])
            with logged_as(message["queue"], delivery):
                end = {"result": self._result(registered, delivery)}
        except BaseException as error:  # everything that ends the handler ends the attempt
            if not isinstance(error, ExpectedError | AttemptStopped):
                logger.warning("An isolated handler raised", exc_info=error)
            end = {"error": described(error, tuple(registered.rules.fails_on))}
        self._send({"end": end})

    def log(self, name: str, level: int, text: str) -> None:
        """Send a line of the log, from any thread."""
        self._send({"log": [name, level, text]})

    def _send(self, message: dict[str, Any]) -> None:
        with self._sending:
            send(self._pipe, message)

    def _result(self, registered: Registered, delivery: Delivery) -> Any:
        attempt = _Attempt(self._call)
        job = Job(
            delivery,
            registered.takes.parse(delivery.data),
            None,
            self._stop,
            RemoteHandle(attempt.call),
        )
        try:
            return registered.written(registered.function(SyncJob(job, _now)))
        finally:
            attempt.is_over = True

    def _call(self, name: str, argument: Any) -> Any:
        with self._calling:
            self._send({"call": [name, argument]})
            reply = self._replies.get()
        if "error" in reply:
            raise raised(reply["error"])
        return reply["result"]

    def _listen(self) -> NoReturn:
        """In a thread of its own, so that a stop arrives while the handler runs."""
        try:
            while True:
                message = receive(self._pipe)
                if "run" in message:
                    self._stop = _new_stop()
                    self._runs.put(message)
                elif "stop" in message:
                    self._stop.ask(StopReason(message["stop"]))
                else:
                    self._replies.put(message["reply"])
        except (EOFError, OSError):
            os._exit(0)


class _Attempt:
    """By which a handler calls its worker; a thread that it left calls nobody."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.is_over = False

    def call(self, name: str, argument: Any) -> Any:
        if self.is_over:
            raise AttemptStopped(StopReason.SHUTDOWN)
        return self._call(name, argument)


class _ToWorker(logging.Handler):
    """Has the worker write the lines, in its own form and place."""

    def __init__(self, write: Callable[[str, int, str], None]) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Send it, with its traceback."""
        try:
            self._write(record.name, record.levelno, self.format(record))
        except Exception:  # as every handler of logging does
            self.handleError(record)


def _new_stop() -> Stop:
    return Stop(asyncio.Event(), lambda: False)


def _now(work: Coroutine[Any, Any, Any]) -> Any:
    """Run what never suspends: the calls of a `RemoteHandle`."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("A call from an isolated process suspended")


def _find(module: str, name: str) -> Registered:
    """The handler that was registered under this name of a module."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found.registered
