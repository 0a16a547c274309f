"""The pictures that a storyboard job bought and the shots that were refused, in its checkpoint."""

import time
from typing import Any

from core.errors import PermanentError
from core.people import Why
from services.bundle import Context
from services.supabase.storyboards import StoryboardRow

# The provider's URLs live 24 h.
_URL_LIFE_S = 23 * 3600


class Purchases:
    """By shot number. A picture is recorded here before its row, so it is never bought again."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        saved = ctx.checkpoint_fields
        self._bought: dict[str, Any] = saved.setdefault("bought", {})
        # An earlier version kept the reason alone.
        self._refused: dict[str, Any] = saved.setdefault("refused", {})

    def has(self, shot_number: int) -> bool:
        """Whether the picture was bought, and its URL has not expired."""
        return time.time() - self._bought.get(str(shot_number), {}).get("at", 0) < _URL_LIFE_S

    def refusal(self, shot_number: int) -> PermanentError | None:
        """Why the provider, or the guard, refused this shot; None if neither did."""
        match self._refused.get(str(shot_number)):
            case {"reason": str(reason), "why": why}:
                return PermanentError(reason, cause=Why.of_kept(why).cause)
            case str(reason):
                return PermanentError(reason)
            case _:
                return None

    async def save(self, shot_number: int, url: str, used_character_ids: list[str]) -> None:
        """Save to the checkpoint, before the row: so a database outage costs no picture."""
        bought = {"url": url, "used": used_character_ids, "at": time.time()}
        self._bought[str(shot_number)] = bought
        await self._ctx.checkpoint(bought=self._bought)

    async def refuse(self, shot_number: int, reason: str, why: Why) -> None:
        """Save a refusal, so that later attempts do not try again."""
        self._refused[str(shot_number)] = {"reason": reason, "why": why.kept()}
        await self._ctx.checkpoint(refused=self._refused)

    async def write(self, row: StoryboardRow) -> StoryboardRow | None:
        """Complete the row with the picture bought for it.

        Returns the row as written, None when it has a picture already: it keeps that.
        """
        bought = self._bought[str(row.shot_number)]
        return await self._ctx.services.storyboards.succeed(
            row.id,
            image_url=bought["url"],
            image_url_external=bought["url"],
            used_character_ids=bought["used"],
            storage_status="pending",
        )
