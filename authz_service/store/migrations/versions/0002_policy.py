"""Policy objects at runtime: deprecation, admin roles.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
OF_NO_SUBJECT = sa.text("subject = ''")


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)


def upgrade() -> None:
    op.add_column("role", flag("admin"))
    op.add_column("permission", flag("deprecated"))
    op.add_column("permission", sa.Column("replaced_by", TEXT, server_default="", nullable=False))
    op.create_index(
        "ix_rule_v0",
        "rule",
        ["v0"],
        postgresql_where=OF_NO_SUBJECT,
        sqlite_where=OF_NO_SUBJECT,
    )
