"""What people read when something of theirs failed: every sentence, in both languages.

An error has a `Cause`, a job its `Thing`: `sentence` makes one of both. What operators read is the
error's own message. No vendor, status, address or digit belongs into a sentence here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Any, cast

from config.variables import Language


@dataclass(frozen=True, slots=True)
class Text:
    """The same in each language."""

    en: str
    zh: str

    def in_language(self, language: Language) -> str:
        """The text in one of them."""
        return self.zh if language == "zh" else self.en


@unique
class Thing(Enum):
    """What a person waits for, as sentences call it."""

    PICTURE = Text("picture", "图片")
    CLIP = Text("clip", "视频片段")
    FILM = Text("final video", "成片")
    VIDEO = Text("video", "视频")
    THUMBNAIL = Text("thumbnail", "缩略图")


ALL = tuple(Thing)
# A clip's row fails only by what its provider says of the clip: no job of ours makes clips.
_JOBS = (Thing.PICTURE, Thing.FILM, Thing.VIDEO, Thing.THUMBNAIL)
_FETCHED = (Thing.PICTURE, Thing.FILM, Thing.VIDEO)
_FILM = (Thing.FILM,)
# People cannot ask for a thumbnail again, and see their video without it.
_NO_THUMBNAIL = Text(
    "The preview picture could not be made. The video itself is not affected.",
    "未能生成预览图，视频本身不受影响。",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A cause: `when` for operators' pages, what it `says` to people, of which `things`.

    `{thing}` and `{shots}` are filled in. `of` has sentences for things that need their own.
    """

    when: Text
    says: Text
    things: tuple[Thing, ...] = ALL
    of: dict[Thing, Text] = field(default_factory=dict[Thing, Text])

    def text(self, thing: Thing) -> Text:
        """The sentence for a thing, not filled in."""
        return self.of.get(thing, _NO_THUMBNAIL if thing is Thing.THUMBNAIL else self.says)


