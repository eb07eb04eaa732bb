"""How long the swap holds its lock, with a thousand keys to replay under it.

Before each swap a session updates a thousand rows and keeps its transaction open until pgeist's request for the lock
stands in line behind it; then it commits, and pgeist has the lock and a thousand keys that nobody could replay before.
It may give the lock back, replay them without it and take it again: then the longer of the two times counts.
Ten swaps, the type of the key there and back.
"""

from __future__ import annotations

import re
import time

from bench_server import ALTER, Failure, Server, Session, moment, note
from goals.frame import Context, Finding, median, spread
from goals.online import begin_postponed, end_capture

NAME = "swap"
GOAL = 15.0
SWAPS = 10
KEYS = 1000
GIVEN_BACK = re.compile(r"given back after ([0-9.]+) ms")
# Requests that are refused at once (NOWAIT) come before those that wait; 10 s are enough for the writer to see one.
OPTIONS = ("--lock-timeout", "10s", "--verify", "off", "--drop-old")


def wait_for_request(server: Server, database: str) -> None:
    """Until somebody waits for ACCESS EXCLUSIVE on the table."""
    patience = time.monotonic() + 60
    with Session(server, database) as watcher:
        while not int(watcher.query("SELECT count(*) FROM pg_locks WHERE relation = 'public.orders'::regclass "
                                    "AND mode = 'AccessExclusiveLock' AND NOT granted")[0][0]):
            if time.monotonic() > patience:
                raise Failure("pgeist did not wait for the lock")
            time.sleep(0.005)


def one_swap(context: Context, database: str, kind: str, number: int) -> float:
    """Milliseconds for which pgeist held the lock; at most, when it gave it back and took it again."""
    keys = min(KEYS, context.rows)
    run, postpone = begin_postponed(context, database, *OPTIONS, change=("--alter", ALTER.replace("bigint", kind)))
    with run, Session(context.server, database) as writer:
        writer.query("BEGIN")
        writer.query(f"UPDATE orders SET note = 'swap {number}' "
                     f"WHERE id IN (SELECT id FROM orders ORDER BY hashint8(id) LIMIT {keys})")
        postpone.unlink()
        wait_for_request(context.server, database)
        committed = time.time()
        writer.query("COMMIT")
        done = run.wait_for(lambda event: event["event"] == "swap", "the end of the swap")
        run.finish(expected=(0,))
    later = [event for event in run.events if moment(event) > committed]
    given_back = [float(found[1]) for event in later if (found := GIVEN_BACK.search(event.get("message", "")))]
    if any(event["event"] == "lock_wait" for event in later) or len(given_back) > 1:
        raise Failure(f"the request that stood in line did not end in the swap:\n{run.output[-2000:]}")
    context.require(database, str(keys), f"SELECT count(*) FROM orders WHERE note = 'swap {number}'")
    context.require_key_type(database, "integer" if kind == "int" else kind)
    end_capture(context, database)
    return max([done["lock_held_ms"], *given_back])


def measure(context: Context) -> list[Finding]:
    database = context.fresh()
    held: list[float] = []
    for number in range(2 if context.smoke else max(SWAPS, context.rounds)):
        held.append(one_swap(context, database, "bigint" if number % 2 == 0 else "int", number))
        note(f"swap: {held[-1]:.1f} ms")
    return [Finding(
        what=f"lock held in the swap, 4 indexes, backlog of {KEYS:,} keys",
        goal=f"≤ {GOAL:.0f} ms",
        ratio=median(held) / GOAL,
        met=median(held) <= GOAL,
        measured=f"{spread(held, '{:.1f}')} ms",
        how=f"{len(held)} swaps, each behind a transaction with {KEYS:,} updates that commits when the lock is asked for",
        figures={"lock_held_ms": held},
    )]
