"""What a scenario is made of. Pure data: one step is one call, or one turn of the worker.

`{Q}` in any text stands for the queue's own name; `{Q}b` is a second queue of the same scenario.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Q = "{Q}"
B = "{Q}b"
DAY = 24 * 3600 * 1000
HOUR = 3600 * 1000


@dataclass(frozen=True, slots=True)
class Step:
    """`op` is a command of driver.mjs, or one of stage.py's own.

    One that BullMQ refuses without being `refusable` is a fault of the scenario, and so is one that
    never ends.
    """

    op: str
    args: dict[str, Any] = field(default_factory=dict[str, Any])
    refusable: bool = False

    def __str__(self) -> str:
        shown = {name: value for name, value in self.args.items() if value != Q or name != "queue"}
        return f"{self.op}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


Steps = Sequence[Step]


def add(
    job_id: str | None = None, data: Any = None, *, name: str = "job", queue: str = Q, **opts: Any
) -> Step:
    """`queue.add`; without an id BullMQ counts."""
    given = {**opts, "jobId": job_id} if job_id is not None else opts
    return call("add", name, {} if data is None else data, given, queue=queue)


def call(method: str, *args: Any, queue: str = Q) -> Step:
    """Any method of Queue."""
    return Step("queue", {"queue": queue, "method": method, "args": [*args]})


def job(job_id: str, method: str, *args: Any, queue: str = Q) -> Step:
    """Any method of a job that is there."""
    return Step("job", {"queue": queue, "job": job_id, "method": method, "args": [*args]})


def node(job_id: str, *children: Any, data: Any = None, queue: str = Q, **opts: Any) -> Any:
    """A job of a flow, and its children."""
    tree: dict[str, Any] = {"name": "job", "queueName": queue, "data": data or {}}
    return {**tree, "opts": {**opts, "jobId": job_id}, "children": [*children]}


def flow(tree: Any, opts: Any = None) -> Step:
    """`FlowProducer.add`."""
    return Step("flow", {"flow": tree, **({"opts": opts} if opts else {})})


def flows(*trees: Any) -> Step:
    """`FlowProducer.addBulk`."""
    return Step("flows", {"flows": [*trees]})


def scheduler(scheduler_id: str, repeat: Any, data: Any = None, **opts: Any) -> Step:
    """`queue.upsertJobScheduler`."""
    template = {"name": "job", "data": {} if data is None else data, "opts": opts}
    return call("upsertJobScheduler", scheduler_id, repeat, template)


def refusable(step: Step) -> Step:
    """A step that BullMQ, of one version at least, is to refuse."""
    return replace(step, refusable=True)


def work(*queues: str, within: int = 1500, **options: Any) -> Step:
    """A worker until nothing is due `within` ms, then a look. `options` are those of Worker."""
    return _turn(queues, within, options)


def work_held(*queues: str, **options: Any) -> Step:
    """A worker until it leaves jobs alone that are due, then a look."""
    return _turn(queues, 0, options, held=True)


def _turn(queues: Sequence[str], within: int, options: Any, *, held: bool = False) -> Step:
    args = {"queues": queues or (Q,), "within": within, "options": options}
    return Step("work", {**args, "held": held})


def start(*queues: str, **options: Any) -> Step:
    """A worker that goes on until `work`."""
    return Step("start", {"queues": queues or (Q,), "options": options})


def until(job_id: str, state: str, queue: str = Q) -> Step:
    """Wait until a job is in a state."""
    return Step("until", {"queue": queue, "job": job_id, "state": state})


def opened(gate: str, queue: str = Q) -> Step:
    """Let go on what waits at this gate."""
    return Step("open", {"queue": queue, "gate": gate})


def pass_ms(ms: int) -> Step:
    """Time that passes."""
    return Step("pass", {"ms": ms})


def redis(*command: Any) -> Step:
    """A command of Redis, for what BullMQ itself would not write; keys are `bull:{Q}:…`."""
    return Step("redis", {"command": [*command]})


def look() -> Step:
    """A snapshot between steps."""
    return Step("look")
