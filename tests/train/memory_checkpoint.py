"""A `Checkpoint` in memory, and a context that stops after some iterations."""

from pathlib import Path

from r2s.core.context import StageContext


class MemoryCheckpoint:
    def __init__(self):
        self.saved = []

    def save(self, step, files):
        self.saved.append((step, {name: bytes(data) for name, data in files.items()}))

    def latest(self):
        return self.saved[-1] if self.saved else None


def context(folder: Path, *, seed=0, checkpoint=None, stop_after=None) -> StageContext:
    """Return a context whose user presses Ctrl-C after `stop_after` iterations."""
    done = []

    def progress(label, step, total=None, **values):
        if label == "train":
            done.append(step)

    def cancelled():
        return stop_after is not None and bool(done) and done[-1] >= stop_after

    return StageContext(
        folder,
        seed=seed,
        progress=progress,
        cancelled=cancelled,
        checkpoint=checkpoint or MemoryCheckpoint(),
    )
