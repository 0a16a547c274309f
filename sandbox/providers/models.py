"""What goes over the control API, between the stand-ins and the client that steers them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

Outcome = Literal["pending", "answered", "cut", "reset", "gone"]
"""`cut`: the body was broken off; `reset`: no answer; `gone`: the client did not wait for it."""

OperationKind = Literal["tasks", "predictions", "operations", "renders"]
"""Seedance tasks, Wavespeed predictions, Veo operations, Shotstack renders."""


class Match(BaseModel):
    """Which requests; `path` is a glob on the path without its query, `*` spans slashes too."""

    path: str = "*"
    method: str | None = None
    body_contains: str | None = None


class Fault(BaseModel):
    """A rule. The first that matches and is not used up decides about a request.

    `nth` counts matching requests from 1: the rule begins there, and is used once unless `times`
    says otherwise. Without both it stays in force. With a `status` or `body` the fault answers in
    the vendor's place: nothing is bought then, unless `accepted`: the vendor did the work, and
    bills it, before the fault took its answer away. `truncate_bytes` cuts the connection after so
    many bytes of the body, `reset` before the first.
    """

    match: Match = Match()
    nth: int | None = Field(default=None, ge=1)
    times: int | None = Field(default=None, ge=1)
    status: int | None = Field(default=None, ge=200, le=599)
    body: Any = None
    headers: dict[str, str] = {}
    delay_s: float | None = Field(default=None, ge=0)
    truncate_bytes: int | None = Field(default=None, ge=0)
    content_type: str | None = None
    reset: bool = False
    accepted: bool = False


class Delay(BaseModel):
    """How long a path's answers take at least; the latest rule that matches counts."""

    path: str
    seconds: float = Field(ge=0)


class Recorded(BaseModel):
    """A request as it came; keys in headers are masked. `at` is in seconds since the epoch."""

    number: int
    server: Literal["api", "media"]
    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = {}
    body: Any = None
    at: float
    status: int | None = None
    outcome: Outcome = "pending"
    took_s: float | None = None
    undocumented: list[str] = []
    """Fields of the body that the vendor does not document and ignores."""


class Bought(BaseModel):
    """Something that costs money: a picture, a clip or a film."""

    kind: Literal["image", "task", "render"]
    vendor: Literal["byteplus", "google", "shotstack"]
    what: str
    """The prompt, or the render's clips."""
    at: float


class Paid(BaseModel):
    """How often money was spent, whether or not the answer arrived."""

    images: int
    tasks: int
    renders: int
    items: list[Bought]

    @property
    def total(self) -> int:
        return self.images + self.tasks + self.renders


class Operation(BaseModel):
    """What takes a vendor a while, as it shall end.

    `final` is the vendor's own last word (`failed`, `cancelled`, …); `succeeded` means done for
    each of them, and `running` that it never ends. `after_s` defaults to the kind's timing. `url`
    replaces the clip that would be drawn, and "" leaves it out.
    """

    final: str = "succeeded"
    after_s: float | None = Field(default=None, ge=0)
    url: str | None = None
    error_code: str = "InternalServiceError"
    error_message: str = "The generation failed."
    seconds: float = Field(default=5, gt=0, le=60)
    width: int = Field(default=1280, ge=16, le=3840, multiple_of=2)
    height: int = Field(default=720, ge=16, le=3840, multiple_of=2)
    number: int = 1
    text: str = ""


class Timing(BaseModel):
    """Seconds from order to result, by kind; None leaves one as it is."""

    tasks: float | None = Field(default=None, ge=0)
    predictions: float | None = Field(default=None, ge=0)
    operations: float | None = Field(default=None, ge=0)
    renders: float | None = Field(default=None, ge=0)


class Limit(BaseModel):
    """How many requests a minute Shotstack takes of a key: 300, in its sandbox 150; None for all.

    Setting it begins another window.
    """

    requests: int | None = Field(default=None, ge=0)


class Ready(BaseModel):
    """The file that the process writes when it listens."""

    port: int
    media_port: int
    ca_file: str
    ca_bundle: str
    media_folder: str
