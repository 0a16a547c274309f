"""What a handler in a process of its own asks of the queue, and how its errors come back."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.errors import (
    ExpectedError,
    LockLost,
    RequeueLater,
    RetryableError,
    RetryAfter,
    UnrecoverableError,
    is_transient,
)
from bullmq_consumer.jobs.limit import stopped
from bullmq_consumer.jobs.stop import AttemptStopped, StopReason
from bullmq_consumer.machine import MachineUnfit, lack_of
from bullmq_consumer.new_job import NewJob
from bullmq_consumer.outcome import reason_of, single
from bullmq_consumer.sanitize.strict_json import as_json

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Call = Callable[[str, Any], Any]
"""By name and argument; the answer is JSON."""


def send(pipe: "Connection", message: dict[str, Any]) -> None:
    """Raises OSError when nobody listens."""
    pipe.send_bytes(json.dumps(message).encode())


def receive(pipe: "Connection") -> dict[str, Any]:
    """Raises EOFError or OSError when nobody will write any more."""
    return json.loads(pipe.recv_bytes())


class RemoteHandle:
    """The `JobHandle` of a handler in a process of its own; it never suspends."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.fence = RemoteFence(call)

    def report(self, progress: Any) -> None:
        """Raises ValueError or TypeError for what is no JSON."""
        as_json(progress)
        self._call("report", progress)

    async def save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Raises LockLost, and ValueError or TypeError for what is no JSON."""
        as_json(checkpoint)
        self._call("save_checkpoint", checkpoint)

    async def log(self, *lines: str) -> None:
        """As in the worker's process."""
        self._call("log", lines)

    async def children(self) -> Mapping[str, Any]:
        """As in the worker's process."""
        return self._call("children", None)

    async def add_jobs(self, jobs: Sequence[NewJob]) -> None:
        """As in the worker's process."""
        self._call("add_jobs", [asdict(job) for job in jobs])


class RemoteFence:
    """The job's lock, which the worker's process holds."""

    job_id = ""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.is_lost = False

    async def check(self) -> None:
        """Raises LockLost."""
        self._call("check", None)


async def answer(call: list[Any], delivery: Delivery, handle: JobHandle) -> dict[str, Any]:
    """Do what was asked; the `reply`."""
    name, argument = call
    try:
        return {"result": await _answer(name, argument, delivery, handle)}
    except Exception as error:
        return {"error": described(error)}


async def _answer(name: str, argument: Any, delivery: Delivery, handle: JobHandle) -> Any:
    match name:
        case "report":
            return handle.report(argument)
        case "check":
            return await handle.fence.check()
        case "add_jobs":
            return await handle.add_jobs([NewJob(**fields) for fields in argument])
        case "children":
            return dict(await handle.children())
        case "log":
            return await handle.log(*argument)
        case "save_checkpoint":
            delivery.checkpoint.update(argument)  # for the hook of a final failure, here
            return await handle.save_checkpoint(argument)
        case _:
            raise ValueError(f"No such call: {name}")


class RemoteError(ExpectedError):
    """An exception that nobody foresaw, by its name and message; its traceback was logged there."""


def described(error: BaseException, fails_on: tuple[type[Exception], ...] = ()) -> dict[str, Any]:
    """What an error decides, as JSON: as `outcome.decide` would in the worker's process."""
    lack = None if isinstance(error, AttemptStopped) else lack_of(error)
    error = single(error)
    text = reason_of(error)
    match error:
        case AttemptStopped():
            return {"kind": "stopped", "reason": error.reason}
        case LockLost():
            return {"kind": "LockLost"}
        case _ if lack is not None:
            return {"kind": "MachineUnfit", "text": lack}
        case RequeueLater():
            delay_s, whole = error.delay.total_seconds(), error.whole_queue
            return {"kind": "RequeueLater", "text": text, "delay": delay_s, "whole_queue": whole}
        case _ if isinstance(error, fails_on) or not is_transient(error):
            return {"kind": "UnrecoverableError", "text": text}
        case RetryAfter():
            return {"kind": "RetryAfter", "text": text, "delay": error.delay.total_seconds()}
        case ExpectedError():
            return {"kind": "RetryableError", "text": text}
        case _:
            return {"kind": "RemoteError", "text": text}


def raised(error: dict[str, Any], limit: timedelta | None = None) -> Exception:
    """The error again."""
    text = error.get("text", "")
    match error["kind"]:
        case "stopped":
            return stopped(StopReason(error["reason"]), limit)
        case "LockLost":
            return LockLost()
        case "MachineUnfit":
            return MachineUnfit(text)
        case "RetryAfter":
            return RetryAfter(timedelta(seconds=error["delay"]), text)
        case "RequeueLater":
            delay = timedelta(seconds=error["delay"])
            return RequeueLater(delay, text, whole_queue=error["whole_queue"])
        case "UnrecoverableError":
            return UnrecoverableError(text)
        case "RetryableError":
            return RetryableError(text)
        case _:
            return RemoteError(text)
