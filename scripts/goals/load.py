"""The application: pgbench with a mix of updates, reads, inserts and deletes by key."""

from __future__ import annotations

import re
import shutil
import signal
import time
from dataclasses import dataclass

from bench_server import Failure, Measured, Process, client_program, note
from goals.frame import Context, median

CLIENTS = 4
# Weights and statements. Every fourth update or so changes an indexed column, as applications do.
MIX = {
    "update": (3, "\\set id random(1, :rows)\nUPDATE orders SET amount = amount + 1 WHERE id = :id;\n"),
    "touch": (1, "\\set id random(1, :rows)\nUPDATE orders SET updated_at = now() WHERE id = :id;\n"),
    "select": (4, "\\set id random(1, :rows)\nSELECT status, amount, note FROM orders WHERE id = :id;\n"),
    "insert": (1, "\\set customer random(1, 500000)\nINSERT INTO orders (id, customer_id, status, amount, created_at, details) "
                  "VALUES (nextval('order_ids'), :customer, 'new', 12.50, now(), '{\"sku\": \"SKU-1\", \"quantity\": 1}');\n"),
    "delete": (1, "\\set id random(1, :rows)\nDELETE FROM orders WHERE id = :id;\n"),
}


def transactions_per_second(output: str) -> float:
    found = re.search(r"^tps = ([0-9.]+) \(without", output, re.MULTILINE)
    if not found or float(found[1]) <= 0:
        raise Failure(f"pgbench told no rate:\n{output}")
    return float(found[1])


def after_warm_up(command: list[str], seconds: list[int]) -> tuple[float, int]:
    """Runs pgbench for each of these times. Transactions a second of the last one, and how many there were in all."""
    done, rate = 0, 0.0
    for each in seconds:
        output = Measured([*command, "-T", str(each)]).output
        rate = transactions_per_second(output)
        done += int(output.split("number of transactions actually processed: ")[1].split("\n")[0].split("/")[0])
    return rate, done


def fresh_application(context: Context, rows: int | None = None) -> str:
    """A fresh table, and what the mix needs beside it."""
    rows = rows or context.rows
    database = context.fresh(rows)
    context.server.sql(database, f"CREATE SEQUENCE order_ids START {rows + 1}")
    return database


def mix_command(context: Context, database: str, rows: int | None, seconds: int,
                mix: dict[str, tuple[int, str]] | None = None) -> list[str]:
    command = [client_program("pgbench"), "-n", "-c", str(CLIENTS), "-j", "1", "-T", str(seconds),
               "-D", f"rows={rows or context.rows}"]
    for name, (weight, script) in (mix or MIX).items():
        path = context.folder / f"{name}.sql"
        path.write_text(script, encoding="utf-8")
        command += ["-f", f"{path}@{weight}"]
    return [*command, context.server.uri(database)]


def maximum_rate(context: Context, rows: int | None = None) -> float:
    """Transactions a second that the server can do of the mix when nothing else is done: median of all rounds."""
    name = f"maximum rate, {rows or context.rows} rows"
    if name not in context.known:
        rates = []
        for _ in range(context.rounds):
            database = fresh_application(context, rows)
            rates.append(transactions_per_second(Measured(mix_command(context, database, rows, context.seconds(20))).output))
        context.known[name] = median(rates)
        note(f"the application alone: {context.known[name]:,.0f} transactions/s at most")
    return context.known[name]


@dataclass
class Figures:
    """What the application saw within a window of time. Times are from when a transaction was due until it was done."""

    per_second: float
    kept: float  # share of the wanted rate
    p99_ms: float
    longest_ms: float


class Load(Process):
    """The mix (or another one) at a steady rate for as long as the context lasts, every transaction logged."""

    def __init__(self, context: Context, database: str, rate: float, rows: int | None = None,
                 mix: dict[str, tuple[int, str]] | None = None):
        self.rate = rate
        self._logs = context.folder / "pgbench-log"
        shutil.rmtree(self._logs, ignore_errors=True)
        self._logs.mkdir()
        command = mix_command(context, database, rows, 24 * 3600, mix)
        command[1:1] = ["-R", f"{rate:.3f}", "-l", f"--log-prefix={self._logs}/log"]
        super().__init__(command)
        self.warm = time.time() + (0.2 if context.smoke else 2.0)  # from when on it may be measured

    def __exit__(self, *_: object) -> None:
        self.signal(signal.SIGKILL)
        self.finish()

    def wait_until(self, when: float) -> None:
        """Until everything that was done before `when` is in the log, which pgbench writes through a buffer."""
        patience = time.monotonic() + 120 + max(0.0, when - time.time())
        while self._last() <= when:
            if not self.working:
                raise Failure(f"pgbench ended with {self.finish()}:\n{self.errors[:2000]}")
            if time.monotonic() > patience:
                raise Failure("the application does nothing any more")
            time.sleep(0.1)

    def end(self) -> None:
        """Failure when the application met an error: a client of pgbench then gives up."""
        self.signal(signal.SIGTERM)
        self.finish(expected=(-signal.SIGTERM,))
        if "ERROR" in self.errors or "abort" in self.errors or "FATAL" in self.errors:
            raise Failure(f"the application met an error:\n{self.errors[:2000]}")

    def figures(self, begin: float, seconds: float) -> Figures:
        latencies = sorted(latency for at, latency in self._transactions() if begin <= at < begin + seconds)
        if not latencies:
            raise Failure(f"no transaction in {seconds:.1f} s")
        per_second = len(latencies) / seconds
        return Figures(per_second, per_second / self.rate, latencies[int(0.99 * (len(latencies) - 1))], latencies[-1])

    def _transactions(self) -> list[tuple[float, float]]:
        """When each was done, and its milliseconds. The last line may be half a line."""
        result = []
        for log in self._logs.iterdir():
            for line in log.read_text(encoding="ascii").split("\n")[:-1]:
                fields = line.split()
                result.append((int(fields[4]) + int(fields[5]) / 1e6, int(fields[2]) / 1000))
        return result

    def _last(self) -> float:
        """When the last transaction in the log was done."""
        last = 0.0
        for log in self._logs.iterdir():
            with log.open("rb") as file:
                file.seek(max(0, log.stat().st_size - 400))
                lines = file.read().split(b"\n")[:-1]
            if lines and len(fields := lines[-1].split()) >= 6:
                last = max(last, int(fields[4]) + int(fields[5]) / 1e6)
        return last
