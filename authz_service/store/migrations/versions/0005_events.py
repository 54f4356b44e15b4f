"""Events from billing and CRM systems.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
