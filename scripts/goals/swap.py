"""How long the swap holds its lock, with a thousand keys to replay under it.

Before each swap a session updates a thousand rows and keeps its transaction open until pgeist's request for the lock
stands in line behind it; then it commits, and pgeist has the lock and a thousand keys that nobody could replay before.
It may give the lock back, replay them without it and take it again: then the longer of the two times counts.
Ten swaps, the type of the key there and back.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from bench_server import ALTER, Failure, Server, Session, moment, note
from goals.frame import Context, Finding, median, spread
from goals.online import Online, begin_postponed, end_capture

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


def swap_behind(context: Context, database: str, begun: tuple[Online, Path], changes: list[str]) -> tuple[float, list[dict]]:
    """Ends a postponed run behind a transaction with `changes`, which commits when pgeist's request stands in line.

    Milliseconds for which pgeist held the lock; at most, when it gave it back and took it again. And what it told after the
    commit.
    """
    run, postpone = begun
    with run, Session(context.server, database) as writer:
        writer.query("BEGIN")
        for statement in changes:
            writer.query(statement)
        postpone.unlink()
        wait_for_request(context.server, database)
        committed = time.time()
        writer.query("COMMIT")
        done = run.wait_for(lambda event: event["event"] == "swap", "the end of the swap")
        run.finish(expected=(0,))
    later = [event for event in run.events if moment(event) > committed]
    return max([done["lock_held_ms"], *times_given_back(later)]), later


def times_given_back(events: list[dict]) -> list[float]:
    return [float(found[1]) for event in events if (found := GIVEN_BACK.search(event.get("message", "")))]


def one_swap(context: Context, database: str, kind: str, number: int) -> float:
    keys = min(KEYS, context.rows)
    begun = begin_postponed(context, database, *OPTIONS, change=("--alter", ALTER.replace("bigint", kind)))
    held, later = swap_behind(context, database, begun, [
        f"UPDATE orders SET note = 'swap {number}' WHERE id IN (SELECT id FROM orders ORDER BY hashint8(id) LIMIT {keys})"])
    if any(event["event"] == "lock_wait" for event in later) or len(times_given_back(later)) > 1:
        raise Failure(f"the request that stood in line did not end in the swap:\n{begun[0].output[-2000:]}")
    context.require(database, str(keys), f"SELECT count(*) FROM orders WHERE note = 'swap {number}'")
    context.require_key_type(database, "integer" if kind == "int" else kind)
    end_capture(context, database)
    return held


def there_and_back(context: Context, name: str, what: str, goal: float, one: Callable[[str, int], float]) -> list[Finding]:
    """Swaps by `one`, given the type of the key and a number."""
    held: list[float] = []
    for number in range(2 if context.smoke else max(SWAPS, context.rounds)):
        held.append(one("bigint" if number % 2 == 0 else "int", number))
        note(f"{name}: {held[-1]:.1f} ms")
    return [Finding(
        what=what,
        goal=f"≤ {goal:.0f} ms",
        ratio=median(held) / goal,
        met=median(held) <= goal,
        measured=f"{spread(held, '{:.1f}')} ms",
        how=f"{len(held)} swaps, each behind a transaction with {KEYS:,} updates that commits when the lock is asked for",
        figures={"lock_held_ms": held},
    )]


def measure(context: Context) -> list[Finding]:
    database = context.fresh()
    return there_and_back(context, NAME, f"lock held in the swap, 4 indexes, backlog of {KEYS:,} keys", GOAL,
                          lambda kind, number: one_swap(context, database, kind, number))
