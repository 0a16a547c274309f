"""Job specifications: `@job` makes one from a handler, `discover` collects them from a package."""

import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_type_hints

from core.errors import JobError
from core.jobs.context import JobContext
from core.jobs.data import JobData, JobResult

Handler = Callable[[JobContext[Any], Any], Awaitable[JobResult]]
FailureHook = Callable[[JobContext[Any], Any, str], Awaitable[None]]


@dataclass(slots=True)
class JobSpec:
    """One job name: its payload model, its handler, and what settles its rows after it failed.

    `subject` is the smallest payload with which the rows can still be found. `release_id` is for
    jobs whose id names a thing (`va_sync_{project}`): a finished one would make BullMQ drop the
    app's next request for that thing without a word, so none is kept, whatever its options say.
    `hides_retries` is for jobs of which the app reads any `failedReason` as the end: one that goes
    back for another attempt has none.
    """

    name: str
    data: type[JobData]
    handler: Handler
    timeout: timedelta
    release_id: bool = False
    hides_retries: bool = False
    failure_hook: FailureHook | None = None
    subject: type[JobData] = JobData

    def on_failure(self, hook: FailureHook) -> FailureHook:
        """Register `hook(ctx, subject, reason)`, run after the last failure of a job.

        It is run again later when the rows could not be reached.
        """
        self.failure_hook = hook
        self.subject = _model_of(hook)
        return hook


def job(
    name: str, *, timeout: timedelta, release_id: bool = False, hides_retries: bool = False
) -> Callable[[Handler], JobSpec]:
    """Make a handler the one for jobs called `name`; `timeout` bounds one attempt."""

    def register(handler: Handler) -> JobSpec:
        data = _model_of(handler)
        return JobSpec(name, data, handler, timeout, release_id, hides_retries)

    return register


def discover(package: str = "handlers") -> dict[str, JobSpec]:
    """Import every module of `package` and map job names to specifications.

    Modules and folders whose names start with an underscore hold parts of a job: they are passed
    over.
    """
    specs: dict[str, JobSpec] = {}
    root = importlib.import_module(package)
    modules = [one for one in pkgutil.iter_modules(root.__path__) if one.name[0] != "_"]
    for module in modules:
        name = f"{package}.{module.name}"
        for spec in vars(importlib.import_module(name)).values():
            if isinstance(spec, JobSpec):
                _add(specs, spec, name)
    return specs


def _add(specs: dict[str, JobSpec], spec: JobSpec, module: str) -> None:
    known = specs.setdefault(spec.name, spec)
    if known is not spec:
        raise JobError(f"Two handlers are called '{spec.name}'; rename the one in {module}")


def _model_of(function: Callable[..., Any]) -> type[JobData]:
    """The payload model: the annotation of the second parameter."""
    second = list(inspect.signature(function).parameters)[1]
    return get_type_hints(function)[second]
