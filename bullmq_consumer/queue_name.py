"""A queue's place in Redis."""

import base64
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueName:
    """A queue by its name and BullMQ's prefix, which all who use the queue have to share."""

    name: str
    prefix: str = "bull"

    def key(self, name: str) -> str:
        """A key of this queue in Redis, such as `wait` or a job's id."""
        return f"{self.prefix}:{self.name}:{name}"

    @property
    def client_name(self) -> str:
        """By which connections of its workers are known, as Node writes it, in base64."""
        return f"{self.prefix}:{base64.b64encode(self.name.encode()).decode()}"
