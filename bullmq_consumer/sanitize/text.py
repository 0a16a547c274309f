"""Text from outside, made fit to be shown."""


def one_line(text: str, limit: int = 300) -> str:
    """One printable line of at most `limit` characters; one that was cut ends with `…`.

    By that sign the redaction of secrets knows that what stands before it may be a part of one.
    """
    printable = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(printable.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
