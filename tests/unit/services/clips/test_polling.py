"""What providers say of clips, against a server on this machine."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from config.settings import Settings
from core.errors import ProviderDown, ServiceError
from core.people import Cause
from services.clips.base import ClipOutcome, Failed, Running, Succeeded
from services.clips.choice import ClipProviders
from services.supabase.clips import ClipRow

Response = Callable[..., bytes]

GOOGLE = "models/veo-3.0/operations/op1"
GOOGLE_PATH = f"/v1beta/{GOOGLE}"

pytestmark = pytest.mark.usefixtures("no_waits")


class Asked:
    """The providers, and what their server answers."""

    def __init__(self, providers: ClipProviders, server: Any, response: Response) -> None:
        self.providers = providers
        self.server = server
        self._response = response

    def on(self, path: str, *bodies: Any, status: str = "200 OK") -> None:
        texts = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        kind = "application/json"
        self.server.on(path, *(self._response(t, status=status, content_type=kind) for t in texts))

    async def seedance(self, task_id: str = "t1") -> ClipOutcome:
        return await self.providers.status(clip(seedance_task_id=task_id))

    async def veo(self, request_id: str = "r1") -> ClipOutcome:
        return await self.providers.status(clip(video_request_id=request_id))

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.server.requests]


def clip(**ids: str) -> ClipRow:
    return ClipRow(id="c", project_id="p", shot_number=1, status="generating", **ids)


@pytest.fixture
async def asked(
    settings: Callable[..., Settings],
    provider: Any,
    response: Response,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Asked]:
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    found = settings(
        BYTEPLUS_API_KEY="byteplus-key-1",
        BYTEPLUS_ARK_BASE_URL=provider.url("/ark"),
        WAVESPEED_API_KEY="wavespeed-key-1",
        WAVESPEED_API_URL=provider.url("/ws"),
        GOOGLE_AI_API_KEY="google-key-1",
        GOOGLE_GEMINI_BASE_URL=provider.url(""),
    )
    providers = ClipProviders(found)
    yield Asked(providers, provider, response)
    await providers.aclose()


def task(status: str, **fields: Any) -> dict[str, Any]:
    return {"id": "t1", "status": status, "error": None, **fields}


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (task("queued"), Running()),
        (task("running"), Running()),
        (task("a word of tomorrow"), Running()),
        (
            task("succeeded", content={"video_url": "https://v", "last_frame_url": "https://f"}),
            Succeeded("https://v", "https://f"),
        ),
        (task("succeeded", content={"video_url": "https://v"}), Succeeded("https://v")),
        (task("succeeded"), Failed("Seedance ended the clip's task without a video")),
        (task("failed", error={"code": "X", "message": "too dark"}), Failed("too dark")),
        (
            task("failed", error={"code": "OutputSensitive"}),
            Failed("OutputSensitive", Cause.REFUSED),
        ),
        (task("failed", error={"code": "Output", "message": None}), Failed("Output")),
        (task("failed", error={"code": None, "message": "too dark"}), Failed("too dark")),
        (task("cancelled"), Failed("Seedance ended the clip's task as cancelled")),
        (task("expired"), Failed("Seedance ended the clip's task as expired", Cause.TOO_LONG)),
    ],
)
async def test_seedance(asked: Asked, body: Any, outcome: ClipOutcome) -> None:
    asked.on("/ark/contents/generations/tasks/t1", body)
    assert await asked.seedance() == outcome
    [request] = asked.server.requests
    assert request.headers["authorization"] == "Bearer byteplus-key-1"


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        ({"status": "created"}, Running()),
        ({"status": "processing", "outputs": None}, Running()),
        ({"status": "completed", "outputs": ["https://v", "https://w"]}, Succeeded("https://v")),
        (
            {"status": "completed", "outputs": []},
            Failed("Wavespeed ended the clip without a video"),
        ),
        ({"status": "failed", "error": "no\ncats"}, Failed("no cats")),
        ({"status": "failed", "error": ""}, Failed("Wavespeed ended the clip as failed")),
    ],
)
async def test_wavespeed(asked: Asked, data: Any, outcome: ClipOutcome) -> None:
    asked.on("/ws/predictions/r1/result", {"code": 200, "message": "success", "data": data})
    assert await asked.veo() == outcome
    [request] = asked.server.requests
    assert request.headers["authorization"] == "Bearer wavespeed-key-1"


def videos(**response: Any) -> dict[str, Any]:
    return {"name": GOOGLE, "done": True, "response": {"generateVideoResponse": response}}


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"name": GOOGLE}, Running()),
        (videos(generatedSamples=[{"video": {"uri": "https://v"}}]), Succeeded("https://v")),
        (videos(), Failed("Google ended the clip without a video")),
        (
            videos(raiMediaFilteredCount=1, raiMediaFilteredReasons=["A celebrity."]),
            Failed("A celebrity.", Cause.REFUSED),
        ),
        ({"name": GOOGLE, "done": True, "error": {"code": 3, "message": "no"}}, Failed("no")),
    ],
)
async def test_google(asked: Asked, body: Any, outcome: ClipOutcome) -> None:
    asked.on(GOOGLE_PATH, body)
    assert await asked.veo(GOOGLE) == outcome
    [request] = asked.server.requests
    assert request.headers["x-goog-api-key"] == "google-key-1"
    assert "google-key-1" not in request.target


# What the vendors themselves say of a clip that they do not know, or whose id cannot be one.
UNKNOWN_TASK = {"error": {"code": "ResourceNotFound", "message": "The task t1 does not exist."}}
WRONG_TASK = {"error": {"code": "InvalidParameter", "message": "The task id is not valid"}}
UNKNOWN_PREDICTION = {"code": 404, "message": "prediction not found"}
UNKNOWN_OPERATION = {
    "error": {"code": 404, "status": "NOT_FOUND", "message": "Operation not found."}
}
UNKNOWN_ENTITY = {
    "error": {"code": 404, "status": "NOT_FOUND", "message": "Requested entity was not found."}
}
TASK_PATH = "/ark/contents/generations/tasks/t1"
PREDICTION_PATH = "/ws/predictions/r1/result"
VENDORS_OWN = [
    ("t1", TASK_PATH, UNKNOWN_TASK, 404, 7),
    ("t1", TASK_PATH, WRONG_TASK, 400, 7),
    ("r1", PREDICTION_PATH, UNKNOWN_PREDICTION, 404, 7),
    (GOOGLE, GOOGLE_PATH, UNKNOWN_OPERATION, 404, 2),
    (GOOGLE, GOOGLE_PATH, UNKNOWN_ENTITY, 404, 2),
]


def ordered(clip_id: str, ago: timedelta) -> ClipRow:
    """The row of a clip that nobody has touched since it was ordered."""
    column = "seedance_task_id" if clip_id.startswith(("t", "cgt-")) else "video_request_id"
    return clip(**{column: clip_id}).model_copy(update={"updated_at": datetime.now(UTC) - ago})


@pytest.mark.parametrize(("clip_id", "path", "body", "status", "days"), VENDORS_OWN)
async def test_a_clip_is_gone_by_the_vendors_own_word_once_it_is_old(
    asked: Asked, clip_id: str, path: str, body: Any, status: int, days: int
) -> None:
    asked.on(path, body, status=f"{status} No")
    row = ordered(clip_id, timedelta(days=days, minutes=1))
    assert await asked.providers.status(row) == Failed(
        f"The video is no longer available: it was ordered more than {days} days ago",
        Cause.GONE,
    )


@pytest.mark.parametrize(("clip_id", "path", "body", "status", "days"), VENDORS_OWN)
async def test_a_clip_that_is_young_enough_to_be_known_is_not_given_up(
    asked: Asked, clip_id: str, path: str, body: Any, status: int, days: int
) -> None:
    """The key may be another account's, the address another region's."""
    asked.on(path, body, status=f"{status} No")
    untouched = ordered(clip_id, timedelta(0)).model_copy(update={"updated_at": None})
    for row in (ordered(clip_id, timedelta(days=days, minutes=-1)), untouched):
        with pytest.raises(ServiceError, match=f"does not know the clip, .* {days} days") as raised:
            await asked.providers.status(row)
        assert not raised.value.retryable


PAGE = b"<html><h1>404 Not Found</h1></html>"


def ark(code: str, message: str = "No") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "param": "", "type": "x"}}


def googles(code: int, status: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message}}


@pytest.mark.parametrize(
    ("clip_id", "path", "status", "body"),
    [
        ("t1", TASK_PATH, "404 Not Found", PAGE),
        ("t1", TASK_PATH, "404 Not Found", {"message": "no Route matched with those values"}),
        ("t1", TASK_PATH, "404 Not Found", ark("InvalidEndpointOrModel.NotFound", "task t1?")),
        ("t1", TASK_PATH, "404 Not Found", ark("ModelNotOpen")),
        ("t1", TASK_PATH, "404 Not Found", ark("NotFound", "The requested path does not exist")),
        ("t1", TASK_PATH, "400 Bad Request", ark("InvalidAuthorization")),
        ("t1", TASK_PATH, "400 Bad Request", ark("InvalidParameter", "The region is not valid")),
        ("t1", TASK_PATH, "401 Unauthorized", ark("AuthenticationError", "task t1")),
        ("t1", TASK_PATH, "403 Forbidden", ark("AccountOverdueError", "task t1")),
        ("r1", PREDICTION_PATH, "404 Not Found", b"404 page not found"),
        ("r1", PREDICTION_PATH, "404 Not Found", PAGE),
        ("r1", PREDICTION_PATH, "404 Not Found", {"code": 404, "message": "not found"}),
        ("r1", PREDICTION_PATH, "403 Forbidden", {"code": 403, "message": "prediction"}),
        (GOOGLE, GOOGLE_PATH, "404 Not Found", PAGE),
        (
            GOOGLE,
            GOOGLE_PATH,
            "404 Not Found",
            googles(404, "NOT_FOUND", f"{GOOGLE} is not found for API version v1. Call ListModels"),
        ),
        (
            GOOGLE,
            GOOGLE_PATH,
            "404 Not Found",
            googles(404, "NOT_FOUND", "models/veo-3.0 is not found, or is not supported"),
        ),
        (GOOGLE, GOOGLE_PATH, "400 Bad Request", googles(400, "INVALID_ARGUMENT", "operation?")),
        (GOOGLE, GOOGLE_PATH, "403 Forbidden", PAGE),
    ],
)
async def test_any_other_refusal_says_nothing_of_the_clip_however_old(
    asked: Asked, clip_id: str, path: str, status: str, body: Any
) -> None:
    asked.on(path, body, status=status)
    with pytest.raises(ServiceError) as raised:
        await asked.providers.status(ordered(clip_id, timedelta(days=30)))
    assert raised.value.status == int(status[:3])
    assert not raised.value.retryable
    assert len(asked.server.requests) == 1


DENIED = googles(403, "PERMISSION_DENIED", "The caller does not have permission")


async def test_a_clip_that_google_denies_is_given_up_once_its_video_is_gone(asked: Asked) -> None:
    """Some operations are denied for good: they would stay generating for ever."""
    asked.on(GOOGLE_PATH, DENIED, status="403 Forbidden")
    assert await asked.providers.status(ordered(GOOGLE, timedelta(days=3, minutes=1))) == Failed(
        "The video is no longer available: it was ordered more than 3 days ago", Cause.GONE
    )


async def test_a_clip_that_google_denies_is_asked_for_while_its_video_may_be_there(
    asked: Asked,
) -> None:
    """The key may be another project's, or restricted by mistake."""
    asked.on(GOOGLE_PATH, DENIED, status="403 Forbidden")
    untouched = ordered(GOOGLE, timedelta(0)).model_copy(update={"updated_at": None})
    for row in (ordered(GOOGLE, timedelta(days=3, minutes=-1)), untouched):
        with pytest.raises(ServiceError, match="The caller does not have permission") as raised:
            await asked.providers.status(row)
        assert not raised.value.retryable


