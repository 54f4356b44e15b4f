"""Settings, read once from the environment (`AUTHZ_*`) by `app.py` and `cli/`, then frozen."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_PACKAGE = Path(__file__).parent


def _shipped_policies() -> Path:
    """Find `policies/`: beside the package in a checkout, inside it in an installed wheel."""
    inside = _PACKAGE / "policies"
    return inside if inside.is_dir() else _PACKAGE.parent / "policies"


class Settings(BaseSettings):
    """Every setting has a default that suits one machine; each is overridden by `AUTHZ_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="AUTHZ_", frozen=True, extra="ignore")

    database_url: str = Field(
        "sqlite:///var/authz.db",
        description="SQLAlchemy URL: sqlite:///FILE, or postgresql+psycopg://USER@HOST/DATABASE.",
    )
    host: str = Field("127.0.0.1", description="Address both ports listen on.")
    check_port: int = Field(50051, description="Port of AuthorizationService; 0 for a free one.")
    admin_port: int = Field(
        50052, description="Port of the other services, where changes are made; 0 for a free one."
    )
    policies_dir: Path = Field(
        default_factory=_shipped_policies,
        description="Folder with model.conf, catalogue.yaml, roles.yaml, tiers.yaml.",
    )
    key_file: Path = Field(
        Path("var/operator.key"),
        description="Where the first operator key is kept (mode 0600); the CLI's default key.",
    )
    key: str = Field("", description="API key the CLI calls with, in place of the key file's.")

    check_threads: int = Field(8, ge=1, description="Threads that answer checks.")
    admin_threads: int = Field(8, ge=1, description="Threads that serve the administration port.")
    max_waiting: int = Field(
        1024, ge=1, description="Calls a port takes at once before it answers OVERLOADED."
    )
    max_message_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="Largest message taken.")
    max_deadline: float = Field(
        30.0, gt=0, description="Longest wait for a revision, in seconds, whatever the deadline."
    )
    drain_seconds: float = Field(
        5.0, ge=0, description="Time that running calls get after a stop is asked for."
    )
    poll_seconds: float = Field(
        0.5, gt=0, description="How often a replica looks for changes that other processes made."
    )
    busy_seconds: float = Field(
        10.0, gt=0, description="Longest wait for the database's write lock before UNAVAILABLE."
    )
    shadow_per_second: float = Field(
        1.0, ge=0, description="Live decisions a second that Casbin decides as well; 0 for none."
    )
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_format: str = Field("auto", description="json, text, or auto: text on a terminal.")
