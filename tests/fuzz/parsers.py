"""Each parser of foreign bytes as one function that must return, or raise what it promises.

Whatever else a function raises, or an assertion here, is a finding.
"""

import json
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx

from bullmq_consumer.redis.clients import connect_briefly
from bullmq_consumer.sanitize.fields import corrupt_fields, sanitized
from bullmq_consumer.sanitize.strict_json import NotReadable, read
from config.consumer import redis_of
from config.environment import Environment
from config.errors import ConfigError
from config.logging.redaction import scrubber
from config.settings import Settings, load_settings
from config.validators.allowed_hosts import AllowedHosts
from core.errors import InvalidData, ServiceError, UnrecoverableError, UnsafeUrl
from core.jobs.data import parse
from core.paths import stored_object
from services.clips.seedance import Seedance
from services.clips.wavespeed import WavespeedVeo
from services.films import shotstack
from services.images import seedream
from services.media.description import read_description
from services.net.guard import check_url
from services.net.http import service_error
from tests.support.models import models

MODELS = models()
SECRETS = ('ark"1\\2/3+4=5', "shot'stack key", "sb_secret_0a1b2c3d4e", "redis+pass/word")
SCRUB = scrubber(SECRETS)
SUPABASE = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_1"}
ANSWERED = (ServiceError, UnrecoverableError)  # ContentRejected is one of the latter


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def job_data(data: bytes) -> None:
    """A job's hash and its payload, by all nine models."""
    text = _text(data)
    names = ("data", "opts", "stacktrace", "progress", "parent", "parentKey", "atm", "timestamp")
    raw = {"name": "x", **dict.fromkeys(names, text)}
    safe = sanitized(raw)
    payload = safe.data
    assert safe.options.get("attempts", 0) in range(1001)
    assert set(corrupt_fields(raw)) <= raw.keys() | {"ats", "stc"}
    for one in MODELS.values():
        for model in one.all:
            with suppress(InvalidData):
                assert parse(model, payload).user_id


def foreign_json(data: bytes) -> None:
    """What is taken reads the same as with the standard library."""
    text = _text(data)
    with suppress(NotReadable):
        assert repr(read(text)) == repr(json.loads(text))


def redis_url(data: bytes) -> None:
    """An address that the settings take is one that a client can be made of; none is quoted."""
    url = _text(data)
    settings = _loaded(url)
    if settings is None:
        return
    assert connect_briefly(redis_of(settings))
    assert url.startswith("unix:") or "@" not in str(redis_of(settings))
    assert settings.secrets()


def _loaded(url: str) -> Settings | None:
    refused: list[str] = []
    try:
        return load_settings(environment=Environment({**SUPABASE, "REDIS_URL": url}, {}))
    except ConfigError as error:
        refused = error.problems
    assert len(url) < 12 or all(url not in line for line in refused)
    return None


def redaction(data: bytes) -> None:
    """A secret is found whatever stands around it."""
    text = _text(data)
    for secret in SECRETS:
        for spelled in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
            assert spelled not in SCRUB(f"{text}{spelled}{text}")
    SCRUB(text)


def provider_answers(data: bytes) -> None:
    """What BytePlus, Wavespeed and Shotstack say, with success and without."""
    request = httpx.Request("GET", "https://x.example", headers={"authorization": "Bearer key"})
    good = httpx.Response(200, content=data, request=request)
    for judge in (seedream._picture, Seedance.outcome, WavespeedVeo.outcome, _render):
        with suppress(*ANSWERED):
            judge(good)
    for status in (400, 401, 429, 503):
        bad = httpx.Response(status, content=data, request=request)
        assert str(service_error("Service", "do it", bad)).isprintable()
        with suppress(*ANSWERED):
            shotstack._check(bad, "do it")


def _render(response: httpx.Response) -> object:
    return shotstack._state(shotstack._read(shotstack._RenderAnswer, response, "ask").response)


def gemini_answers(data: bytes) -> None:
    """What Google's library makes of an answer."""
    from google.genai.types import GenerateContentResponse

    from services.images import gemini

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of words that it does not know
        try:
            answer = GenerateContentResponse.model_validate_json(data)
        except (ValueError, TypeError, AttributeError):
            return  # as `Gemini` takes them
    with suppress(*ANSWERED):
        gemini._picture(answer)


