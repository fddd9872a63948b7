"""The errors that fastconv raises, each with the exit code that the command line gives for it.

A message names the file, the member inside an archive, the byte offset or record,
what was found, and what to do about it. See docs/exit-codes.md.
"""

from __future__ import annotations

import re

FOUND_WRONG = 5  # what was to be checked is not as it should be, which is no error of the check

# What to do about an image that is bad, and in a share of a plan, which says that itself.
LEAVE_OUT = (
    "Leave such images out with --on-error skip, which goes on from here; or mend or remove it, "
    "and begin anew with --overwrite"
)
LEAVE_OUT_OF_SHARE = (
    "Leave such images out: plan again with fastconv plan … --on-error skip, then run the share "
    "again, which goes on from here; or mend or remove it, and plan anew with --overwrite"
)

# C0 and C1, Unicode's line ends, what turns the direction of text around, and what stands for the
# bytes of a name that is not UTF-8, which not every stream takes.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """Text with its control characters, and what is not UTF-8, escaped: a name from an archive or
    a folder may hold line breaks, and what a terminal takes for a command."""
    return _CONTROL.sub(lambda sign: ascii(sign[0])[1:-1], text)


class FastconvError(Exception):
    """Any error that fastconv foresees; ``exit_code`` is what the command line ends with. Its
    message is one line."""

    exit_code = 3

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(message))


class UsageError(FastconvError):
    """Options that contradict each other or cannot be met."""

    exit_code = 2


class InputError(FastconvError):
    """The source, or a file that describes it, is not what it must be."""

    exit_code = 3


class BadImageError(InputError):
    """One image cannot be stored: no image, cut off, or undecodable."""


class RecordError(InputError):
    """A TFRecord file or an Example in it is damaged."""


class OutputError(FastconvError):
    """The output could not be written."""

    exit_code = 4


class WorkerError(OutputError):
    """A worker process ended before its shard did; the record in hand is named. Where it met an
    error of fastconv's own, the traceback follows in lines of its own."""

    def __init__(self, message: str = "", trace: str = "") -> None:
        super().__init__(message)
        if trace:
            self.args = (f"{self}:\n{trace}",)
