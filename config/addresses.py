"""Addresses that are secrets: webhooks and Sentry's DSN."""

from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

# A shorter part of an address is a word, such as `default` or `webhooks`, and no key.
_MIN_KEY = 16


def check_webhook(value: SecretStr) -> SecretStr:
    """Raises ValueError for what is no address that can be asked."""
    if not _is_http(_split(value)):
        raise ValueError("not an http(s) address")
    return value


def check_dsn(value: SecretStr) -> SecretStr:
    """Raises ValueError for what is not `https://key@host/number`."""
    address = _split(value)
    project = address.path.rpartition("/")[2]
    if not (_is_http(address) and address.username and project.isdecimal()):
        raise ValueError("not of the form https://key@host/number")
    return value


def keys_in(address: str) -> list[str]:
    """The parts that are secrets by themselves: login, and the end of a webhook's path."""
    parts = urlsplit(address)
    candidates = (parts.username or "", parts.path.rstrip("/").rpartition("/")[2])
    return [*filter(None, [parts.password]), *(one for one in candidates if len(one) >= _MIN_KEY)]


def _split(value: SecretStr) -> SplitResult:
    try:
        address = urlsplit(value.get_secret_value())
        _ = address.port
    except ValueError:  # its text would quote the address
        raise ValueError("not an address") from None
    return address


def _is_http(address: SplitResult) -> bool:
    return address.scheme in ("https", "http") and bool(address.hostname)
