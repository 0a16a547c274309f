"""The outside world: a folder a subject. Nothing here knows of jobs or BullMQ."""

import sys

# Python takes None for "not to be had". httpx loads a command line of its own, with rich and
# Pygments, wherever these are installed, as they are with typer; httpcore loads HTTP/2, which comes
# with supabase and is slower here. Together 5 MiB for as long as the worker lives.
for _unused in ("httpx._main", "h2"):
    sys.modules.setdefault(_unused, None)  # pyright: ignore[reportArgumentType]
