"""Repacking in order, and of indexes alone, against pg_repack, while the application works.

Time and WAL when nobody else is at work; time and the application's p99 beside the mix of application.py at half the rate
that the server can do.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench_server import Measured, note
from goals.frame import Context, Finding, compared
from goals.load import Load, fresh_application, maximum_rate

NAME = "repacking"
TIME_GOAL, WAL_GOAL, P99_GOAL = 1.25, 1.1, 1.5
SHARE = 0.5
KINDS = {
    "in order": (("--order-by", "customer_id"), ("-o", "customer_id")),
    "indexes alone": (("--only-indexes",), ("-x",)),
}


def pgeist(context: Context, database: str, *options: str) -> None:
    drop = () if "--only-indexes" in options else ("--drop-old", "--verify", "off")
    Measured([str(context.pgeist), "run", "-d", context.server.uri(database), "--table", "orders", "--repack", "--yes", *drop,
              *options])


def pg_repack(context: Context, database: str, *options: str) -> None:
    context.server.sql(database, "CREATE EXTENSION pg_repack")
    Measured([str(context.server.bindir / "pg_repack"), "-t", "orders", *options, *context.server.address(database)])


def require_repacked(context: Context, database: str, files: str) -> None:
    """All indexes are new files, and valid."""
    context.require(database, "4", "SELECT count(*) FROM pg_index WHERE indrelid = 'orders'::regclass AND indisvalid AND "
                                   f"pg_relation_filenode(indexrelid) <> ALL (ARRAY[{files}]::oid[])")


def fresh(context: Context) -> tuple[str, str]:
    """A database, and the files of its table's indexes."""
    database = fresh_application(context)
    return database, context.server.sql(database, "SELECT string_agg(pg_relation_filenode(indexrelid)::text, ',') FROM pg_index "
                                                  "WHERE indrelid = 'orders'::regclass")


def alone(context: Context, work: Callable[[str], None]) -> dict[str, float]:
    database, files = fresh(context)
    wal, begin = context.server.wal_position(), time.time()
    work(database)
    seen = {"alone": time.time() - begin, "wal": (context.server.wal_position() - wal) / 2**20}
    require_repacked(context, database, files)
    return seen


def beside_application(context: Context, rate: float, work: Callable[[str], None]) -> dict[str, float]:
    database, files = fresh(context)
    with Load(context, database, rate) as load:
        load.wait_until(load.warm)
        begin = time.time()
        work(database)
        seconds = time.time() - begin
        load.wait_until(begin + seconds)
        load.end()
        require_repacked(context, database, files)
        return {"beside": seconds, "p99": load.figures(begin, seconds).p99_ms}


def of_kind(context: Context, rate: float, kind: str) -> list[Finding]:
    ours, theirs = KINDS[kind]
    works = {
        "pgeist": lambda database: pgeist(context, database, *ours),
        "pg_repack": lambda database: pg_repack(context, database, *theirs),
    }

    def one(_: int, name: str) -> dict[str, float]:
        seen = {**alone(context, works[name]), **beside_application(context, rate, works[name])}
        note(f"repacking: {kind}, {name:9} alone {seen['alone']:.1f} s, {seen['wal']:.0f} MB of WAL; "
             f"beside the application {seen['beside']:.1f} s, p99 {seen['p99']:.1f} ms")
        return seen

    rounds = context.in_turn(works, one)
    commands = f"`pgeist run --repack {' '.join(ours)}` and `pg_repack {' '.join(theirs)}`"

    def took(key: str) -> dict[str, list[float]]:
        return {name: [seen[key] for seen in all_rounds] for name, all_rounds in rounds.items()}

    def finding(what: str, key: str, goal: float, unit: str, how: str) -> Finding:
        return compared(f"repack {kind}: {what} / that of pg_repack", took(key), "pgeist", "pg_repack", goal, unit, "{:,.1f}",
                        f"{commands}, {how}")

    beside = f"beside the pgbench mix at {rate:,.0f} transactions/s"
    return [finding("time", "alone", TIME_GOAL, "s", "nobody else at work"),
            finding("WAL", "wal", WAL_GOAL, "MB", "nobody else at work"),
            finding("time beside the application", "beside", TIME_GOAL, "s", beside),
            finding("application's p99", "p99", P99_GOAL, "ms", beside)]


def measure(context: Context) -> list[Finding] | None:
    if not (context.server.bindir / "pg_repack").exists():
        note("repacking: pg_repack is not installed for this server (scripts/setup.sh --bench)")
        return None
    rate = SHARE * maximum_rate(context)
    return [finding for kind in KINDS for finding in of_kind(context, rate, kind)]
