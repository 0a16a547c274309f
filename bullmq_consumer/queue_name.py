"""A queue's name and its keys in Redis."""

import base64
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueName:
    """A queue's name and BullMQ's prefix, which all users of the queue have to share."""

    name: str
    prefix: str = "bull"

    def key(self, name: str) -> str:
        """A key of this queue in Redis, such as `wait` or a job's id."""
        return f"{self.prefix}:{self.name}:{name}"

    @property
    def client_name(self) -> str:
        """The name of its workers' connections in Node's form, in base64."""
        return f"{self.prefix}:{base64.b64encode(self.name.encode()).decode()}"
