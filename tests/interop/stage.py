"""Plays scenarios: one Redis, one Node with one version of BullMQ, and either side's worker."""

import asyncio
import json
import re
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Container
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, Self
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from sandbox import node
from sandbox.json_lines import JsonLines, Refused
from sandbox.processes import Process
from sandbox.producer import Package
from sandbox.redis import RedisServer
from tests.interop.ours import Gates, OurWorker
from tests.interop.snapshot import PREFIX, Snapshot, delays_of_jobs, job_ids, raw_keys, snapshot
from tests.interop.steps import Q, Step, Steps
from tests.interop.times import LATE_MS, Normal, delays_in

Side = Literal["node", "ours"]
SIDES: tuple[Side, Side] = ("node", "ours")
PACKAGES: dict[str, Package] = {"5.58.9": "bullmq", "5.81.3": "bullmq-5-81", "6.7.0": "bullmq-6"}

_DRIVER = Path(__file__).with_name("driver.mjs")
_ANSWER_S = 60
# A worker that is not done by then never will be.
_PATIENCE_S = 30
_POLL_S = 0.02
_STUCK = "stuck"
# Metrics as our worker keeps them: two weeks.
_NODE_OPTIONS = {"name": "worker-1", "metrics": {"maxDataPoints": 14 * 24 * 60}}

# A time ahead, as `"{now+5000}"`.
_LATER = re.compile(r'"\{now\+(\d+)\}"')


class Turn(IntEnum):
    """What a worker has to do: a job runs, none is due, none may be taken, some only wait."""

    BUSY = 0
    IDLE = 1
    PAUSED = 2
    WAITING = 3


# For how long that has to be seen: jobs arrive, or are promoted, in steps, and a slow worker leaves
# none alone.
_LASTING_S = {Turn.IDLE: 0.05, Turn.PAUSED: 0.35, Turn.WAITING: 1.0}

# Of all queues in one step: a child's end puts its parent into another one.
_STATE = """
local due = string.format('%.0f', (tonumber(ARGV[1]) + 1) * 4096)
local state = 1
for i = 2, #ARGV do
  local key = function(name) return 'bull:' .. ARGV[i] .. ':' .. name end
  if redis.call('LLEN', key('active')) > 0 then return 0 end
  if redis.call('HEXISTS', key('meta'), 'paused') == 1 then
    state = math.max(state, 2)
  else
    local waiting = redis.call('LLEN', key('wait')) + redis.call('ZCARD', key('prioritized'))
    if waiting + redis.call('ZCOUNT', key('delayed'), '-inf', due) > 0 then state = 3 end
  end
end
return state
"""


@dataclass
class Run:
    """What one side left: the answers to the producer's calls, and a snapshot a look.

    `faults` are those of the answers that the scenario did not ask for.
    """

    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: dict[str, Any] = field(default_factory=dict[str, Any])
    looks: list[Snapshot] = field(default_factory=list[Snapshot])


class Stage:
    """One version's. Scenarios may run side by side: each has queues of its own."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.redis = RedisServer()
        self._folder = Path(tempfile.mkdtemp(prefix="interop-"))
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as parts:
            parts.callback(shutil.rmtree, self._folder, ignore_errors=True)
            await parts.enter_async_context(self.redis)
            self.client = Redis.from_url(self.redis.url, decode_responses=True)
            parts.push_async_callback(self.client.aclose)
            self._state = self.client.register_script(_STATE)
            await self._start_driver(parts)
            self._parts = parts.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._parts.aclose()

    async def _start_driver(self, parts: AsyncExitStack) -> None:
        found = await node.install()
        command = [found.executable, _DRIVER, PACKAGES[self.version], self.redis.url]
        log = self._folder / "driver.log"
        process = Process(command, log, name="Node driver", cwd=found.folder, pipes=True)
        self._lines = JsonLines(process, lambda _: None)
        await self._lines.start()
        parts.push_async_callback(self._lines.close)
        assert await self.ask("version") == self.version

    async def ask(self, command: str, **args: Any) -> Any:
        """What driver.mjs answers. Raises Refused."""
        return await self._lines.ask(command, _ANSWER_S, **args)

    async def turn_of(self, queues: list[str], within_ms: int) -> Turn:
        """What the worker of these queues has to do, with what is due in so long."""
        return Turn(await self._state(args=[int(time.time() * 1000) + within_ms, *queues]))

    async def play(self, steps: Steps, side: Side) -> Run:
        """The scenario with this side's worker; nothing of it stays."""
        scene = _Scene(self, side)
        try:
            for number, step in enumerate(steps, 1):
                await scene.take(number, step)
            if steps[-1].op not in {"work", "look"}:
                await scene.look()
            return scene.run
        finally:
            await scene.end()


