"""A larger number for orders, and when they were placed."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pgeist  # noqa: E402

revision = "0001"
down_revision = None


def upgrade():
    pgeist.run("orders.up.sql", undoes="orders.down.sql")


def downgrade():
    pgeist.run("orders.down.sql", undoes="orders.up.sql")
