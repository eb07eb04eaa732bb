"""What the application pays for a swap that can be taken back: capture in the window against capture during the run.

Processor time of the server's session for a statement of one pgbench client, prepared: single-row updates, single-row
inserts, and inserts of 100 rows. On a fresh table without pgeist, with the triggers of a run on it, in the window of a change
that goes back row for row (replace), and of one where the old table keeps what the new one has not (keep): there each new
row is noted as one that was made since. Nobody copies, replays or vacuums meanwhile.
"""

from __future__ import annotations

from bench_server import ALTER, Measured, client_program, note
from goals.frame import Context, Finding, median, spread
from goals.load import fresh_application
from goals.online import Online, begin_capture

NAME = "window"
TURNS = 3  # times the rounds
GOAL = 1.03  # times the cost during the run: no more, but for what two measurements differ by
NEW_ROW = ("INSERT INTO orders (id, customer_id, status, amount, created_at, details) "
           "SELECT nextval('order_ids'), 7, 'new', 12.50, now(), '{\"sku\": \"SKU-1\"}'")
# Statement, its rows, and how many are measured.
WRITES = {
    "update": ("\\set id random(1, :rows)\nUPDATE orders SET amount = amount + 1 WHERE id = :id;\n", 1, 10_000),
    "insert": (NEW_ROW + ";\n", 1, 10_000),
    "insert of 100 rows": (NEW_ROW + " FROM generate_series(1, 100);\n", 100, 1_000),
}
# The job's schema that the log is in, and what was changed.
CONTENDERS = {
    "none": (None, ()),
    "run": ("pgeist_1", ("--alter", ALTER)),
    "replace": ("pgeist_1_back", ("--alter", ALTER)),
    "keep": ("pgeist_1_back", ("--alter", ALTER + ", DROP COLUMN note")),
}


def prepare(context: Context, contender: str) -> str:
    database = fresh_application(context)
    if contender == "run":
        begin_capture(context, database)
    elif contender != "none":
        with Online(context, database, "--revertible", "--verify", "off", change=CONTENDERS[contender][1]) as run:
            run.finish(expected=(0,))
        context.require_key_type(database, "bigint")
    context.server.sql("postgres", f"ALTER DATABASE {database} SET synchronous_commit = off", "CHECKPOINT")
    return database


def cost_of(context: Context, database: str, contender: str, kind: str) -> float:
    """Microseconds a statement; every row of them must be in the log."""
    statement, rows, several = WRITES[kind]
    several = 10 if context.smoke else several
    schema = CONTENDERS[contender][0]
    logged = f"SELECT count(*) FROM {schema}.pgeist_log"
    before = int(context.server.sql(database, logged)) if schema else 0
    script = context.folder / "window.sql"
    script.write_text(statement, encoding="utf-8")
    command = [client_program("pgbench"), "-n", "-c", "1", "-M", "prepared", "-D", f"rows={context.rows}", "-f", str(script),
               context.server.uri(database), "-t"]
    Measured([*command, str(several // 10)])
    begin = context.server.time_of_ended_sessions()
    Measured([*command, str(several)])
    cost = 1e6 * (context.server.time_of_ended_sessions() - begin) / several
    if schema:
        context.require(database, str(before + (several // 10 + several) * rows), logged)
    note(f"window: {contender:7} {kind:18} {cost:,.0f} µs")
    return cost


def in_short_turns(context: Context) -> dict[str, dict[str, list[float]]]:
    """What each contender costs, of each kind, each time: a slow spell of the machine hits all of them."""
    databases = {}
    for contender in CONTENDERS:
        databases[contender] = f"window_{contender}"
        context.keep(prepare(context, contender), databases[contender])
    seen: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in CONTENDERS} for kind in WRITES}
    for _ in range(1 if context.smoke else TURNS):
        for kind in WRITES:
            for name, cost in context.in_turn(CONTENDERS, lambda _, name: cost_of(context, databases[name], name, kind)).items():
                seen[kind][name] += cost
    context.server.sql("postgres", *[f"DROP DATABASE {database}" for database in databases.values()])
    return seen


def measure(context: Context) -> list[Finding]:
    context.server.sql("postgres", "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
    try:
        rounds = in_short_turns(context)
    finally:
        context.server.sql("postgres", "ALTER SYSTEM RESET autovacuum", "SELECT pg_reload_conf()")
    found = []
    for kind in WRITES:
        costs = rounds[kind]
        of_none = {name: median(several) / max(median(costs["none"]), 1e-6) for name, several in costs.items()}
        for mode in ("replace", "keep"):
            ratio = median(costs[mode]) / max(median(costs["run"]), 1e-6)
            found.append(Finding(
                what=f"capture in the window of a way back ({mode}), {kind}: cost against during the run",
                goal=f"≤ {GOAL}",
                ratio=ratio,
                met=ratio <= GOAL,
                measured=f"{ratio:.2f}: {spread(costs[mode])} against {spread(costs['run'])} µs of processor time a statement; "
                         f"of the cost without triggers {of_none[mode]:.2f} and {of_none['run']:.2f}",
                how="`pgbench -c 1 -M prepared`, 4 indexes, `synchronous_commit=off`, nobody replays",
                figures=costs,
            ))
    return found
