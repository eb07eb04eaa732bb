"""How old a snapshot pgeist holds: what is older than its oldest cannot be vacuumed away, in any table.

Every 20 ms the transactions of pgeist's sessions that hold a snapshot are looked at, while the application works at half
its rate. The oldest of each phase, against the time that a chunk is to take. Index builds hold one snapshot for as long
as they take, as any CREATE INDEX does; VACUUM holds nobody up.
"""

from __future__ import annotations

import threading
import time

from bench_server import Failure, Server, Session, note
from goals.frame import Context, Finding, median
from goals.load import Load, fresh_application, maximum_rate
from goals.online import Online

NAME = "snapshot"
GOAL = 2.0
CHUNK_SECONDS = 0.5
INTERVAL = 0.02
CHECKED = ("copy", "replay", "verify")
QUERY = """
SELECT extract(epoch FROM clock_timestamp()), coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0),
       coalesce(max(age(backend_xmin)), 0)
FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'pgeist%' AND backend_xmin IS NOT NULL AND query NOT LIKE 'VACUUM%'
"""


class Sampler(threading.Thread):
    """When, seconds, transactions: of the oldest snapshot at each look."""

    def __init__(self, server: Server, database: str):
        super().__init__(daemon=True)
        self.samples: list[tuple[float, float, int]] = []
        self._session = Session(server, database)
        self._enough = threading.Event()
        self._problem: Failure | None = None

    def run(self) -> None:
        try:
            while not self._enough.wait(INTERVAL):
                [[at, seconds, transactions]] = self._session.query(QUERY)
                self.samples.append((float(at), float(seconds), int(transactions)))
        except Failure as failure:
            self._problem = failure

    def __enter__(self) -> Sampler:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self.join()
        self._session.__exit__()
        if self._problem:
            raise self._problem


def oldest_by_phase(run: Online, samples: list[tuple[float, float, int]]) -> dict[str, dict]:
    """Phases that are shorter than the interval have no sample."""
    result: dict[str, dict] = {}
    for name, begin, end in run.phases():
        within = [(seconds, transactions) for at, seconds, transactions in samples if begin <= at < end]
        known = result.setdefault(name, {"samples": 0, "seconds": 0.0, "transactions": 0})
        known["samples"] += len(within)
        for seconds, transactions in within:
            known["seconds"] = max(known["seconds"], seconds)
            known["transactions"] = max(known["transactions"], transactions)
    return result


def one_round(context: Context, rows: int) -> dict[str, dict]:
    database = fresh_application(context, rows)
    with Load(context, database, 0.5 * maximum_rate(context), rows) as load:
        load.wait_until(load.warm)
        begin = time.time()
        with Sampler(context.server, database) as sampler:
            with Online(context, database, "--chunk-time", f"{CHUNK_SECONDS * 1000:.0f}ms") as run:
                run.finish(expected=(0,))
        load.end()
    context.require_key_type(database, "bigint")
    if len(sampler.samples) < (time.time() - begin) / INTERVAL / 10:
        raise Failure(f"only {len(sampler.samples)} samples in {time.time() - begin:.1f} s")
    oldest = oldest_by_phase(run, sampler.samples)
    note(f"snapshot: {rows:,} rows: " + ", ".join(f"{phase} {one['seconds']:.2f} s" for phase, one in oldest.items()))
    return oldest


def of_phase(rounds: list[dict[str, dict]], name: str, what: str = "seconds") -> float:
    return median([one.get(name, {}).get(what, 0.0) for one in rounds])


def measure(context: Context) -> list[Finding]:
    seen = context.in_turn([context.rows, 5 * context.rows], lambda _, rows: one_round(context, rows))
    result = []
    for rows, rounds in seen.items():
        ratio = max(of_phase(rounds, name) for name in CHECKED) / CHUNK_SECONDS
        text = ", ".join(
            f"{name} {1000 * of_phase(rounds, name):,.0f} ms ({of_phase(rounds, name, 'transactions'):,.0f} transactions)"
            for name in CHECKED)
        builds = max(of_phase(rounds, name) for name in ("key", "build"))
        result.append(Finding(
            what="oldest snapshot held" + (", five times as many rows" if rows > context.rows else ""),
            goal=f"≤ {GOAL:.0f} × chunk time in copy, replay and verify",
            ratio=ratio,
            met=ratio <= GOAL,
            measured=f"{ratio:.2f} × chunk time: {text}; index builds {builds:.1f} s",
            how=f"{rows:,} rows; `pg_stat_activity` every {1000 * INTERVAL:.0f} ms, the application at half its rate, "
                f"chunk time {1000 * CHUNK_SECONDS:.0f} ms",
            figures={"rounds": rounds},
        ))
    return result
