"""The command line: words to one library call, and its outcome to an exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from contextlib import nullcontext, suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fastconv.cli_completion import complete_paths, completion
from fastconv.cli_diff import diff
from fastconv.cli_options import (
    CLUSTER_OPTIONS,
    OUT_OR_PLAN,
    PROCESSES,
    SHARDS_OPTIONS,
    SHARE_OPTIONS,
    SHOW_OPTIONS,
    on_disk,
    with_options,
)
from fastconv.cli_output import allow_any_encoding, consoles, outcome, prepare_and_say
from fastconv.cli_plan import finish, plan, require_out, share
from fastconv.cli_raw import raw
from fastconv.cli_report import report
from fastconv.cli_show import show
from fastconv.cli_tfds import tfds_info
from fastconv.cli_verify import verify
from fastconv.errors import FastconvError, InputError, UsageError
from fastconv.remote.path import is_remote
from fastconv.version import __version__

if TYPE_CHECKING:
    from fastconv.engine import LocalEngine
    from fastconv.engines.cluster import Cluster
    from fastconv.options import Options

INTERRUPTED = 130
OWN_ERROR = 70  # EX_SOFTWARE of sysexits.h
STOPPED = "fastconv: interrupted"
STOPPED_SHARDS = f"{STOPPED}; what is not whole was removed. Run the same command again to go on"
# What hangs may be the store, and then there was nobody to remove anything.
STOPPED_AT_STORE = f"{STOPPED}; run the same command again to go on"
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Commands(click.Group):
    """A group whose help has each command's whole first sentence, where click cuts it off."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            rows = [(name, self.commands[name].get_short_help_str(1000)) for name in self.commands]
            formatter.write_dl(sorted(rows))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="fastconv")
def cli() -> None:
    """Image datasets to TFRecord shards and their indexes, at the speed of the disk.

    Exit codes: 0 all written; 1 written with skips; 2 bad usage; 3 bad input; 4 the output could
    not be written; 5 what was checked is not right; 70 an error of fastconv's own; 130 interrupted.
    """


@cli.command()
@with_options(OUT_OR_PLAN)
@with_options(*SHARDS_OPTIONS)
@with_options(*CLUSTER_OPTIONS)
@with_options(*SHARE_OPTIONS)
@click.pass_context
def shards(
    context: click.Context,
    /,
    plan: str | None,
    only: str | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    no_space_check: bool,
    scheduler: str | None,
    local_cluster: int | None,
    **given: Any,
) -> int:
    """Convert SOURCE to TFRecord shards with indexes, labels and a manifest.

    SOURCE is a folder: the ImageNet archives as downloaded, a class tree with train/ and
    validation/ or val/, Kaggle's ILSVRC tree, or folders named for their classes. In its place,
    --plan names a plan, all of whose options count, and --only a share of its shards.
    """
    if plan is not None or only is not None:
        return share(context, plan, only, given["workers"], quiet, as_json)
    require_out(context)
    from fastconv.options import Options

    options = Options(space_check=not no_space_check, **given)
    # Processes start while this one loads NumPy and lists the source.
    with nullcontext() if dry_run else _engine(options, scheduler, local_cluster) as engine:
        from fastconv.conversion import carry_out
        from fastconv.display import display_for
        from fastconv.progress import Watch
        from fastconv.tables import plan_dict, plan_table, report_table

        _, status = consoles()
        with display_for(status, quiet) as display:
            watch = Watch(display.show)
            prepared = prepare_and_say(options, watch, status, dry_run, quiet)
            if engine is not None:
                report = carry_out(prepared, watch, engine)
    if engine is None:
        table, lines = plan_table(prepared)
        outcome(plan_dict(prepared), lines, quiet, as_json, table)
        return 0
    table, lines = report_table(report)
    outcome(report.as_dict(), lines, quiet, as_json, table)
    return report.exit_code


def _engine(
    options: Options, scheduler: str | None, local_cluster: int | None
) -> LocalEngine | Cluster:
    if scheduler is None and local_cluster is None:
        from fastconv.engine import LocalEngine

        return LocalEngine(options.workers)
    if scheduler is not None and local_cluster is not None:
        raise UsageError("--scheduler and --local-cluster are two places for one job; give one")
    if options.workers is not None:
        raise UsageError(
            "--workers is for processes without a cluster, which has workers of its own"
        )
    from fastconv.engines.cluster import Cluster

    return Cluster(scheduler, local_cluster)


@cli.command()
@click.argument("shards", nargs=-1, required=True, callback=on_disk)
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    help="Folder for the indexes, not the shards'.",
    callback=on_disk,
)
@click.option("--overwrite", is_flag=True, help="Replace indexes that are there.")
@with_options(*SHOW_OPTIONS)
def index(shards: tuple[str, ...], out: str, overwrite: bool, quiet: bool, as_json: bool) -> int:
    """Write an index for each of the TFRecord files SHARDS, whoever wrote them."""
    from fastconv.index import index_shards

    records = index_shards(shards, out, overwrite)
    summary = {"out": out, "shards": len(shards), "records": records}
    outcome(summary, [f"{out}: {len(shards):,} indexes of {records:,} records"], quiet, as_json)
    return 0


