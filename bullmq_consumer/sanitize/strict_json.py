"""JSON, read as strictly as JavaScript writes it, and written as it does."""

import json
from collections import Counter
from typing import Any, NoReturn, cast

# The app's own data has four levels. Readers of a job recurse into them.
DEEPEST = 100


_plain = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
_escaped = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def as_json(value: Any) -> str:
    """A value as JavaScript writes it. Raises ValueError or TypeError for what is no JSON.

    Half of a surrogate pair, which UTF-8 has no place for, is escaped.
    """
    text = _plain(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _escaped(value)
    return text


class NotReadable(ValueError):
    """Why a text cannot be read: the rest of a sentence that starts with "it"."""


def read(text: str) -> Any:
    """The value. Raises NotReadable.

    It refuses what JavaScript never writes and what parsers read differently: NaN and Infinity, a
    name twice in one object, more than DEEPEST levels, integers of thousands of digits.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise NotReadable(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise NotReadable(f"is not JSON ({what} at character {error.pos + 1})") from None
    except NotReadable:
        raise
    except ValueError:  # Python reads no number of 4300 digits
        raise NotReadable("holds a number of too many digits") from None
    may_be_deep = text.count("{") + text.count("[") > DEEPEST
    if may_be_deep and not is_shallow(value):
        raise NotReadable(_TOO_DEEP)
    return value


_TOO_DEEP = f"is nested deeper than {DEEPEST} levels"


def is_shallow(value: Any, levels: int = DEEPEST) -> bool:
    """Whether lists and objects are nested at most `levels` deep."""
    level = [value]
    for _ in range(levels + 1):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return True
    return False


def _inside(value: Any) -> "list[Any]":
    match value:
        case dict():
            return list(cast("dict[str, Any]", value).values())
        case list():
            return cast("list[Any]", value)
        case _:
            return []


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise NotReadable(f"has the name {json.dumps(twice[:100])} twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise NotReadable(f"holds {name}, which is no number in JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
