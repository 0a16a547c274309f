"""Text of scripts: cleaned, in the form in which it is compared, and names with a description."""

import unicodedata

# Scripts written without spaces between words: Thai to Myanmar, Khmer, kana, Chinese, Hangul.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)


def clean(text: str) -> str:
    """One line of printable characters; halves of surrogate pairs and invisible marks go too."""
    kept = (char if char.isprintable() else _instead_of(char) for char in text)
    return " ".join("".join(kept).split())


def _instead_of(char: str) -> str:
    return "" if unicodedata.category(char) == "Cf" else " "


def fold(text: str) -> str:
    """The form in which names are compared: case, width and composed accents do not count."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def split_name(name: str) -> tuple[str, str]:
    """Short name and description. Full-width parentheses count: scripts may be Chinese."""
    head, _, rest = name.replace("（", "(").replace("）", ")").partition("(")
    inside, closed, _ = rest.rpartition(")")
    return head.strip(), (inside if closed else rest).strip()
