"""The pages tell the truth: variables, defaults, exit codes, log lines, metrics and alerts."""

import ast
import re
from dataclasses import fields
from functools import cache

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pydantic import AliasChoices

from bullmq_consumer.health.status import WorkerStatus
from bullmq_consumer.inspect.queue import Counts
from config.environment import Environment
from config.errors import ConfigError
from config.settings import Settings, load_settings
from runtime import app as process
from runtime.http.metrics import Metrics
from tests.support.pages import ROOT, Page, page, pages
from tests.support.urls import BENIGN, HOSTILE

each_page = pytest.mark.parametrize("one", pages(), ids=str)

_VARIABLE = re.compile(r"(?<![\w$/:-])[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9](?![\w*])")
# Variables of others, with the word of who reads or says them.
_FOREIGN = {
    "NODE_CHANNEL_FD": "Node",
    "NODE_APP_INSTANCE": "PM2",
    "NO_COLOR": "rich",
    "WRONG_VERSION_NUMBER": "OpenSSL",
    "ON_FAILURE": "Railway",
    "ENABLE_QUEUE": "the app",
    "OTEL_TRACES_SAMPLER": "OpenTelemetry",
    "UPLOAD_FILE_SIZE_LIMIT_STANDARD": "Supabase's storage",
}


@cache
def variables() -> dict[str, list[str]]:
    """The variables of each setting, the first that is set wins."""
    found: dict[str, list[str]] = {}
    for name, info in Settings.model_fields.items():
        alias = info.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        found[name] = [str(choice) for choice in choices]
    return found


def known_variables() -> set[str]:
    return {name for names in variables().values() for name in names}


@cache
def code() -> str:
    """All that the worker is made of."""
    folders = ("bullmq_consumer", "config", "core", "services", "handlers", "runtime", "commands")
    files = [ROOT / "worker.py", *(f for one in folders for f in (ROOT / one).rglob("*.py"))]
    return "\n".join(file.read_text("utf-8") for file in files)


@each_page
def test_variables_exist(one: Page) -> None:
    named = set(_VARIABLE.findall(one.code))
    unknown = named - known_variables() - _FOREIGN.keys()
    assert {name for name in unknown if not re.search(rf"\b{name}\b", code())} == set()


@pytest.mark.parametrize("name", ["settings", "zh/settings"])
def test_the_table_of_settings_is_complete_and_tells_the_defaults(name: str) -> None:
    told: dict[str, str] = {}
    for cells in page(name).rows():
        names = re.findall(r"`([A-Z][A-Z0-9_]+)`", cells[0])
        defaults = re.findall(r"`([^`]*)`", cells[2]) if len(cells) > 2 else []
        told |= dict.fromkeys(names, defaults[0] if defaults else "")
    assert {one for names in variables().values() for one in names} <= told.keys()
    wrong = {
        names[0]: (told[names[0]], default)
        for field, names in variables().items()
        if (default := _default(field)) != told[names[0]]
    }
    assert wrong == {}, "told, true"


def _default(field: str) -> str:
    info = Settings.model_fields[field]
    value = info.default
    if info.is_required() or value is None or field == "download_allowed_hosts":
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "info" if field == "log_level" else str(value)


def test_the_example_file_is_complete() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    missing = [names for names in variables().values() if not any(name in text for name in names)]
    assert missing == []


@pytest.mark.parametrize("name", ["operations", "zh/operations"])
def test_exit_codes_are_those_of_the_worker(name: str) -> None:
    cells = [cells[0].strip("`") for cells in page(name).rows()]
    codes = {int(cell) for cell in cells if cell.isdigit()}
    own = {value for key, value in vars(process).items() if key.startswith("EXIT_")}
    # 2 is the command line's own, for words that it cannot read, 137 the kernel's for SIGKILL.
    assert codes == own | {2, 137}


# Less than this could be found anywhere.
_SHORT = 5
# Stands nowhere else.
_END = "\uffff"


