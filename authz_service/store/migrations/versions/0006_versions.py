"""Tier versions and scheduled changes.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
