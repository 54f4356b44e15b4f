"""Rosters: owners, invitations.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("closed_revision IS NULL")
OF_OWNERS = sa.text("closed_revision IS NULL AND owner")


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, server_default="", nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    op.add_column(
        "member", sa.Column("owner", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("member", text("managed_by"))
    op.create_index(
        "ux_member_owner",
        "member",
        ["tenant"],
        unique=True,
        postgresql_where=OF_OWNERS,
        sqlite_where=OF_OWNERS,
    )
    invitations()
    tenants()


def invitations() -> None:
    op.create_table(
        "invitation",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        *map(text, ("invitation", "tenant", "email", "subject", "roles")),
        *map(text, ("token_hash", "invited_by")),
        number("sent_at"),
        number("expires_at"),
        number("opened_revision"),
        sa.Column("closed_revision", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_invitation"),
    )
    op.create_index(
        "ux_invitation_open",
        "invitation",
        ["invitation"],
        unique=True,
        postgresql_where=OPEN,
        sqlite_where=OPEN,
    )
    op.create_index("ix_invitation_tenant", "invitation", ["tenant"])


def tenants() -> None:
    op.add_column(
        "tenant", sa.Column("created_at", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.execute(
        "UPDATE tenant SET created_at = COALESCE((SELECT c.at FROM change_log c WHERE c.revision ="
        " (SELECT MIN(t.opened_revision) FROM tenant t WHERE t.tenant = tenant.tenant)), 0)"
    )
