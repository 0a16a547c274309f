"""Headers as OpenTelemetry's variables have them: `name=value, …`, both percent-encoded."""

from urllib.parse import unquote


def headers_in(text: str) -> dict[str, str]:
    """By their names in lower case; what is no pair is left out."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {unquote(name).strip().lower(): unquote(value).strip() for name, _, value in pairs}


def keys_in_headers(text: str) -> list[str]:
    """The values by themselves, as they are sent and written, also without a `Bearer` in front."""
    written = [pair.partition("=")[2].strip() for pair in text.split(",")]
    sent = [*headers_in(text).values()]
    return [one for one in (*written, *sent, *(value.rpartition(" ")[2] for value in sent)) if one]
