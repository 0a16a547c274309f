"""Secret values are found in a text as JSON, Python, HTML, URLs and base64 spell them.

So are the logins and queries of addresses, whole ones or relative: a signature in a query opens
what it signs. Some signatures are JSON Web Tokens, and found wherever they stand.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import cache
from html import escape
from urllib.parse import quote

Redact = Callable[[str], str]

_MASK = "***"
# Shorter values would redact ordinary words.
_MIN_SECRET = 6
# Of longer ones the first half is enough: a text may end within a secret, where it was cut.
_MIN_CUT = 16
# What may be left of the other half.
_CUT = r"[^\s\"'<>\\…]*"
# So much of one is too much before a `…`, where a text was cut.
_MIN_LEFT = 4
# RFC 3986: what no URL encoding touches, and neither does any other.
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._~-]")
_URL_SAFE = str.maketrans("+/", "-_")
# Each reads a text once, however it is made: a job's data may be a megabyte that looks like the
# beginning of an address at every place. A backslash before a quote is JSON's.
_LOGIN = re.compile(r"(\b\w{1,20}:(?:\\*/){2})[^\s/@\"']+@")
_ADDRESS = re.compile(
    r"(\b[a-z][a-z0-9+.-]{0,20}:(?:\\*/){2}(?:[^\s\"'<>?#\\]|\\+/)*)"
    r"([?#](?:[^\s\"'<>\\]|\\(?![\"']))*)?",
    re.IGNORECASE,
)
# In what is no whole address; `;` ends an ampersand in HTML, and u0026 is one in JSON.
_PARAMETER = re.compile(
    r"((?:[?&;]|u0026|%3f|%26)[\w.-]{0,40}"
    r"(?:token|signature|sig|hmac|credential|secret|password|key)(?:=|%(?:25)?3d|\\{1,4}u003d))"
    r"[^\s&\"'<>\\#]+",
    re.IGNORECASE,
)
# A token begins where a word does, and behind a letter or digit that ends an escaped character.
_JSON_WEB_TOKEN = re.compile(
    r"eyJ(?:(?<![\w-]eyJ)|(?<=\\[bfnrt]eyJ)|(?<=\\u[0-9A-Fa-f]{4}eyJ)|(?<=\\x[0-9A-Fa-f]{2}eyJ)"
    r"|(?<=%[0-9A-Fa-f]{2}eyJ)|(?<=%25[0-9A-Fa-f]{2}eyJ))"
    r"[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"
)
_UNIT = re.compile(r"\\+|[^\\]", re.DOTALL)


def redactor(secrets: Iterable[str]) -> Redact:
    """What replaces each of `secrets` of six characters or more.

    Found are the value itself, and what JSON, repr, HTML and URLs make of it, also one in another;
    and the value within something in base64, such as the header of Basic authentication. Of 16
    characters and more also what is left of one that was cut in its second half, and of all what is
    left before a `…`.
    """
    # Longest first: a secret may be part of another, as a password is of its URL.
    found = sorted({one for one in secrets if len(one) >= _MIN_SECRET}, key=len, reverse=True)
    encoded = (form for one in found for form in _in_base64(one))
    search = re.compile(_any_of([*found, *encoded]))
    without_ends = _without_ends([one for one in found if "://" not in one])

    def redact(text: str) -> str:
        return search.sub(_MASK, without_ends(text) if "…" in text else text)

    return redact


def scrubber(secrets: Iterable[str]) -> Redact:
    """As `redactor`, and addresses without logins and queries: for logs, reasons and alerts."""
    redact = redactor(secrets)

    def scrub(text: str) -> str:
        text = redact(text)
        return without_queries(without_logins(text)) if _may_hold_one(text) else text

    return scrub


def _may_hold_one(text: str) -> bool:
    """Whether there may be an address or a signature; most lines have neither."""
    # Not `any`, which would cost five times as much.
    return "://" in text or ":\\/" in text or "?" in text or "%3" in text or "eyJ" in text


def without_logins(text: str) -> str:
    """Addresses without `user:password@`."""
    return _LOGIN.sub(r"\1***@", text)


def without_queries(text: str) -> str:
    """Addresses without what follows `?` or `#`, and nothing else that looks signed."""
    text = _ADDRESS.sub(lambda found: f"{found[1]}?…" if found[2] else found[0], text)
    return _JSON_WEB_TOKEN.sub(_MASK, _PARAMETER.sub(rf"\1{_MASK}", text))


def _without_ends(secrets: Iterable[str]) -> Redact:
    """What drops the longest beginning of a secret that stands before a `…`."""

    @cache  # few texts are cut
    def beginnings() -> dict[str, list[str]]:
        """By their last four characters, the longest first."""
        found: dict[str, list[str]] = {}
        spelled = {form for one in secrets for form in _usual_forms(one)}
        for one in spelled:
            for end in range(_MIN_LEFT, len(one) + 1):
                found.setdefault(one[end - _MIN_LEFT : end], []).append(one[:end])
        for group in found.values():
            group.sort(key=len, reverse=True)
        return found

    def drop(text: str) -> str:
        parts: list[str] = []
        for part in text.split("…")[:-1]:
            ends = beginnings().get(part[-_MIN_LEFT:], ())
            left = next((one for one in ends if part.endswith(one)), "")
            parts.append(part.removesuffix(left) + _MASK if left else part)
        return "…".join([*parts, text.rpartition("…")[2]])

    return drop


def _usual_forms(secret: str) -> tuple[str, ...]:
    """As it is, in JSON, in JSON within JSON, and in a URL."""
    in_json = json.dumps(secret)[1:-1]
    return (secret, in_json, json.dumps(in_json)[1:-1], quote(secret, safe=""))


def _any_of(values: Iterable[str]) -> str:
    """By first character: at most places of a text one look tells that nothing begins there.

    A job's line takes 2 us with a dozen secrets; without that, twice as long.
    """
    by_first: dict[str, list[str]] = {}
    for value in values:
        first = _UNIT.findall(value)[0]
        by_first.setdefault(_spelled_first(first), []).append(_rest(value, len(first)))
    nothing = "(?!)"
    return "|".join(f"{one}(?:{'|'.join(rest)})" for one, rest in by_first.items()) or nothing


def _rest(secret: str, begin: int) -> str:
    """All from `begin`: the whole in any spelling before a part of it in another."""
    before, half = secret[:begin], secret[begin : len(secret) // 2]
    whole = _spelled(before, secret[begin:])
    if len(secret) < _MIN_CUT or not half:
        return whole
    return f"(?:{whole}|{_spelled(before, half)}{_CUT})"


def _spelled(before: str, text: str) -> str:
    units = _UNIT.findall(text)
    pairs = zip([before, *units], units, strict=False)
    return "".join(_any_form(unit, least=_least_after(last)) for last, unit in pairs)


def _least_after(unit: str) -> str:
    """How many escape a number: backslashes in a row took those of what comes next, too."""
    return r"\\*" if unit.startswith("\\") else r"\\+"


def _spelled_first(unit: str) -> str:
    """A match begins at the first of many backslashes: to try at each would take N * N steps."""
    return _any_form(unit, begin=r"(?<!\\)")


def _any_form(unit: str, *, begin: str = "", least: str = r"\\+") -> str:
    """A character as it is, escaped as in JSON or Python any number of times, or encoded.

    Of backslashes in a row each would read on to the end by itself: they are one unit.
    """
    if not _NOT_PLAIN.match(unit):
        return re.escape(unit)
    char = unit[0]
    number = rf"{begin}{least}[uxU]0*(?i:{ord(char):x})"
    percent = "".join(rf"%(?:25)*(?i:{byte:02x})" for byte in char.encode())
    numeric = f"&#(?:0*{ord(char)}|[xX]0*(?i:{ord(char):x}));"
    if char == "\\":
        encoded = f"(?:{percent}|{number}|{numeric})"
        return rf"(?:{begin}\\{{{len(unit)},}}+|{encoded}{{{len(unit)}}})"
    forms = [rf"{begin}\\*{re.escape(char)}", percent, number, re.escape(escape(char)), numeric]
    if char == " ":
        forms.append(r"\+")
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
