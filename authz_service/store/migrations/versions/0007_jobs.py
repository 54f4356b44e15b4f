"""Work after the commit: endpoints and deliveries.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("closed_revision IS NULL")


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, server_default="", nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def key(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False)


def upgrade() -> None:
    op.add_column("invitation", text("mailed_hash"))
    endpoints()
    jobs()
    op.create_table(
        "mail_template",
        *map(key, ("tenant", "kind")),
        *map(text, ("subject", "text", "html")),
        sa.PrimaryKeyConstraint("tenant", "kind", name="pk_mail_template"),
        sqlite_with_rowid=False,
    )


def endpoints() -> None:
    op.create_table(
        "endpoint",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        *map(text, ("endpoint", "tenant", "url", "kinds", "description", "disabled")),
        *map(number, ("created_at", "opened_revision")),
        sa.Column("closed_revision", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_endpoint"),
    )
    op.create_index(
        "ux_endpoint_open",
        "endpoint",
        ["endpoint"],
        unique=True,
        postgresql_where=OPEN,
        sqlite_where=OPEN,
    )
    op.create_table(
        "endpoint_secret",
        key("endpoint"),
        sa.Column("made_at", sa.BigInteger(), autoincrement=False, nullable=False),
        text("secret"),
        number("expires_at"),
        sa.PrimaryKeyConstraint("endpoint", "made_at", name="pk_endpoint_secret"),
        sqlite_with_rowid=False,
    )


def jobs() -> None:
    op.create_table(
        "job",
        sa.Column("number", ID, autoincrement=True, nullable=False),
        *map(text, ("job", "kind", "tenant", "key", "target", "subject", "data")),
        number("created_at"),
        text("state"),
        *map(number, ("turn", "attempts", "next_at", "ended_at")),
        *map(text, ("reason", "message")),
        sa.PrimaryKeyConstraint("number", name="pk_job"),
    )
    op.create_index("ux_job_job", "job", ["job"], unique=True)
    op.create_index("ux_job_key", "job", ["key"], unique=True)
    op.create_index("ix_job_kind_state", "job", ["kind", "state"])
    op.create_index("ix_job_tenant", "job", ["tenant"])
    op.create_index("ix_job_target", "job", ["target"])
    op.create_table(
        "worker",
        key("worker"),
        number("seen_at"),
        sa.PrimaryKeyConstraint("worker", name="pk_worker"),
        sqlite_with_rowid=False,
    )
