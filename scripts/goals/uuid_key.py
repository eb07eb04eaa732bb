"""A key whose order has nothing to do with where the rows are: random uuids, table larger than shared_buffers.

On a server of its own with 128 MB of shared_buffers: the copy phase of `pgeist run --verify off` against CREATE TABLE AS
of the same table with the same change, which reads the heap from its first block to its last.
"""

from __future__ import annotations

import re
from dataclasses import replace

from bench_server import COLUMNS, PSQL, Failure, Measured, Server, note
from goals.frame import Context, Finding, compared
from goals.online import Online

NAME = "uuid"
GOAL = 1.5
BUFFERS_MB = 128
LEAST_ROWS = 2_000_000  # some 300 MB
CHANGE = "ALTER COLUMN customer_id TYPE bigint"
WANTED = "SELECT count(*), count(DISTINCT id), min(pg_typeof(customer_id)::text) FROM {table}"


def copy_phase(context: Context, database: str, rows: int) -> float:
    with Online(context, database, "--verify", "off", change=("--alter", CHANGE)) as run:
        run.finish(expected=(0,))
    context.require(database, f"{rows}|{rows}|bigint", WANTED.format(table="orders"))
    return run.phase_seconds("copy")


def floor(context: Context, database: str, rows: int) -> float:
    columns = COLUMNS.replace("customer_id", "customer_id::bigint")
    took = Measured([*PSQL, context.server.uri(database), "-c",
                     f"CREATE TABLE floor AS SELECT id, {columns} FROM orders"]).seconds
    context.require(database, f"{rows}|{rows}|bigint", WANTED.format(table="floor"))
    return took


def compare(context: Context, rows: int) -> Finding:
    megabytes = 0.0

    def one(_: int, name: str) -> float:
        nonlocal megabytes
        database = context.fresh(rows, "uuid", "gen_random_uuid()")
        megabytes = int(context.server.sql(database, "SELECT pg_table_size('orders')")) / 2**20
        if megabytes < 2 * BUFFERS_MB and not context.smoke:
            raise Failure(f"{rows:,} rows are {megabytes:.0f} MB, not twice shared_buffers")
        seconds = (copy_phase if name == "copy" else floor)(context, database, rows)
        note(f"uuid: {name:5} {seconds:.2f} s")
        return seconds

    took = context.in_turn(["copy", "floor"], one)
    return compared("random uuid key, table larger than shared_buffers: copy / CREATE TABLE AS", took, "copy", "floor",
                    GOAL, "s", "{:.1f}", f"copy phase of `pgeist run --verify off`; {rows:,} rows, {megabytes:,.0f} MB, "
                    f"`shared_buffers={BUFFERS_MB}MB`")


def measure(context: Context) -> list[Finding]:
    settings = re.sub(r"shared_buffers=\S+", f"shared_buffers={BUFFERS_MB}MB", context.server.settings)
    with Server(context.server.version, settings, "goals-uuid") as server:
        rows = context.part(5) if context.smoke else max(LEAST_ROWS, context.part(5))
        return [compare(replace(context, server=server, known={}), rows)]
