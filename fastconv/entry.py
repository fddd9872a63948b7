"""Where the ``fastconv`` command begins: with an answer to Ctrl-C, before anything is loaded."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Load the command line and run it."""
    signal.signal(signal.SIGINT, lambda _signal, _frame: os._exit(INTERRUPTED))
    from fastconv.cli import main as run

    run()
