"""What the triggers cost a single-row update.

pgbench with two clients updates random rows as fast as it can, synchronous_commit off so that the processor is the
limit, statements prepared so that nothing hides the triggers: on a table as it is, with pgeist's capture (and nobody who
copies), and with the trigger and log that pg_repack would use. Each on a fresh copy, after a warm-up, so no log is bloated.
"""

from __future__ import annotations

from bench_server import client_program, note
from goals.frame import Context, Finding, median, spread
from goals.load import after_warm_up
from goals.online import begin_capture

NAME = "capture"
GOAL = 0.88
UPDATE = "\\set id random(1, :rows)\nUPDATE orders SET amount = amount + 1 WHERE id = :id;\n"


def has_repack(context: Context) -> bool:
    return context.server.sql("postgres", "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_repack'") == "1"


def repack_log(context: Context, database: str) -> str:
    """pg_repack's own log and trigger, as its client makes them."""
    context.server.sql(database, "CREATE EXTENSION pg_repack")
    for column in ("create_pktype", "create_log", "create_trigger", "enable_trigger"):
        statement = context.server.sql(database, f"SELECT {column} FROM repack.tables WHERE relid = 'orders'::regclass")
        context.server.sql(database, statement)
    return context.server.sql(database, "SELECT 'repack.log_' || 'orders'::regclass::oid")


def prepare(context: Context, database: str, contender: str) -> str | None:
    """The log that now grows with each update."""
    if contender == "repack":
        return repack_log(context, database)
    if contender == "pgeist":
        begin_capture(context, database)
        return "pgeist_1.pgeist_log"
    return None


def one_round(context: Context, contender: str) -> float:
    database = context.fresh()
    log = prepare(context, database, contender)
    script = context.folder / "capture.sql"
    script.write_text(UPDATE, encoding="utf-8")
    command = [client_program("pgbench"), "-n", "-c", "2", "-M", "prepared", "-D", f"rows={context.rows}", "-f", str(script),
               context.server.uri(database)]
    context.server.sql("postgres", "CHECKPOINT")
    context.server.sql(database, f"ALTER DATABASE {database} SET synchronous_commit = off")
    rate, done = after_warm_up(command, [1] if context.smoke else [5, 20])
    if log:
        context.require(database, str(done), f"SELECT count(*) FROM {log}")
    note(f"capture: {contender:7} {rate:,.0f} updates/s")
    return rate


def measure(context: Context) -> list[Finding]:
    contenders = ["none", "pgeist"] + (["repack"] if has_repack(context) else [])
    rates = context.in_turn(contenders, lambda _, name: one_round(context, name))
    ratio = median(rates["pgeist"]) / median(rates["none"])
    met = ratio >= GOAL
    against = "pg_repack's trigger not measured: it is not installed"
    if "repack" in rates:
        theirs = median(rates["repack"]) / median(rates["none"])
        met = met and ratio > theirs
        against = f"pg_repack's trigger {theirs:.2f}, {spread(rates['repack'])} updates/s"
    return [Finding(
        what="capture alone: single-row updates per second with / without",
        goal=f"≥ {GOAL}, and better than pg_repack's trigger",
        ratio=ratio,
        met=met,
        measured=f"{ratio:.2f}: {spread(rates['pgeist'])} against {spread(rates['none'])} updates/s; {against}",
        how="`pgbench -c 2 -M prepared`, random rows of the table with its 4 indexes, `synchronous_commit=off`",
        figures=rates,
    )]
