"""What the application pays for a swap that can be taken back: capture in the window against capture during the run.

Instructions for a statement that is prepared: single-row updates, all of them HOT or none, single-row inserts, and inserts of
100 rows. On a fresh table without pgeist, with the triggers of a run on it, in the window of a change that goes back row for
row (replace), and of one where the old table keeps what the new one has not (keep): there each new row is noted as one that
was made since. Nobody copies, replays or vacuums meanwhile.
"""

from __future__ import annotations

from bench_server import note
from goals.frame import Context, Finding
from goals.instructions import WARM_UP, LoneServer, can_be_counted
from goals.load import fresh_application
from goals.online import Online, begin_capture

NAME = "window"
GOAL = 1.05  # times the instructions during the run: their times cannot be told apart then
STATEMENTS = WARM_UP + 50
NEW_ROW = ("INSERT INTO orders (id, customer_id, status, amount, created_at, details) "
           "SELECT nextval('order_ids'), $1, 'new', 12.50, now(), '{\"sku\": \"SKU-1\"}'")
# Statement, and its rows.
WRITES = {
    "update": ("UPDATE orders SET amount = amount + 1 WHERE id = $1", 1),
    "update of an indexed column": ("UPDATE orders SET updated_at = now() WHERE id = $1", 1),
    "insert": (NEW_ROW, 1),
    "insert of 100 rows": (NEW_ROW + " FROM generate_series(1, 100)", 100),
}
# The job's schema that the log is in, and what was changed: a column of which nothing is stored.
CONTENDERS = {
    "none": (None, ()),
    "run": ("pgeist_1", ("--alter", "ALTER COLUMN unused TYPE bigint")),
    "replace": ("pgeist_1_back", ("--alter", "ALTER COLUMN unused TYPE bigint")),
    "keep": ("pgeist_1_back", ("--alter", "DROP COLUMN unused")),
}


def rows_of(context: Context) -> int:
    return min(context.rows, 100_000)


def prepare(context: Context, contender: str) -> None:
    """A database called window_…, with what is captured there. The table's file is the same in all of them."""
    database = fresh_application(context, rows_of(context))
    context.server.sql(database, "ALTER TABLE orders ADD COLUMN unused int, SET (fillfactor = 90)")
    if contender == "run":
        begin_capture(context, database, CONTENDERS[contender][1])
    elif contender != "none":
        with Online(context, database, "--revertible", "--verify", "off", change=CONTENDERS[contender][1]) as run:
            run.finish(expected=(0,))
    context.server.sql(database, "VACUUM (FULL, FREEZE, ANALYZE) orders", "CHECKPOINT")
    context.keep(database, f"window_{contender}")


def cost_of(server: LoneServer, contender: str, kind: str, rows: int) -> float:
    statement, _ = WRITES[kind]
    # Far from each other, as an application's are.
    execute = [f"EXECUTE written ('{7919 * number % rows + 1}')" for number in range(STATEMENTS)]
    cost = server.instructions(f"window_{contender}", f"PREPARE written AS {statement}", execute)
    note(f"window: {contender:7} {kind:27} {cost:,.0f} instructions")
    return cost


def require_logged(context: Context, contender: str, kinds: list[str]) -> None:
    """That every row written is in the log: once in the long run and once in the short one."""
    schema = CONTENDERS[contender][0]
    if schema:
        rows = sum(WRITES[kind][1] for kind in kinds) * (STATEMENTS + WARM_UP)
        context.require(f"window_{contender}", str(rows), f"SELECT count(*) FROM {schema}.pgeist_log")


def measure(context: Context) -> list[Finding] | None:
    if not can_be_counted():
        note("window: not measured without valgrind, which counts instructions (scripts/setup.sh --bench)")
        return None
    contenders = ["run", "keep"] if context.smoke else list(CONTENDERS)
    kinds = ["insert"] if context.smoke else list(WRITES)
    for contender in contenders:
        prepare(context, contender)
    with context.server.stopped() as data:
        server = LoneServer(context.server, data)
        costs = {kind: {contender: cost_of(server, contender, kind, rows_of(context)) for contender in contenders} for kind in kinds}
    for contender in contenders:
        require_logged(context, contender, kinds)
        context.server.sql("postgres", f"DROP DATABASE window_{contender}")
    return [finding(kind, mode, costs[kind]) for kind in kinds for mode in ("replace", "keep") if mode in contenders]


def finding(kind: str, mode: str, costs: dict[str, float]) -> Finding:
    ratio = costs[mode] / costs["run"]
    without = costs.get("none", costs["run"])
    return Finding(
        what=f"capture in the window of a way back ({mode}), {kind}: cost against during the run",
        goal=f"≤ {GOAL}",
        ratio=ratio,
        met=ratio <= GOAL,
        measured=f"{ratio:.2f}: {costs[mode]:,.0f} against {costs['run']:,.0f} instructions a statement, "
                 f"{costs[mode] / without:.2f} and {costs['run'] / without:.2f} of those without triggers",
        how="`postgres --single` under valgrind, prepared, 100,000 rows, 4 indexes, nobody replays",
        figures=costs,
    )
