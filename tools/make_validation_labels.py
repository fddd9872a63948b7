"""Make ``validation_labels.u16``: the class of each ILSVRC2012 validation image.

    python tools/make_validation_labels.py TFDS_WHEEL OUT_FOLDER

TFDS_WHEEL is a wheel of tensorflow-datasets (made with 4.9.10). In its folder
``tensorflow_datasets/datasets/imagenet2012``, line k of ``validation_labels.txt`` (counted
from 1) is the WNID of ILSVRC2012_val_0000000k, and ``labels.txt`` is the 1,000 sorted WNIDs.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from collections import Counter
from pathlib import Path

FOLDER = "tensorflow_datasets/datasets/imagenet2012"


def main(tfds_wheel: str, out_folder: str) -> None:
    with zipfile.ZipFile(tfds_wheel) as wheel:
        wnids = wheel.read(f"{FOLDER}/labels.txt").decode("ascii").split()
        labels = wheel.read(f"{FOLDER}/validation_labels.txt").decode("ascii").split()
        (licence,) = [n for n in wheel.namelist() if n.endswith(".dist-info/licenses/LICENSE")]
        licence_text = wheel.read(licence)
    if set(Counter(labels).values()) != {50} or set(labels) != set(wnids) or len(wnids) != 1000:
        raise SystemExit(f"{tfds_wheel} does not hold 50 images of each of 1,000 classes")
    index = {wnid: i for i, wnid in enumerate(wnids)}
    out = Path(out_folder)
    packed = struct.pack(f"<{len(labels)}H", *[index[wnid] for wnid in labels])
    (out / "validation_labels.u16").write_bytes(packed)
    (out / "LICENSES" / "tensorflow-datasets-Apache-2.0.txt").write_bytes(licence_text)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
