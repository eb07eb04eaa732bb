"""What the application pays for a swap that can be taken back: capture in the window against capture during the run.

One pgbench client, synchronous_commit off and statements prepared so that the processor is the limit: single-row updates,
single-row inserts, and inserts of 100 rows. On a fresh table without pgeist, with the triggers of a run on it, in the
window of a change that goes back row for row (replace), and of one where the old table keeps what the new one has not
(keep): there each new row is noted as one that was made since. Nobody copies or replays meanwhile.
"""

from __future__ import annotations

from bench_server import ALTER, client_program, note
from goals.frame import Context, Finding, median, spread
from goals.load import after_warm_up, fresh_application
from goals.online import Online, begin_capture

NAME = "window"
GOAL = 0.97  # of the rate during the run: no slower, but for what two measurements differ by
NEW_ROW = ("INSERT INTO orders (id, customer_id, status, amount, created_at, details) "
           "SELECT nextval('order_ids'), 7, 'new', 12.50, now(), '{\"sku\": \"SKU-1\"}'")
WRITES = {
    "update": ("\\set id random(1, :rows)\nUPDATE orders SET amount = amount + 1 WHERE id = :id;\n", 1),
    "insert": (NEW_ROW + ";\n", 1),
    "insert of 100 rows": (NEW_ROW + " FROM generate_series(1, 100);\n", 100),
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


def rate_of(context: Context, database: str, contender: str, kind: str) -> float:
    """Statements a second; every row of them must be in the log."""
    statement, rows = WRITES[kind]
    schema = CONTENDERS[contender][0]
    logged = f"SELECT count(*) FROM {schema}.pgeist_log"
    before = int(context.server.sql(database, logged)) if schema else 0
    script = context.folder / "window.sql"
    script.write_text(statement, encoding="utf-8")
    command = [client_program("pgbench"), "-n", "-c", "1", "-M", "prepared", "-D", f"rows={context.rows}", "-f", str(script),
               context.server.uri(database)]
    rate, done = after_warm_up(command, [1] if context.smoke else [2, 8])
    if schema:
        context.require(database, str(before + done * rows), logged)
    note(f"window: {contender:7} {kind:18} {rate:,.0f}/s")
    return rate


def measure(context: Context) -> list[Finding]:
    def one_round(_: int, contender: str) -> dict[str, float]:
        database = prepare(context, contender)
        return {kind: rate_of(context, database, contender, kind) for kind in WRITES}

    rounds = context.in_turn(CONTENDERS, one_round)
    found = []
    for kind in WRITES:
        rates = {name: [one[kind] for one in several] for name, several in rounds.items()}
        of_none = {name: median(several) / median(rates["none"]) for name, several in rates.items()}
        for mode in ("replace", "keep"):
            ratio = median(rates[mode]) / median(rates["run"])
            found.append(Finding(
                what=f"capture in the window of a way back ({mode}), {kind}: rate against during the run",
                goal=f"≥ {GOAL}",
                ratio=ratio,
                met=ratio >= GOAL,
                measured=f"{ratio:.2f}: {spread(rates[mode])} against {spread(rates['run'])} statements/s; "
                         f"of the rate without triggers {of_none[mode]:.2f} and {of_none['run']:.2f}",
                how="`pgbench -c 1 -M prepared`, 4 indexes, `synchronous_commit=off`, nobody replays",
                figures=rates,
            ))
    return found
