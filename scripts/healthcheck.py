"""Asks the worker on this machine for /readyz: exit code 0, or 1 with one sentence.

For Docker's HEALTHCHECK, where there is no curl. `python -IS healthcheck.py [/livez]` loads the
standard library's sockets alone, since it runs every 30 s for years. Reads HEALTH_PORT and
HEALTH_HOST, quoted or not, as the worker does.
"""

import os
import socket
import sys

_TIMEOUT_S = 4  # below the 5 s that the Dockerfile gives, so that the sentence is seen
# Addresses to listen on that are none to connect to.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def main(path: str) -> str | None:
    """None when the worker says yes, else why not."""
    port = _setting("HEALTH_PORT")
    host = _setting("HEALTH_HOST") or "127.0.0.1"
    if not port.isdecimal():
        return f"HEALTH_PORT is '{port}': set it to the port that the worker shall answer on."
    try:
        status, body = _ask(_LOOPBACK.get(host, host), int(port), path)
    except (OSError, OverflowError, UnicodeError) as error:
        return f"No worker answers on {host} port {port}: {error}."
    return None if status == "200" else f"{path} says {status or 'nothing'}: {body}"


def _setting(name: str) -> str:
    return os.environ.get(name, "").strip().strip("\"'")


def _ask(host: str, port: int, path: str) -> tuple[str, str]:
    """The status code, empty when it is no HTTP that comes back, and the body."""
    request = f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n"
    with socket.create_connection((host, port), _TIMEOUT_S) as connection:
        connection.sendall(request.encode())
        with connection.makefile("rb") as answer:
            text = answer.read(4096).decode(errors="replace")
    head, _, body = text.partition("\r\n\r\n")
    return "".join(head.split(" ", 2)[1:2]), body.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "/readyz"))
