"""The last seconds in memory; JSON lines when something went wrong or when asked."""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path
from typing import Any, Mapping

CAPACITY_TICKS = 3000  # 60 s at 50 Hz


class RingLog:
    """Keeps the newest ticks. Appending never touches the disk and never grows."""

    def __init__(self, capacity: int = CAPACITY_TICKS):
        self._ticks: deque[Mapping[str, Any]] = deque(maxlen=capacity)

    def append(self, tick: Mapping[str, Any]) -> None:
        """Keep one tick; the oldest is forgotten once the capacity is reached."""
        self._ticks.append(tick)

    def __len__(self) -> int:
        return len(self._ticks)

    def dump(self, path: Path) -> int:
        """Write the kept ticks as JSON lines, oldest first, durably; return how many."""
        temporary = Path(str(path) + ".part")
        with temporary.open("w", encoding="utf-8") as stream:
            for tick in self._ticks:
                stream.write(json.dumps(tick, separators=(",", ":")) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        return len(self._ticks)
