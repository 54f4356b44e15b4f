"""Callers: key kinds, rotation, last use, identities by token and certificate.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("closed_revision IS NULL")


def upgrade() -> None:
    add_key_columns()
    make_key_use()
    make_identity()


def add_key_columns() -> None:
    """Give keys kinds and second secrets."""
    for name in ("kind", "previous_hash"):
        op.add_column("api_key", sa.Column(name, TEXT, server_default="", nullable=False))
    at = sa.Column("previous_expires_at", sa.BigInteger(), server_default="0", nullable=False)
    op.add_column("api_key", at)


def make_key_use() -> None:
    op.create_table(
        "key_use",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_key_use"),
        sqlite_with_rowid=False,
    )


def make_identity() -> None:
    """Make the table of callers by token or certificate."""
    texts = ("identity", "kind", "issuer", "name", "display_name")
    numbers = ("created_at", "expires_at", "opened_revision")
    op.create_table(
        "identity",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        *(sa.Column(name, TEXT, server_default="", nullable=False) for name in texts),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in numbers),
        sa.Column("closed_revision", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
    )
    op.create_index(
        "ux_identity_open",
        "identity",
        ["kind", "issuer", "name"],
        unique=True,
        postgresql_where=OPEN,
        sqlite_where=OPEN,
    )
