"""Text from outside, made fit to be shown."""

import re

# Each reads a text once, however it is made: a job's data may be a megabyte that looks like the
# beginning of an address at every place.
_LOGIN = re.compile(r"(\b\w{1,20}://)[^\s/@\"']+@")
_ADDRESS = re.compile(r"(\bhttps?://[^\s\"'<>?#]*)([?#][^\s\"'<>]*)?", re.IGNORECASE)


def one_line(text: str, limit: int = 300) -> str:
    """One printable line of at most `limit` characters."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:limit]


def without_logins(text: str) -> str:
    """Addresses without `user:password@`."""
    return _LOGIN.sub(r"\1***@", text)


def without_queries(text: str) -> str:
    """Addresses without what follows `?` or `#`: a signature there opens what it signs."""
    return _ADDRESS.sub(lambda found: f"{found[1]}?…" if found[2] else found[0], text)
