"""The process of an isolated handler: runs one attempt after the other until its worker is gone."""

import asyncio
import ctypes
import importlib
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Coroutine
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.errors import ExpectedError
from bullmq_consumer.jobs.handler import Registered
from bullmq_consumer.jobs.job import Job, SyncJob
from bullmq_consumer.jobs.remote import RemoteHandle, described, raised, receive, send
from bullmq_consumer.jobs.stop import AttemptStopped, Stop, StopReason

_PR_SET_PDEATHSIG = 1


def main(pipe: Connection) -> None:
    """Run attempts; ends with the worker."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the worker gets them too, and decides
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    worker = _Worker(pipe)
    while True:
        worker.run_one()


class _Worker:
    """The worker as its child sees it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._runs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._stop = _new_stop()
        threading.Thread(target=self._listen, daemon=True).start()

    def run_one(self) -> None:
        """Wait for an attempt, run it, and send its end."""
        message = self._runs.get()
        registered = _find(*message["run"])
        send(self._pipe, {"begun": True})
        try:
            end = {"result": self._result(registered, Delivery(**message["delivery"]))}
        except BaseException as error:  # everything that ends the handler ends the attempt
            if not isinstance(error, ExpectedError | AttemptStopped):
                traceback.print_exc()
            fails = isinstance(error, tuple(registered.rules.fails_on))
            end = {"error": described(error, fails=fails)}
        send(self._pipe, {"end": end})

    def _result(self, registered: Registered, delivery: Delivery) -> Any:
        handle = RemoteHandle(self._call)
        job = Job(delivery, registered.parse(delivery.data), None, self._stop, handle)
        return registered.written(registered.function(SyncJob(job, _now)))

    def _call(self, name: str, argument: Any) -> Any:
        send(self._pipe, {"call": [name, argument]})
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
