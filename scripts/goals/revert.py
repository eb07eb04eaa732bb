"""How much longer the swap holds its lock when it can be taken back.

Swaps without a load, with --revertible and without, in turn; the tables are as large as elsewhere, and empty of changes.
The swap wakes the triggers of the way back in its own transaction: that is all that may take longer.
"""

from __future__ import annotations

import subprocess

from bench_server import Failure
from goals.frame import Context, Finding, median, spread
from goals.online import Online

NAME = "revert"
GOAL = 3.0
SWAPS = 10


def pgeist(context: Context, database: str, *arguments: str) -> None:
    result = subprocess.run([str(context.pgeist), *arguments, "-d", context.server.uri(database)], capture_output=True,
                            text=True)
    if result.returncode != 0:
        raise Failure(f"pgeist {' '.join(arguments)} failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")


def one_swap(context: Context, database: str, number: int, *options: str) -> float:
    """Milliseconds for which pgeist held the lock."""
    kind = "bigint" if number % 2 == 0 else "int"
    with Online(context, database, "--verify", "off", *options, change=("--alter", f"ALTER COLUMN id TYPE {kind}")) as run:
        done = run.wait_for(lambda event: event["event"] == "swap", "the end of the swap")
        run.finish(expected=(0,))
    job = next(event["id"] for event in run.events if event["event"] == "job")
    pgeist(context, database, "cleanup", str(job))
    return done["lock_held_ms"]


def measure(context: Context) -> list[Finding]:
    database = context.fresh(rows=min(context.rows, 100_000))
    held: dict[str, list[float]] = {"plain": [], "revertible": []}
    swaps = 2 if context.smoke else SWAPS
    for number in range(2 * swaps):
        kind = "revertible" if number % 4 in (1, 2) else "plain"
        options = ("--revertible",) if kind == "revertible" else ()
        held[kind].append(one_swap(context, database, number, *options))
    longer = median(held["revertible"]) - median(held["plain"])
    return [Finding(
        what="lock held longer in a swap that can be taken back",
        goal=f"≤ {GOAL:.0f} ms",
        ratio=max(0.0, longer) / GOAL,
        met=longer <= GOAL,
        measured=f"{longer:+.1f} ms ({spread(held['plain'], '{:.1f}')} and {spread(held['revertible'], '{:.1f}')} ms)",
        how=f"{swaps} swaps of each kind in turn, 4 indexes, no load; difference of the medians",
        figures={"plain_ms": held["plain"], "revertible_ms": held["revertible"]},
    )]
