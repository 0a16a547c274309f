"""What addresses and names of hosts must look like, and what of an address is secret."""

import ipaddress
import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import SecretStr

# A shorter part of an address is a word, such as `default` or `webhooks`, and no key.
_MIN_KEY = 16
_NAME = re.compile(r"(?!.{254})[\w-]{1,63}(?:\.[\w-]{1,63})*\.?")
_SERVER = re.compile(r"(?:\[[^\[\]]+\]|[^\[\]:]+)(?::[0-9]*)?")
_FOUR_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")


def check_host(value: str) -> str:
    """The host, an IPv6 address without brackets. Raises ValueError, which does not quote it."""
    host = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if not _is_host(host):
        raise ValueError("not the name or address of a host")
    return host


def check_http_url(value: str) -> str:
    """The address without a slash at its end. Raises ValueError, which does not quote it."""
    if "@" in value:  # in its path too: there a password with a slash ends
        raise ValueError("it must not hold a login: take out what stands before the @")
    if not value.startswith(("https://", "http://")):
        raise ValueError("not an http(s) address")
    if " " in value or not value.isprintable() or not _is_readable(value):
        raise ValueError("its host or port cannot be read, or it holds a space")
    return value.rstrip("/")


def check_webhook(value: SecretStr) -> SecretStr:
    """Raises ValueError for what is no address that can be asked."""
    if not _is_http(_split(value.get_secret_value())):
        raise ValueError("not an http(s) address")
    return value


def check_dsn(value: SecretStr) -> SecretStr:
    """Raises ValueError for what is not `https://key@host/number`."""
    address = _split(value.get_secret_value())
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


def _split(value: str) -> SplitResult:
    try:
        address = urlsplit(value)
        _ = address.port
    except ValueError:  # its text would quote the address
        raise ValueError("not an address") from None
    return address


def _is_readable(address: str) -> bool:
    try:
        return _is_http(_split(address))
    except ValueError:
        return False


def _is_http(address: SplitResult) -> bool:
    if address.scheme not in ("https", "http") or not address.hostname:
        return False
    _, _, server = address.netloc.rpartition("@")
    is_name = not _FOUR_NUMBERS.fullmatch(address.hostname) or _is_address(address.hostname)
    return bool(_SERVER.fullmatch(server)) and _is_host(address.hostname) and is_name


def _is_host(text: str) -> bool:
    if ":" in text:
        return _is_address(text)
    return bool(_NAME.fullmatch(text)) and (text.isascii() or _is_international(text))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_international(name: str) -> bool:
    import idna  # as httpx does; few need it

    try:
        idna.encode(name.lower())
    except idna.IDNAError:
        return False
    return True
