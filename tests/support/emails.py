"""An application on the consumer's public face, as its users write one: mails and thumbnails."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from bullmq_consumer import Job, Jobs, RequeueLater, RetryAfter, SyncJob


class NoSuchAddress(Exception):
    """Of the application's own domain."""


@dataclass
class Mailer:
    """A mail server."""

    down: bool = False
    busy: bool = False
    sent: list[str] = field(default_factory=list[str])

    async def send(self, to: str) -> str:
        if self.busy:
            raise RetryAfter(timedelta(seconds=7), "429 from the mail server")
        if "@" not in to:
            raise NoSuchAddress(to)
        self.sent.append(to)
        return f"m{len(self.sent)}"


@dataclass
class Deps:
    """What the handlers need."""

    mailer: Mailer = field(default_factory=Mailer)
    given_up: list[str] = field(default_factory=list[str])


@asynccontextmanager
async def lifespan() -> AsyncGenerator[Deps]:
    yield Deps()


class FromNode(BaseModel):
    """camelCase in Redis."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class SendData(FromNode):
    to_address: str


class Receipt(FromNode):
    message_id: str


jobs: Jobs[Deps] = Jobs()


@jobs.job("send", timeout=timedelta(minutes=1), fails_on=(NoSuchAddress,), release_id=True)
async def send(job: Job[SendData, Deps]) -> Receipt:
    """Send one mail, once."""
    if job.deps.mailer.down:
        raise RequeueLater(timedelta(seconds=30), "mail server is down")
    message = await job.step("send", lambda: job.deps.mailer.send(job.data.to_address), returns=str)
    await job.progress({"percent": 90})
    await job.add("track", {"message": message}, id=f"track_{message}", priority=3)
    return Receipt.model_validate({"messageId": message})


@send.on_final_failure
async def gave_up(job: Job[SendData, Deps], reason: str) -> None:
    job.deps.given_up.append(reason)


@jobs.job("thumbnail")
def thumbnail(job: SyncJob[SendData]) -> float:
    """A picture, in a thread."""
    job.progress(50)
    job.raise_if_stopped()
    kept = job.step("size", lambda: 1.5, returns=float)
    return float("nan") if job.data.to_address == "nan" else kept


@jobs.job("echo")
async def echo(job: Job) -> JsonValue:
    """Give back what came."""
    await job.log(f"attempt {job.attempt}")
    return job.data
