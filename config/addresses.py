"""Addresses that are secrets, webhooks and Sentry's DSN, or hold some."""

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

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
    """The parts of a secret address that are secrets by themselves: login, long parts of a path."""
    parts = urlsplit(address).path.split("/")
    return [*login_in(address), *(one for one in parts if len(one) >= _MIN_KEY)]


def login_in(address: str) -> list[str]:
    """What of an address is secret, as it stands there and decoded: login, passwords, long keys."""
    parts = urlsplit(address)
    options = parse_qsl(parts.query)
    passwords = [parts.password or "", *(value for name, value in options if name == "password")]
    keys = [parts.username or "", *(value for _, value in options)]
    found = [*filter(None, passwords), *(one for one in keys if len(one) >= _MIN_KEY)]
    return list(dict.fromkeys(form for one in found for form in (one, unquote(one))))


def _split(value: SecretStr) -> SplitResult:
    try:
        address = urlsplit(value.get_secret_value())
        _ = address.port
    except ValueError:  # its text would quote the address
        raise ValueError("not an address") from None
    return address


def _is_http(address: SplitResult) -> bool:
    return address.scheme in ("https", "http") and bool(address.hostname)