@pytest.mark.parametrize(
    ("days_in_id", "form", "days_of_row", "is_gone"),
    [
        (8, "%Y%m%d%H%M%S", 0, True),
        (6, "%Y%m%d%H%M%S", 30, False),
        (9, "%Y%m%d", 0, True),
        (6, "%Y%m%d", 30, False),
        (0, "20269999999999", 8, True),
        (0, "20269999999999", 6, False),
    ],
)
async def test_the_date_in_a_tasks_id_is_the_tasks_own(
    asked: Asked, days_in_id: int, form: str, days_of_row: int, is_gone: bool
) -> None:
    """A row may be older than its clip, which was ordered anew, or have been touched since."""
    moment = datetime.now(UTC) - timedelta(days=days_in_id)
    task_id = f"cgt-{moment.strftime(form)}-a1b2c"
    path = f"/ark/contents/generations/tasks/{task_id}"
    asked.on(path, ark("ResourceNotFound", f"{task_id} is not there"), status="404 Not Found")
    row = ordered(task_id, timedelta(days=days_of_row))
    if is_gone:
        assert isinstance(await asked.providers.status(row), Failed)
    else:
        with pytest.raises(ServiceError):
            await asked.providers.status(row)


@pytest.mark.parametrize(
    ("status", "retryable", "requests"),
    [("503 Service Unavailable", True, 3), ("401 No", False, 1)],
)
async def test_a_trouble_is_no_outcome(
    asked: Asked, status: str, retryable: bool, requests: int
) -> None:
    for path in ("/ark/contents/generations/tasks/t1", "/ws/predictions/r1/result", GOOGLE_PATH):
        asked.on(path, {"error": {"message": "wrong: google-key-1"}}, status=status)
    for call in (asked.seedance(), asked.veo(), asked.veo(GOOGLE)):
        asked.server.requests.clear()
        with pytest.raises(ServiceError) as raised:
            await call
        assert raised.value.retryable is retryable
        assert len(asked.server.requests) == requests
    assert str(raised.value) == "wrong: ***"


