"""Where the ``fastconv`` command begins: with an answer to Ctrl-C, before anything is loaded."""

from __future__ import annotations

import os
import signal

INTERRUPTED = 130
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Load the command line and run it."""
    for number in INTERRUPTS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda _signal, _frame: os._exit(INTERRUPTED))
    from fastconv.cli import main as run

    run()
