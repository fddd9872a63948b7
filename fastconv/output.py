"""Where a conversion's output goes, as the job sees it: what is there, and how it is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from fastconv import manifest as files
from fastconv.beside import not_as_written
from fastconv.journal import Journal
from fastconv.layout import Layout
from fastconv.past import Past, look_back, what_is_amiss
from fastconv.preflight import Need, check_space
from fastconv.remote.path import Place, RemotePath
from fastconv.runs import read_all_runs, write_runs
from fastconv.store_output import StoreOutput


class Notes(Protocol):
    """What a running job has done, as it is written down: a journal (fastconv.journal)."""

    def add(self, *lines: dict[str, Any]) -> None: ...

    def close(self) -> None: ...

    def finish(self, manifest: dict[str, Any], beside: dict[str, bytes]) -> None: ...


class Output(Protocol):
    """The place of an output's manifest, and of all that its paths are relative to. What is refused
    there is an OutputError."""

    @property
    def place(self) -> Place: ...

    def locked(self, tell: Callable[[str], None]) -> AbstractContextManager[None]:
        """Make the place, and keep other jobs from it meanwhile. ``tell`` hears what is waited
        for."""

    def look_back(self, facts: dict[str, Any], resume: bool) -> Past | None:
        """What there is to go on from (fastconv.past.look_back)."""

    def what_is_amiss(self, places: Layout, shard: dict[str, Any]) -> str:
        """Why a shard that was done is not whole any more; empty where it is."""

    def not_as_written(self, beside: dict[str, bytes]) -> list[str]:
        """Those of the files beside the shards that are not there, or hold something else."""

    def check_space(self, need: Need, overwrite: bool) -> None:
        """OutputError where what is needed surely does not fit."""

    def clear_for(self, names: list[str]) -> None:
        """Make way for files: what an earlier run wrote goes, and nothing else."""

    def remove_unfinished(self) -> None:
        """Remove what a job left, or leaves, unfinished."""

    def journal(
        self, folders: Iterable[str], header: dict[str, Any], done: Iterable[dict[str, Any]]
    ) -> Notes:
        """Begin the journal of a job, with the lines of what is done already."""

    def read_runs(self) -> list[dict[str, Any]]: ...

    def write_runs(self, runs: list[dict[str, Any]]) -> None: ...


class FolderOutput:
    """An output in a folder."""

    def __init__(self, place: Path) -> None:
        self._place = place

    @property
    def place(self) -> Path:
        return self._place

    def locked(self, tell: Callable[[str], None]) -> AbstractContextManager[None]:
        return files.locked(self._place)

    def look_back(self, facts: dict[str, Any], resume: bool) -> Past | None:
        return look_back(self._place, facts, resume)

    def what_is_amiss(self, places: Layout, shard: dict[str, Any]) -> str:
        return what_is_amiss(self._place, places, shard)

    def not_as_written(self, beside: dict[str, bytes]) -> list[str]:
        return not_as_written(self._place, beside)

    def check_space(self, need: Need, overwrite: bool) -> None:
        freed = files.removable(self._place) if overwrite else (0, 0)
        check_space(self._place, need.bytes, need.files, need.exact, freed)

    def clear_for(self, names: list[str]) -> None:
        files.clear_for(self._place, names)

    def remove_unfinished(self) -> None:
        files.make_room(self._place)

    def journal(
        self, folders: Iterable[str], header: dict[str, Any], done: Iterable[dict[str, Any]]
    ) -> Notes:
        return Journal(self._place, folders, header, done)

    def read_runs(self) -> list[dict[str, Any]]:
        return read_all_runs(self._place)

    def write_runs(self, runs: list[dict[str, Any]]) -> None:
        write_runs(self._place, runs)


def output_of(root: Place) -> Output:
    """The output at a place (Options.out_path)."""
    if isinstance(root, RemotePath):
        return StoreOutput(root)
    return FolderOutput(root)