@unique
class Cause(Enum):
    """Why something failed, as far as it matters to the person who waits."""

    REFUSED = Case(
        Text("A provider refuses the content", "供应商以内容为由拒绝"),
        Text(
            "This {thing} was refused because of its content. Please change the description or the"
            " reference pictures and try again.",
            "该{thing}因内容未通过审核。请修改描述或参考图后重试。",
        ),
        (Thing.PICTURE, Thing.CLIP),
    )
    REFERENCE = Case(
        Text("A reference picture cannot be fetched or read", "无法获取或读取参考图"),
        Text(
            "A reference picture could not be read. Please choose another one and try again.",
            "无法读取参考图，请更换参考图后重试。",
        ),
        (Thing.PICTURE,),
    )
    BUSY = Case(
        Text(
            "A provider is down, limits the rate, or does not answer, until no attempt is left",
            "供应商停机、限流或没有响应，直到没有剩余的尝试次数",
        ),
        Text(
            "The service that makes this {thing} is busy. Please try again in a few minutes.",
            "生成该{thing}的服务繁忙，请几分钟后重试。",
        ),
        (Thing.PICTURE, Thing.FILM),
    )
    NO_RESULT = Case(
        Text("A provider ends without a result", "供应商结束了任务但没有给出结果"),
        Text(
            "This {thing} could not be made. Please try again.",
            "该{thing}未能生成，请重试。",
        ),
        (Thing.PICTURE, Thing.CLIP, Thing.FILM),
    )
    OUR_SIDE = Case(
        Text(
            "A key is missing or refused, an account is spent, a request is refused, the machine"
            " lacks something",
            "密钥缺失或被拒绝、账户额度用完、请求被拒绝、机器缺少某些东西",
        ),
        Text(
            "This {thing} could not be made because of a problem on our side. Please try again"
            " later, and contact us if it happens again.",
            "由于我们这边的问题，该{thing}未能生成。请稍后重试；如再次失败，请联系我们。",
        ),
        _JOBS,
    )
    NOT_SAVED = Case(
        Text("Database or storage cannot be reached", "无法连接数据库或存储"),
        Text(
            "This {thing} could not be saved. Please try again in a few minutes.",
            "该{thing}未能保存，请几分钟后重试。",
        ),
        _JOBS,
    )
    NOT_FETCHED = Case(
        Text("A download fails until no attempt is left", "下载失败，直到没有剩余的尝试次数"),
        Text(
            "This {thing} could not be downloaded. Please try again in a few minutes.",
            "该{thing}未能下载，请几分钟后重试。",
        ),
        _FETCHED,
        of={
            Thing.FILM: Text(
                "A download for the final video failed. Please try again in a few minutes.",
                "成片所需的下载失败，请几分钟后重试。",
            )
        },
    )
    GONE = Case(
        Text("What is to be downloaded has expired or was removed", "要下载的内容已过期或被删除"),
        Text(
            "This {thing} is no longer available. Please make it again.",
            "该{thing}已失效，请重新生成。",
        ),
        (Thing.PICTURE, Thing.CLIP, Thing.VIDEO),
    )
    UNUSABLE = Case(
        Text(
            "An unsafe address; a file that is broken, too large, or no picture or video",
            "地址不安全；文件损坏、过大，或不是图片或视频",
        ),
        Text(
            "This {thing} came in a form that cannot be used. Please make it again.",
            "该{thing}无法使用，请重新生成。",
        ),
        of={
            Thing.FILM: Text(
                "The final video cannot be made from these clips. Please make the clips again.",
                "无法用这些视频片段合成成片，请重新生成视频片段。",
            ),
            Thing.THUMBNAIL: Text(
                "No picture could be taken from this video.",
                "无法从该视频截取画面。",
            ),
        },
    )
    UNUSABLE_CLIPS = Case(
        Text("The same, of clips whose shots are known", "同上，并且知道是哪些镜头的片段"),
        Text(
            "Some clips cannot be used. Please make the clips of these shots again: {shots}.",
            "部分视频片段无法使用，请重新生成以下镜头的片段：{shots}。",
        ),
        _FILM,
    )
    MISSING_VIDEOS = Case(
        Text("A clip is ready and has no address", "片段状态为成功，却没有地址"),
        Text(
            "Some clips are missing their video. Please make the clips of these shots again:"
            " {shots}.",
            "部分视频片段缺少视频，请重新生成以下镜头的片段：{shots}。",
        ),
        _FILM,
    )
    NOT_READY = Case(
        Text("The clips' step is not completed", "片段步骤尚未完成"),
        Text(
            "Not all clips are finished yet. Please wait for them, then try again.",
            "还有视频片段没有完成，请等全部完成后再试。",
        ),
        _FILM,
    )
    NO_CLIPS = Case(
        Text("No clip is ready", "没有已完成的片段"),
        Text(
            "There are no finished clips yet. Please make the clips first.",
            "还没有已完成的视频片段，请先生成视频片段。",
        ),
        _FILM,
    )
    CLIPS_NOT_SAVED = Case(
        Text("A clip is not in our storage in time", "片段没有及时存入我们的存储"),
        Text(
            "Some clips are still being saved. Please try again in a few minutes.",
            "部分视频片段还在保存中，请几分钟后重试。",
        ),
        _FILM,
    )
    TOO_LONG = Case(
        Text("A time limit or the deadline passed", "超过时限或截止时间"),
        Text(
            "This {thing} took too long. Please try again.",
            "该{thing}耗时过长，请重试。",
        ),
    )
    SUPERSEDED = Case(
        Text("A newer version was requested", "用户已请求更新的版本"),
        Text(
            "A newer version of this {thing} was requested.",
            "已请求该{thing}的新版本。",
        ),
        (Thing.PICTURE,),
    )
    NOT_FOUND = Case(
        Text(
            "The project, row or file does not exist, or is another user's",
            "项目、记录或文件不存在，或属于其他用户",
        ),
        Text(
            "This {thing} was not found. It may have been deleted.",
            "找不到该{thing}，可能已被删除。",
        ),
        _JOBS,
        of={
            Thing.FILM: Text(
                "This project was not found. It may have been deleted.",
                "找不到该项目，可能已被删除。",
            ),
            Thing.THUMBNAIL: Text(
                "The video was not found. It may have been deleted.",
                "找不到该视频，可能已被删除。",
            ),
        },
    )
    INVALID = Case(
        Text(
            "The job's data do not validate, or its name is unknown", "任务数据无效，或任务名未知"
        ),
        Text(
            "The request for this {thing} could not be read. Please reload the page and try again.",
            "无法读取该{thing}的请求，请刷新页面后重试。",
        ),
        _JOBS,
    )
    NOT_BEGUN = Case(
        Text(
            "The app ended between the request and the order at the provider",
            "应用在接到请求之后、向供应商下单之前中断",
        ),
        Text(
            "This {thing} was not begun. Please generate it again.",
            "该{thing}没有开始生成，请重新生成。",
        ),
        (Thing.CLIP,),
    )
    UNKNOWN = Case(
        Text(
            "Anything else: workers that were lost, a job that the queue lost, a defect",
            "其他情况：worker 丢失、队列中的任务丢失、程序缺陷",
        ),
        Text(
            "This {thing} could not be finished. Please try again.",
            "该{thing}未能完成，请重试。",
        ),
    )


@dataclass(frozen=True, slots=True)
class Why:
    """A cause, and the `shots` that it is about where a sentence names them."""

    cause: Cause = Cause.UNKNOWN
    shots: tuple[int, ...] = ()

    def kept(self) -> list[Any]:
        """As JSON, for a later delivery of the job."""
        return [self.cause.name, *self.shots]

    @classmethod
    def of_kept(cls, value: Any) -> "Why":
        """What `kept` made; unknown for anything else, such as what another version kept."""
        name, *shots = cast("list[Any]", value) if isinstance(value, list) and value else [""]
        cause = Cause.__members__.get(str(name), Cause.UNKNOWN)
        return cls(cause, tuple(one for one in shots if isinstance(one, int)))


def sentence(why: Why, thing: Thing, language: Language) -> str:
    """What a person reads about the failure of their `thing`."""
    text = why.cause.value.text(thing).in_language(language)
    return text.format(thing=thing.value.in_language(language), shots=_listed(why.shots, language))


def late(thing: Thing, language: Language) -> str:
    """The sentence for what was given up, since nobody waits so long."""
    return sentence(Why(Cause.TOO_LONG), thing, language)


def thumbnail_failed(why: Why, language: Language) -> str:
    """What stands on the row of a video that has no thumbnail. The app knows its opening."""
    return f"Thumbnail generation failed: {sentence(why, Thing.THUMBNAIL, language)}"


def _listed(shots: Iterable[int], language: Language) -> str:
    return ("、" if language == "zh" else ", ").join(map(str, shots))
