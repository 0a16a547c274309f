"""Where a queue's Redis is, and how its certificate is checked."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One database of a Redis, as `redis://[user:password@]host:port/db`; over TLS `rediss://…`.

    `ca_file` adds to the roots that this machine trusts. With `insecure` no certificate is checked.
    `set_in` and `password_set_in` name the setting of the address and of the password in error
    messages.
    """

    url: str = field(repr=False)
    ca_file: Path | None = None
    insecure: bool = False
    set_in: str = "the Redis URL"
    password_set_in: str = "the Redis URL"  # noqa: S105 (a place)

    def __str__(self) -> str:
        """For messages: without user, password and options."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def is_unchecked(self) -> bool:
        """Whether it uses TLS without checking the certificate."""
        return self._is_tls and self.insecure

    @property
    def is_unix(self) -> bool:
        """Whether it is a socket in the file system, `unix:///run/redis.sock`."""
        return self.url.startswith("unix://")

    def tls_options(self) -> dict[str, Any]:
        """For redis-py."""
        if not self._is_tls:
            return {}
        if self.insecure:
            return {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
        trusted = {"ssl_ca_certs": str(self.ca_file)} if self.ca_file else {}
        return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, **trusted}

    @property
    def _is_tls(self) -> bool:
        return self.url.startswith("rediss://")


def wrong_certificate(error: BaseException) -> str | None:
    """The fault of a certificate, by an error; None if that has another cause."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message.rstrip(".")
    return None
