"""What the application notices of a whole run, swap included.

A mix of updates, reads, inserts and deletes by key at half the rate that the server can do at most, the same rate with a
`pgeist run` beside it and without, in windows of the same length. Transactions count from when they were due: those that
had to wait for others before them are late, too.
"""

from __future__ import annotations

import time

from bench_server import note
from goals.frame import Context, Finding, median, spread
from goals.load import CLIENTS, Figures, Load, fresh_application, maximum_rate
from goals.online import Online

NAME = "application"
SHARE = 0.5
RATE_GOAL, P99_GOAL, STALL_GOAL = 0.98, 2.0, 100.0


def with_run(context: Context, rate: float) -> tuple[Figures, float]:
    """What the application saw, and how many seconds the run took."""
    database = fresh_application(context)
    with Load(context, database, rate) as load:
        load.wait_until(load.warm)
        begin = time.time()
        with Online(context, database) as run:
            run.finish(expected=(0,))
        seconds = time.time() - begin
        load.wait_until(begin + seconds)
        load.end()
        context.require_key_type(database, "bigint")
        return load.figures(begin, seconds), seconds


def without_run(context: Context, rate: float, seconds: float) -> Figures:
    database = fresh_application(context)
    with Load(context, database, rate) as load:
        begin = load.warm
        load.wait_until(begin + seconds)
        load.end()
        return load.figures(begin, seconds)


def findings(rate: float, seen: dict[str, list[Figures]], lengths: list[float]) -> list[Finding]:
    kept = median([one.kept for one in seen["with"]])
    p99 = {name: [one.p99_ms for one in rounds] for name, rounds in seen.items()}
    longest = {name: [one.longest_ms for one in rounds] for name, rounds in seen.items()}
    slower = median(p99["with"]) / median(p99["without"])
    stall = median(longest["with"])
    how = (f"pgbench mix, {CLIENTS} clients, {rate:,.0f} transactions/s, "
           f"over runs of {median(lengths):.0f} s with full verification")
    what = "application at half its maximum rate: "
    figures = {name: [vars(one) for one in rounds] for name, rounds in seen.items()}
    return [
        Finding(what + "rate kept", f"≥ {RATE_GOAL}", kept, kept >= RATE_GOAL,
                f"{kept:.3f}; without pgeist {median([one.kept for one in seen['without']]):.3f}", how, figures),
        Finding(what + "p99 with / without pgeist", f"≤ {P99_GOAL:.0f}", slower, slower <= P99_GOAL,
                f"{slower:.2f}: {spread(p99['with'], '{:.1f}')} against {spread(p99['without'], '{:.1f}')} ms", how),
        Finding(what + "longest stall, swap included", f"≤ {STALL_GOAL:.0f} ms", stall / STALL_GOAL, stall <= STALL_GOAL,
                f"{spread(longest['with'])} ms; without pgeist {spread(longest['without'])} ms",
                how + "; the slowest transaction"),
    ]


def measure(context: Context) -> list[Finding]:
    rate = SHARE * maximum_rate(context)
    lengths: list[float] = []

    def one(number: int, name: str) -> Figures:
        if name == "with":
            figures, seconds = with_run(context, rate)
            lengths.append(seconds)
        else:
            figures = without_run(context, rate, lengths[-1])
        note(f"application: round {number + 1} {name:7} kept {figures.kept:.3f}, p99 {figures.p99_ms:.1f} ms, "
             f"longest {figures.longest_ms:.0f} ms")
        return figures

    seen = context.in_turn(["with", "without"], one)
    return findings(rate, seen, lengths)
