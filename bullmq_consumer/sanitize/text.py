"""Makes untrusted text fit for display."""


def one_line(text: str, limit: int = 300) -> str:
    """One printable line of at most `limit` characters; one that was cut ends with `…`.

    By the `…` the redaction of secrets knows that the text before it may be part of one.
    """
    printable = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(printable.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
