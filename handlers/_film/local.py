"""Makes a film by ffmpeg on this machine."""

from pathlib import Path

from core.errors import PermanentError, RequeueLater, UnsafeUrl
from core.people import Cause
from core.timeline import Scene, Timeline
from handlers._film.patience import Patience
from services.bundle import Context
from services.media.composer import Piece, Style
from services.supabase.projects import Project


async def local_film(
    ctx: Context, project: Project, timeline: Timeline, patience: Patience
) -> Path:
    """Fetch the clips and join them. Raises RequeueLater when the worker stops."""
    pieces: list[Piece] = []
    for place, scene in enumerate(timeline.scenes):
        # From 10 to 40 percent.
        percent = 10 + 30 * place // len(timeline.scenes)
        await ctx.progress(percent, f"Downloading clip {place + 1}/{len(timeline.scenes)}...")
        if ctx.is_stopping:
            raise RequeueLater
        pieces.append(Piece(await _fetched(ctx, project, scene), scene.length))
        await patience.progressed()

    async def report(done: int, total: int) -> None:
        await patience.progressed()
        # The rest up to 90 is for transitions and for joining.
        await ctx.progress(40 + 40 * done // total, f"Composing video ({done}/{total})...")

    await ctx.progress(40, "Composing video...")
    return await ctx.services.composer.compose(pieces, _style(project, timeline), report)


async def _fetched(ctx: Context, project: Project, scene: Scene) -> Path:
    target = ctx.workdir / f"clip-{scene.shot_number}.mp4"
    try:
        return await ctx.services.clip_files.fetch(
            scene.url, project.user_id, target, with_google_key=scene.is_googles
        )
    except UnsafeUrl as error:
        raise UnsafeUrl(
            f"Unsafe clip of shot {scene.shot_number}: {error}",
            cause=Cause.UNUSABLE_CLIPS,
            shots=[scene.shot_number],
        ) from error
    except PermanentError as error:
        error.blame(Cause.UNUSABLE_CLIPS, scene.shot_number)
        raise


def made_here(project: Project) -> str:
    """What a film depends on beside its timeline, for its fingerprint."""
    return f"ffmpeg {project.transition_effect} {project.transition_duration}"


def _style(project: Project, timeline: Timeline) -> Style:
    width, height = timeline.size
    seconds = max(0.0, project.transition_duration or 0.0)
    return Style(width, height, project.transition_effect, seconds)
