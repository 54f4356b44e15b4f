"""Changes of policy that come into force at an instant.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("closed_revision IS NULL")


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, server_default="", nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "scheduled_policy_change",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        text("scheduled"),
        number("at"),
        *map(text, ("actor", "on_behalf_of", "reason")),
        number("created_at"),
        *map(text, ("wanted", "planned", "told", "objection")),
        number("opened_revision"),
        sa.Column("closed_revision", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_scheduled_policy_change"),
    )
    op.create_index(
        "ux_scheduled_policy_change_open",
        "scheduled_policy_change",
        ["scheduled"],
        unique=True,
        postgresql_where=OPEN,
        sqlite_where=OPEN,
    )
