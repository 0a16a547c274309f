"""VidFab worker: consumes the BullMQ queue of the VidFab app.

`python worker.py` runs the worker; `python worker.py --help` lists what else it does.
"""

import os
import signal
import sys
from io import TextIOWrapper

from commands.start import plain, start


def _open_closed_streams() -> None:
    """Whoever starts the worker may have closed some: a socket would take the place.

    The lowest number that is free goes to what is opened next, so that each gets its own.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


if __name__ == "__main__":
    _open_closed_streams()
    # Until the worker listens itself a Ctrl-C just ends it, without a traceback of its imports.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        # Progress messages are Chinese, whatever the locale of a container is.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    if (found := plain(sys.argv[1:])) is not None:
        sys.exit(start(found.env_file))
    from commands.app import app

    app()