async def test_a_limit_holds_all_polls_of_the_vendor_back_for_its_minute(asked: Asked) -> None:
    for path in ("/ark/contents/generations/tasks/t1", "/ws/predictions/r1/result", GOOGLE_PATH):
        asked.on(path, {"error": {"message": "slower"}}, status="429 Too Many")
    for poll in (asked.seedance, asked.veo, partial(asked.veo, GOOGLE)):
        asked.server.requests.clear()
        for _ in range(2):
            with pytest.raises(ProviderDown, match="has reached its limit") as raised:
                await poll()
            assert raised.value.delay.total_seconds() > 55
        assert len(asked.server.requests) == 3


async def test_an_answer_that_cannot_be_read_is_asked_for_again(asked: Asked) -> None:
    done = task("succeeded", content={"video_url": "https://v"})
    asked.on("/ark/contents/generations/tasks/t1", b"<html>", ["x"], done)
    assert await asked.seedance() == Succeeded("https://v")
    asked.on(GOOGLE_PATH, b"<html>", ["x"], {"name": GOOGLE})
    assert await asked.veo(GOOGLE) == Running()


async def test_a_connection_that_breaks_is_a_trouble(asked: Asked) -> None:
    asked.on("/ark/contents/generations/tasks/t1", task("running"))
    asked.server.answers["/ark/contents/generations/tasks/t1"] = [b""]
    asked.server.answers[GOOGLE_PATH] = [b""]
    for call in (asked.seedance(), asked.veo(GOOGLE)):
        with pytest.raises(ServiceError, match="could not be reached to poll a clip"):
            await call


