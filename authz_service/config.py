"""Settings, read once from the environment (`AUTHZ_*`) by `app.py` and `cli/`, then frozen."""

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def shipped_policies() -> Path:
    """Find `policies/`: beside the package in a checkout, under `sys.prefix` in a wheel's."""
    beside = Path(__file__).parent.parent / "policies"
    return beside if beside.is_dir() else Path(sys.prefix, "share", "authz-service", "policies")


class Settings(BaseSettings):
    """Every setting has a default that suits one machine; each is overridden by `AUTHZ_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="AUTHZ_", frozen=True, extra="ignore")

    database_url: str = Field(
        default="sqlite:///var/authz.db",
        description="SQLAlchemy URL: sqlite:///FILE, or postgresql+psycopg://USER@HOST/DATABASE.",
    )
    host: str = Field(default="127.0.0.1", description="Address both ports listen on.")
    check_port: int = Field(
        default=50051, description="Port of AuthorizationService; 0 for a free one."
    )
    admin_port: int = Field(
        default=50052,
        description="Port of the other services, where changes are made; 0 for a free one.",
    )
    policies_dir: Path = Field(
        default_factory=shipped_policies,
        description="Folder with model.conf, catalogue.yaml, roles.yaml, tiers.yaml.",
    )
    key_file: Path = Field(
        default=Path("var/operator.key"),
        description="Where the first operator key is kept (mode 0600); the CLI's default key.",
    )
    key: str = Field(
        default="", description="API key the CLI calls with, in place of the key file's."
    )

    tls_cert: Path | None = Field(
        default=None,
        description="PEM file with the server's certificate and its chain: TLS on both ports. "
        "Read again when it changes.",
    )
    tls_key: Path | None = Field(
        default=None, description="PEM file with the certificate's key, not encrypted."
    )
    tls_client_ca: Path | None = Field(
        default=None,
        description="PEM file with CAs: every client must show a certificate of one of them.",
    )
    plaintext: Literal["loopback", "allow"] = Field(
        default="loopback",
        description="Where to listen without TLS: loopback only, or anywhere (allow).",
    )
    tls_ca: Path | None = Field(
        default=None,
        description="PEM file with the CAs that the CLI trusts; if set, it connects with TLS.",
    )
    tls_client_cert: Path | None = Field(
        default=None, description="PEM file with the certificate that the CLI shows."
    )
    tls_client_key: Path | None = Field(
        default=None, description="PEM file with that certificate's key."
    )

    check_threads: int = Field(default=8, ge=1, description="Threads that answer checks.")
    admin_threads: int = Field(
        default=8, ge=1, description="Threads that serve the administration port."
    )
    max_waiting: int = Field(
        default=1024,
        ge=1,
        description="Calls that may wait for a port's threads; more are refused (OVERLOADED).",
    )
    max_queue_seconds: float = Field(
        default=1.0,
        gt=0,
        description="Longest a call waits for a thread; later it is refused (OVERLOADED).",
    )
    max_streams: int = Field(
        default=1000,
        ge=1,
        description="Calls at once on one connection; a client holds further ones back.",
    )
    rate_checks_per_second: float = Field(
        default=0.0,
        ge=0,
        description="Checks that one caller may ask a second, each question of a batch counted; "
        "more are refused (RATE_LIMITED). 0 for no limit.",
    )
    rate_changes_per_second: float = Field(
        default=0.0,
        ge=0,
        description="Calls that one caller may make a second on the administration port; more are "
        "refused (RATE_LIMITED). 0 for no limit.",
    )
    max_message_bytes: int = Field(
        default=4 * 1024 * 1024, ge=1024, description="Largest message taken."
    )
    max_deadline: float = Field(
        default=30.0,
        gt=0,
        description="Longest wait for a revision, in seconds, whatever the deadline; a call that "
        "takes much longer is cut.",
    )
    drain_seconds: float = Field(
        default=5.0, ge=0, description="Time that running calls get after a stop is asked for."
    )
    poll_seconds: float = Field(
        default=0.5,
        gt=0,
        description="How often a replica looks for changes that other processes made.",
    )
    busy_seconds: float = Field(
        default=10.0,
        gt=0,
        description="Longest wait for the database's write lock before UNAVAILABLE.",
    )
    shadow_per_second: float = Field(
        default=0.2,
        ge=0,
        description="Live decisions a second that Casbin decides as well; 0 for none.",
    )
    metrics_port: int | None = Field(
        default=None,
        description="Port of Prometheus metrics over HTTP (9464 is usual); 0 for a free one. Off "
        "if not set.",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address the metrics port listens on."
    )
    otlp_endpoint: str = Field(
        default="",
        description="Where OpenTelemetry traces go, as http://HOST:4317 (https for TLS); off if "
        "empty. Needs the extra `otel`; all else is set by OTEL_*.",
    )
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    log_format: str = Field(default="auto", description="json, text, or auto: text on a terminal.")
