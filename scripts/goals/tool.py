"""What pgeist itself needs where it runs: its peak memory, and its share of one core.

Over whole runs beside an application at half its maximum rate, of a table and of one five times its size.
"""

from __future__ import annotations

from bench_server import note
from goals.frame import Context, Finding, median, spread
from goals.load import Load, fresh_application, maximum_rate
from goals.online import Online

NAME = "tool"
MEMORY_GOAL, CPU_GOAL = 48.0, 3.0


def one_round(context: Context, rows: int) -> dict[str, float]:
    database = fresh_application(context, rows)
    with Load(context, database, 0.5 * maximum_rate(context), rows) as load:
        load.wait_until(load.warm)
        with Online(context, database) as run:
            run.finish(expected=(0,))
        load.end()
    context.require_key_type(database, "bigint")
    one = {"memory_mb": run.peak_rss_kb / 1024, "cpu_percent": 100 * run.cpu_seconds / run.seconds, "seconds": run.seconds}
    note(f"tool: {rows:,} rows: {one['memory_mb']:.1f} MB, {one['cpu_percent']:.2f} % of a core")
    return one


def measure(context: Context) -> list[Finding]:
    seen = context.in_turn([context.rows, 5 * context.rows], lambda _, rows: one_round(context, rows))
    result = []
    for what, unit, goal, form in (("memory_mb", "MB", MEMORY_GOAL, "{:.1f}"), ("cpu_percent", "%", CPU_GOAL, "{:.2f}")):
        values = {rows: [one[what] for one in rounds] for rows, rounds in seen.items()}
        worst = max(median(rounds) for rounds in values.values())
        result.append(Finding(
            what="pgeist itself: peak memory" if what == "memory_mb" else "pgeist itself: share of a core",
            goal=f"≤ {goal:.0f} {unit}",
            ratio=worst / goal,
            met=worst <= goal,
            measured="; ".join(f"{spread(rounds, form)} {unit} with {rows:,} rows" for rows, rounds in values.items()),
            how="VmHWM and processor time of the process, whole run with full verification, the application at half its rate",
            figures={str(rows): rounds for rows, rounds in seen.items()},
        ))
    return result
