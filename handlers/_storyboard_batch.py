"""The shots of one storyboard job: what is there, what is bought, what failed and why."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bullmq_consumer.machine import MachineUnfit, lack_of
from core.concurrent import both
from core.errors import (
    HandBack,
    JobError,
    LockLost,
    NotFound,
    PermanentError,
    ProviderDown,
    RetryableError,
    ServiceError,
    UnsafeUrl,
    is_transient,
)
from core.storyboard.characters import Reference, characters_of_shot, references
from core.storyboard.prompts import storyboard_prompt
from core.storyboard.script import Character, Shot
from handlers._storyboard_downloads import PictureDownloads
from handlers._storyboard_purchases import Purchases
from handlers._storyboard_rows import JobRows
from services.bundle import Context
from services.images.base import GeneratedImage, ImageBytes, ImageProvider, ImageRequest, ImageUrl
from services.supabase.storyboards import Picture, StoryboardRow

# Between tries to store a picture that is nowhere else: some five minutes in all.
_STORING_PAUSES_S = (5, 10, 20, 40, 60, 60, 60, 60)
# A work disk that is full for a while among them.
_STORING_TROUBLES = (ServiceError, ProviderDown, MachineUnfit, RetryableError, OSError)

# And the ids of the characters whose references were sent for it.
_Bought = tuple[GeneratedImage, list[str]]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a shot has no picture; `passing` when another attempt may help."""

    shot_number: int
    message: str
    passing: bool


@dataclass(slots=True)
class _Slot:
    """A place for one purchase at a time; what it bought last may still be `keeping`."""

    keeping: asyncio.Task[None] | None = None

    async def kept(self) -> None:
        """Until the last picture is safe, or cannot be made so."""
        if self.keeping is not None:
            await asyncio.wait([self.keeping])


