"""The worker's configuration: the variables, the rules between them, and what follows from them.

Values come from `config.environment`; `load_settings` reports all problems at once.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import (
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from config.environment import Environment, read_environment
from config.errors import ConfigError
from config.problems import fields_in, names, problems, read_from
from config.validators.addresses import keys_in, login_in
from config.validators.allowed_hosts import AllowedHosts, parse_allowed_hosts
from config.validators.certificates import check_certificates
from config.validators.headers import keys_in_headers
from config.validators.redis_url import check_redis_url, without_app_options
from config.variables import IMAGE_KEYS, TRACING, Variables

_COMMENT = re.compile(r"(?:^|\s)#")


class Settings(Variables):
    """The variables, checked one by one and against each other."""

    _untraced: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="before")
    @classmethod
    def _one_address(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Beside a URL its parts are not read: a service link sets `REDIS_PORT=tcp://…`."""
        if not any(name in values for name in names("redis_url", cls)):
            return values
        parts = ("redis_host", "redis_port", "redis_db")
        unread = {name for part in parts for name in names(part, cls)}
        return {name: value for name, value in values.items() if name not in unread}

    @model_validator(mode="before")
    @classmethod
    def _newest_key(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Whichever variable it stands in."""
        outranked = {*names("supabase_key", cls)} - {read_from("supabase_key", cls, values)}
        return {name: value for name, value in values.items() if name not in outranked}

    @field_validator("*", mode="before")
    @classmethod
    def _uncommented(cls, value: Any, info: ValidationInfo) -> Any:
        """Before all else: a comment makes a value wrong in other ways too."""
        may_hold_any = info.field_name == "redis_password"
        if isinstance(value, str) and _COMMENT.search(value) and not may_hold_any:
            raise ValueError(
                "in Docker's env-file a comment behind a value is part of it: give it its own line"
            )
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_redis_url(value.get_secret_value())
        return value

    @field_validator("*")
    @classmethod
    def _sendable(cls, value: Any) -> Any:
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            if not (text.isascii() and text.isprintable()):
                raise ValueError("it holds a character that no key has, look for a stray one")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _level_names(cls, value: str) -> str:
        return {"warn": "WARNING", "verbose": "DEBUG", "fatal": "CRITICAL"}.get(
            value.lower(), value.upper()
        )

    @field_validator(
        "image_provider", "video_composer", "log_format", "app_language", mode="before"
    )
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.lower()

    @field_validator("download_allowed_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: str | AllowedHosts) -> AllowedHosts:
        return parse_allowed_hosts(value) if isinstance(value, str) else value

    @field_validator("ca_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        return None if value is None else check_certificates(value)

    @model_validator(mode="after")
    def _choices_have_keys(self) -> "Settings":
        image_choices = (("image_provider", name, key) for name, key in IMAGE_KEYS.items())
        for choice, name, key in (*image_choices, ("video_composer", "shotstack", "shotstack_key")):
            if getattr(self, choice) == name and getattr(self, key) is None:
                wanted = variable_of(key)
                raise ValueError(f"{variable_of(choice)}: got '{name}', wants {wanted} set")
        return self

    def redis_address(self) -> str:
        """The Redis URL in force, password included: for the client only."""
        if self.redis_url is not None:
            return without_app_options(self.redis_url.get_secret_value())
        password = self.redis_password.get_secret_value() if self.redis_password else ""
        login = f":{quote(password, safe='')}@" if password else ""
        host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
        return f"redis://{login}{host}:{self.redis_port}/{self.redis_db}"

    @property
    def has_image_key(self) -> bool:
        """Whether there is anybody to buy pictures from."""
        return any(getattr(self, field) is not None for field in IMAGE_KEYS.values())

    @property
    def renderer_key(self) -> SecretStr | None:
        """Shotstack's key if final videos are made there; None if ffmpeg makes them here."""
        return None if self.video_composer == "ffmpeg" else self.shotstack_key

    @property
    def shutdown_grace(self) -> timedelta:
        """How long running jobs may go on after a stop signal."""
        return timedelta(seconds=self.shutdown_grace_s)

    @property
    def untraced(self) -> tuple[str, ...]:
        """What is wrong with the variables about traces, one line for each: none are sent."""
        return self._untraced

    def without_traces(self, wrong: Sequence[str]) -> "Settings":
        """The same; `wrong` says why there are no traces."""
        self._untraced = tuple(wrong)
        return self

    def secrets(self) -> list[str]:
        """Every secret value in force, and the keys inside of addresses, for redaction."""
        fields = (name for name in type(self).model_fields if name != "redis_url")
        values = [getattr(self, name) for name in fields]
        found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        inside = [key for one in found if one.lower().startswith("http") for key in keys_in(one)]
        addresses = [one for one in values if isinstance(one, str) and one.startswith("http")]
        logins = [key for one in [self.redis_address(), *addresses] for key in login_in(one)]
        headers = self.otel_headers.get_secret_value() if self.otel_headers else ""
        return [*found, *inside, *logins, *keys_in_headers(headers)]


def variable_of(field: str) -> str:
    """The variable by which pages and messages call a field."""
    return next(names(field, Settings))


def image_key_variables() -> str:
    """The variables of which storyboards need one, as a message names them: "A or B"."""
    return " or ".join(map(variable_of, IMAGE_KEYS.values()))


def load_settings(env_file: Path | None = None, environment: Environment | None = None) -> Settings:
    """Read and check all settings. Raises ConfigError with one line for each wrong variable.

    Wrong ones about traces alone stop nobody's work: they are left out, and told in `untraced`.
    """
    seen = environment or read_environment(env_file)
    try:
        return _settings(seen.values)
    except ValidationError as error:
        found, wrong = problems(error, Settings, seen), fields_in(error, Settings)
    if not wrong or wrong - TRACING:
        raise ConfigError(found)
    left_out = {name for field in wrong for name in names(field, Settings)}
    values = {name: value for name, value in seen.values.items() if name not in left_out}
    try:
        # Off: what is left of them could send traces elsewhere, or without their key.
        settings = _settings({**values, variable_of("otel_disabled"): "true"})
    except ValidationError as error:  # of the settings against each other, which comes last
        raise ConfigError([*found, *problems(error, Settings, seen)]) from None
    return settings.without_traces(found)


def _settings(values: Mapping[str, str]) -> Settings:
    return Settings(**values)  # pyright: ignore[reportArgumentType]
