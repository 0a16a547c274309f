"""Where an event loop knows no signals, as on Windows, Python's own handlers stand in."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from bullmq_consumer.process.signals import stop_on_signal


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class DeafLoop(asyncio.SelectorEventLoop):
    """As Windows has it."""

    def add_signal_handler(self, *_: object) -> None:
        raise NotImplementedError


async def _stopped() -> int:
    stop = asyncio.Event()
    stop_on_signal(stop)
    signal.raise_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        await stop.wait()
    return 7


def test_a_loop_without_signals_is_stopped_by_pythons_own() -> None:
    with asyncio.Runner(loop_factory=DeafLoop) as runner:
        assert runner.run(_stopped()) == 7
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_next_signal_has_its_usual_effect() -> None:
    with asyncio.Runner() as runner:
        assert runner.run(_stopped()) == 7
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
