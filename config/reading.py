"""Settings read as far as they can be: for who wants to know all that is wrong at once."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr, ValidationError

from config.environment import Environment, read_environment
from config.logging.redaction import Redact, scrubber
from config.problems import fields_in, names, problems, read_from
from config.settings import Settings, variable_of
from config.validators.allowed_hosts import AllowedHosts

# Stand in for what has no default; nothing is asked at this address.
_STAND_INS = {"supabase_url": "http://unset.invalid", "supabase_key": "unset"}
# Choices that name a vendor: left out when its key is missing.
_CHOICES = ("image_provider", "video_composer")


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting as it may be shown. `origin` is where its value was taken from."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Reading:
    """`problems` holds one line for each wrong variable; the `wrong` fields are not the user's."""

    settings: Settings
    seen: Environment
    problems: list[str]
    wrong: frozenset[str]

    def shown(self) -> list[Shown]:
        """All settings in force, secrets by their length alone."""
        scrub = scrubber(self.settings.secrets())
        fields = (field for field in Settings.model_fields if field not in self.wrong)
        return [self._shown(field, scrub) for field in fields]

    def _shown(self, field: str, scrub: Redact) -> Shown:
        used = self.variable(field)
        value = getattr(self.settings, field)
        if isinstance(value, SecretStr):
            text = f"set ({len(value.get_secret_value())} characters)"
        elif used is not None:
            text = scrub(self.seen.values[used])
        else:
            text = _default(value)
        origin = "default" if used is None else self.seen.origins.get(used, "")
        return Shown(used or variable_of(field), text, origin)

    def variable(self, field: str) -> str | None:
        """The variable that a setting was read from, None for a default."""
        is_read = field in self.settings.model_fields_set
        return read_from(field, Settings, self.seen.values) if is_read else None


def _default(value: object) -> str:
    """As one would write it in an .env file."""
    match value:
        case None | AllowedHosts():
            return "not set"
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def read_settings(env_file: Path | None) -> Reading:
    """Read all that is right; a wrong variable counts as not set. Raises ConfigError for a file."""
    seen = read_environment(env_file)
    values = dict(seen.values)
    found: list[str] = []
    wrong: set[str] = set()
    while True:
        try:
            settings = Settings(**values)  # pyright: ignore[reportArgumentType]
        except ValidationError as error:
            found += problems(error, Settings, seen)
            # One about the whole is about a choice without its key.
            fields = fields_in(error, Settings) or set(_CHOICES)
            _leave_out(values, fields)
            wrong |= fields
        else:
            return Reading(settings, seen, found, frozenset(wrong))


def _leave_out(values: dict[str, str], fields: set[str]) -> None:
    for field in fields:
        for name in names(field, Settings):
            values.pop(name, None)
        if field in _STAND_INS:
            values[next(names(field, Settings))] = _STAND_INS[field]