@cli.command()
@click.argument("out", callback=on_disk)
@click.option(
    "--classes",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="How many of ImageNet's classes.",
)
@click.option(
    "--train-images",
    type=click.IntRange(1),
    default=400,
    show_default=True,
    help="Images in the train archive.",
)
@click.option(
    "--validation-images",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Images in the validation archive.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Another seed gives other images.",
)
@click.option("--photos", metavar="DIR", help="Cut the images from the photographs below DIR.")
@click.option("--tree", is_flag=True, help="Also write the class folders, below OUT/tree.")
@with_options(PROCESSES, *SHOW_OPTIONS)
def sample(quiet: bool, as_json: bool, **given: Any) -> int:
    """Make a sample dataset in folder OUT, shaped like ILSVRC2012: three archives and labels.

    Its images are drawn, not downloaded; the same seed gives the same bytes.
    """
    from pathlib import Path

    from fastconv.display import display_for
    from fastconv.progress import Progress
    from fastconv.sample import make_sample

    if given["photos"] is not None:
        given["photos"] = Path(given["photos"])
    _, status = consoles()
    with display_for(status, quiet) as display:
        began = time.monotonic()

        def tell(done: int, total: int) -> None:
            seconds = time.monotonic() - began
            display.show(Progress("making images", seconds, done, total))

        report = make_sample(Path(given.pop("out")), on_progress=tell, **given)
    summary = {
        "out": str(report.out),
        "classes": len(report.classes),
        "train_images": report.train_images,
        "validation_images": report.validation_images,
        "boxes": report.boxes,
        "bytes": report.bytes,
        "odd": report.odd,
    }
    text = (
        f"{report.out}: {report.train_images:,} train and {report.validation_images:,} validation "
        f"images of {len(report.classes)} classes, {report.boxes:,} with boxes"
    )
    outcome(summary, [text], quiet, as_json)
    return 0


cli.add_command(completion)
cli.add_command(diff)
cli.add_command(finish)
cli.add_command(plan)
cli.add_command(raw)
cli.add_command(show)
cli.add_command(tfds_info)
cli.add_command(verify)
cli.add_command(report)
for _command in cli.commands.values():
    complete_paths(_command)


_interrupts: list[int] = []  # signals that asked this process to end


def _interrupted(_signal: int, _frame: object) -> None:
    # Once is enough: what follows is cleaning up, which must not be interrupted.
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)
    _interrupts.append(_signal)
    raise KeyboardInterrupt


def main() -> NoReturn:
    """The ``fastconv`` command."""
    for number in INTERRUPTS:  # SIGTERM: a queue's way to say that time is up
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's way to say that it is not
            signal.signal(number, _interrupted)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy does no linear algebra here
    allow_any_encoding()
    code = run(sys.argv[1:])
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError):  # nobody reads it any more
            stream.flush()
    # All is written. What the interpreter would do now, taking NumPy apart above all, is 40 ms.
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line with these words, and return its exit code."""
    try:
        code = cli.main(arguments, prog_name="fastconv", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return UsageError.exit_code
    except FastconvError as error:
        if "--json" in arguments:
            _tell(json.dumps({"error": str(error), "exit_code": error.exit_code}), err=False)
        _tell(f"fastconv: {error}")
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _tell(_stopped(arguments))
        return INTERRUPTED
    except OSError as error:  # of a file that no code of ours foresaw trouble with
        _tell(f"fastconv: {error.filename or 'the system'}: {error.strerror or error}")
        return InputError.exit_code
    except Exception:
        if _interrupts:  # while a compiled module was loaded, which made another error of it
            _tell(_stopped(arguments))
            return INTERRUPTED
        if "--json" in arguments:
            text = "an error of fastconv's own; see standard error"
            _tell(json.dumps({"error": text, "exit_code": OWN_ERROR}), err=False)
        _tell(f"{traceback.format_exc()}fastconv: this is an error of fastconv's own; report it")
        return OWN_ERROR


def _stopped(arguments: list[str]) -> str:
    if arguments[:1] not in (["shards"], ["raw"], ["plan"]):
        return STOPPED
    options = [*pairwise(arguments)]
    options += [(name, value) for name, _, value in (word.partition("=") for word in arguments)]
    at_store = any(name in ("--out", "--plan") and is_remote(value) for name, value in options)
    return STOPPED_AT_STORE if at_store else STOPPED_SHARDS


def _tell(text: str, err: bool = True) -> None:
    with suppress(OSError):  # nobody is there to be told
        click.echo(text, err=err)
