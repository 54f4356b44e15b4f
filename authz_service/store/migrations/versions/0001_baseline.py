"""The baseline.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from authz_service.store.views import create_casbin_rule

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("closed_revision IS NULL")


def texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, server_default="", nullable=False) for name in names]


def numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def flags(*names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean(), nullable=False) for name in names]


def table(name: str, key: str, *columns: sa.Column[Any]) -> None:
    """Create a table that is keyed by one number, which the database counts."""
    number = sa.Column(key, ID, autoincrement=True, nullable=False)
    op.create_table(name, number, *columns, sa.PrimaryKeyConstraint(key, name=f"pk_{name}"))


def keyed_table(name: str, keys: list[str], *columns: sa.Column[Any]) -> None:
    """Create a table whose rows are found by text keys alone."""
    named = [sa.Column(key, TEXT, nullable=False) for key in keys]
    keyed = sa.PrimaryKeyConstraint(*keys, name=f"pk_{name}")
    op.create_table(name, *named, *columns, keyed, sqlite_with_rowid=False)


def dated_table(name: str, key: str, number: str, *columns: sa.Column[Any]) -> None:
    """Create a table whose rows are found by a text and a number that the service counts."""
    op.create_table(
        name,
        sa.Column(key, TEXT, nullable=False),
        sa.Column(number, sa.BigInteger(), autoincrement=False, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint(key, number, name=f"pk_{name}"),
        sqlite_with_rowid=False,
    )


def single_row_table(name: str, check: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Integer(), nullable=False),
        *columns,
        sa.CheckConstraint("id = 1", name=check),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )


def fact_table(name: str, key: list[str], *columns: sa.Column[Any]) -> None:
    """Create a table of facts; at most one open row may have the same `key`."""
    closed = sa.Column("closed_revision", sa.BigInteger())
    table(name, "id", *columns, *numbers("opened_revision"), closed)
    partial_index(f"ux_{name}_open", name, key, OPEN)


def index(name: str, of: str, columns: list[str], *, unique: bool = False) -> None:
    op.create_index(name, of, columns, unique=unique)


def partial_index(
    name: str, of: str, columns: list[str], where: sa.TextClause, *, unique: bool = True
) -> None:
    op.create_index(name, of, columns, unique=unique, postgresql_where=where, sqlite_where=where)


def upgrade() -> None:
    ledger_tables()
    catalog_tables()
    tenant_tables()
    rule_table()
    caller_tables()
    delivery_tables()
    event_tables()
    chance = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "md5(gen_random_uuid()::text)"}
    history = sa.text(chance[op.get_bind().dialect.name])
    head = sa.table("head", *map(sa.column, ("id", "revision", "history")))
    op.execute(head.insert().values(id=1, revision=0, history=history))
    op.execute("INSERT INTO billing_head (id, revision) VALUES (1, 0)")
    op.execute(create_casbin_rule(op.get_bind().dialect.name))


def ledger_tables() -> None:
    single_row_table("head", "one_head", *numbers("revision"), *texts("history", "copy"))
    single_row_table("billing_head", "one_billing_head", *numbers("revision"))
    keyed_table("history", ["id"], *numbers("last_shared", "first", "at"))
    op.create_table(
        "change_log",
        sa.Column("revision", ID, autoincrement=False, nullable=False),
        *numbers("at"),
        sa.Column("delta", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_change_log"),
    )
    dated_table(
        "audit_entry",
        "tenant",
        "seq",
        *numbers("at"),
        *texts("actor", "on_behalf_of", "action", "outcome"),
        *numbers("changes", "revision"),
        sa.Column("entry", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
    )
    audit_indexes()
    keyed_table(
        "request",
        ["caller", "request_id"],
        *numbers("at"),
        sa.Column("fingerprint", TEXT, nullable=False),
        *numbers("revision"),
        sa.Column("answer", TEXT, nullable=False),
    )


def audit_indexes() -> None:
    for columns in (["at"], ["tenant", "at"], ["actor", "at"], ["action", "at"]):
        index(f"ix_audit_entry_{'_'.join(columns)}", "audit_entry", columns)
    for name, columns, where in (
        ("on_behalf_of", ["on_behalf_of", "at"], "on_behalf_of <> ''"),
        ("changes", ["revision"], "changes > 0"),
        ("tenant_changes", ["tenant", "revision"], "changes > 0"),
    ):
        partial_index(
            f"ix_audit_entry_{name}", "audit_entry", columns, sa.text(where), unique=False
        )


def catalog_tables() -> None:
    fact_table(
        "permission",
        ["permission"],
        *texts("permission", "description", "replaced_by"),
        *flags("internal", "deprecated"),
    )
    fact_table("role", ["role"], *texts("role", "tenant", "description"), *flags("admin"))
    fact_table(
        "plan",
        ["plan"],
        *texts("plan", "description"),
        *numbers("version"),
        *flags("suspended_free_seats"),
    )
    fact_table(
        "scheduled_changeset",
        ["scheduled"],
        *texts("scheduled", "actor", "on_behalf_of", "reason"),
        *texts("commands", "changes", "records", "blocker"),
        *numbers("at", "created_at"),
    )


def tenant_tables() -> None:
    fact_table(
        "tenant",
        ["tenant"],
        *texts("tenant", "display_name", "suspensions"),
        *numbers("created_at", "ended_revision"),
    )
    fact_table(
        "tenant_period",
        ["tenant", "valid_from"],
        *texts("tenant", "state"),
        *numbers("valid_from", "valid_until"),
    )
    fact_table(
        "member",
        ["tenant", "subject"],
        *texts("tenant", "subject", "lifecycle", "suspensions", "managed_by"),
        *flags("owner"),
    )
    index("ix_member_tenant_subject", "member", ["tenant", "subject"])
    owners = sa.text("closed_revision IS NULL AND owner")
    partial_index("ux_member_owner", "member", ["tenant"], owners)
    fact_table(
        "invitation",
        ["invitation"],
        *texts("invitation", "tenant", "email", "subject", "roles"),
        *texts("token_hash", "mailed_hash", "invited_by"),
        *numbers("sent_at", "expires_at"),
    )
    index("ix_invitation_tenant", "invitation", ["tenant"])
    fact_table(
        "exception",
        ["exception"],
        *texts("exception", "tenant", "kind", "subject", "scope", "reason", "approver"),
        *numbers("valid_from", "valid_until"),
    )


def rule_table() -> None:
    fact_table(
        "rule",
        [
            *("v0", "v1", "v2", "v3", "ptype", "valid_from", "valid_until", "source"),
            *("exception_id", "held_back"),
        ],
        *texts("ptype", "v0", "v1", "v2", "v3", "v4", "v5", "tenant", "subject", "scope"),
        *texts("source", "reason", "grant_id", "exception_id"),
        *texts("gives", "origin", "substitute_for", "held_back"),
        *numbers("valid_from", "valid_until"),
    )
    index("ix_rule_tenant_subject", "rule", ["tenant", "subject"])
    partial_index("ix_rule_v0", "rule", ["v0"], sa.text("subject = ''"), unique=False)


def caller_tables() -> None:
    fact_table("kept_fact", ["kind", "key"], *texts("kind", "key", "body"))
    keyed_table("key_use", ["key"], *numbers("at"))


def delivery_tables() -> None:
    dated_table("endpoint_secret", "endpoint", "made_at", *texts("secret"), *numbers("expires_at"))
    table(
        "job",
        "number",
        *texts("job", "kind", "tenant", "key", "target", "subject", "data"),
        *texts("state", "reason", "message"),
        *numbers("created_at", "turn", "attempts", "next_at", "ended_at"),
    )
    index("ux_job_job", "job", ["job"], unique=True)
    index("ux_job_key", "job", ["key"], unique=True)
    index("ix_job_kind_state", "job", ["kind", "state"])
    index("ix_job_tenant", "job", ["tenant"])
    index("ix_job_target", "job", ["target"])
    keyed_table("worker", ["worker"], *numbers("seen_at"))
    keyed_table("mail_template", ["tenant", "kind"], *texts("subject", "text", "html"))


def event_tables() -> None:
    table(
        "event",
        "number",
        *texts("source", "event_id", "type", "subject", "data", "state", "reason", "message"),
        *texts("tenant", "meaning", "waits_for", "passage"),
        *numbers("time", "received_at", "revision", "closing_at", "deliveries"),
    )
    partial_index(
        "ix_event_waits_for", "event", ["waits_for"], sa.text("waits_for <> ''"), unique=False
    )
    index("ux_event_source_event_id", "event", ["source", "event_id"], unique=True)
    index("ix_event_tenant_state", "event", ["tenant", "state"])
    index("ix_event_state_reason_number", "event", ["state", "reason", "number"])
    index("ix_event_source_subject", "event", ["source", "subject"])
    index("ix_event_closing_at", "event", ["closing_at"])
    keyed_table("event_subject", ["source", "subject"], *texts("tenant"), *numbers("at"))
    keyed_table("running_contract", ["tenant"], *texts("body"), *flags("waiting"))
    single_row_table(
        "intake",
        "one_intake",
        *flags("paused"),
        *texts("reason"),
        *numbers("breaker_opened_at", "counted_from"),
    )
