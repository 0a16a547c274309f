"""storyboard_generation: buy one picture for each shot, then add a download for each.

A picture is bought once: rows that are `success`, pictures in the checkpoint and refused shots are
not requested again by a later attempt. A shot with a transient failure stays `generating` until the
job's last attempt, or until nobody waits for it any longer (core/deadline.py).
"""

import time
from datetime import timedelta
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator

from bullmq_consumer import Jobs
from core.concurrent import both
from core.deadline import GIVEN_UP, Deadline, last_progress
from core.errors import ServiceError, TransientError, UnsafeUrl, holds_failure, why_of
from core.jobs.data import JobData, JobResult
from core.paths import RowId
from core.people import Thing
from core.storyboard.script import Character, Shot
from handlers._storyboard.batch import StoryboardBatch
from handlers._storyboard.buying import PictureBrief
from handlers._storyboard.downloads import PictureDownloads
from handlers._storyboard.purchases import Purchases
from handlers._storyboard.rows import JobRows, project_and_rows, status_of
from services.bundle import Context, VidfabJob

jobs: Jobs[Context] = Jobs(exclude_none=True)

# The app's projects hold up to 120 s of video; 200 shots are far more than that can have.
MAX_SHOTS = 200

_FINAL = {"completed", "partial", "failed"}


