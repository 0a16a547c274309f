"""The shots of one storyboard job: what is there, what is bought, what failed and why."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.characters import Reference, characters_of_shot, references
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
    is_passing,
)
from core.machine import MachineUnfit, lack_of
from core.prompts import storyboard_prompt
from core.storyboard import Character, Shot
from handlers._storyboard_rows import add_downloads, own_rows
from services.bundle import Context
from services.images import GeneratedImage, ImageBytes, ImageProvider, ImageRequest, ImageUrl
from services.storyboards import Picture, StoryboardRow

# Between tries to store a picture that is nowhere else: some five minutes in all.
_STORING_PAUSES_S = (5, 10, 20, 40, 60, 60, 60, 60)
# A work disk that is full for a while among them.
_STORING_TROUBLES = (ServiceError, ProviderDown, MachineUnfit, RetryableError, OSError)
# The provider's URLs live 24 h.
_URL_LIFE_S = 23 * 3600


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a shot has no picture; `passing` when another attempt may help."""

    shot_number: int
    message: str
    passing: bool


@dataclass
class StoryboardBatch:
    """One attempt at the shots of one job. `rows` maps shot numbers to current rows."""

    ctx: Context
    project_id: str
    user_id: str
    shots: Sequence[Shot]
    characters: tuple[Character, ...]
    style: str | None
    aspect_ratio: str
    rows: dict[int, StoryboardRow]
    failures: list[Failure] = field(default_factory=list[Failure])
    succeeded: int = 0
    handed_back: HandBack | None = None
    _storage_trouble: Exception | None = None

    def __post_init__(self) -> None:
        """Read the checkpoint: pictures bought and shots refused by earlier attempts."""
        saved = self.ctx.checkpoint_fields
        self._bought: dict[str, Any] = saved.setdefault("bought", {})
        self._refused: dict[str, str] = saved.setdefault("refused", {})
        self._slots = asyncio.Semaphore(self.ctx.services.settings.storyboard_concurrency)

    @property
    def total(self) -> int:
        """How many shots the job has."""
        return len(self.shots)

    async def generate(self) -> None:
        """Get a picture for each shot that has none.

        Raises HandBack when the worker stops or the provider is down.
        """
        missing = [shot for shot in self.shots if not self._is_there(shot)]
        self.succeeded = self.total - len(missing)
        await self._report(0, "开始生成分镜图...")
        async with asyncio.TaskGroup() as tasks:
            for shot in missing:
                tasks.create_task(self._one(shot))
        if self.handed_back is not None:
            raise self.handed_back

    async def try_again_if_passing(self) -> None:
        """Raise RetryableError when another attempt of the job may get more pictures."""
        passing = [failure for failure in self.failures if failure.passing]
        if not passing or self.ctx.is_last_attempt:
            return
        await self._fail_rows(one for one in self.failures if not one.passing)
        await add_downloads(self.ctx, self.project_id, self.user_id)
        raise RetryableError(
            f"{len(passing)} of {self.total} storyboards failed and will be tried again: "
            f"{_first(passing)}"
        )

    async def settle(self) -> str:
        """Write what is final and return it. Raises the failure when no shot has a picture."""
        await self._fail_rows(self.failures)
        status = _final_status(self.succeeded, self.total)
        await self._report(95, "正在更新项目状态...")
        # Anew: the person may have asked for others while these were made.
        rows = await own_rows(self.ctx, self.project_id, self.rows)
        if not any(row.is_superseded for row in rows.values()):
            await self.ctx.services.projects.update(self.project_id, step_3_status=status)
        await self._report(100, _final_message(self.succeeded, self.total))
        await add_downloads(self.ctx, self.project_id, self.user_id)
        if not self.succeeded:
            raise self._all_failed()
        return status

    def _is_there(self, shot: Shot) -> bool:
        row = self.rows.get(shot.shot_number)
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

    async def _get_picture(self, shot: Shot) -> None:
        number = str(shot.shot_number)
        row = self.rows.get(shot.shot_number)
        if row is None:
            raise NotFound(f"The project has no current storyboard row for shot {number}")
        if row.is_superseded:
            raise _superseded(shot.shot_number)
        if number in self._refused:
            raise PermanentError(self._refused[number])
        if not self._has_bought(number):
            async with self._slots:
                await self._buy_unless_there(shot, row)
        if number in self._bought:
            await self._write_bought(row, self._bought[number])

    def _has_bought(self, number: str) -> bool:
        """Whether an earlier attempt bought this picture and its URL still lives."""
        return time.time() - self._bought.get(number, {}).get("at", 0) < _URL_LIFE_S

    async def _buy_unless_there(self, shot: Shot, row: StoryboardRow) -> None:
        """Look at the row again first: another job on the same rows may have been quicker."""
        if self.ctx.stopping.is_set():
            raise HandBack  # announce nothing
        if self._storage_trouble is not None:
            raise self._storage_trouble  # what is bought now could not be kept either
        await self._report(self._percent(), f"正在生成第 {shot.shot_number} 张分镜...")
        now = await self.ctx.services.storyboards.find(self.project_id, row.shot_number, row.id)
        if now is None:
            raise NotFound(f"The storyboard row of shot {row.shot_number} was removed")
        if now.is_superseded:
            raise _superseded(row.shot_number)
        if self.ctx.stopping.is_set():
            raise HandBack
        if now.status != "success":
            await self._buy(shot, now)

    async def _buy(self, shot: Shot, row: StoryboardRow) -> None:
        provider = self._provider()
        if row.status == "failed":
            await self.ctx.services.storyboards.update(
                row.id, status="generating", error_message=None
            )
        cast = characters_of_shot(shot, self.characters)
        shown = references(cast)
        image = await provider.generate(self._request(shot, cast, shown))
        await self._keep(shot, row, image, [one.character_id for one in shown if one.character_id])

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
            prompt=storyboard_prompt(shot, cast, self.style, with_references=bool(shown)),
            aspect_ratio=self.aspect_ratio,
            references=tuple(one.image_url for one in shown),
        )

    async def _keep(
        self, shot: Shot, row: StoryboardRow, image: GeneratedImage, used: list[str]
    ) -> None:
        match image:
            case ImageUrl(url=url):
                self._check_address(url)
                # First with the job, then in the row: a database that is away costs no picture.
                self._bought[str(shot.shot_number)] = {"url": url, "used": used, "at": time.time()}
                await self.ctx.checkpoint(bought=self._bought)
            case ImageBytes():
                await self._store_bytes(row, image, used)

    def _check_address(self, url: str) -> None:
        """Raises UnsafeUrl, which ends the shot: the picture was paid for and cannot be fetched."""
        try:
            self.ctx.services.downloads.check(url)
        except UnsafeUrl as error:
            raise UnsafeUrl(f"Unsafe address of the picture: {error}") from error

    async def _write_bought(self, row: StoryboardRow, bought: dict[str, Any]) -> None:
        await self.ctx.services.storyboards.succeed(
            row.id,
            image_url=bought["url"],
            image_url_external=bought["url"],
            used_character_ids=bought["used"],
            storage_status="pending",
        )

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
                if not is_passing(error):
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
        self.failures.append(Failure(shot.shot_number, message, is_passing(error)))
        unforeseen = None if isinstance(error, JobError | ServiceError) else error
        log = self.ctx.log.opt(exception=unforeseen)
        log.warning("Shot {} failed: {}", shot.shot_number, message)
        if not is_passing(error):
            self._refused[str(shot.shot_number)] = message
            await self.ctx.checkpoint(refused=self._refused)

    async def _fail_rows(self, failures: Iterable[Failure]) -> None:
        for failure in failures:
            row = self.rows.get(failure.shot_number)
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
