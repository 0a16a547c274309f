"""TLS to Redis: certificates are checked, unless REDIS_TLS_INSECURE says otherwise."""

import ssl
from typing import Any

from config.settings import Settings

UNCHECKED = (
    "REDIS_TLS_INSECURE is set: Redis's certificate is not checked, and whoever stands in between "
    "can read and change all jobs"
)


def tls_options(settings: Settings) -> dict[str, Any]:
    """For redis-py. `SSL_CERT_FILE` adds to the roots that this machine trusts."""
    if not _is_tls(settings):
        return {}
    if settings.redis_tls_insecure:
        return {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    trusted = {"ssl_ca_certs": str(settings.ca_file)} if settings.ca_file else {}
    return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, **trusted}


def is_unchecked(settings: Settings) -> bool:
    """Whether anybody could pass for this Redis."""
    return _is_tls(settings) and settings.redis_tls_insecure


def wrong_certificate(error: BaseException) -> str | None:
    """What is wrong with the certificate that an error is about, None if it is about none."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message.rstrip(".")
    return None


def _is_tls(settings: Settings) -> bool:
    return settings.redis_address().startswith("rediss://")
