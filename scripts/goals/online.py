"""pgeist at work, followed by its events."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from bench_server import ALTER, Failure, Process, moment
from goals.frame import Context


class Online(Process):
    """`pgeist run` (or resume) of a change of table orders."""

    def __init__(self, context: Context, database: str, *options: str, change: tuple[str, ...] = ("--alter", ALTER),
                 job: int | None = None):
        self.events: list[dict] = []
        self._news = threading.Condition()
        self._ended = False
        what = ["run", "--table", "orders", "--yes", "--method", "copy", *change] if job is None else ["resume", str(job)]
        super().__init__([str(context.pgeist), *what, "-d", context.server.uri(database), "--output", "json", *options],
                         self._take)

    def _take(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return  # cut off, or not pgeist's: the output is there to be told
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def _read(self) -> None:
        super()._read()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, found: Callable[[dict], bool], what: str, seconds: float = 1800) -> dict:
        """The first event that is the one. Failure when the program ends before, or after `seconds`."""
        def first() -> dict | None:
            return next((event for event in self.events if found(event) or event["event"] == "result"), None)

        with self._news:
            self._news.wait_for(lambda: first() is not None or self._ended, seconds)
            event = first()
        if event is None or not found(event):
            if self._ended:
                self.finish()
            raise Failure(f"pgeist did not come to {what}, exit code {self.returncode}\n"
                          f"{self.output[-2000:]}{self.errors[-2000:]}")
        return event

    def stop(self) -> None:
        """As Ctrl-C does: the job can be resumed."""
        self.signal(signal.SIGTERM)
        self.finish(expected=(6,))

    def phases(self) -> list[tuple[str, float, float]]:
        """Name, begin and end, in seconds since the epoch; replay comes twice."""
        marks = [(event.get("name", ""), moment(event)) for event in self.events if event["event"] in ("phase", "result")]
        return [(name, begin, end) for (name, begin), (_, end) in zip(marks, marks[1:])]

    def phase_seconds(self, wanted: str) -> float:
        return sum(end - begin for name, begin, end in self.phases() if name == wanted)


def begin_capture(context: Context, database: str, change: tuple[str, ...] = ("--alter", ALTER)) -> None:
    """Leaves the triggers on the table, with nobody who copies or replays."""
    pause = context.folder / "pause"
    pause.touch()
    with Online(context, database, "--pause-file", str(pause), change=change) as run:
        run.wait_for(lambda event: event["event"] == "phase" and event["name"] == "copy", "the copy")
        run.stop()
    pause.unlink()


def end_capture(context: Context, database: str) -> None:
    result = subprocess.run([context.pgeist, "cleanup", "-d", context.server.uri(database), "--all", "--yes"],
                            capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"pgeist cleanup: {result.stdout}{result.stderr}")


def begin_postponed(context: Context, database: str, *options: str,
                    change: tuple[str, ...] = ("--alter", ALTER)) -> tuple[Online, Path]:
    """A run that has everything done but the swap, and the file that it waits for to go."""
    postpone = context.folder / "postpone"
    postpone.touch()
    run = Online(context, database, "--postpone-file", str(postpone), *options, change=change)
    try:
        run.wait_for(lambda event: event["event"] == "progress" and "postponed" in event["detail"], "the swap")
    except BaseException:
        run.__exit__()
        raise
    return run, postpone
