"""What TensorFlow Datasets reads beside shards: dataset_info.json, features.json, class names.

The forms are those of tensorflow_datasets 4.9, ``core/proto/dataset_info.proto`` and
``feature.proto`` as JSON; docs/formats.md, "For TensorFlow Datasets".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastconv.layout import Layout
from fastconv.schema import IMAGE, LABEL, SIDES, Schema

INFO, FEATURES_FILE = "dataset_info.json", "features.json"
LABELS_SUFFIX = ".labels.txt"
BACKGROUND = "background"  # what slim leaves label 0 for
FRAME_BYTES = 16  # of a record, besides its payload
_CORE = "tensorflow_datasets.core.features"
_TEXT = {"pythonClassName": f"{_CORE}.text_feature.Text", "text": {}}
_IMAGE = {
    "pythonClassName": f"{_CORE}.image_feature.Image",
    "image": {
        "dtype": "uint8",
        "encodingFormat": "jpeg",
        "shape": {"dimensions": ["-1", "-1", "3"]},
    },
}
_NUMBERS = ("image/height", "image/width", "image/channels")
_BOX_LABEL = "image/object/bbox/label"


def is_metadata(name: str) -> bool:
    """Whether a file of this name, beside shards, is none of them."""
    return name in (INFO, FEATURES_FILE) or name.endswith(LABELS_SUFFIX)


@dataclass(frozen=True, slots=True)
class Split:
    """``records``: of each shard; ``bytes``: of all payloads."""

    name: str
    records: Sequence[int]
    bytes: int


def metadata(
    layout: Layout,
    schema: Schema,
    columns: Mapping[str, Mapping[str, Any]],
    labels: Sequence[str],
    first_label: int,
    splits: Iterable[Split],
) -> dict[str, bytes]:
    """The files' contents, by their names.

    ``columns``: of each added feature its ``kind``, and whether it is ``single``: one value in
    every record. ``labels``: the classes' names in label order, from ``first_label`` on.
    """
    names = [BACKGROUND] * first_label + list(labels)
    features = {stored: _feature(name, len(names)) for name, stored in schema.features.items()}
    features |= {name: _of_column(told) for name, told in columns.items()}
    files = {INFO: _info(layout, schema, splits), FEATURES_FILE: _json(_dict_of(features), 4)}
    if LABEL in schema.features:
        text = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        files[schema.features[LABEL].replace("/", ".") + LABELS_SUFFIX] = text
    return files


def metadata_of(manifest: Mapping[str, Any], schema: Schema, layout: Layout,
                labels: Sequence[str]) -> dict[str, bytes]:  # fmt: skip
    """The same from a finished conversion's manifest."""
    splits = []
    for split in manifest["splits"]:
        shards = [shard for shard in manifest["shards"] if shard["split"] == split["split"]]
        records = [shard["records"] for shard in shards]
        size = sum(shard["bytes"] for shard in shards) - FRAME_BYTES * sum(records)
        splits.append(Split(split["split"], records, size))
    first = manifest["options"]["label_offset"]
    return metadata(layout, schema, manifest.get("columns", {}), labels, first, splits)


def _json(value: object, indent: int) -> bytes:
    return json.dumps(value, indent=indent, sort_keys=True).encode()


def _info(layout: Layout, schema: Schema, splits: Iterable[Split]) -> bytes:
    template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    info: dict[str, Any] = {
        "fileFormat": "tfrecord",
        "name": layout.name,
        "splits": [
            {
                "filepathTemplate": template if layout.kind == "tfds" else "{SPLIT}-{SHARD_X_OF_Y}",
                "name": split.name,
                "numBytes": str(split.bytes),
                "shardLengths": [str(records) for records in split.records],
            }
            for split in splits
        ],
        "version": layout.version,
    }
    if LABEL in schema.features:
        keys = [{"featureKey": schema.features[name]} for name in (IMAGE, LABEL)]
        info["supervisedKeys"] = {"tuple": {"items": keys}}
    return _json(info, 2)


def _dict_of(features: dict[str, Any]) -> dict[str, Any]:
    return {
        "featuresDict": {"features": features},
        "pythonClassName": f"{_CORE}.features_dict.FeaturesDict",
    }


def _tensor(dtype: str) -> dict[str, Any]:
    return {
        "pythonClassName": f"{_CORE}.tensor_feature.Tensor",
        "tensor": {"dtype": dtype, "encoding": "none", "shape": {}},
    }


def _list_of(feature: dict[str, Any]) -> dict[str, Any]:
    return {
        "pythonClassName": f"{_CORE}.sequence_feature.Sequence",
        "sequence": {"feature": feature, "length": "-1"},
    }


def _feature(name: str, classes: int) -> dict[str, Any]:
    if name == IMAGE:
        return _IMAGE
    if name == LABEL:
        return {
            "classLabel": {"numClasses": str(classes)},
            "pythonClassName": f"{_CORE}.class_label_feature.ClassLabel",
        }
    if name in SIDES:
        return _list_of(_tensor("float32"))
    if name == _BOX_LABEL:
        return _list_of(_tensor("int64"))
    return _tensor("int64") if name in _NUMBERS else _TEXT


def _of_column(told: Mapping[str, Any]) -> dict[str, Any]:
    dtypes = {"int64": "int64", "float": "float32"}
    feature = _tensor(dtypes[told["kind"]]) if told["kind"] in dtypes else _TEXT
    return feature if told["single"] else _list_of(feature)
