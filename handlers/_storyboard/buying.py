"""Buys the picture of a shot: at most once, and saved before its slot buys the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from bullmq_consumer import StopReason
from bullmq_consumer.machine import MachineUnfit
from config.settings import image_key_variables
from core.concurrent import both
from core.deadline import Deadline, observed
from core.errors import (
    NotFound,
    PermanentError,
    ProviderDown,
    RequeueLater,
    RetryableError,
    ServiceError,
    UnsafeUrl,
    is_transient,
)
from core.paths import PlainId
from core.people import Cause
from core.story import about
from core.storyboard.characters import Reference, characters_of_shot, references
from core.storyboard.prompts import storyboard_prompt
from core.storyboard.script import Character, Shot
from handlers._storyboard.purchases import Purchases
from handlers._storyboard.rows import JobRows
from services.bundle import Context
from services.images.base import GeneratedImage, ImageBytes, ImageProvider, ImageRequest, ImageUrl
from services.supabase.storyboards import Picture, StoryboardRow

# Pauses between tries to store a picture that exists nowhere else: some five minutes in all.
_STORING_PAUSES_S = (5, 10, 20, 40, 60, 60, 60, 60)
# These include a temporarily full disk.
_STORING_TROUBLES = (ServiceError, ProviderDown, MachineUnfit, RetryableError, OSError)

# A picture, and the ids of the characters whose references were sent for it.
_Bought = tuple[GeneratedImage, list[str]]


@dataclass(frozen=True, slots=True)
class PictureBrief:
    """What is common to all pictures of a job; `aspect_ratio` as "16:9"."""

    characters: tuple[Character, ...]
    style: str | None
    aspect_ratio: str

    def request(
        self, shot: Shot, max_references: int
    ) -> tuple[ImageRequest, tuple[Reference, ...]]:
        """The request for a shot, and the references that go with it."""
        cast = characters_of_shot(shot, self.characters)
        shown = references(cast, max_references)
        prompt = storyboard_prompt(shot, cast, self.style, references=len(shown))
        urls = tuple(one.image_url for one in shown)
        return ImageRequest(prompt, self.aspect_ratio, urls), shown


@dataclass(slots=True)
class _Slot:
    """A slot for one purchase at a time; its previous picture may still be `saving`.

    `is_long` where the picture itself is stored, not only its address.
    """

    saving: asyncio.Task[None] | None = None
    is_long: bool = False

    async def saved(self) -> None:
        """Wait until the previous picture is saved, or failed to be."""
        if self.saving is not None:
            await asyncio.wait([self.saving])


class PictureBuyer:
    """Buys the pictures of a job's shots, as many at a time as there are slots.

    `announce` is awaited before each purchase. None is made once the `deadline` is over.
    """

    def __init__(
        self,
        ctx: Context,
        user_id: PlainId,
        brief: PictureBrief,
        rows: JobRows,
        purchases: Purchases,
        deadline: Deadline,
        announce: Callable[[Shot], Awaitable[None]],
    ) -> None:
        self._ctx = ctx
        self._user_id = user_id
        self._brief = brief
        self._rows = rows
        self._purchases = purchases
        self._deadline = deadline
        self._announce = announce
        self._storage_trouble: Exception | None = None
        self._slots: asyncio.Queue[_Slot] = asyncio.Queue()
        for _ in range(ctx.services.settings.storyboard_concurrency):
            self._slots.put_nowait(_Slot())

    async def secure(self, shot: Shot) -> StoryboardRow:
        """Buy and save the shot's picture, unless it is; returns the shot's row.

        Raises RequeueLater when the worker stops, WaitedTooLong once nobody waits for the picture,
        and what the provider or the storage raises.
        """
        number = shot.shot_number
        row = self._rows.by_shot.get(number)
        if row is None:
            raise NotFound(f"The project has no current storyboard row for shot {number}")
        if row.is_superseded:
            raise _superseded(number)
        if self._purchases.has(number):
            return row
        if (refusal := self._purchases.refusal(number)) is not None:
            raise refusal
        await self._buy_unless_there(shot, row)
        return row

    async def _buy_unless_there(self, shot: Shot, row: StoryboardRow) -> None:
        """Buy when a slot is free. The slot is free again while the picture is being saved."""
        slot = await self._slots.get()
        saving: asyncio.Task[None] | None = None
        try:
            bought = await self._buy(slot, shot, row)
            if bought is not None:
                saving = slot.saving = asyncio.create_task(self._save(shot, row, *bought))
                slot.is_long = isinstance(bought[0], ImageBytes)
        finally:
            self._slots.put_nowait(slot)
        if saving is not None:
            await saving

    async def _buy(self, slot: _Slot, shot: Shot, row: StoryboardRow) -> _Bought | None:
        """None when the row has a picture by now."""
        if self._ctx.is_stopping:
            raise RequeueLater  # announce nothing
        self._deadline.check()
        await self._announce(shot)
        if slot.is_long:
            await both(self._reread(row), slot.saved())
        if (refusal := self._purchases.exhausted(shot.shot_number)) is not None:
            if (await self._reread(row)).status == "success":
                return None
            raise refusal
        return await self._recorded(slot, shot, row)

    async def _recorded(self, slot: _Slot, shot: Shot, row: StoryboardRow) -> _Bought | None:
        """Buy, with a record of it in the checkpoint that begins before and ends with the answer.

        It is made while the row is read and the slot's last picture is saved, which all take a
        round trip. Nothing is bought before all three are done.
        """
        number = shot.shot_number
        try:
            recorded = both(self._purchases.ask(number), slot.saved())
            await both(self._reread(row), recorded)
            now = await self._reread(row)  # a new read only if that took long
            self._check_may_buy()
            bought = None if now.status == "success" else await self._purchase(shot, now)
        except asyncio.CancelledError:
            # A deploy may cost a purchase, and never the picture.
            if self._ctx.job.stop_reason is StopReason.SHUTDOWN:
                await self._purchases.answered(number)
            raise
        except Exception as error:
            if not _is_unanswered(error):
                await self._purchases.answered(number)
            raise
        if bought is None:
            await self._purchases.answered(number)
        return bought

    def _check_may_buy(self) -> None:
        if self._storage_trouble is not None:
            raise self._storage_trouble  # a picture bought now could not be stored either
        if self._ctx.is_stopping:
            raise RequeueLater
        self._deadline.check()

    async def _reread(self, row: StoryboardRow) -> StoryboardRow:
        """The current row: another job on the same rows may have been quicker."""
        now = await self._rows.now(row)
        if now is None:
            raise NotFound(f"The storyboard row of shot {row.shot_number} was removed")
        if now.is_superseded:
            raise _superseded(row.shot_number)
        return now

    async def _purchase(self, shot: Shot, row: StoryboardRow) -> _Bought:
        provider = self._provider()
        if row.status == "failed":
            await self._ctx.services.storyboards.update(
                row.id, status="generating", error_message=None
            )
        request, shown = self._brief.request(shot, provider.max_references)
        request = replace(request, request_id=self._purchases.request_id(shot.shot_number))
        with about(f"shot {shot.shot_number}"), observed(self._deadline):
            image = await provider.generate(request)
        return image, _used(shown, image)

    def _provider(self) -> ImageProvider:
        provider = self._ctx.services.images
        if provider is None:
            variables = image_key_variables()
            found = f"No image provider is configured: set {variables}"
            raise PermanentError(found, cause=Cause.OUR_SIDE)
        return provider

    async def _save(
        self, shot: Shot, row: StoryboardRow, image: GeneratedImage, used: list[str]
    ) -> None:
        match image:
            case ImageUrl(url=url):
                self._check_address(url)
                self._deadline.progressed()
                await self._purchases.save(shot.shot_number, url, used)
            case ImageBytes():
                self._deadline.progressed()
                await self._store_bytes(row, image, used)
                await self._purchases.stored(shot.shot_number)

    def _check_address(self, url: str) -> None:
        """Raises UnsafeUrl, which fails the shot: its paid picture cannot be fetched."""
        try:
            self._ctx.services.downloads.check(url)
        except UnsafeUrl as error:
            raise UnsafeUrl(f"Unsafe address of the picture: {error}") from error

    async def _store_bytes(self, row: StoryboardRow, image: ImageBytes, used: list[str]) -> None:
        async def store() -> None:
            file = self._ctx.workdir / f"shot-{row.shot_number}"
            file.write_bytes(image.data)
            picture = Picture(file, image.content_type, len(image.data))
            await self._ctx.services.storyboards.store(
                picture, self._user_id, row, row.id, status="success", used_character_ids=used
            )

        await self._persistently(store)

    async def _persistently(self, store: Callable[[], Awaitable[object]]) -> None:
        """Retry for long: bytes are in no checkpoint, so a retry of the job would pay again."""
        for pause_s in _STORING_PAUSES_S:
            try:
                await store()
                return
            except _STORING_TROUBLES as error:
                if not is_transient(error):
                    self._storage_trouble = error
                    raise
                self._ctx.log.warning("A picture waits for storage: {}", error)
            await asyncio.sleep(pause_s)
        try:
            await store()
        except _STORING_TROUBLES as error:
            self._storage_trouble = error
            raise


def _used(shown: Sequence[Reference], image: GeneratedImage) -> list[str]:
    """The ids of the characters whose references were sent, in that order."""
    left_out = image.left_out if isinstance(image, ImageBytes) else 0
    sent = shown[: len(shown) - left_out]
    return [one.character_id for one in sent if one.character_id]


def _is_unanswered(error: Exception) -> bool:
    """Whether the purchase may have been billed although its answer never came."""
    return isinstance(error, ServiceError) and error.billed and error.retryable


def _superseded(shot_number: int) -> PermanentError:
    found = f"A newer version of shot {shot_number} was requested"
    return PermanentError(found, cause=Cause.SUPERSEDED)
