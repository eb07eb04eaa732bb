"""Runs a migration file with pgeist from an Alembic migration, on the database that Alembic uses.

With --sql (offline) the file's statements are written out instead: what Alembic prints is then itself a migration file
for pgeist, with the row of alembic_version in it.
"""
import os
import subprocess
from pathlib import Path

from alembic import context, op

folder = Path(__file__).resolve().parent.parent


def run(file, undoes):
    """Runs `file`. A run of it that was cut off is gone on with, one that has ended well is not repeated."""
    if context.is_offline_mode():
        for statement in (folder / file).read_text().split(";\n"):
            if statement.strip():
                op.execute(statement)
        return
    # pgeist waits for older snapshots to end: Alembic's own transaction must not be one.
    with op.get_context().autocommit_block():
        url = op.get_bind().engine.url
        env = dict(os.environ)
        if url.password:
            env["PGPASSWORD"] = url.password  # never in an argument, which others could see
        where = url.set(drivername="postgresql", password=None).render_as_string()
        subprocess.run(
            [os.environ.get("PGEIST", "pgeist"), "run", "-d", where, "--yes", "--resume",
             "--file", folder / file, "--undoes", folder / undoes],
            env=env, check=True)
