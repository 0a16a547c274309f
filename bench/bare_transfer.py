"""How long the sandbox's media host and storage take by themselves, at the other end a socket."""

import ssl
import time
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from socket import create_connection
from uuid import uuid4

from sandbox.processes import LOOPBACK, SandboxError
from sandbox.providers.files.store import MEDIA_HOST
from sandbox.providers.server import Providers
from sandbox.supabase import SupabaseLite

_TIMEOUT_S = 300
_BUFFER_BYTES = 1024 * 1024


def download_s(providers: Providers, name: str) -> float:
    """Seconds to read a file of the media host, to nowhere."""
    context = ssl.create_default_context(cafile=providers.ca_file)
    port = providers.media_port
    connection = HTTPSConnection(MEDIA_HOST, port, timeout=_TIMEOUT_S, context=context)
    # No resolver knows the host's name.
    bare = create_connection((LOOPBACK, port), timeout=_TIMEOUT_S)
    connection.sock = context.wrap_socket(bare, server_hostname=MEDIA_HOST)
    began = time.monotonic()
    connection.request("GET", f"/{name}")
    response = connection.getresponse()
    _check(response.status, f"GET {name}")
    buffer = bytearray(_BUFFER_BYTES)
    while response.readinto(buffer):
        pass
    seconds = time.monotonic() - began
    connection.close()
    return seconds


def upload_s(supabase: SupabaseLite, file: Path) -> float:
    """Seconds to store a file from disk in one request."""
    connection = HTTPConnection(
        LOOPBACK, supabase.port, timeout=_TIMEOUT_S, blocksize=_BUFFER_BYTES
    )
    headers = {
        "apikey": supabase.service_key,
        "content-type": "video/mp4",
        "content-length": str(file.stat().st_size),
    }
    path = f"/storage/v1/object/user-videos/bench/{uuid4().hex}.mp4"
    began = time.monotonic()
    with file.open("rb") as stream:
        connection.request("POST", path, body=stream, headers=headers)
    response = connection.getresponse()
    response.read()
    seconds = time.monotonic() - began
    _check(response.status, f"POST {path}")
    connection.close()
    return seconds


def _check(status: int, what: str) -> None:
    if status != 200:
        raise SandboxError(f"{what}: {status}")
