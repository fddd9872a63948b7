"""Manual pages of the command and each of its commands, from their help.

    python tools/make_man.py OUT_FOLDER

The pages bear the version and no date: the same source gives the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from click_man.core import write_man_pages

from fastconv.cli import cli
from fastconv.version import __version__


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for command in (cli, *cli.commands.values()):
        command.short_help = command.get_short_help_str(1000)  # click-man would cut it off
    write_man_pages("fastconv", cli, version=f"fastconv {__version__}", target_dir=out, date=" ")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
