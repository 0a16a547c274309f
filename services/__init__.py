"""The outside world: one module a vendor. Nothing here knows of jobs or BullMQ."""

import sys

# httpx loads a command line of its own, with rich and Pygments, wherever these are installed, as
# they are with typer: 4 MiB for as long as the worker lives. Python takes None for "not to be had".
sys.modules.setdefault("httpx._main", None)  # pyright: ignore[reportArgumentType]
