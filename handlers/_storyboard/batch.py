"""The shots of one storyboard job: which have a picture, which are bought, which failed."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bullmq_consumer.machine import MachineUnfit, lack_of
from core.concurrent import both
from core.deadline import Deadline
from core.errors import (
    JobError,
    LockLost,
    ProviderDown,
    RequeueLater,
    RetryableError,
    ServiceError,
    UnrecoverableError,
    is_transient,
    why_of,
)
from core.people import Cause, Thing, Why
from core.storyboard.script import Shot
from handlers._storyboard.buying import PictureBrief, PictureBuyer
from handlers._storyboard.downloads import PictureDownloads
from handlers._storyboard.purchases import Purchases
from handlers._storyboard.rows import JobRows
from handlers._storyboard.watch import SOON, DeadlineWatch
from services.bundle import Context
from services.supabase.storyboards import StoryboardRow


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a shot has no picture: its error, and the `message` of that for operators."""

    shot_number: int
    message: str
    error: Exception

    @property
    def is_transient(self) -> bool:
        """Whether another attempt may help."""
        return is_transient(self.error)

    @property
    def is_of_no_row(self) -> bool:
        """Whether there was no row to draw the shot for."""
        return why_of(self.error).cause is Cause.NOT_FOUND


@dataclass
class StoryboardBatch:
    """One attempt at the shots of one job.

    1. As many shots as there are slots read their rows, and buy.
    2. A bought picture is saved in the checkpoint, then written to its row, and its download added.
       Meanwhile its slot's next shot reads its row; it buys when the last picture is saved.
    3. At the end the project's status is written, and the downloads that are missing are added.
    4. When the `deadline` passes before that, nothing more is bought, and what is not there fails
       at once. A picture that was being made then is still taken.
    """

    ctx: Context
    project_id: str
    user_id: str
    shots: Sequence[Shot]
    brief: PictureBrief
    rows: JobRows
    downloads: PictureDownloads
    deadline: Deadline
    failures: list[Failure] = field(default_factory=list[Failure])
    succeeded: int = 0
    handed_back: RequeueLater | None = None

    def __post_init__(self) -> None:
        """Read the checkpoint: pictures bought and shots refused by earlier attempts."""
        self._purchases = Purchases(self.ctx)
        self._watch = DeadlineWatch(
            self.ctx, self.project_id, self.rows, self._purchases, self.deadline
        )
        self._deleted = 0
        self._unsaved = 0
        self._all_saved = asyncio.Event()
        self._buyer = PictureBuyer(
            self.ctx,
            self.user_id,
            self.brief,
            self.rows,
            self._purchases,
            self.deadline,
            self._announce,
        )

    @property
    def total(self) -> int:
        """How many shots the job has, without those that were deleted by its end."""
        return len(self.shots) - self._deleted

    async def generate(self) -> None:
        """Get a picture for each shot that has none.

        Raises RequeueLater when the worker stops or the provider is down.
        """
        missing = [shot for shot in self.shots if not self._is_there(shot)]
        self._unsaved = len(missing)
        self.succeeded = self.total - len(missing)
        await self._report(0, "开始生成分镜图...")
        async with self._watch.running(), asyncio.TaskGroup() as tasks:
            for shot in missing:
                tasks.create_task(self._one(shot))
            if missing:
                tasks.create_task(self._read_ahead())
        if self.handed_back is not None:
            raise self._return_of(self.handed_back)

    async def retry_if_transient(self) -> None:
        """Raise RetryableError when another attempt of the job may get more pictures."""
        transient = [failure for failure in self.failures if failure.is_transient]
        if not transient or self.ctx.is_last_attempt or self.deadline.give_up_if_over():
            return
        lost = [one for one in self.failures if not self._purchases.has(one.shot_number)]
        await self._fail_rows(one for one in lost if not one.is_transient)
        await self.downloads.add_left(await self.rows.current())
        first = _first(transient)
        raise RetryableError(
            f"{len(transient)} of {self.total} storyboards failed and will be retried: "
            f"{_told(first)}"
        ) from first.error

    async def finish(self) -> str:
        """Write the final status and return it. Raises the failure when no shot has a picture."""
        await self._write_left()
        self._leave_out_deleted()
        await self._fail_rows(self.failures)
        await self.rows.fail_of_no_shot(Why())
        status = _final_status(self.succeeded, self.total)
        await self._report(95, "正在更新项目状态...")
        # The user may have requested newer ones meanwhile.
        current = await self.rows.current()
        await both(self._finish_project(status, current), self.downloads.add_left(current))
        await self._report(100, _final_message(self.succeeded, self.total))
        if not self.succeeded:
            raise self._all_failed() from _first(self.failures).error
        return status

    async def _write_left(self) -> None:
        """Try again to write bought pictures to their rows, whatever kept them from it.

        Raises the first error when all were tried: the hook of the failed job writes them.
        """
        errors: list[Exception] = []
        for failure in list(self.failures):
            row = self.rows.by_shot.get(failure.shot_number)
            if row is None or not self._purchases.has(failure.shot_number):
                continue
            try:
                await self._write_bought(row)
            except (ServiceError, ProviderDown) as error:
                errors.append(error)
            else:
                self.failures.remove(failure)
                self.succeeded += 1
        if errors:
            raise errors[0]

    def _leave_out_deleted(self) -> None:
        """A shot without a row was deleted in the app: no failure, unless there is no other.

        Where a row is left that is no shot's, the shot may be there, with another text.
        """
        if self.rows.have_one_of_no_shot:
            return
        left = [one for one in self.failures if not one.is_of_no_row]
        deleted = len(self.failures) - len(left)
        if deleted < len(self.shots):
            self.failures, self._deleted = left, deleted

    async def _finish_project(self, status: str, current: list[StoryboardRow]) -> None:
        if not self.rows.are_superseded_by(current):
            await self.ctx.services.projects.update(self.project_id, step_3_status=status)

    def _return_of(self, error: RequeueLater) -> RequeueLater:
        """When the job comes back: soon, when it has pictures whose rows are not written."""
        unwritten = (
            row.status != "success" and self._purchases.has(row.shot_number)
            for row in self.rows.by_shot.values()
        )
        if not isinstance(error, ProviderDown) or error.delay <= SOON or not any(unwritten):
            return error
        return RequeueLater(SOON, str(error))

    def _is_there(self, shot: Shot) -> bool:
        row = self.rows.by_shot.get(shot.shot_number)
        return row is not None and row.status == "success"

    def _all_failed(self) -> JobError:
        may_help = not self.deadline.is_over and any(one.is_transient for one in self.failures)
        kind = RetryableError if may_help else UnrecoverableError
        return kind(f"No storyboard could be generated: {_told(_first(self.failures))}")

    async def _one(self, shot: Shot) -> None:
        try:
            await self._get_picture(shot)
            self.succeeded += 1
        except LockLost:
            raise
        except RequeueLater as error:
            self.handed_back = self.handed_back or error
            return
        except Exception as error:  # if raised, it would cancel the other shots' paid requests
            if lack := lack_of(error):
                self.handed_back = self.handed_back or MachineUnfit(lack)
                return
            await self._note(shot, error)
        await self._report_done()

    async def _read_ahead(self) -> None:
        """Read the rows for `finish` while the last ones are written, which it does not need."""
        await self._all_saved.wait()
        if self.handed_back is not None:
            return
        try:
            await self.rows.read_ahead()
        except (ServiceError, ProviderDown) as error:  # `finish` reads again, and raises
            self.ctx.log.debug("The rows could not be read ahead: {}", error)

    async def _get_picture(self, shot: Shot) -> None:
        try:
            row = await self._buyer.secure(shot)
        finally:
            self._unsaved -= 1
            if not self._unsaved:
                self._all_saved.set()
        if self._purchases.has(shot.shot_number):
            await self._write_bought(row)

    async def _announce(self, shot: Shot) -> None:
        await self._report(self._percent(), f"正在生成第 {shot.shot_number} 张分镜...")

    async def _write_bought(self, row: StoryboardRow) -> None:
        written = await self._purchases.write(row)
        if written is not None:
            self.downloads.add_soon(written)

    async def _note(self, shot: Shot, error: Exception) -> None:
        message = self.ctx.services.scrub(str(error)) or type(error).__name__
        self.failures.append(Failure(shot.shot_number, message, error))
        unforeseen = None if isinstance(error, JobError | ServiceError) else error
        log = self.ctx.log.opt(exception=unforeseen)
        log.warning("Shot {} failed: {}", shot.shot_number, message)
        if not is_transient(error) and not self._purchases.has(shot.shot_number):
            await self._purchases.refuse(shot.shot_number, message, why_of(error))

    async def _fail_rows(self, failures: Iterable[Failure]) -> None:
        for failure in failures:
            row = self.rows.by_shot.get(failure.shot_number)
            if row is not None:
                text = self.ctx.for_people(Thing.PICTURE, why_of(failure.error))
                await self.ctx.services.storyboards.fail_generating([row.id], text)

    def _percent(self) -> int:
        # Half up, as JavaScript rounds.
        return int((self.succeeded + len(self.failures)) * 90 / self.total + 0.5)

    async def _report_done(self) -> None:
        done = self.succeeded + len(self.failures)
        await self._report(self._percent(), f"已完成 {done}/{self.total} 张分镜")

    async def _report(self, percent: int, message: str) -> None:
        await self.ctx.progress(percent, message, processed=self.succeeded, total=self.total)


def _first(failures: Sequence[Failure]) -> Failure:
    return min(failures, key=lambda failure: failure.shot_number)


def _told(failure: Failure) -> str:
    return f"shot {failure.shot_number}: {failure.message}"


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
