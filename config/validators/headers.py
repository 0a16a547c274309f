"""Headers as OpenTelemetry's variables have them: `name=value, …`, both percent-encoded."""

from urllib.parse import unquote

_SECRET_NAMES = ("auth", "key", "token", "secret", "cookie", "password")
# From this length on a value is more likely a key than a word.
_LONG = 16


def headers_in(text: str) -> dict[str, str]:
    """By their names in lower case; what is no pair is left out."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {unquote(name).strip().lower(): unquote(value).strip() for name, _, value in pairs}


def keys_in_headers(text: str) -> list[str]:
    """The values by themselves, as they are sent and written, also without a `Bearer` in front.

    Short ones under names that tell of no secret are words, such as the name of a dataset.
    """
    secret: list[str] = []
    for pair in text.split(","):
        written = pair.partition("=")[2].strip()
        for name, sent in headers_in(pair).items():
            if len(sent) >= _LONG or any(word in name for word in _SECRET_NAMES):
                secret += [written, sent, sent.rpartition(" ")[2]]
    return [one for one in secret if one]
