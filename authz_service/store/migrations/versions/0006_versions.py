"""Tier versions and scheduled changes.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.Column("version", sa.BigInteger(), server_default="1", nullable=False)
    op.add_column("plan", number)
