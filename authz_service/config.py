"""Settings, read once from the environment (`AUTHZ_*`) by `app.py` and `cli/`, then frozen."""

import sys
from pathlib import Path

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

    check_threads: int = Field(default=8, ge=1, description="Threads that answer checks.")
    admin_threads: int = Field(
        default=8, ge=1, description="Threads that serve the administration port."
    )
    max_waiting: int = Field(
        default=1024, ge=1, description="Calls a port takes at once before it answers OVERLOADED."
    )
    max_message_bytes: int = Field(
        default=4 * 1024 * 1024, ge=1024, description="Largest message taken."
    )
    max_deadline: float = Field(
        default=30.0,
        gt=0,
        description="Longest wait for a revision, in seconds, whatever the deadline.",
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
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    log_format: str = Field(default="auto", description="json, text, or auto: text on a terminal.")
