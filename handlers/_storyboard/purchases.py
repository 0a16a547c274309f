"""What a storyboard job bought, what it asked for and what was refused, in its checkpoint."""

import time
from typing import Any
from uuid import uuid4

from core.deadline import PROGRESSED_AT
from core.errors import PermanentError
from core.people import Cause, Why
from core.storyboard.bought import BoughtPicture, bought_picture
from services.bundle import Context
from services.supabase.storyboards import StoryboardRow

# A purchase whose answer is lost may have been billed: one more is risked.
_MOST_UNANSWERED = 2


class Purchases:
    """By shot number. A picture is recorded here before its row, so it is never bought again.

    A purchase is recorded before it is sent, and stays so until it is answered: a crash loses its
    answer as a broken connection does.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        saved = ctx.checkpoint_fields
        self._bought: dict[str, Any] = saved.setdefault("bought", {})
        # An earlier version kept the reason alone.
        self._refused: dict[str, Any] = saved.setdefault("refused", {})
        self._asked: dict[str, int] = saved.setdefault("asked", {})
        self._request_ids: dict[str, list[str]] = saved.setdefault("request_ids", {})

    def has(self, shot_number: int) -> bool:
        """Whether the picture was bought, and its URL has not expired."""
        return self._picture(shot_number) is not None

    def refusal(self, shot_number: int) -> PermanentError | None:
        """Why the provider, or the guard, refused this shot; None if neither did."""
        match self._refused.get(str(shot_number)):
            case {"reason": str(reason), "why": why}:
                return PermanentError(reason, cause=Why.of_kept(why).cause)
            case str(reason):
                return PermanentError(reason)
            case _:
                return None

    def exhausted(self, shot_number: int) -> PermanentError | None:
        """Why the picture may not be bought once more: two purchases were never answered."""
        before = self._asked.get(str(shot_number), 0)
        if before < _MOST_UNANSWERED:
            return None
        ids = ", ".join(self._request_ids.get(str(shot_number), []))
        found = f"Shot {shot_number} was bought {before} times without an answer"
        found += f" (X-Client-Request-Id {ids})" if ids else ""
        return PermanentError(found, cause=Cause.BUSY)

    async def ask(self, shot_number: int) -> None:
        """Record that the picture is about to be bought, under an id of its own."""
        self._asked[str(shot_number)] = self._asked.get(str(shot_number), 0) + 1
        self._request_ids.setdefault(str(shot_number), []).append(uuid4().hex)
        await self._ctx.checkpoint(asked=self._asked, request_ids=self._request_ids)

    def request_id(self, shot_number: int) -> str:
        """The id of the purchase that `ask` recorded last."""
        return self._request_ids[str(shot_number)][-1]

    async def answered(self, shot_number: int) -> None:
        """Record that the latest purchase was answered, or not made, and has cost nothing."""
        self._forget_one(shot_number)
        await self._ctx.checkpoint(asked=self._asked, request_ids=self._request_ids)

    async def save(self, shot_number: int, url: str, used_character_ids: list[str]) -> None:
        """Save to the checkpoint, before the row: so a database outage costs no picture."""
        bought = {"url": url, "used": used_character_ids, "at": time.time()}
        self._bought[str(shot_number)] = bought
        self._forget_one(shot_number)
        await self._ctx.checkpoint(
            bought=self._bought, asked=self._asked, request_ids=self._request_ids
        )

    async def stored(self, shot_number: int) -> None:
        """Record that a picture which came as bytes is in storage, and its row complete."""
        self._forget_one(shot_number)
        await self._ctx.checkpoint(
            asked=self._asked, request_ids=self._request_ids, **{PROGRESSED_AT: time.time()}
        )

    async def refuse(self, shot_number: int, reason: str, why: Why) -> None:
        """Save a refusal, so that later attempts do not try again."""
        self._refused[str(shot_number)] = {"reason": reason, "why": why.kept()}
        await self._ctx.checkpoint(refused=self._refused)

    async def forget_refusals(self) -> None:
        """Record that a manual retry may ask for everything again that it has not got."""
        await self._ctx.checkpoint(refused={}, asked={}, request_ids={})

    def _forget_one(self, shot_number: int) -> None:
        number = str(shot_number)
        left = self._asked.pop(number, 0) - 1
        ids = self._request_ids.pop(number, [])[:-1]
        if left > 0:
            self._asked[number] = left
        if ids:
            self._request_ids[number] = ids

    async def write(self, row: StoryboardRow) -> StoryboardRow | None:
        """Complete the row with the picture bought for it.

        Returns the row as written, None when it has a picture already: it keeps that.
        """
        bought = self._picture(row.shot_number)
        assert bought is not None, "ask `has` before"
        return await self._ctx.services.storyboards.succeed(row.id, **bought.columns())

    def _picture(self, shot_number: int) -> BoughtPicture | None:
        return bought_picture({"bought": self._bought}, shot_number, time.time())
