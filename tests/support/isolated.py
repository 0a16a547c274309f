"""Handlers for processes of their own: their modules are imported there anew."""

import ctypes
import logging
import os
import signal
import time
from datetime import timedelta

from bullmq_consumer import Jobs, RequeueLater, RetryAfter, SyncJob, UnrecoverableError
from tests.support.log_place import logged_place

jobs: Jobs = Jobs()


class Expected(Exception):
    """Of `fails_on`."""


@jobs.job("work", isolate=True, fails_on=(Expected,))
def work(job: SyncJob[dict[str, str]]) -> dict[str, object]:
    """All that a job may ask, and what becomes of it."""
    job.progress(10)
    job.log(f"attempt {job.attempt}")
    size = job.step("size", lambda: 7, returns=int)
    job.check_lock()
    delay = timedelta(seconds=float(job.data.get("delay", 0)))
    job.add("next", {"size": size}, id=f"next_{job.id}", delay=delay)
    match job.data.get("end"):
        case "refuse":
            raise UnrecoverableError("no")
        case "expected":
            raise Expected("as foreseen")
        case "later":
            raise RequeueLater(timedelta(seconds=3), "later")
        case "after":
            raise RetryAfter(timedelta(seconds=4), "after")
        case "broken":
            raise KeyError("a")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "loop":
            while True:
                job.raise_if_stopped()
                time.sleep(0.01)
        case _:
            pass
    return {"pid": os.getpid(), "size": size}


@jobs.job("pid", isolate=True)
def pid(job: SyncJob) -> int:
    """Say which process it is."""
    logging.getLogger(__name__).info("Here it runs")
    return os.getpid()


@jobs.job("log place", isolate=True)
def log_place(job: SyncJob) -> str:
    """What a log line of its process carries."""
    return logged_place()


@jobs.job("hold", isolate=True)
def hold(job: SyncJob[dict[str, float]]) -> str:
    """Hold the interpreter for so many seconds, as C code may."""
    job.progress(1)
    ctypes.PyDLL(None).usleep(int(job.data["seconds"] * 1_000_000))
    return "held"


@jobs.job("slow", isolate=True, timeout=timedelta(seconds=1))
def slow(job: SyncJob) -> None:
    """Longer than it may."""
    time.sleep(3600)
