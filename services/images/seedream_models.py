"""What each family of Seedream models takes.

Sources: `docs` docs.byteplus.com ModelArk/1541523, fetched 2026-10-04; `mcp`
github.com/byteplus-sa/modelark-mcp, model_capabilities.py; `apiyi` docs.apiyi.com, a third party.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.storyboard.characters import MAX_REFERENCES

# docs: the 2K presets; others would have to keep 3.7 to 16.8 million pixels.
_PRESETS = {
    "1:1": "2048x2048",
    "4:3": "2304x1728",
    "3:4": "1728x2304",
    "16:9": "2848x1600",
    "9:16": "1600x2848",
    "3:2": "2496x1664",
    "2:3": "1664x2496",
    "21:9": "3136x1344",
}
# mcp says 4,624,220 pixels at most, apiyi 4,194,304: these keep to both.
_SMALLER = {**_PRESETS, "16:9": "2720x1530", "9:16": "1530x2720", "21:9": "3024x1296"}


@dataclass(frozen=True, slots=True)
class Family:
    """`sizes` as "WIDTHxHEIGHT" by aspect ratio; `references` is how many a request may have."""

    sizes: Mapping[str, str]
    references: int


_OTHERS = Family(_PRESETS, MAX_REFERENCES)
# By the model's name.
_FAMILIES = {
    # mcp, apiyi: 5.0 Pro and Flash take 10 references.
    re.compile(r"(?:dola-|doubao-)?seedream-5-0-(?:pro|flash)-.+"): Family(_SMALLER, 10),
}


def family_of(model: str) -> Family:
    """The family of a model, that of Seedream 5.0 lite for one that is not known."""
    return next((one for name, one in _FAMILIES.items() if name.fullmatch(model)), _OTHERS)
