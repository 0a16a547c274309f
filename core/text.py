"""Text from outside, made fit to be shown."""


def one_line(text: str, limit: int = 300) -> str:
    """One printable line of at most `limit` characters."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:limit]
