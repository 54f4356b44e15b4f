"""Rosters: owners, invitations.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
