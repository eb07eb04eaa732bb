"""How fast the change log is worked off, by one session.

A run is stopped before its swap, the application updates rows in random order, each once, and the job is resumed. The
same log is worked off by the naive way, a loop of one DELETE and one INSERT ... SELECT for each key, in one transaction and
with its plans kept. Both begin with file copies of one database. Then a log of five times the table's usual rows: the
rate of its first two fifths against that of the last. The first alone would not do: after the checkpoint that a file copy
begins with it pays for a full page image of each page, and for reading the page, and would hide a later slowdown.
"""

from __future__ import annotations

import time

from bench_server import COLUMNS, PSQL, Failure, Measured, Session, moment, note
from goals.frame import Context, Finding, median, spread
from goals.online import Online, begin_postponed

NAME = "replay"
SPEED_GOAL = 5.0
SLOWDOWN_GOAL = 1.1  # "no slowdown": what rounds of the same thing differ by
# The planner is held to the order of the keys: a hash join would update the table from its first row to its last.
UPDATE = """
UPDATE orders SET amount = orders.amount + 1
FROM (SELECT id FROM orders WHERE id <= {rows} ORDER BY hashint4(id) LIMIT {keys}) AS one WHERE orders.id = one.id
"""
NAIVE = f"""
DO $$
DECLARE k int;
BEGIN
    FOR k IN SELECT k1 FROM pgeist_1.pgeist_log LOOP
        DELETE FROM pgeist_1.orders WHERE id = k;
        INSERT INTO pgeist_1.orders (id, {COLUMNS}) SELECT id, {COLUMNS} FROM public.orders WHERE id = k;
    END LOOP;
    DELETE FROM pgeist_1.pgeist_log;
END $$
"""


def prepare(context: Context, template: str, rows: int, keys: int) -> None:
    """A database with an interrupted job, all done but the swap, and `keys` different keys in its log."""
    database = context.fresh(rows)
    run, _ = begin_postponed(context, database, "--verify", "off", "--workers", "1")
    with run:
        run.stop()
    context.server.sql(database, "SET enable_hashjoin = off", "SET enable_mergejoin = off", UPDATE.format(rows=rows, keys=keys),
                       "VACUUM orders")
    context.require(database, f"{keys}|{keys}", "SELECT count(*), count(DISTINCT k1) FROM pgeist_1.pgeist_log")
    context.keep(database, template)


def require_same(context: Context, database: str) -> None:
    """That the shadow is what the source is, and the log empty."""
    context.require(database, "0|0", f"""
        SELECT (SELECT count(*) FROM pgeist_1.pgeist_log),
               (SELECT count(*) FROM (SELECT id::bigint, {COLUMNS} FROM public.orders
                                      EXCEPT SELECT id, {COLUMNS} FROM pgeist_1.orders) AS missing)""")


def naive(context: Context, template: str, keys: int) -> float:
    context.server.fresh_copy(template, "bench")
    rate = keys / Measured([*PSQL, context.server.uri("bench"), "-c", NAIVE]).seconds
    require_same(context, "bench")
    return rate


LEFT = "SELECT extract(epoch FROM statement_timestamp()), count(*) FROM pgeist_1.pgeist_log"
SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'pgeist%' AND query ~ '^(DELETE|INSERT)' AND state = 'active'
"""


def drain(context: Context, template: str, keys: int) -> list[tuple[float, int]]:
    """Seconds since replay began, and keys left. Looking takes a twentieth of one session's time at most.

    Failure when more than one session is at it.
    """
    context.server.fresh_copy(template, "bench")
    (context.folder / "postpone").touch()
    curve = [(0.0, keys)]
    with Session(context.server, "bench") as session:
        session.query(LEFT)  # connected before there is anything to see
        with Online(context, "bench", "--workers", "1", "--postpone-file", str(context.folder / "postpone"), job=1) as run:
            begin = moment(run.wait_for(lambda event: event["event"] == "phase" and event["name"] == "swap", "the swap"))
            while curve[-1][1] > 0:
                if not run.working:
                    raise Failure(f"pgeist has stopped:\n{run.output[-2000:]}")
                asked = time.monotonic()
                if int(session.query(SESSIONS)[0][0]) > 1:
                    raise Failure("replay by several sessions")
                [[at, left]] = session.query(LEFT)
                curve.append((max(0.001, float(at) - begin), int(left)))  # pgeist's clock has milliseconds
                time.sleep(max(0.01, 20 * (time.monotonic() - asked)) if int(left) else 0)
            run.stop()
    require_same(context, "bench")
    return curve


def moment_of(curve: list[tuple[float, int]], left: float) -> float:
    """When so many keys were left, between two looks in proportion."""
    for (before, more), (after, fewer) in zip(curve, curve[1:]):
        if fewer <= left:
            return after if more == fewer else before + (after - before) * (more - left) / (more - fewer)
    raise Failure(f"the log was not worked off: {curve[-3:]}")


def fifths(curve: list[tuple[float, int]], keys: int) -> list[float]:
    """Keys per second of each fifth of the log."""
    moments = [0.0] + [moment_of(curve, keys * (5 - done) / 5) for done in range(1, 6)]
    return [keys / 5 / (end - begin) for begin, end in zip(moments, moments[1:])]


def speed(context: Context) -> Finding:
    keys = context.part(0.1)
    prepare(context, "replay_some", context.rows, keys)

    def one(_: int, name: str) -> float:
        if name == "naive":
            rate = naive(context, "replay_some", keys)
        else:
            rate = keys / moment_of(drain(context, "replay_some", keys), 0)
        note(f"replay: {name:6} {rate:,.0f} keys/s")
        return rate

    rates = context.in_turn(["pgeist", "naive"], one)
    ratio = median(rates["pgeist"]) / median(rates["naive"])
    return Finding("replay, one session: keys per second / those of a loop of single rows", f"≥ {SPEED_GOAL:.0f}", ratio,
                   ratio >= SPEED_GOAL, f"{ratio:.1f}: {spread(rates['pgeist'])} against {spread(rates['naive'])} keys/s",
                   f"{keys:,} keys in random order, each once, table with its 4 indexes", rates)


def slowdown(context: Context) -> Finding:
    keys = context.part(5)
    prepare(context, "replay_all", keys, keys)
    rounds: list[list[float]] = []
    curves = []
    for _ in range(context.rounds):
        curves.append(drain(context, "replay_all", keys))
        rounds.append(fifths(curves[-1], keys))
        note(f"replay: {keys:,} keys, fifth by fifth: {', '.join(f'{rate:,.0f}' for rate in rounds[-1])} keys/s")
    first, second, *_, last = ([one[at] for one in rounds] for at in range(5))
    ratio = max(median(first), median(second)) / median(last)
    context.server.sql("postgres", "DROP DATABASE replay_some", "DROP DATABASE replay_all")
    return Finding("replay of a long log: the faster of the first two fifths / the last, keys per second",
                   f"no slowdown (≤ {SLOWDOWN_GOAL})", ratio, ratio <= SLOWDOWN_GOAL,
                   f"{ratio:.2f}: {spread(first)}, {spread(second)} against {spread(last)} keys/s",
                   f"{keys:,} keys, every row of a table updated once in random order", {"fifths": rounds, "curves": curves})


def measure(context: Context) -> list[Finding]:
    return [speed(context), slowdown(context)]
