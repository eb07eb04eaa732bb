"""What statements cost in instructions of the processor, which are the same each time: processor time tells no differences of
a few percent on a machine that others share.

One server process alone runs them under valgrind, on the data of a server that is stopped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from bench_server import Failure, Server

WARM_UP = 20  # statements: caches are filled, and the server has come to a plan for all parameters


def can_be_counted() -> bool:
    return shutil.which("valgrind") is not None


class LoneServer:
    """A server process in single-user mode, on the data of a stopped server."""

    def __init__(self, server: Server, data: Path):
        self._command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
                         str(server.bindir / "postgres"), "--single", "-D", str(data)]
        for setting in ("shared_buffers=256MB", "huge_pages=off", "full_page_writes=off", "fsync=off", "jit=off"):
            self._command += ["-c", setting]
        if os.geteuid() == 0:
            self._command = ["runuser", "-u", data.owner(), "--", *self._command]

    def instructions(self, database: str, prepare: str, execute: list[str]) -> float:
        """A statement, on the average of those behind the first ones."""
        many = self._run(database, prepare, execute)
        few = self._run(database, prepare, execute[:WARM_UP])
        return (many - few) / (len(execute) - WARM_UP)

    def _run(self, database: str, prepare: str, execute: list[str]) -> int:
        result = subprocess.run([*self._command, database], input="\n".join([prepare, *execute, ""]), capture_output=True,
                                text=True, cwd="/", check=False)
        found = re.search(r"I\s+refs:\s+([\d,]+)", result.stderr)
        if result.returncode != 0 or not found or re.search(r"\b(ERROR|FATAL|PANIC):", result.stderr):
            raise Failure(f"valgrind and postgres --single:\n{result.stderr[-2000:]}")
        return int(found[1].replace(",", ""))
