"""VidFab worker: consumes the BullMQ queue of the VidFab app.

`python worker.py` runs the worker; `python worker.py --help` lists what else it does.
"""

import signal
import sys
from io import TextIOWrapper

from commands.start import plain, start

if __name__ == "__main__":
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
