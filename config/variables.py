"""Every variable the worker reads, with its aliases, default and what it wants."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, SecretStr

from config.validators.addresses import check_dsn, check_host, check_http_url, check_webhook
from config.validators.allowed_hosts import AllowedHosts

HttpUrl = Annotated[str, AfterValidator(check_http_url)]
Host = Annotated[str, AfterValidator(check_host)]
Webhook = Annotated[SecretStr, AfterValidator(check_webhook)]
Dsn = Annotated[SecretStr, AfterValidator(check_dsn)]
ImageProviderName = Literal["seedream", "gemini"]
Language = Literal["en", "zh"]

# Begins a secret key of Supabase, which takes the place of its older JWTs. These are to go by the
# end of 2026 (supabase.com/docs/guides/getting-started/migrating-to-new-api-keys): who sets the new
# one beside the old one must not find the worker on the old one then.
NEWER_KEY = "sb_secret_"
# The field of each one's key, in the order in which `auto` looks for one that is set.
IMAGE_KEYS: dict[ImageProviderName, str] = {"seedream": "byteplus_key", "gemini": "google_key"}


def _variable(names: str, wants: str, default: Any = ...) -> Any:
    """A setting read from the first of `names` that is set; `wants` completes "wants …"."""
    return Field(default, validation_alias=AliasChoices(*names.split()), description=wants)


class Variables(BaseModel):
    """The fields of `Settings`, by subject. Secrets never appear in its repr."""

    # Nobody makes one of these: only what inherits from it is built, with its first use.
    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True
    )

    # Redis and the queue
    redis_url: SecretStr | None = _variable(
        "BULLMQ_REDIS_URL UPSTASH_REDIS_URL REDIS_URL",
        "redis://[user:password@]host:port[/db], or rediss:// for TLS",
        None,
    )
    redis_host: Host = _variable(
        "REDIS_HOST",
        "a host name alone; a whole address goes into BULLMQ_REDIS_URL",
        "localhost",
    )
    redis_port: int = Field(
        6379, validation_alias="REDIS_PORT", ge=1, le=65535, description="a port from 1 to 65535"
    )
    redis_db: int = Field(
        0, validation_alias="REDIS_DB", ge=0, description="a database number from 0"
    )
    redis_password: SecretStr | None = _variable("REDIS_PASSWORD", "a password", None)
    redis_tls_insecure: bool = _variable("REDIS_TLS_INSECURE", "true or false", False)
    queue_name: str = Field(
        "vidfab-video-processing",
        validation_alias="QUEUE_PREFIX",
        pattern=r"^[^:\s]+$",
        description="the queue's name, without colons or spaces",
    )
    queue_concurrency: int = Field(
        3,
        validation_alias="QUEUE_CONCURRENCY",
        ge=1,
        le=1000,
        description="a whole number from 1 to 1000",
    )
    queue_max_retries: int = Field(
        3,
        validation_alias="QUEUE_MAX_RETRIES",
        ge=1,
        le=100,
        description="a whole number from 1 to 100",
    )
    queue_retry_delay_ms: int = Field(
        60_000, validation_alias="QUEUE_RETRY_DELAY", ge=0, description="milliseconds, 0 or more"
    )
    storyboard_concurrency: int = Field(
        3,
        validation_alias="STORYBOARD_CONCURRENCY",
        ge=1,
        le=50,
        description="a whole number from 1 to 50",
    )
    # Docker kills after 10 s: 4 s leave room to hand back. The deploy files have more time and set
    # more: a picture takes some 15 s, and one that is stopped halfway is paid for twice.
    shutdown_grace_s: float = Field(
        4.0,
        validation_alias="SHUTDOWN_GRACE_S",
        ge=0,
        le=3600,
        description="seconds from 0 to 3600",
    )

    # Supabase
    supabase_url: HttpUrl = _variable(
        "SUPABASE_URL NEXT_PUBLIC_SUPABASE_URL", "the project's https://….supabase.co address"
    )
    supabase_key: SecretStr = _variable(
        "SUPABASE_SERVICE_KEY SUPABASE_SERVICE_ROLE_KEY SUPABASE_SECRET_KEY",
        "the project's service_role or sb_secret_ key",
    )

    # Pictures
    image_provider: Literal["auto", ImageProviderName] = _variable(
        "IMAGE_PROVIDER", "auto, seedream or gemini", "auto"
    )
    image_provider_fallback: bool = _variable("IMAGE_PROVIDER_FALLBACK", "true or false", False)
    byteplus_key: SecretStr | None = _variable(
        "BYTEPLUS_API_KEY BYTEPLUS_ARK_API_KEY", "a ModelArk API key", None
    )
    byteplus_url: HttpUrl = _variable(
        "BYTEPLUS_ARK_BASE_URL",
        "an http(s) address",
        "https://ark.ap-southeast.bytepluses.com/api/v3",
    )
    byteplus_image_model: str = _variable(
        "BYTEPLUS_IMAGE_MODEL", "a model name", "seedream-5-0-260128"
    )
    # A picture takes about 15 s, one of Seedream 5.0 Pro up to 5 minutes, and is billed even when
    # nobody waits for it.
    byteplus_image_timeout_ms: int = Field(
        300_000,
        validation_alias="BYTEPLUS_IMAGE_TIMEOUT_MS",
        ge=1_000,
        le=3_600_000,
        description="milliseconds from 1000 to 3600000",
    )
    byteplus_image_max_retries: int = Field(
        2,
        validation_alias="BYTEPLUS_IMAGE_MAX_RETRIES",
        ge=0,
        le=10,
        description="a whole number from 0 to 10",
    )
    google_key: SecretStr | None = _variable(
        "GOOGLE_AI_API_KEY GEMINI_API_KEY GOOGLE_API_KEY", "a Gemini API key", None
    )
    google_url: HttpUrl | None = _variable("GOOGLE_GEMINI_BASE_URL", "an http(s) address", None)
    gemini_image_model: str = _variable(
        "GEMINI_IMAGE_MODEL", "a model name", "gemini-3.1-flash-image"
    )

    # Clips and final videos
    wavespeed_key: SecretStr | None = _variable("WAVESPEED_API_KEY", "a Wavespeed API key", None)
    wavespeed_url: HttpUrl = _variable(
        "WAVESPEED_API_URL", "an http(s) address", "https://api.wavespeed.ai/api/v3"
    )
    shotstack_key: SecretStr | None = _variable("SHOTSTACK_API_KEY", "a Shotstack API key", None)
    shotstack_url: HttpUrl = _variable(
        "SHOTSTACK_API_URL", "an http(s) address", "https://api.shotstack.io/edit/v1"
    )

    video_composer: Literal["auto", "shotstack", "ffmpeg"] = _variable(
        "VIDEO_COMPOSER", "auto, shotstack or ffmpeg", "auto"
    )

    # Downloads of job URLs
    download_allowed_hosts: AllowedHosts = _variable(
        "DOWNLOAD_ALLOWED_HOSTS",
        "a list of name:port=address, such as media.example.com:9000=10.0.0.5",
        AllowedHosts(),
    )
    ca_file: Path | None = _variable("SSL_CERT_FILE", "a readable PEM file", None)

    # Telling people
    app_language: Language = _variable("APP_LANGUAGE", "en or zh", "en")
    slack_webhook: Webhook | None = _variable("SLACK_WEBHOOK_URL", "a webhook address", None)
    discord_webhook: Webhook | None = _variable("DISCORD_WEBHOOK_URL", "a webhook address", None)
    sentry_dsn: Dsn | None = _variable("SENTRY_DSN", "a DSN", None)
    # The HTTP endpoints, off without a port. Whoever reaches them needs no key: keep them on this
    # machine, or set a token.
    health_port: int | None = Field(
        None, validation_alias="HEALTH_PORT", ge=1, le=65535, description="a port from 1 to 65535"
    )
    health_host: Host = _variable("HEALTH_HOST", "an address to listen on", "127.0.0.1")
    health_token: SecretStr | None = _variable("HEALTH_TOKEN", "a bearer token", None)
    # Traces to an OpenTelemetry collector, off without an address. Its SDK reads more variables.
    otel_endpoint: HttpUrl | None = _variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT", "an http(s) address", None
    )
    otel_traces_endpoint: HttpUrl | None = _variable(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "an http(s) address", None
    )
    otel_headers: SecretStr | None = _variable(
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS OTEL_EXPORTER_OTLP_HEADERS",
        "headers as name=value, …",
        None,
    )
    otel_protocol: str = _variable(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL OTEL_EXPORTER_OTLP_PROTOCOL",
        "http/protobuf",
        "http/protobuf",
    )
    otel_exporter: str = _variable("OTEL_TRACES_EXPORTER", "otlp or none", "otlp")
    otel_disabled: bool = _variable("OTEL_SDK_DISABLED", "true or false", False)
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = _variable(
        "LOG_LEVEL", "trace, debug, info, warning, error or critical", "INFO"
    )
    log_format: Literal["pretty", "json"] = _variable("LOG_FORMAT", "pretty or json", "pretty")
    environment: str = _variable("NODE_ENV", "a word such as production", "development")


TRACING = frozenset(field for field in Variables.model_fields if field.startswith("otel_"))
"""The fields about traces, which no worker needs."""
