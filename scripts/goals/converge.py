"""Whether replay keeps up with writers that take four fifths of what the server can do.

The mix of the application at 80 % of its maximum rate, and a `pgeist run` beside it that must end with the table changed;
how long it takes against a run on a server with nothing else to do, and how much was waiting in the change log meanwhile.
"""

from __future__ import annotations

from bench_server import moment, note
from goals.frame import Context, Finding, median, spread
from goals.load import CLIENTS, Load, fresh_application, maximum_rate
from goals.online import Online

NAME = "converge"
SHARE = 0.8
PATIENCE = "10min"  # after which a backlog that does not shrink is given up


def backlog(run: Online) -> list[tuple[float, str, int]]:
    """Seconds since the start, phase, keys that wait; about one a second."""
    start = moment(run.events[0])
    return [(round(moment(event) - start, 2), event["phase"], event["log_pending"]) for event in run.events
            if event["event"] == "progress" and event["log_pending"] is not None]


def idle(context: Context) -> dict:
    database = fresh_application(context)
    with Online(context, database) as run:
        run.finish(expected=(0,))
    context.require_key_type(database, "bigint")
    return {"seconds": run.seconds}


def loaded(context: Context, rate: float) -> dict:
    """That it does not converge is a finding, not a failure."""
    database = fresh_application(context)
    with Load(context, database, rate) as load:
        load.wait_until(load.warm)
        with Online(context, database, "--swap-max-wait", PATIENCE) as run:
            code = run.finish()
        load.end()
    if code == 0:
        context.require_key_type(database, "bigint")
    waiting = backlog(run)
    return {"seconds": run.seconds, "exit_code": code, "peak": max((keys for *_, keys in waiting), default=0), "backlog": waiting,
            "message": run.events[-1].get("message") if run.events else run.errors}


def measure(context: Context) -> list[Finding]:
    rate = SHARE * maximum_rate(context)

    def one(_: int, name: str) -> dict:
        result = loaded(context, rate) if name == "loaded" else idle(context)
        note(f"converge: {name:6} {result['seconds']:.1f} s {result.get('message', '')}")
        return result

    rounds = context.in_turn(["loaded", "idle"], one)
    converged = sum(one["exit_code"] == 0 for one in rounds["loaded"])
    seconds = {name: [one["seconds"] for one in results] for name, results in rounds.items()}
    ratio = median(seconds["loaded"]) / median(seconds["idle"])
    met = converged == context.rounds
    return [Finding(
        what="replay converges with writers at 80 % of the server's capacity",
        goal="yes",
        ratio=ratio,
        met=met,
        measured=f"{'yes' if met else 'no'}, {converged} of {context.rounds}: run of {spread(seconds['loaded'], '{:.1f}')} s, "
                 f"{ratio:.1f} × that of an idle server; "
                 f"at most {spread([one['peak'] for one in rounds['loaded']])} keys waiting",
        how=f"pgbench mix, {CLIENTS} clients, {rate:,.0f} transactions/s, full verification; backlog from the progress events",
        figures=rounds,
    )]
