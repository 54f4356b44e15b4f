"""Events from billing and CRM systems.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, server_default="", nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    events()
    op.create_table(
        "event_subject",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        text("tenant"),
        number("at"),
        sa.PrimaryKeyConstraint("source", "subject", name="pk_event_subject"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "intake",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        text("reason"),
        number("breaker_opened_at"),
        number("counted_from"),
        sa.CheckConstraint("id = 1", name="one_intake"),
        sa.PrimaryKeyConstraint("id", name="pk_intake"),
    )


def events() -> None:
    op.create_table(
        "event",
        sa.Column("number", ID, autoincrement=True, nullable=False),
        *map(text, ("source", "event_id", "type")),
        number("time"),
        *map(text, ("subject", "data")),
        number("received_at"),
        *map(text, ("state", "reason", "message", "tenant", "meaning")),
        *map(number, ("revision", "closing_at", "deliveries")),
        text("passage"),
        sa.PrimaryKeyConstraint("number", name="pk_event"),
    )
    op.create_index("ux_event_source_event_id", "event", ["source", "event_id"], unique=True)
    op.create_index("ix_event_tenant_state", "event", ["tenant", "state"])
    op.create_index("ix_event_state_reason_number", "event", ["state", "reason", "number"])
    op.create_index("ix_event_source_subject", "event", ["source", "subject"])
    op.create_index("ix_event_closing_at", "event", ["closing_at"])
