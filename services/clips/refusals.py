"""Whether a provider ended a clip because of its content: what it says of that is free text."""

import re

from core.people import Cause

# Codes such as `OutputVideoSensitiveContentDetected`, and the words of messages without a code.
_CONTENT = re.compile(
    r"sensitive|safety|policy|policies|nsfw|prohibited|moderat|violat|inappropriate|copyright"
    r"|RiskDetection|responsible ai|content filter|敏感|违规|审核",
    re.IGNORECASE,
)
_TIME = re.compile(r"\b(?:time-?d? ?out|expired|deadline)\b", re.IGNORECASE)


def cause_of(*told: str | None) -> Cause:
    """What people read of a clip that its provider ended, by its code, state and message."""
    text = " ".join(one for one in told if one)
    if _CONTENT.search(text):
        return Cause.REFUSED
    return Cause.TOO_LONG if _TIME.search(text) else Cause.NO_RESULT