def urls(data: bytes) -> None:
    """The guard's reading of an address, and our own storage's."""
    url = _text(data)
    with suppress(UnsafeUrl):
        check_url(url, AllowedHosts())
        assert url.lower().startswith("https://")
    found = stored_object(url, "https://x.supabase.co")
    assert found is None or ".." not in found.path.split("/")


def probe_output(data: bytes) -> None:
    """What ffmpeg says of a file, which quotes the file's own words."""
    with suppress(UnrecoverableError):
        found = read_description(_text(data))
        assert found.width > 0
        assert found.height > 0
        assert math.isfinite(found.duration_s)
        assert found.duration_s >= 0


@contextmanager
def _finding(name: str, data: bytes) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"{name} of {data!r:.2000}")
        raise


def checked(name: str, data: bytes) -> None:
    """Run one; what it raises says of which bytes."""
    with _finding(name, data):
        PARSERS[name](data)


PARSERS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one
    for one in (
        *(job_data, foreign_json, redis_url, redaction),
        *(provider_answers, gemini_answers, urls, probe_output),
    )
}
SEEDS: dict[str, tuple[bytes, ...]] = {
    "job_data": (
        b'{"userId":"u","projectId":"11111111-1111-4111-8111-111111111111","shotNumber":1,'
        b'"externalUrl":"https://x.example/a.jpg","videoId":"temp-1","videoPath":"videos/u/a.mp4"}',
        b'{"userId":"u","projectId":"11111111-1111-4111-8111-111111111111","characters":[{"name":"A'
        b' (cat)"}],"shots":[{"shot_number":1,"description":"A door","characters":["A"]}]}',
        b'{"userId":"u","tempUrls":["a"],"cleanupAfter":"2026-01-01T00:00:00Z","operation":"add"}',
        b'{"attempts":3,"backoff":{"type":"exponential","delay":5000},"removeOnFail":{"age":1}}',
        b'{"id":"1","queueKey":"bull:q"}',
    ),
    "foreign_json": (b'{"a":[1,2.5e3,"\\ud83d\\ude00",null,true]}', b"[NaN]", b'{"a":1,"a":2}'),
    "redis_url": (
        b"rediss://user:pass@host:6379/0?ssl_cert_reqs=required",
        b"redis://[::1]:1/15?db=3&username=u&password=p%40&ssl_ca_certs=a",
        b"unix:///run/redis.sock?db=1",
    ),
    "redaction": (b'\\\\"/+= %2F &#x27; https://u:p@h/a?b#c', b"YXJrIjFcMi8zKzQ9NQ=="),
    "provider_answers": (
        b'{"data":[{"url":"https://x/a.png","error":{"code":"X","message":"m"}}],"error":null}',
        b'{"id":"t","status":"succeeded","content":{"video_url":"u","last_frame_url":"l"}}',
        b'{"data":{"status":"completed","outputs":["u"],"error":""}}',
        b'{"success":true,"response":{"status":"done","url":"u","error":"e"}}',
        b"<html>502</html>",
    ),
    "gemini_answers": (
        b'{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBO'
        b'Rw0KGgo="}}]},"finishReason":"STOP"}],"promptFeedback":{"blockReason":"SAFETY"}}',
        b'{"candidates":[{"finishReason":"IMAGE_SAFETY"}]}',
    ),
    "urls": (
        b"https://user:p@x.example:443/a%2e?b#c",
        b"https://xn--nxasmq6b.example/\xe3\x80\x82",
        b"https://x.supabase.co/storage/v1/object/public/user-videos/videos/u/a.mp4?x",
    ),
    "probe_output": (
        b"Input #0, mov, from 'file:a':\n  Duration: 00:00:02.00, start: 0.000000, bitrate: 287\n"
        b"  Stream #0:0[0x1](und): Video: h264 (High), yuv420p(tv, bt709), 320x240, 25 fps\n"
        b"    Side data:\n      Display Matrix: rotation of 90.00 degrees\n"
        b"  Stream #0:1: Audio: aac\n",
        b"Input #0, mov, from 'file:a':\n  Metadata:\n    Stream #0:1111111111: Video: h264,,,,\n"
        b"  Duration: N/A\n    Stream #0:0(eng): Video: vp9, yuv420p(, 1x1\n   a: Stream #0:1:\n",
    ),
}
