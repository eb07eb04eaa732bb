"""Version 1 is gone, and its column goes. Before: pgeist contract JOB --try, which --undo takes back at once."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pgeist  # noqa: E402

revision = "0003"
down_revision = "0002"


def upgrade():
    pgeist.contract("public.customers")


def downgrade():
    raise NotImplementedError("the column is gone: expand it again, the other way round")
