"""Clients of outside services, one folder per subject. Nothing here depends on jobs or BullMQ."""

import sys

# None in sys.modules makes an import fail. httpx loads a command line of its own, with rich and
# Pygments, wherever these are installed, as they are with typer; httpcore loads HTTP/2, which comes
# with supabase and is slower here. Together 5 MiB for as long as the worker lives.
for _unused in ("httpx._main", "h2"):
    sys.modules.setdefault(_unused, None)  # pyright: ignore[reportArgumentType]