@each_page
def test_what_the_log_is_said_to_hold_is_in_the_code(one: Page) -> None:
    """Blocks called `log`: `…` stands for what varies."""
    blocks = [block.text for block in one.blocks if block.language == "log"]
    lines = [line for text in blocks for line in text.split("\n")]
    unknown = [line for line in lines if not all(map(_is_said, _fragments(line)))]
    assert unknown == []


def _fragments(line: str) -> list[str]:
    message = re.sub(r"^(\d\d:\d\d:\d\d\.\d{3} [A-Z]+ +|✗ )", "", line)
    return [part for one in message.split("…") if len(part := one.strip(" ()")) > 3]


@cache
def _said() -> str:
    """The fixed parts of all that the code can say, each between two ends."""
    parts: set[str] = set()
    for node in ast.walk(ast.parse(code())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts |= set(re.split(r"\{[^}]*\}|%s|%\.\df", node.value))
    return _END.join(["", *(part for part in (*parts, *_refusals()) if part.strip()), ""])


def _refusals() -> list[str]:
    """What is said of wrong settings, which is made of their descriptions."""
    said: list[str] = []
    for values in ({}, {"BULLMQ_REDIS_URL": "https://x.upstash.io"}):
        with pytest.raises(ConfigError) as refused:
            load_settings(environment=Environment(values, {}))
        said += refused.value.problems
    return said


def _is_said(fragment: str) -> bool:
    """Whether one string of the code holds it, or several in a row: one is put into the other."""
    if not fragment or fragment in _said():
        return True
    heads = (fragment[:length] for length in range(len(fragment) - 1, _SHORT, -1))
    ends = (head for head in heads if head + _END in _said())
    return any(_is_said(fragment[len(head) :].strip()) for head in ends)


_METRIC = r"\b(?:vidfab_worker|bullmq_job)_\w+"


@each_page
def test_metrics_exist(one: Page) -> None:
    assert set(re.findall(_METRIC, one.code)) - _metrics() == set()


@pytest.mark.parametrize("name", ["operations", "zh/operations"])
def test_all_metrics_are_told_of(name: str) -> None:
    assert _metrics() - set(re.findall(_METRIC, page(name).code)) == set()


@pytest.mark.parametrize("name", ["operations", "zh/operations"])
def test_the_alerts_are_those_of_the_rules_whose_metrics_exist(name: str) -> None:
    [group] = yaml.safe_load((ROOT / "deploy/prometheus-rules.yaml").read_text("utf-8"))["groups"]
    told = [cells[0].strip("`") for cells in page(name).rows() if cells[0].startswith("`Vidfab")]
    assert told == [rule["alert"] for rule in group["rules"]]
    used = {metric for rule in group["rules"] for metric in re.findall(_METRIC, rule["expr"])}
    assert {re.sub(r"_(?:bucket|count)$", "", one) for one in used - _metrics()} <= _metrics()


@pytest.mark.parametrize("name", ["security", "zh/security"])
def test_the_urls_are_as_many_as_told(name: str) -> None:
    told = re.search(r"(\d+) (?:hostile|个恶意).*?(\d+) (?:odd|个少见)", page(name).prose)
    assert told is not None
    assert (int(told[1]), int(told[2])) == (len(HOSTILE), len(BENIGN))


@cache
def _metrics() -> frozenset[str]:
    """As a scrape brings them; histograms without the endings of their parts."""
    counts = Counts(*(0 for _ in fields(Counts)))
    metrics = Metrics(WorkerStatus(), names=["a_job"], queue_name="q", concurrency=1)
    found = text_string_to_metric_families(metrics.text(counts).decode())
    names = {f"{one.name}_total" if one.type == "counter" else one.name for one in found}
    return frozenset(name for name in names if re.fullmatch(_METRIC, name))


@pytest.mark.parametrize("folder", ["", "zh/"])
@pytest.mark.parametrize("name", ["setup", "migration", "operations"])
def test_who_waits_for_storyboards_reads_what_the_app_needs(folder: str, name: str) -> None:
    """The app adds such jobs only with this, and nothing in this worker's log can tell."""
    assert "ENABLE_QUEUE=true" in page(folder + name).path.read_text("utf-8")
