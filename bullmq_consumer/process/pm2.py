"""The ready message to PM2, which waits for it with `wait_ready`."""

import logging
import os
import stat
from collections.abc import Mapping

logger = logging.getLogger(__name__)


# The variable by which Node passes a child the descriptor of the channel between them.
_CHANNEL = "NODE_CHANNEL_FD"
# What a Node child's process.send('ready') writes: JSON, one message a line.
_READY = b'"ready"\n'


def notify_ready(environment: Mapping[str, str] = os.environ) -> None:
    """Notify PM2 that the worker waits for jobs; does nothing without PM2.

    An unusable channel is only logged: PM2 continues after its `listen_timeout`.
    """
    named = environment.get(_CHANNEL)
    if not named:
        return
    try:
        os.write(_channel(named), _READY)
    except (OSError, ValueError, OverflowError) as error:
        logger.warning("PM2 could not be notified that the worker is ready: %s", error)


def _channel(named: str) -> int:
    """The descriptor of that number. Raises OSError, ValueError or OverflowError.

    The variable may be stale, and the number one of our own descriptors: Redis must not get the
    message. Descriptors that Python opened are never inheritable, inherited ones are.
    """
    descriptor = int(named)
    if not os.get_inheritable(descriptor) or not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        raise ValueError(f"{_CHANNEL}={named} is no channel of the parent's")
    return descriptor
