"""Ctrl-C, SIGTERM, a closed terminal: the first asks the stage to stop when it is safe, the next stops it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from r2s.core.errors import Interrupted

GRACE_S = 5.0  # a stage that does not look is stopped after this; nothing stored can be torn by it
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@dataclass
class StopRequest:
    """Whether the user asked to stop; callable, so that it is a context's `cancelled`."""

    signal: signal.Signals | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    def interrupted(self) -> Interrupted:
        """Return the exception the process ends with."""
        error = Interrupted()
        error.exit_code = EXIT_CODES.get(self.signal or signal.SIGINT, 130)
        return error


@contextmanager
def stoppable(notify: Callable[[str], None]) -> Iterator[StopRequest]:
    """Yield a `StopRequest` that signals set while the block runs.

    Raises:
        Interrupted: the block was stopped; its exit code says by which signal.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread may own signal handlers
        return

    def ask(number: int, _frame: object) -> None:
        if request():
            raise KeyboardInterrupt
        request.signal = signal.Signals(number)
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)
        notify("stopping at the next safe point; again to stop at once")

    def give_up(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    handlers = {**dict.fromkeys(EXIT_CODES, ask), signal.SIGALRM: give_up}
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # nohup
        del handlers[signal.SIGHUP]
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield request
    except (KeyboardInterrupt, Interrupted):
        raise request.interrupted() from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)