def _text_or_none(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _named(value: Any) -> Any:
    """The characters with a name: others cannot be drawn or matched. Null is an empty list."""
    entries = cast("list[Any]", value) if isinstance(value, list) else []
    return [entry for entry in entries if not hasattr(entry, "get") or entry.get("name")]


class Data(JobData):
    """The payload. Optional fields are read leniently, the shots strictly."""

    project_id: RowId
    shots: list[Shot] = Field(min_length=1, max_length=MAX_SHOTS)
    characters: Annotated[list[Character], BeforeValidator(_named)] = Field(
        default_factory=list[Character], max_length=MAX_SHOTS
    )
    style: Annotated[str | None, BeforeValidator(_text_or_none)] = None
    aspect_ratio: Annotated[
        Literal["16:9", "9:16", "1:1"], BeforeValidator(lambda value: value or "16:9")
    ] = "16:9"

    @field_validator("shots")
    @classmethod
    def _numbered_once(cls, shots: list[Shot]) -> list[Shot]:
        numbers = [shot.shot_number for shot in shots]
        twice = next((number for number in numbers if numbers.count(number) > 1), None)
        if twice is not None:
            raise ValueError(f"shot_number {twice} occurs twice")
        return shots


class Result(JobResult):
    """Counts of this job's shots. `final_status`: completed | partial | failed."""

    generated: bool = True
    project_id: str
    total: int
    completed: int
    failed: int
    final_status: str


class _NumberedShot(BaseModel):
    shot_number: int


def _readable(shots: Any) -> list[Any]:
    """The entries that have a shot number, at most MAX_SHOTS: the payload is not validated."""
    entries = cast("list[Any]", shots) if isinstance(shots, list) else []
    return [shot for shot in entries[: 2 * MAX_SHOTS] if _is_numbered(shot)]


def _is_numbered(shot: Any) -> bool:
    try:
        _NumberedShot.model_validate(shot)
    except ValidationError:
        return False
    return True


class Subject(JobData):
    """The fields that identify the rows, even when the shots themselves do not validate."""

    project_id: RowId
    shots: Annotated[list[_NumberedShot], BeforeValidator(_readable)] = Field(
        default_factory=list[_NumberedShot]
    )

    def shot_numbers(self) -> set[int]:
        """The shots' numbers, as far as they are readable."""
        return {shot.shot_number for shot in self.shots}


@jobs.job(
    "storyboard_generation",
    timeout=timedelta(minutes=30),
    # Bought pictures wait for their rows: a database that is back is found within a minute.
    failure_pause=timedelta(seconds=20),
)
async def storyboard_generation(job: VidfabJob[Data]) -> Result:
    """Generate the missing pictures and finalise the project's step 3."""
    ctx, data = job.deps, job.data
    numbers = {shot.shot_number for shot in data.shots}
    _, rows = await project_and_rows(ctx, data.project_id, data.user_id, numbers, data.shots)
    characters = tuple(_with_safe_references(ctx, one) for one in data.characters)
    async with PictureDownloads(ctx, data.user_id) as downloads:
        batch = StoryboardBatch(
            ctx=ctx,
            project_id=data.project_id,
            user_id=data.user_id,
            shots=data.shots,
            brief=PictureBrief(characters, data.style, data.aspect_ratio),
            rows=rows,
            downloads=downloads,
            deadline=_deadline(ctx),
        )
        # Concurrently: a crash before the ids are saved costs no more than an earlier one.
        await both(rows.remember(), batch.generate())
        await batch.retry_if_transient()
        status = await batch.finish()
    return Result(
        project_id=data.project_id,
        total=batch.total,
        completed=batch.succeeded,
        failed=batch.total - batch.succeeded,
        final_status=status,
    )


@storyboard_generation.on_final_failure
async def on_failed(job: VidfabJob[Subject], reason: str) -> None:
    """Finalise rows that are still `generating`, and have bought pictures stored."""
    ctx, subject = job.deps, job.data
    project, rows = await project_and_rows(
        ctx, subject.project_id, subject.user_id, subject.shot_numbers()
    )
    await rows.remember()
    has_written = await _write_bought(ctx, rows)
    own, current = await rows.with_current()
    open_ids = [row.id for row in own if row.status == "generating"]
    if open_ids:
        text = ctx.for_people(Thing.PICTURE, reason)
        await ctx.services.storyboards.fail_generating(open_ids, text)
    await rows.fail_of_no_shot(reason)
    is_newer = any(row.is_superseded for row in own) or rows.are_superseded_by(current)
    is_open = has_written or project.step_3_status not in _FINAL
    if is_open and not is_newer:
        status = status_of(own)
        await ctx.services.projects.update(subject.project_id, step_3_status=status)
    await PictureDownloads(ctx, subject.user_id).add_left(current)
    # Last: what is delivered again because its worker died here asks for nothing again.
    await Purchases(ctx).forget_refusals()


def _deadline(ctx: Context) -> Deadline:
    added_at = ctx.job.delivery.added_at or time.time()
    kept = ctx.checkpoint_fields
    return Deadline(added_at, last_progress(kept), bool(kept.get(GIVEN_UP)))


async def _write_bought(ctx: Context, rows: JobRows) -> bool:
    """Write bought pictures to rows without one; returns whether any was.

    The database may have been unreachable. What it refuses keeps no other from its row, and may be
    accepted later: raises its error while a key is refused, and TransientError for the rest as long
    as somebody waits for the pictures.
    """
    purchases, written, refused = Purchases(ctx), False, list[ServiceError]()
    for row in rows.by_shot.values():
        if row.status == "success" or not purchases.has(row.shot_number):
            continue
        try:
            written |= await purchases.write(row) is not None
        except ServiceError as error:
            if error.retryable:
                raise
            refused.append(error)
    for error in filter(holds_failure, refused):
        raise error
    if refused and not _deadline(ctx).is_over:
        raise TransientError(str(refused[0]), cause=why_of(refused[0]).cause) from refused[0]
    return written


def _with_safe_references(ctx: Context, character: Character) -> Character:
    """The character without references that are unsafe for the provider to fetch."""
    kept = tuple(url for url in character.reference_images if _is_safe(ctx, character, url))
    return character.model_copy(update={"reference_images": kept})


def _is_safe(ctx: Context, character: Character, url: str) -> bool:
    try:
        ctx.services.downloads.check(url)
    except UnsafeUrl as error:
        ctx.log.warning("A reference image of {} is left out: {}", character.short_name, error)
        return False
    return True
