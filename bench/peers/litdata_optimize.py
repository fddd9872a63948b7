"""LitData's optimize: chunks of 128 MB of (image, label, name), the images kept as bytes."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.peers.common import Picture, arguments, pictures


def sample(picture: Picture) -> dict[str, Any]:
    return {
        "image": Path(picture.path).read_bytes(),
        "label": picture.label,
        "name": picture.name,
    }


def main() -> None:
    given = arguments(__doc__)
    # It keeps what it works on in folders of its own, which are to be on the output's disk.
    with tempfile.TemporaryDirectory(prefix="litdata-", dir=given.out.parent) as work:
        os.environ["DATA_OPTIMIZER_CACHE_FOLDER"] = f"{work}/chunks"
        os.environ["DATA_OPTIMIZER_DATA_CACHE_FOLDER"] = f"{work}/data"
        from litdata import optimize

        began = time.monotonic()
        optimize(
            fn=sample,
            inputs=pictures(given.tree),
            output_dir=str(given.out),
            chunk_bytes="128MB",
            num_workers=given.workers,
            reorder_files=False,
            verbose=False,
        )
        seconds = time.monotonic() - began
    index = json.loads((given.out / "index.json").read_text(encoding="utf-8"))
    written = sum(chunk["chunk_size"] for chunk in index["chunks"])
    print(json.dumps({"written": written, "seconds": seconds}))


if __name__ == "__main__":
    main()
