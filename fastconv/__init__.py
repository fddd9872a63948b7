"""fastconv: image datasets to TFRecord shards and their indexes, at the speed of the disk.

In one call::

    report = fastconv.convert(fastconv.Options(source="imagenet", out="out"))

Names are loaded when they are first used, so that importing fastconv costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv.version import __version__ as __version__

if TYPE_CHECKING:
    from fastconv._tfrecord import masked_crc32c as masked_crc32c
    from fastconv.arrays.finishing import finish as finish
    from fastconv.arrays.planning import Planned as Planned
    from fastconv.arrays.planning import write_plan as write_plan
    from fastconv.arrays.share_report import ShareReport as ShareReport
    from fastconv.arrays.shares import write_share as write_share
    from fastconv.checking.findings import Finding as Finding
    from fastconv.checking.findings import VerifyReport as VerifyReport
    from fastconv.checking.whole import verify as verify
    from fastconv.comparison import DiffReport as DiffReport
    from fastconv.comparison import diff as diff
    from fastconv.conversion import convert as convert
    from fastconv.errors import BadImageError as BadImageError
    from fastconv.errors import FastconvError as FastconvError
    from fastconv.errors import InputError as InputError
    from fastconv.errors import OutputError as OutputError
    from fastconv.errors import RecordError as RecordError
    from fastconv.errors import UsageError as UsageError
    from fastconv.errors import WorkerError as WorkerError
    from fastconv.example import encode_example as encode_example
    from fastconv.folders.report import FolderReport as FolderReport
    from fastconv.folders.whole import write_folders as write_folders
    from fastconv.index import index_shards as index_shards
    from fastconv.options import FolderOptions as FolderOptions
    from fastconv.options import Options as Options
    from fastconv.page.write import PageReport as PageReport
    from fastconv.page.write import write_report as write_report
    from fastconv.pictures.pick import Picker as Picker
    from fastconv.pictures.sheet import contact_sheet as contact_sheet
    from fastconv.pictures.shown import Shown as Shown
    from fastconv.progress import Progress as Progress
    from fastconv.reader import parse_example as parse_example
    from fastconv.reader import read_records as read_records
    from fastconv.repair import verify_and_repair as verify_and_repair
    from fastconv.report import Report as Report
    from fastconv.sample import make_sample as make_sample
    from fastconv.schema import SLIM as SLIM
    from fastconv.schema import TFDS as TFDS
    from fastconv.schema import Schema as Schema
    from fastconv.tfds_info import write_tfds_info as write_tfds_info
    from fastconv.writer import RecordWriter as RecordWriter

_HOMES = {
    "masked_crc32c": "_tfrecord",
    "convert": "conversion",
    "verify": "checking.whole",
    "verify_and_repair": "repair",
    "Finding": "checking.findings",
    "VerifyReport": "checking.findings",
    "diff": "comparison",
    "DiffReport": "comparison",
    "BadImageError": "errors",
    "FastconvError": "errors",
    "InputError": "errors",
    "OutputError": "errors",
    "RecordError": "errors",
    "UsageError": "errors",
    "WorkerError": "errors",
    "encode_example": "example",
    "finish": "arrays.finishing",
    "FolderReport": "folders.report",
    "write_folders": "folders.whole",
    "index_shards": "index",
    "FolderOptions": "options",
    "Options": "options",
    "Picker": "pictures.pick",
    "contact_sheet": "pictures.sheet",
    "Shown": "pictures.shown",
    "PageReport": "page.write",
    "write_report": "page.write",
    "Planned": "arrays.planning",
    "write_plan": "arrays.planning",
    "Progress": "progress",
    "parse_example": "reader",
    "read_records": "reader",
    "Report": "report",
    "make_sample": "sample",
    "SLIM": "schema",
    "TFDS": "schema",
    "Schema": "schema",
    "ShareReport": "arrays.share_report",
    "write_share": "arrays.shares",
    "write_tfds_info": "tfds_info",
    "RecordWriter": "writer",
}
__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fastconv' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"fastconv.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
