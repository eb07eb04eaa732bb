"""Huge pages for a benchmark's server: without them each first touch of a page of shared memory is a fault, which costs some
10 µs on a virtual machine, and what is measured is mostly faults."""

from __future__ import annotations

import os
import re
from pathlib import Path

RESERVED = Path("/proc/sys/vm/nr_hugepages")
OVERHEAD_KB = 512 * 1024  # what a server shares beside its buffers: locks, WAL buffers, parallel queries' memory


def meminfo(name: str) -> int:
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


def kilobytes(setting: str, settings: str) -> int:
    """The value of `setting` in a list as "shared_buffers=2GB work_mem=64MB"; 0 where it is not in it."""
    found = re.search(rf"(?:^|\s){setting}=(\d+)(kB|MB|GB)", settings)
    return int(found[1]) * {"kB": 1, "MB": 1024, "GB": 1024**2}[found[2]] if found else 0


class HugePages:
    """Reserves enough for a server with `settings`, in addition to what there is, and gives them back. Only root can."""

    def __init__(self, settings: str):
        self._wanted_kb = kilobytes("shared_buffers", settings) + OVERHEAD_KB
        self._before: int | None = None
        self._in_use_before = 0

    def reserve(self) -> None:
        size_kb = meminfo("Hugepagesize")
        if os.geteuid() != 0 or size_kb == 0 or not RESERVED.exists():
            return
        self._before = int(RESERVED.read_text(encoding="ascii"))
        self._in_use_before = self._in_use()
        RESERVED.write_text(str(self._before + -(-self._wanted_kb // size_kb)), encoding="ascii")

    def release(self) -> None:
        if self._before is not None:
            RESERVED.write_text(str(self._before), encoding="ascii")
            self._before = None

    def obtained(self) -> bool:
        """Whether more are in use than before: the server, started meanwhile, has them."""
        return self._before is not None and self._in_use() > self._in_use_before

    @staticmethod
    def _in_use() -> int:
        return meminfo("HugePages_Total") - meminfo("HugePages_Free") + meminfo("HugePages_Rsvd")
