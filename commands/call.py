"""Shared by all commands for operators: options, the Redis client, error messages."""

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from socket import gaierror
from typing import Any

import typer
from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.advice import remedy_of
from bullmq_consumer.redis.clients import connect_briefly, explain
from commands.options import AsJson, EnvFile
from commands.output import Output
from config.consumer import queue_of, redis_of
from config.errors import ConfigError
from config.settings import Settings, load_settings

Command = Callable[..., Coroutine[Any, Any, None]]


class Refused(Exception):
    """The command refuses the request; each sentence is a reason."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(*sentences)
        self.sentences = sentences


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a command."""

    settings: Settings
    redis: Redis
    out: Output

    @property
    def queue_name(self) -> str:
        """The queue's name in the settings."""
        return self.settings.queue_name

    @property
    def queue(self) -> QueueName:
        """The queue's keys in Redis."""
        return queue_of(self.settings)


def operator(command: Command) -> Callable[..., None]:
    """Wrap `command(call, …)` as a function for typer.

    It gets the options --env-file and --json as well as its own. Expected errors are reported in
    one sentence, with exit code 1.
    """

    @wraps(command)
    def called(env_file: Path | None, as_json: bool, **own: Any) -> None:
        out = Output(as_json=as_json)
        prepare()
        try:
            asyncio.run(_with_redis(command, env_file, out, own))
        except ConfigError as error:
            raise refuse(out, *error.problems) from None
        except Refused as error:
            raise refuse(out, *error.sentences) from None

    return _with_options(called, command)


def _with_options(called: Any, command: Command) -> Callable[..., None]:
    """Show typer the parameters of `command` after its call, and the shared options."""
    hints = inspect.get_annotations(command, eval_str=True)
    own = list(inspect.signature(command).parameters.values())[1:]
    shared = {"env_file": (EnvFile, None), "as_json": (AsJson, False)}
    named = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *(one.replace(kind=named, annotation=hints[one.name]) for one in own),
        *(
            inspect.Parameter(name, named, default=default, annotation=annotation)
            for name, (annotation, default) in shared.items()
        ),
    ]
    called.__signature__ = inspect.Signature(parameters)
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


def prepare() -> None:
    """Prepare the process for a command: few log lines, short network time-outs."""
    # The worker's modules log to stderr, warnings and errors only.
    logger.remove()
    logger.add(sys.stderr, level="WARNING", format="{level}: {message}")
    # By default the resolver tries for half a minute, and cannot be interrupted.
    os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:1")


def refuse(out: Output, *sentences: str) -> typer.Exit:
    """Print the reasons; the exit code is 1."""
    if out.as_json:
        out.document({"error": "; ".join(sentences)})
    else:
        out.refuse(sentences)
    return typer.Exit(1)


async def _with_redis(
    command: Command, env_file: Path | None, out: Output, own: Mapping[str, Any]
) -> None:
    settings = load_settings(env_file)
    redis = connect_briefly(redis_of(settings))
    try:
        await command(Call(settings, redis, out), **own)
    except BrokenPipeError:
        raise  # the reader has closed our output
    except (RedisError, ConnectionError, TimeoutError, gaierror) as error:
        raise Refused(_why(settings, error)) from error
    except OSError as error:
        raise Refused(f"The output cannot be written ({error.strerror}); check the disk") from error
    finally:
        await redis.aclose()


def _why(settings: Settings, error: RedisError | OSError) -> str:
    """Whether Redis is unreachable or refused the command, and the advice."""
    if not isinstance(error, ResponseError) or "NOAUTH" in str(error):
        return str(explain(redis_of(settings), error))
    remedy = remedy_of(error) or "check the rights of its user"
    return f"Redis at {redis_of(settings)} refused the command ({error}): {remedy}"
