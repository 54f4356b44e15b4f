"""Settings, read once from the environment (`AUTHZ_*`) by `app/` and `cli/`, then frozen."""

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from authz_service.config_limits import LimitSettings


def shipped_policies() -> Path:
    """Find `policies/`: beside the package in a checkout, under `sys.prefix` in a wheel's."""
    beside = Path(__file__).parent.parent / "policies"
    return beside if beside.is_dir() else Path(sys.prefix, "share", "authz-service", "policies")


class Settings(LimitSettings):
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
    index_file: Path | None = Field(
        default=None,
        description="Where the index is kept for a quick start (mode 0600); `authz.index` beside "
        "the key file if not set.",
    )
    first_key: str = Field(
        default="",
        repr=False,
        description="The first operator key, as authz keys generate writes one, for a database "
        "that has none; made and kept in the key file if empty.",
    )
    first_key_file: Path | None = Field(default=None, description="File that holds the same.")
    sealing_key: str = Field(
        default="",
        repr=False,
        description="Key that seals webhook secrets in the database: 32 bytes in base64. Older "
        "ones, which only open, may follow after commas.",
    )
    sealing_key_file: Path | None = Field(
        default=None,
        description="File with the same, one a line; every process of one database needs it. "
        "`sealing.key` beside the key file if not set, made when the first secret is sealed.",
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

    jwt_issuer: str = Field(
        default="",
        description="Issuer (`iss`) whose tokens prove registered identities; off if empty.",
    )
    jwt_audience: str = Field(
        default="", description="What such a token must name in `aud`; required with an issuer."
    )
    jwt_jwks_url: str = Field(
        default="",
        description="Where that issuer's keys are; if empty, its "
        "/.well-known/openid-configuration says.",
    )
    jwt_algorithms: str = Field(
        default="RS256,ES256,EdDSA",
        description="Signatures taken, of either issuer, separated by commas.",
    )
    user_jwt_issuer: str = Field(
        default="",
        description="Issuer whose tokens prove customers' users: `sub` x is user:x; off if empty.",
    )
    user_jwt_audience: str = Field(
        default="", description="What such a token must name in `aud`; required with an issuer."
    )
    user_jwt_jwks_url: str = Field(
        default="", description="Where that issuer's keys are, as AUTHZ_JWT_JWKS_URL."
    )
    jwks_refresh_seconds: float = Field(
        default=60.0,
        gt=0,
        description="How often issuers' keys are read again: so long a withdrawn one is taken.",
    )

    workers: int = Field(
        default=1,
        ge=0,
        le=64,
        description="Processes that answer checks, beside one for administration; 0 for all in "
        "one process.",
    )
    silent_seconds: float = Field(
        default=3.0,
        ge=0.5,
        description="A process of this server that has given no sign of life for so long is "
        "killed and started again.",
    )
    invitation_days: float = Field(
        default=7.0,
        gt=0,
        le=365,
        description="How long an invitation is open for which no lifetime was asked.",
    )
    web_port: int | None = Field(
        default=None,
        description="Port of HTTP, where events are posted; 0 for a free one. Off if not set. "
        "Served with TLS where the other ports are.",
    )
    web_host: str = Field(default="127.0.0.1", description="Address the HTTP port listens on.")
    web_max_body_bytes: int = Field(
        default=1024 * 1024, ge=1024, description="Largest HTTP body taken."
    )
    web_metrics: bool = Field(
        default=False,
        description="Whether the HTTP port serves /metrics and /health as well. Only where nobody "
        "outside can call it.",
    )
    web_public_url: str = Field(
        default="",
        description="How senders call the HTTP port, https://HOST, where a proxy stands before it: "
        "HubSpot signs it.",
    )
    event_secrets: dict[str, list[str]] = Field(
        default_factory=dict,
        repr=False,
        description="Secrets of sources of events, two at most each: "
        '{"stripe": ["whsec_new", "whsec_old"]}; and keys to read from them, by address: '
        '{"https://api.stripe.com": ["rk_live_..."]}.',
    )
    event_secrets_file: Path | None = Field(
        default=None, description="JSON file with the same; read again when it changes."
    )
    jobs: bool = Field(
        default=True,
        description="Whether this process does jobs: mails, webhooks, downgrades. A process that "
        "does none enqueues them all the same.",
    )
    jobs_silent_seconds: float = Field(
        default=30.0,
        ge=1,
        description="A process that has said nothing for so long is taken for dead, and others do "
        "the jobs it had begun.",
    )
    jobs_keep_days: float = Field(
        default=30.0, gt=0, description="How long jobs stay visible that are done, dead or ended."
    )
    smtp_host: str = Field(default="", description="Mail server; no mail is sent if empty.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="TLS with the mail server: after STARTTLS (587), from the first byte (465), "
        "or none at all.",
    )
    smtp_user: str = Field(default="", description="User at the mail server; none if empty.")
    smtp_password: str = Field(default="", repr=False, description="That user's password.")
    smtp_ca: Path | None = Field(
        default=None,
        description="PEM file with the CAs trusted for the mail server; the system's if not set.",
    )
    smtp_seconds: float = Field(
        default=20.0, gt=0, description="Longest wait for each answer of the mail server."
    )
    mail_from: str = Field(
        default="",
        description='Who mails are from, as in "Acme <access@acme.example>"; needed to send any.',
    )
    mail_retry_seconds: tuple[float, ...] = Field(
        default=(60, 300, 1800, 7200, 28_800, 86_400),
        description="Seconds before each further attempt to send a mail; after the last the job "
        "is dead.",
    )
    public_url: str = Field(
        default="",
        description="Page of your product where people accept invitations; mails link to it, with "
        "?tenant=...&token=... added. Needed to send any.",
    )
    notice_days: tuple[int, ...] = Field(
        default=(7, 1),
        description="How many days before a scheduled change, a trial's end or an expiry a notice "
        "of it is given.",
    )
    notice_to: str = Field(
        default="", description="Address that notices are mailed to; by webhook only if empty."
    )
    webhook_seconds: float = Field(
        default=15.0, gt=0, description="Longest time that an endpoint gets to answer a webhook."
    )
    webhook_retry_seconds: tuple[float, ...] = Field(
        default=(5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400),
        description="Seconds before each further attempt to deliver a webhook.",
    )
    webhook_allow_private: bool = Field(
        default=False,
        description="Whether endpoints may be in private networks and on this machine, and be "
        "http. Only where nobody but you makes endpoints.",
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
    max_stale_seconds: float = Field(
        default=60.0,
        gt=0,
        description="How old an answer of the check port may be at most: checks go on for so long "
        "while the database does not answer.",
    )
    stale_checks: Literal["refuse", "answer"] = Field(
        default="refuse",
        description="What then becomes of checks: refused (REPLICA_STALE), or answered and marked "
        "`stale`.",
    )
    max_stale_admin_seconds: float = Field(
        default=10.0,
        gt=0,
        description="The same for credentials and rights on the administration port.",
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
        description="Port of Prometheus metrics (/metrics, 9464 is usual) and of /health over "
        "HTTP; 0 for a free one. Off if not set.",
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