class _Scene:
    """One scenario on one side."""

    def __init__(self, stage: Stage, side: Side) -> None:
        self.run = Run()
        self._stage = stage
        self._side = side
        self._name = f"iq{uuid4().hex[:12]}"
        self._queues: dict[str, None] = {self._name: None}
        self._began = int(time.time() * 1000)
        # Numbers of a step or of a job's `delay`: what lies ahead does so by one of them.
        self._delays: set[int] = set()
        self._uuids: dict[str, str] = {}
        self._working: dict[str, OurWorker | None] = {}
        self._gates = Gates()
        # The steps that are not driver.mjs's own.
        self._own: dict[str, Callable[..., Awaitable[Any]]] = {
            "work": self._work,
            "start": self._start,
            "until": self._until,
            "open": self._open,
            "pass": self._pass,
            "redis": self._redis,
            "look": self.look,
        }

    async def take(self, number: int, step: Step) -> None:
        args = json.loads(self._as_json(step))
        self._delays |= delays_in([json.dumps(step.args)])
        for queue in (args.get("queue"), *args.get("queues", ())):
            self._queues |= {queue: None} if queue else {}
        own = self._own.get(step.op)
        is_fault = False
        try:
            answer = await (own(**args) if own else self._stage.ask(step.op, **args))
        except (Refused, RedisError) as error:
            answer, is_fault = f"refused: {error}", not step.refusable
        if answer is not None:
            name = f"step {number} {args.get('method', step.op)}"
            shown = json.dumps(answer, ensure_ascii=False, sort_keys=True)
            self.run.answers[name] = self._normal().text(shown)
            if is_fault or answer == _STUCK:
                self.run.faults[name] = self.run.answers[name]

    def _as_json(self, step: Step) -> str:
        """Its arguments, the queue's name and the time put in."""
        text = json.dumps(step.args).replace(Q, self._name)
        now = int(time.time() * 1000)
        return _LATER.sub(lambda found: str(now + int(found[1])), text)

    async def look(self) -> None:
        """Keep what Redis and BullMQ's getters show."""
        raw = await raw_keys(self._stage.client, self._name)
        self._delays |= {one for one in delays_of_jobs(raw) if not self._is_asked_for(one)}
        normal = self._normal()
        shown = snapshot(raw, normal)
        for queue in self._queues:
            view = await self._stage.ask("view", queue=queue, jobs=job_ids(raw, queue))
            prefix = "" if queue == self._name else f"{normal.text(queue)}:"
            shown |= _viewed(view, prefix, normal)
        self.run.looks.append(shown)

    def _is_asked_for(self, delay: int) -> bool:
        """Whether a step names it, or what a few ms later was left of it."""
        return any(0 <= one - delay <= LATE_MS for one in self._delays)

    async def end(self) -> None:
        """Stop what works, forget the queues."""
        for queue in [*self._working]:
            with suppress(Refused):
                await self._rest(queue)
        for queue in self._queues:
            await self._stage.ask("forget", queue=queue)
        client = self._stage.client
        if keys := [key async for key in client.scan_iter(f"{PREFIX}{self._name}*", count=5000)]:
            await client.delete(*keys)

    async def _work(
        self, queues: list[str], within: int, options: dict[str, Any], held: bool
    ) -> str | None:
        await self._start([one for one in queues if one not in self._working], options)
        ends = {Turn.WAITING} if held else {Turn.IDLE, Turn.PAUSED}
        stuck = await _patiently(lambda: self._lasts(ends, queues, within))
        for queue in [*self._working]:
            await self._rest(queue)
        await self.look()
        return stuck

    async def _start(self, queues: list[str], options: dict[str, Any]) -> None:
        for queue in queues:
            self._working[queue] = None
            if self._side == "node":
                options = {**_NODE_OPTIONS, **options}
                await self._stage.ask("work", queue=queue, options=options)
                continue
            options = {"name": _NODE_OPTIONS["name"], **options}
            worker = OurWorker(self._stage.redis.url, queue, options, self._gates)
            self._working[queue] = worker
            await worker.start()

    async def _rest(self, queue: str) -> None:
        worker = self._working.pop(queue)
        if worker:
            await worker.stop()
        else:
            await self._stage.ask("rest", queue=queue)

    async def _open(self, queue: str, gate: str) -> None:
        self._gates.at(gate).set()
        await self._stage.ask("open", queue=queue, gate=gate)

    async def _pass(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    async def _redis(self, command: list[Any]) -> Any:
        return await self._stage.client.execute_command(*command)

    async def _until(self, queue: str, job: str, state: str) -> str | None:
        async def is_there() -> bool:
            try:
                found = await self._stage.ask("job", queue=queue, job=job, method="getState")
            except Refused:
                found = "gone"
            return found == state

        return await _patiently(is_there)

    async def _lasts(self, turns: Container[Turn], queues: list[str], within: int) -> bool:
        """Whether it is one of these for a while."""
        began = time.monotonic()
        while (turn := await self._stage.turn_of(queues, within)) in turns:
            if time.monotonic() - began >= _LASTING_S[turn]:
                return True
            await asyncio.sleep(_POLL_S)
        return False

    def _normal(self) -> Normal:
        now = int(time.time() * 1000)
        return Normal(self._name, self._began, now, sorted(self._delays), self._uuids)


async def _patiently(is_so: Callable[[], Awaitable[bool]]) -> str | None:
    """Wait until it is so; _STUCK when it never becomes so.

    Looks at the clock itself: a question may swallow a time-out's cancellation (`wait_for` of
    Python 3.11 does when its answer comes in the same moment).
    """
    ends = time.monotonic() + _PATIENCE_S
    while not await is_so():
        if time.monotonic() > ends:
            return _STUCK
        await asyncio.sleep(_POLL_S)
    return None


def _viewed(view: Any, prefix: str, normal: Normal) -> Snapshot:
    shown: Snapshot = {}
    for job, fields in view["jobs"].items():
        for name, value in (fields or {"state": "gone"}).items():
            if name == "delay":
                continue  # of some it is what was left until their time; the hash shows both
            text = json.dumps(value, ensure_ascii=False, sort_keys=True)
            shown[f"{prefix}{normal.text(job)}/(view)/{name}"] = normal.text(text)
    shown[f"{prefix}(counts)"] = json.dumps(view["counts"], sort_keys=True)
    shown[f"{prefix}(paused)"] = view["paused"]
    return shown
