"""What a person sees of a running job: a live display on a terminal, a line now and then elsewhere.

Rich draws it (https://rich.readthedocs.io): tables, bars and terminals of all kinds are its work.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fastconv.errors import one_line
from fastconv.progress import Progress

LINE_SECONDS = 10.0
RATE_SECONDS = 5.0  # rates shown are of so many seconds
WORKERS_SHOWN = 16


class PlainConsole(Console):
    """A console that prints what it is given as it is, and raises where its stream is gone; Rich's
    own would end the process."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Display(Protocol):
    def __enter__(self) -> Display: ...

    def __exit__(self, *raised: Any) -> None: ...

    def show(self, progress: Progress) -> None: ...


def duration(seconds: float) -> str:
    """90 → "1:30"."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """Bytes in units of 1,000, as disks and networks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


class Rates:
    """Images and bytes a second over the last few seconds."""

    def __init__(self) -> None:
        self._moments: deque[tuple[float, int, int]] = deque()

    def add(self, progress: Progress) -> tuple[float, float, float | None]:
        """(images/s, bytes/s, seconds left or None) with this moment added."""
        now = progress.seconds
        if self._moments and now < self._moments[-1][0]:
            self._moments.clear()
        self._moments.append((now, progress.images, progress.bytes))
        while len(self._moments) > 2 and now - self._moments[0][0] > RATE_SECONDS:
            self._moments.popleft()
        then, images, count = self._moments[0]
        span = max(now - then, 1e-9)
        image_rate = (progress.images - images) / span if now > then else 0.0
        byte_rate = (progress.bytes - count) / span if now > then else 0.0
        left = progress.total_images - progress.images
        rate = image_rate
        if not progress.total_images:
            left, rate = progress.total_bytes - progress.bytes, byte_rate
        return image_rate, byte_rate, max(left, 0) / rate if rate > 0 else None


def counts(progress: Progress, rates: tuple[float, float, float | None]) -> str:
    images, count, left = rates
    parts = []
    if progress.total_images:
        parts.append(f"{progress.images:,} of {progress.total_images:,} images")
    else:
        parts.append(f"{size(progress.bytes)} of {size(progress.total_bytes)}")
    if progress.total_shards:
        parts.append(f"{progress.shards:,} of {progress.total_shards:,} {progress.pieces}")
    if progress.total_images:
        parts.append(f"{images:,.0f} images/s")
    if progress.total_bytes:
        parts.append(f"{size(count)}/s")
    if left is not None:
        parts.append(f"{duration(left)} left")
    return "  ".join(parts)


class LiveDisplay:
    """Redraws itself on a terminal."""

    def __init__(self, console: Console) -> None:
        self._rates = Rates()
        self._live = Live(console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._live.__exit__(*raised)

    def show(self, progress: Progress) -> None:
        total, done = progress.total_images, progress.images
        if not total:  # what is read is counted in bytes alone
            total, done = progress.total_bytes, progress.bytes
        if not total:
            self._live.update(Text(f"{one_line(progress.phase)} …"))
            return
        bar = Table.grid(expand=True)  # which ends the bar's line, as the bar itself does not
        bar.add_row(ProgressBar(total=total, completed=min(done, total)))
        workers = Table.grid(padding=(0, 2))
        for number, worker in enumerate(progress.workers[:WORKERS_SHOWN]):
            shard = worker.shard if worker.state != "idle" else ""
            workers.add_row(f"worker {number}", worker.state, shard, style="dim")
        if len(progress.workers) > WORKERS_SHOWN:
            workers.add_row(f"and {len(progress.workers) - WORKERS_SHOWN} more", style="dim")
        line = Text(f"{progress.phase}  {counts(progress, self._rates.add(progress))}")
        self._live.update(Group(line, bar, workers))


class LineDisplay:
    """A line at each new phase, and one now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rates = Rates()
        self._phase = ""
        self._last = time.monotonic()

    def __enter__(self) -> LineDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, progress: Progress) -> None:
        rates = self._rates.add(progress)
        now = time.monotonic()
        if progress.phase != self._phase:
            self._say(f"{progress.phase} …")
            self._phase = progress.phase
        elif (progress.total_images or progress.total_bytes) and now - self._last >= LINE_SECONDS:
            self._say(f"{progress.phase}: {counts(progress, rates)}")
        else:
            return
        self._last = now

    def _say(self, text: str) -> None:
        self._console.print(one_line(text), soft_wrap=True)


class QuietDisplay:
    """Shows nothing."""

    def __enter__(self) -> QuietDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, progress: Progress) -> None:
        del progress


class UnmindedDisplay:
    """Another display, until its stream refuses: a job does not end because nobody watches it."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def __enter__(self) -> UnmindedDisplay:
        self._display.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        with suppress(OSError):
            self._display.__exit__(*raised)

    def show(self, progress: Progress) -> None:
        try:
            self._display.show(progress)
        except OSError:
            self._display = QuietDisplay()


def display_for(console: Console, quiet: bool) -> Display:
    if quiet:
        return QuietDisplay()
    return UnmindedDisplay(LiveDisplay(console) if console.is_terminal else LineDisplay(console))
