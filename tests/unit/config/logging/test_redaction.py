"""What a secret may look like in a text, and what is not one."""

import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from urllib.parse import quote, quote_plus

import pytest

from config.logging.redaction import redactor

SECRET = "p'a/s+s w&o\"r\\d<é%~1"
# What no encoder touches.
PLAIN = "._~-"
Spelling = Callable[[str], str]

SPELLINGS: dict[str, Spelling] = {
    "as it is": str,
    "json": lambda text: json.dumps(text)[1:-1],
    "json in json": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "json with slashes escaped": lambda text: json.dumps(text).replace("/", "\\/")[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "repr of repr": lambda text: repr(repr(text)[1:-1])[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "html": escape,
    "html in numbers": lambda text: "".join(
        char if char.isalnum() or char in PLAIN else f"&#{ord(char)};" for char in text
    ),
    "html in hexadecimal numbers": lambda text: "".join(
        char if char.isalnum() or char in PLAIN else f"&#x{ord(char):04X};" for char in text
    ),
    "quote": quote,
    "quote of all": lambda text: quote(text, safe=""),
    "quote_plus": quote_plus,
    "quote in lower case": lambda text: quote(text, safe="").replace("%2F", "%2f"),
    "quote of quote": lambda text: quote(quote(text, safe="")),
    "partly quoted": lambda text: text.replace("/", "%2F").replace(" ", "%20"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_in_any_spelling(spelling: str) -> None:
    text = f"before {SPELLINGS[spelling](SECRET)} after"
    assert redactor(["another-one", SECRET])(text) == "before *** after"


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("login", ["", "u", "us", "default"])
def test_a_secret_within_base64(encode: Callable[[bytes], bytes], login: str) -> None:
    secret = "k?y~with>>the??digits-that-differ"
    header = encode(f"{login}:{secret}:rest".encode()).decode()
    redacted = redactor([secret])(f"Basic {header}")
    assert "***" in redacted
    assert len(redacted.replace("***", "")) <= len("Basic ") + len(login) * 4 / 3 + 14


def test_the_longer_secret_goes_first() -> None:
    redact = redactor(["hook-1234", "https://chat.example/hook-1234"])
    assert redact("https://chat.example/hook-1234 hook-1234") == "*** ***"


def test_each_of_many_is_found() -> None:
    secrets = [f"{chr(97 + number % 26)}-key-{number:04}" for number in range(200)]
    redact = redactor(secrets)
    assert all(redact(f"<{secret}>") == "<***>" for secret in secrets)


def test_what_is_no_secret_stays() -> None:
    text = "🔥 正在生成第 1 张分镜 key-000 %2F \\n"
    assert redactor(["key-0001", "short"])(text) == text
    assert redactor([])("short") == "short"
    assert redactor(["short"])("short") == "short"


@pytest.mark.parametrize("kept", range(8, 16))
def test_a_secret_that_was_cut(kept: int) -> None:
    """As by the limit on reasons; what is left of its first half alone may stay."""
    secret = "Qx7+/pLr2Vw9Tz4k"
    text = f"reason: the key {secret}"[: len("reason: the key ") + kept]
    line = json.dumps({"message": text, "job_id": "j-1"})
    assert json.loads(redactor([secret])(line)) == {
        "message": "reason: the key ***",
        "job_id": "j-1",
    }


@pytest.mark.parametrize(
    "secret",
    [
        *("+abcdefgh1234", "/abcdefgh1234", '"abcdefgh', "\\abcdefgh", "ab\\!cdefgh"),
        *(
            "ab\\\\\\cdefgh",
            "ab\\\\\\!\\!cdefgh",
            "\\\\\\!cdefgh",
            "!\\!\\!cdefgh",
            "!!!!\\\\cdefgh",
        ),
    ],
)
@pytest.mark.parametrize("before", ["", "ab"])
@pytest.mark.parametrize("part", ["\\", "\\u005c", "\\x5C", "%5C", "%25", "&#92;", "\\!", "…"])
def test_hostile_text_takes_no_time(secret: str, before: str, part: str) -> None:
    """A match was tried at each of N backslashes, over all that follow: 20,000 took 3 s."""
    text = before + part * (50_000 // len(part)) + "\\U" + "0" * 25_000
    began = time.process_time()
    assert redactor([secret])(text) == text
    assert time.process_time() - began < 1


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "secret",
    ["ab\\!cdef", "ab\\\\\\cdef", "\\\\!abcdef", "abcdef\\\\", "a\\é\\\\'bcde", "!\\u0021ab"],
)
def test_a_secret_with_backslashes_in_any_spelling(secret: str, spelling: str) -> None:
    assert redactor([secret])(f"before {SPELLINGS[spelling](secret)} after") == "before *** after"


@pytest.mark.parametrize("secret", ["hunter2-pw", 'ark"1\\2/3+4=5', "shot'stack key", "k" * 40])
@pytest.mark.parametrize("spelling", ["as it is", "json", "json in json", "quote of all"])
def test_what_was_left_of_a_secret_before_a_cut(secret: str, spelling: str) -> None:
    redact = redactor(["another-one", secret])
    spelled = SPELLINGS[spelling](secret)
    for kept in range(4, len(spelled) + 1):
        assert redact(f"it said {spelled[:kept]}… (999 characters)") == (
            "it said ***… (999 characters)"
        )


def test_what_is_no_beginning_of_a_secret_stays_before_a_cut() -> None:
    text = "hun… hunt-… a… … https://… hunte and …hunt"
    assert redactor(["hunter2-pw", "https://chat.example/hook"])(text) == text
