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
    `set_in` and `password_set_in` name what an operator changes when the address or the password is
    wrong, and stand in the sentences about that.
    """

    url: str = field(repr=False)
    ca_file: Path | None = None
    insecure: bool = False
    set_in: str = "the Redis URL"
    password_set_in: str = "the Redis URL"  # noqa: S105 (a place)

    def __str__(self) -> str:
        """Without user, password and options: for people."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def is_unchecked(self) -> bool:
        """Whether anybody could pass for this Redis, its certificate being unchecked."""
        return self._is_tls and self.insecure

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
    """What is wrong with the certificate that an error is about, None if it is about none."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message.rstrip(".")
    return None