@pytest.mark.parametrize(
    ("task_id", "sent"),
    [
        ("a/../../b", "a%2F..%2F..%2Fb"),
        ("a?x=1#y", "a%3Fx%3D1%23y"),
        ("a%2e%2e", "a%252e%252e"),
        ("a\r\nb", "a%0D%0Ab"),
        ("猫", "%E7%8C%AB"),
    ],
)
async def test_an_id_stays_one_segment(asked: Asked, task_id: str, sent: str) -> None:
    for call in (asked.seedance(task_id), asked.veo(task_id)):
        with pytest.raises(ServiceError):
            await call
    assert asked.targets == [
        f"/ark/contents/generations/tasks/{sent}",
        f"/ws/predictions/{sent}/result",
    ]


async def test_the_name_of_an_operation_leads_nowhere_else(asked: Asked) -> None:
    asked.on("/v1beta/models/v/operations/a%3Fkey%3D1", {"name": GOOGLE})
    assert await asked.veo("models/v/operations/a?key=1") == Running()
    asked.server.requests.clear()
    for name in ("models/../operations/a", "//host/operations/a", "models/v/operations/.."):
        assert await asked.veo(name) == Failed("The clip's Google operation name is not one")
    for task_id in (".", ".."):
        assert await asked.seedance(task_id) == Failed("The clip's Seedance task id is not one")
        assert await asked.veo(task_id) == Failed("The clip's Wavespeed prediction id is not one")
    assert asked.targets == []


async def test_a_missing_key_is_named(settings: Callable[..., Settings]) -> None:
    providers = ClipProviders(settings())
    for row, variable in [
        (clip(seedance_task_id="t"), "BYTEPLUS_API_KEY"),
        (clip(video_request_id="r"), "WAVESPEED_API_KEY"),
        (clip(video_request_id=GOOGLE), "GOOGLE_AI_API_KEY"),
    ]:
        with pytest.raises(ServiceError, match=f"set {variable}") as raised:
            await providers.status(row)
        assert not raised.value.retryable
