"""The first schema.

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


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, server_default="", nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def window() -> tuple[sa.Column[int], sa.Column[int]]:
    return number("valid_from"), number("valid_until")


def fact_table(name: str, key: list[str], *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", ID, autoincrement=True, nullable=False),
        *columns,
        number("opened_revision"),
        sa.Column("closed_revision", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    op.create_index(
        f"ux_{name}_open", name, key, unique=True, postgresql_where=OPEN, sqlite_where=OPEN
    )


def upgrade() -> None:
    ledger_tables()
    fact_tables()
    rule_table()
    op.execute("INSERT INTO head (id, revision) VALUES (1, 0)")
    op.execute(create_casbin_rule(op.get_bind().dialect.name))


def ledger_tables() -> None:
    op.create_table(
        "head",
        sa.Column("id", sa.Integer(), nullable=False),
        number("revision"),
        sa.CheckConstraint("id = 1", name="one_head"),
        sa.PrimaryKeyConstraint("id", name="pk_head"),
    )
    op.create_table(
        "change_log",
        sa.Column("revision", ID, autoincrement=False, nullable=False),
        number("at"),
        sa.Column("delta", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_change_log"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        number("at"),
        text("actor"),
        text("action"),
        number("revision"),
        sa.Column("entry", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "seq", name="pk_audit_entry"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "request",
        sa.Column("caller", TEXT, nullable=False),
        sa.Column("request_id", TEXT, nullable=False),
        number("at"),
        sa.Column("fingerprint", TEXT, nullable=False),
        number("revision"),
        sa.Column("answer", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("caller", "request_id", name="pk_request"),
        sqlite_with_rowid=False,
    )


def fact_tables() -> None:
    fact_table(
        "permission",
        ["permission"],
        text("permission"),
        sa.Column("internal", sa.Boolean(), nullable=False),
        text("description"),
    )
    fact_table("role", ["role"], *map(text, ("role", "tenant", "description")))
    fact_table("plan", ["plan"], *map(text, ("plan", "description")))
    fact_table("tenant", ["tenant"], *map(text, ("tenant", "display_name", "suspensions")))
    fact_table("tenant_period", ["tenant", "valid_from"], text("tenant"), text("state"), *window())
    fact_table(
        "member",
        ["tenant", "subject"],
        *map(text, ("tenant", "subject", "lifecycle", "suspensions")),
    )
    op.create_index("ix_member_tenant_subject", "member", ["tenant", "subject"])
    fact_table(
        "exception",
        ["exception"],
        *map(text, ("exception", "tenant", "kind", "subject", "scope")),
        *window(),
        *map(text, ("reason", "approver")),
    )
    fact_table(
        "api_key",
        ["key"],
        *map(text, ("key", "secret_hash", "display_name")),
        number("created_at"),
        number("expires_at"),
    )


def rule_table() -> None:
    fact_table(
        "rule",
        ["v0", "v1", "v2", "v3", "ptype", "valid_from", "valid_until", "source", "exception_id"],
        *map(text, ("ptype", "v0", "v1", "v2", "v3", "v4", "v5", "tenant", "subject", "scope")),
        number("valid_from"),
        number("valid_until"),
        *map(text, ("source", "reason", "grant_id", "exception_id")),
    )
    op.create_index("ix_rule_tenant_subject", "rule", ["tenant", "subject"])
