"""Secret values are found in a text however they are spelled there, and replaced."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from html import escape

Redact = Callable[[str], str]

_MASK = "***"
# Shorter values would redact ordinary words.
_MIN_SECRET = 6
# RFC 3986: what no URL encoding touches, and neither does any other.
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._~-]")
_URL_SAFE = str.maketrans("+/", "-_")


def redactor(secrets: Iterable[str]) -> Redact:
    """What replaces each of `secrets` of six characters or more.

    Found are the value itself, and what JSON, repr, HTML and URLs make of it, also one in another;
    and the value within something in base64, such as the header of Basic authentication.
    """
    # Longest first: a secret may be part of another, as a password is of its URL.
    found = sorted({one for one in secrets if len(one) >= _MIN_SECRET}, key=len, reverse=True)
    encoded = (form for one in found for form in _in_base64(one))
    search = re.compile(_any_of([*found, *encoded]))
    return lambda text: search.sub(_MASK, text)


def _any_of(values: Iterable[str]) -> str:
    """By first character: at most places of a text one look tells that nothing begins there.

    A job's line takes 2 us with a dozen secrets; without that, twice as long.
    """
    by_first: dict[str, list[str]] = {}
    for value in values:
        by_first.setdefault(_spelled(value[0]), []).append(_spelled(value[1:]))
    nothing = "(?!)"
    return "|".join(f"{one}(?:{'|'.join(rest)})" for one, rest in by_first.items()) or nothing


def _spelled(secret: str) -> str:
    return "".join(
        _any_form(char) if _NOT_PLAIN.match(char) else re.escape(char) for char in secret
    )


def _any_form(char: str) -> str:
    """The character itself, escaped as in JSON or Python any number of times, or encoded."""
    percent = "".join(rf"%(?:25)*(?i:{byte:02x})" for byte in char.encode())
    number = rf"\\+(?:u|x|U0*)(?i:0*{ord(char):x})"
    forms = [rf"\\*{re.escape(char)}", percent, number, re.escape(escape(char))]
    if char == " ":
        forms.append(r"\+")
    if char == "\\":
        forms[0] = r"\\+"
    return f"(?:{'|'.join(dict.fromkeys(forms))})"


def _in_base64(secret: str) -> set[str]:
    """What of it shows in base64, by how many bytes lie before it.

    Three bytes are four digits: the first ones also hold bits of the bytes before, and the last one
    of those behind.
    """
    forms: set[str] = set()
    for before in range(3):
        digits = b64encode(b"\0" * before + secret.encode()).decode()
        first = -(-before * 8 // 6)
        end = (before + len(secret.encode())) * 8 // 6
        forms.update((digits[first:end], digits[first:end].translate(_URL_SAFE)))
    return forms
