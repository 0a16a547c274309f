"""What a storyboard job's checkpoint says about pictures that were bought. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

# The provider's URLs live 24 h.
_URL_LIFE_S = 23 * 3600


class BoughtPicture(BaseModel):
    """A picture at the provider. `at` is when it was bought, in seconds since the epoch.

    `used` are the ids of the characters whose references were sent for it.
    """

    url: str
    used: list[str]
    at: float

    def columns(self) -> dict[str, Any]:
        """The row's fields for it, but for its status."""
        return {
            "image_url": self.url,
            "image_url_external": self.url,
            "used_character_ids": self.used,
            "storage_status": "pending",
        }


def bought_picture(
    checkpoint: Mapping[str, Any], shot_number: int, now: float
) -> BoughtPicture | None:
    """The picture that was bought for a shot; None when there is none, or its URL has expired."""
    try:
        bought = BoughtPicture.model_validate(checkpoint["bought"][str(shot_number)])
    except (KeyError, TypeError, ValidationError):
        return None
    return bought if now - bought.at < _URL_LIFE_S else None
