"""First and last name, kept in step with the name: version 2 can be deployed beside version 1."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pgeist  # noqa: E402

revision = "0002"
down_revision = "0001"


def upgrade():
    pgeist.expand("public.customers",
                  "--add", "first_name text NOT NULL", "--up", "first_name = split_part(name, ' ', 1)",
                  "--add", "last_name text NOT NULL", "--up", "last_name = split_part(name, ' ', 2)",
                  "--down", "name = first_name || ' ' || last_name")


def downgrade():
    pgeist.take_back("public.customers")
