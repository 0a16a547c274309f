"""Stop signals: the first requests a graceful stop, the second kills as usual."""

import asyncio
import signal

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_on_signal(stop: asyncio.Event) -> None:
    """Set `stop` at the first SIGTERM or SIGINT, and restore the default effect of the next one."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
