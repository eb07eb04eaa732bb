"""What a rehearsal foretells: how long the same change takes on a larger table, and how long the swap will hold its lock.

The change is rehearsed on a table with --scale-to the plan of one five times and one twenty times its size, and then on
those; everything verified, as the run would. The lock: rehearsals that take it tell the time that was foretold and the one that was
measured.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from bench_server import ALTER, Failure, note
from goals.frame import Context, Finding, median, spread

NAME = "rehearsal"
TIME_GOAL, LOCK_GOAL = 1.3, 2.0
TIMES = (5, 20)
LOCKS = 5


def tell(context: Context, command: str, database: str, *options: str) -> list[str]:
    change = ("--table", "orders", "--method", "copy", "--alter", ALTER)
    result = subprocess.run([str(context.pgeist), command, "-d", context.server.uri(database), *change, "--output", "json", *options],
                            capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"pgeist {command} failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.stdout.splitlines()


def rehearse(context: Context, database: str, *options: str) -> dict:
    events = [json.loads(line) for line in tell(context, "rehearse", database, *options)]
    return next(event for event in events if event["event"] == "rehearsal")


def plan_of(context: Context, rows: int) -> Path:
    path = context.folder / f"plan-{rows}.json"
    path.write_text("\n".join(tell(context, "plan", context.fresh(rows))), encoding="utf-8")
    return path


def off_by(foretold: float, found: float) -> float:
    return max(foretold / found, found / foretold)


def of_time(context: Context, times: int) -> Finding:
    rows = times * context.rows

    def one(_: int, name: str) -> float:
        if name == "foretold":
            plan = plan_of(context, rows)
            seconds = rehearse(context, context.fresh(), "--locks", "none", "--scale-to", str(plan))["scaled"]["elapsed_ms"] / 1e3
        else:
            seconds = rehearse(context, context.fresh(rows), "--locks", "none")["elapsed_ms"] / 1e3
        note(f"rehearsal: {rows:,} rows {name} {seconds:.1f} s")
        return seconds

    took = context.in_turn(["foretold", "found"], one)
    off = off_by(median(took["foretold"]), median(took["found"]))
    return Finding(f"rehearsal scaled to {times} times the rows: factor between foretold and found", f"≤ {TIME_GOAL}", off,
                   off <= TIME_GOAL, f"{off:.2f}: {spread(took['foretold'], '{:.1f}')} against {spread(took['found'], '{:.1f}')} s",
                   f"`rehearse --locks none`, everything verified, {context.rows:,} and {rows:,} rows", took)


def of_lock(context: Context) -> Finding:
    events = [rehearse(context, context.fresh(), "--locks", "take") for _ in range(1 if context.smoke else LOCKS)]
    took = {name: [event[name] for event in events] for name in ("predicted_lock_ms", "lock_ms")}
    off = off_by(median(took["predicted_lock_ms"]), median(took["lock_ms"]))
    return Finding("lock of the swap: factor between foretold and found", f"≤ {LOCK_GOAL:.0f}", off, off <= LOCK_GOAL,
                   f"{off:.2f}: {spread(took['predicted_lock_ms'], '{:.1f}')} against {spread(took['lock_ms'], '{:.1f}')} ms",
                   f"{len(events)} × `rehearse --locks take`, 4 indexes, no load", took)


def measure(context: Context) -> list[Finding]:
    return [of_lock(context), *(of_time(context, times) for times in TIMES)]
