"""The app's Node beside the consumer's tests, started once for all of them."""

from contextlib import AsyncExitStack
from typing import Self

from sandbox.producer import NodeApp, Package
from sandbox.redis import RedisServer


class Apps:
    """One Node for each version of BullMQ, started when first asked for, on one queue at a time."""

    def __init__(self, redis: RedisServer) -> None:
        self._redis = redis
        self._running: dict[Package, NodeApp] = {}
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._parts.aclose()

    async def on(self, queue: str, package: Package = "bullmq") -> NodeApp:
        """The Node with this version, which leaves the queue that it was on."""
        if package not in self._running:
            app = NodeApp(self._redis.url, queue, package)
            self._running[package] = await self._parts.enter_async_context(app)
        app = self._running[package]
        await app.move_to(queue)
        return app
