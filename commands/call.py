"""What all commands for operators have in common: their options, their Redis, their complaints."""

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
from bullmq_consumer.redis.clients import connect_briefly, explain
from commands.options import AsJson, EnvFile
from commands.output import Output
from config.consumer import queue_of, redis_of
from config.errors import ConfigError
from config.settings import Settings, load_settings

Command = Callable[..., Coroutine[Any, Any, None]]


class Refused(Exception):
    """The command does not do what was asked; each of the sentences says why."""

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
        """The queue that the settings name."""
        return self.settings.queue_name

    @property
    def queue(self) -> QueueName:
        """Where it is in Redis."""
        return queue_of(self.settings)


def operator(command: Command) -> Callable[..., None]:
    """Make a function for typer of `command(call, …)`.

    It gets the options --env-file and --json beside its own. What goes wrong as foreseen is said in
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
    """Make a command of this process: quiet, and not patient with a network that is down."""
    # Log lines of the worker's modules go to stderr, and only if they warn.
    logger.remove()
    logger.add(sys.stderr, level="WARNING", format="{level}: {message}")
    # By itself the resolver tries for half a minute, and cannot be interrupted.
    os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:1")


def refuse(out: Output, *sentences: str) -> typer.Exit:
    """Say why; the exit code is 1."""
    if out.as_json:
        out.document({"error": "; ".join(sentences)})
    else:
        out.complain(sentences)
    return typer.Exit(1)


async def _with_redis(
    command: Command, env_file: Path | None, out: Output, own: Mapping[str, Any]
) -> None:
    settings = load_settings(env_file)
    redis = connect_briefly(redis_of(settings))
    try:
        await command(Call(settings, redis, out), **own)
    except BrokenPipeError:
        raise  # who reads our output has seen enough
    except (RedisError, ConnectionError, TimeoutError, gaierror) as error:
        raise Refused(_why(settings, error)) from error
    except OSError as error:
        raise Refused(
            f"The answer cannot be written ({error.strerror}); look at the disk"
        ) from error
    finally:
        await redis.aclose()


def _why(settings: Settings, error: RedisError | OSError) -> str:
    """Redis away, or one that answers and does not want to."""
    if not isinstance(error, ResponseError) or "NOAUTH" in str(error):
        return str(explain(redis_of(settings), error))
    return (
        f"Redis at {redis_of(settings)} refused the command ({error}); check the rights of its "
        "user, that its memory is not full, and that it is no read-only replica"
    )