@dataclass
class StoryboardBatch:
    """One attempt at the shots of one job.

    1. So many shots as there are slots look at their rows, and buy.
    2. A bought picture is kept in the checkpoint, then written to its row, and its download added.
       Meanwhile its slot's next shot looks at its row; it buys when the last picture is kept.
    3. At the end the project says how it went, and what was not added yet is.
    """

    ctx: Context
    project_id: str
    user_id: str
    shots: Sequence[Shot]
    characters: tuple[Character, ...]
    style: str | None
    aspect_ratio: str
    rows: JobRows
    downloads: PictureDownloads
    failures: list[Failure] = field(default_factory=list[Failure])
    succeeded: int = 0
    handed_back: HandBack | None = None
    _storage_trouble: Exception | None = None

    def __post_init__(self) -> None:
        """Read the checkpoint: pictures bought and shots refused by earlier attempts."""
        self._purchases = Purchases(self.ctx)
        self._unkept = 0
        self._all_kept = asyncio.Event()
        self._slots: asyncio.Queue[_Slot] = asyncio.Queue()
        for _ in range(self.ctx.services.settings.storyboard_concurrency):
            self._slots.put_nowait(_Slot())

    @property
    def total(self) -> int:
        """How many shots the job has."""
        return len(self.shots)

    async def generate(self) -> None:
        """Get a picture for each shot that has none.

        Raises HandBack when the worker stops or the provider is down.
        """
        missing = [shot for shot in self.shots if not self._is_there(shot)]
        self._unkept = len(missing)
        self.succeeded = self.total - len(missing)
        await self._report(0, "开始生成分镜图...")
        async with asyncio.TaskGroup() as tasks:
            for shot in missing:
                tasks.create_task(self._one(shot))
            if missing:
                tasks.create_task(self._read_ahead())
        if self.handed_back is not None:
            raise self.handed_back

    async def try_again_if_passing(self) -> None:
        """Raise RetryableError when another attempt of the job may get more pictures."""
        passing = [failure for failure in self.failures if failure.passing]
        if not passing or self.ctx.is_last_attempt:
            return
        await self._fail_rows(one for one in self.failures if not one.passing)
        await self.downloads.add_left(await self.rows.current())
        raise RetryableError(
            f"{len(passing)} of {self.total} storyboards failed and will be tried again: "
            f"{_first(passing)}"
        )

    async def settle(self) -> str:
        """Write what is final and return it. Raises the failure when no shot has a picture."""
        await self._write_left()
        await self._fail_rows(self.failures)
        status = _final_status(self.succeeded, self.total)
        await self._report(95, "正在更新项目状态...")
        # The person may have asked for others while these were made.
        current = await self.rows.current()
        await both(self._settle_project(status, current), self.downloads.add_left(current))
        await self._report(100, _final_message(self.succeeded, self.total))
        if not self.succeeded:
            raise self._all_failed()
        return status

    async def _write_left(self) -> None:
        """Try again to write what is bought: another attempt that could does not come."""
        for failure in [one for one in self.failures if one.passing]:
            if self._purchases.has(failure.shot_number):
                await self._write_bought(self.rows.by_shot[failure.shot_number])
                self.failures.remove(failure)
                self.succeeded += 1

    async def _settle_project(self, status: str, current: list[StoryboardRow]) -> None:
        if not self.rows.are_superseded_by(current):
            await self.ctx.services.projects.update(self.project_id, step_3_status=status)

    def _is_there(self, shot: Shot) -> bool:
        row = self.rows.by_shot.get(shot.shot_number)
        return row is not None and row.status == "success"

    def _all_failed(self) -> JobError:
        kind = RetryableError if any(one.passing for one in self.failures) else PermanentError
        return kind(f"No storyboard could be generated: {_first(self.failures)}")

    async def _one(self, shot: Shot) -> None:
        try:
            await self._get_picture(shot)
            self.succeeded += 1
        except LockLost:
            raise
        except HandBack as error:
            self.handed_back = self.handed_back or error
            return
        except Exception as error:  # raised further it would cancel, unpaid back, all the others
            if lack := lack_of(error):
                self.handed_back = self.handed_back or MachineUnfit(lack)
                return
            await self._note(shot, error)
        await self._report_done()

    async def _read_ahead(self) -> None:
        """Read what `settle` looks at beside the last rows' writing, none of which it looks at."""
        await self._all_kept.wait()
        if self.handed_back is not None:
            return
        try:
            await self.rows.read_ahead()
        except (ServiceError, ProviderDown) as error:  # `settle` asks again, and raises
            self.ctx.log.debug("The rows could not be read ahead: {}", error)

    async def _get_picture(self, shot: Shot) -> None:
        try:
            row = await self._kept(shot)
        finally:
            self._unkept -= 1
            if not self._unkept:
                self._all_kept.set()
        if self._purchases.has(shot.shot_number):
            await self._write_bought(row)

    async def _kept(self, shot: Shot) -> StoryboardRow:
        """The shot's row, its picture being bought and kept, or in the row already."""
        number = shot.shot_number
        row = self.rows.by_shot.get(number)
        if row is None:
            raise NotFound(f"The project has no current storyboard row for shot {number}")
        if row.is_superseded:
            raise _superseded(number)
        if (refusal := self._purchases.refusal(number)) is not None:
            raise PermanentError(refusal)
        if not self._purchases.has(number):
            await self._buy_unless_there(shot, row)
        return row

    async def _buy_unless_there(self, shot: Shot, row: StoryboardRow) -> None:
        """Have the picture bought when a slot is free, and kept when that may be another's."""
        slot = await self._slots.get()
        keeping: asyncio.Task[None] | None = None
        try:
            bought = await self._buy(slot, shot, row)
            if bought is not None:
                keeping = slot.keeping = asyncio.create_task(self._keep(shot, row, *bought))
        finally:
            self._slots.put_nowait(slot)
        if keeping is not None:
            await keeping

    async def _buy(self, slot: _Slot, shot: Shot, row: StoryboardRow) -> _Bought | None:
        """None when the row has a picture by now."""
        if self.ctx.stopping.is_set():
            raise HandBack  # announce nothing
        await self._report(self._percent(), f"正在生成第 {shot.shot_number} 张分镜...")
        await self._look(row)
        await slot.kept()
        now = await self._look(row)  # anew only where that took long
        if self._storage_trouble is not None:
            raise self._storage_trouble  # what is bought now could not be kept either
        if self.ctx.stopping.is_set():
            raise HandBack
        return None if now.status == "success" else await self._purchase(shot, now)

    async def _look(self, row: StoryboardRow) -> StoryboardRow:
        """The row as it is: another job on the same rows may have been quicker."""
        now = await self.rows.now(row)
        if now is None:
            raise NotFound(f"The storyboard row of shot {row.shot_number} was removed")
        if now.is_superseded:
            raise _superseded(row.shot_number)
        return now

    async def _purchase(self, shot: Shot, row: StoryboardRow) -> _Bought:
        provider = self._provider()
        if row.status == "failed":
            await self.ctx.services.storyboards.update(
                row.id, status="generating", error_message=None
            )
        cast = characters_of_shot(shot, self.characters)
        shown = references(cast, provider.max_references)
        image = await provider.generate(self._request(shot, cast, shown))
        return image, [one.character_id for one in shown if one.character_id]

    def _provider(self) -> ImageProvider:
        provider = self.ctx.services.images
        if provider is None:
            raise PermanentError(
                "No image provider is configured: set BYTEPLUS_API_KEY or GOOGLE_AI_API_KEY"
            )
        return provider

    def _request(
        self, shot: Shot, cast: tuple[Character, ...], shown: tuple[Reference, ...]
    ) -> ImageRequest:
        return ImageRequest(
            prompt=storyboard_prompt(shot, cast, self.style, references=len(shown)),
            aspect_ratio=self.aspect_ratio,
            references=tuple(one.image_url for one in shown),
        )

    async def _keep(
        self, shot: Shot, row: StoryboardRow, image: GeneratedImage, used: list[str]
    ) -> None:
        match image:
            case ImageUrl(url=url):
                self._check_address(url)
                await self._purchases.keep(shot.shot_number, url, used)
            case ImageBytes():
                await self._store_bytes(row, image, used)

    def _check_address(self, url: str) -> None:
        """Raises UnsafeUrl, which ends the shot: the picture was paid for and cannot be fetched."""
        try:
            self.ctx.services.downloads.check(url)
        except UnsafeUrl as error:
            raise UnsafeUrl(f"Unsafe address of the picture: {error}") from error

    async def _write_bought(self, row: StoryboardRow) -> None:
        written = await self._purchases.write(row)
        if written is not None:
            self.downloads.add_soon(written)

    async def _store_bytes(self, row: StoryboardRow, image: ImageBytes, used: list[str]) -> None:
        async def store() -> None:
            file = self.ctx.workdir / f"shot-{row.shot_number}"
            file.write_bytes(image.data)
            picture = Picture(file, image.content_type, len(image.data))
            await self.ctx.services.storyboards.store(
                picture, self.user_id, row, row.id, used_character_ids=used, **_SUCCESS
            )

        await self._persistently(store)

    async def _persistently(self, store: Callable[[], Awaitable[object]]) -> None:
        """Bytes are in no checkpoint: to give up on storage is to pay for the picture again."""
        for pause_s in _STORING_PAUSES_S:
            try:
                await store()
                return
            except _STORING_TROUBLES as error:
                if not is_transient(error):
                    self._storage_trouble = error
                    raise
                self.ctx.log.warning("A picture waits for storage: {}", error)
            await asyncio.sleep(pause_s)
        try:
            await store()
        except _STORING_TROUBLES as error:
            self._storage_trouble = error
            raise

    async def _note(self, shot: Shot, error: Exception) -> None:
        message = self.ctx.services.scrub(str(error)) or type(error).__name__
        self.failures.append(Failure(shot.shot_number, message, is_transient(error)))
        unforeseen = None if isinstance(error, JobError | ServiceError) else error
        log = self.ctx.log.opt(exception=unforeseen)
        log.warning("Shot {} failed: {}", shot.shot_number, message)
        if not is_transient(error):
            await self._purchases.refuse(shot.shot_number, message)

    async def _fail_rows(self, failures: Iterable[Failure]) -> None:
        for failure in failures:
            row = self.rows.by_shot.get(failure.shot_number)
            if row is not None:
                await self.ctx.services.storyboards.fail_generating([row.id], failure.message)

    def _percent(self) -> int:
        # Half up, as JavaScript rounds.
        return int((self.succeeded + len(self.failures)) * 90 / self.total + 0.5)

    async def _report_done(self) -> None:
        done = self.succeeded + len(self.failures)
        await self._report(self._percent(), f"已完成 {done}/{self.total} 张分镜")

    async def _report(self, percent: int, message: str) -> None:
        await self.ctx.progress(percent, message, processed=self.succeeded, total=self.total)


_SUCCESS: dict[str, Any] = {"status": "success"}


def _superseded(shot_number: int) -> PermanentError:
    return PermanentError(f"A newer version of shot {shot_number} has been asked for")


def _first(failures: Sequence[Failure]) -> str:
    first = min(failures, key=lambda failure: failure.shot_number)
    return f"shot {first.shot_number}: {first.message}"


def _final_status(succeeded: int, total: int) -> str:
    if succeeded == total:
        return "completed"
    return "partial" if succeeded else "failed"


def _final_message(succeeded: int, total: int) -> str:
    if succeeded == total:
        return "全部分镜生成完成！"
    if succeeded:
        return f"分镜生成完成（{succeeded} 成功，{total - succeeded} 失败）"
    return "分镜生成失败"
