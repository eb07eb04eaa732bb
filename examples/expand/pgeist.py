"""Calls pgeist from an Alembic migration, on the database that Alembic uses."""
import json
import os
import subprocess

from alembic import op


def call(*arguments, output=False):
    url = op.get_bind().engine.url
    env = dict(os.environ)
    if url.password:
        env["PGPASSWORD"] = url.password  # never in an argument, which others could see
    where = url.set(drivername="postgresql", password=None).render_as_string()
    command = [os.environ.get("PGEIST", "pgeist"), arguments[0], "-d", where, *arguments[1:]]
    done = subprocess.run(command, env=env, check=True, text=True, stdout=subprocess.PIPE if output else None)
    return done.stdout


def expansion(table):
    """The job that has expanded the table, or is about to; None when there is none."""
    jobs = [json.loads(line) for line in call("status", "--output", "json", output=True).splitlines()]
    mine = [job for job in jobs if job["strategy"] == "expand" and job["table"] == table
            and (job["expanded"] or job["resumable"])]
    return mine[0] if mine else None


def expand(table, *arguments):
    """Does nothing when it is done; goes on with one that was cut off."""
    # pgeist waits for older snapshots to end: Alembic's own transaction must not be one.
    with op.get_context().autocommit_block():
        job = expansion(table)
        if job is None:
            call("expand", "--table", table, *arguments)
        elif not job["expanded"]:
            call("resume", str(job["job"]))


def contract(table):
    with op.get_context().autocommit_block():
        job = expansion(table)
        if job is not None:
            call("contract", str(job["job"]))


def take_back(table):
    with op.get_context().autocommit_block():
        job = expansion(table)
        if job is not None:
            call("cleanup", str(job["job"]))
