"""What the worker tells the process manager that started it: PM2 with `wait_ready`."""

import logging
import os
import stat
from collections.abc import Mapping

logger = logging.getLogger(__name__)


# By this variable Node tells a child the descriptor of the channel between them.
_CHANNEL = "NODE_CHANNEL_FD"
# What a Node child's process.send('ready') writes: JSON, one message a line.
_READY = b'"ready"\n'


def say_ready(environment: Mapping[str, str] = os.environ) -> None:
    """Tell PM2 that the worker waits for jobs; without PM2 nothing happens.

    A channel that is of no use costs a log line: PM2 goes on after its `listen_timeout`.
    """
    named = environment.get(_CHANNEL)
    if not named:
        return
    try:
        os.write(_channel(named), _READY)
    except (OSError, ValueError, OverflowError) as error:
        logger.warning("PM2 could not be told that the worker is ready: %s", error)


def _channel(named: str) -> int:
    """The descriptor of that number. Raises OSError, ValueError or OverflowError.

    The variable may have outlived its channel, and the number be one of ours by now: Redis must
    not get the message. What Python opens is never inheritable, what it was started with is.
    """
    descriptor = int(named)
    if not os.get_inheritable(descriptor) or not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        raise ValueError(f"{_CHANNEL}={named} is no channel of the parent's")
    return descriptor
