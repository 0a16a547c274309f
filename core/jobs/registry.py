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
    """One job name: its payload model, its handler, and what finalises its rows after a failure.

    `subject` is the smallest payload by which the rows can still be found. `release_id` is for jobs
    whose id is derived from an entity (`va_sync_{project}`): while a finished one exists, BullMQ
    silently drops the app's next request for that entity, so finished ones are removed, whatever
    their options. `hides_retries` is for jobs whose `failedReason` the app takes as final: it stays
    empty while another attempt is left.
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

        It is run again later when the rows were unreachable.
        """
        self.failure_hook = hook
        self.subject = _model_of(hook)
        return hook


def job(
    name: str, *, timeout: timedelta, release_id: bool = False, hides_retries: bool = False
) -> Callable[[Handler], JobSpec]:
    """Register a handler for jobs called `name`; `timeout` bounds one attempt."""

    def register(handler: Handler) -> JobSpec:
        data = _model_of(handler)
        return JobSpec(name, data, handler, timeout, release_id, hides_retries)

    return register


def discover(package: str = "handlers") -> dict[str, JobSpec]:
    """Import every module of `package` and map job names to specifications.

    Modules and folders whose names start with an underscore hold parts of a job and are skipped.
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
