"""What docs/clusters.md has people submit, as far as it can be checked without a queue; the model
of a cluster; and the data of which only headers are there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_docs import ROOT, Block, blocks_of

sys.path.insert(0, str(ROOT))

from bench.cluster_constants import STORED, Constants
from bench.cluster_model import (
    Cluster,
    Work,
    alone,
    by_formula,
    limits,
    rates,
    simulated,
    table,
)
from bench.simulated import FORMS, SHAPES, Shape, build_simulated, class_sizes

DOCUMENT = ROOT / "docs" / "clusters.md"
BLOCKS = blocks_of(DOCUMENT)
SCRIPTS = [block for block in BLOCKS if block.language in ("sh", "bash")]
FILES = [block for block in BLOCKS if block.language == "yaml"]


def line_of(block: Block) -> str:
    return f"line {block.line}"


@pytest.mark.parametrize("block", SCRIPTS, ids=line_of)
def test_scripts_are_scripts(block: Block) -> None:
    done = subprocess.run(
        ["bash", "-n"], input=block.text, capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", SCRIPTS, ids=line_of)
def test_scripts_that_are_submitted_stop_at_the_first_error(block: Block) -> None:
    submitted = re.search(r"^#(PBS|SBATCH) ", block.text, re.M) is not None
    assert block.text.startswith("#!/bin/bash\n") == submitted
    assert ("\nset -euo pipefail\n" in block.text) == submitted
    if submitted:  # a line behind the first command is no directive any more
        head, _, body = block.text.partition("\nset -euo pipefail\n")
        assert all(line.startswith("#") for line in head.splitlines())
        assert not re.search(r"^#(PBS|SBATCH)", body, re.M)


def test_arrays_have_as_many_shares_as_they_cut_the_work_into() -> None:
    found = 0
    for block in SCRIPTS:
        array = re.search(r"^#(?:PBS -J |SBATCH --array=)1-(\d+)$", block.text, re.M)
        if array:
            found += 1
            share = re.search(r'--only "\$(\w+)/(\d+)"', block.text)
            assert share is not None
            assert share[2] == array[1]
            assert share[1] in ("PBS_ARRAY_INDEX", "SLURM_ARRAY_TASK_ID")
    assert found == 2


@pytest.mark.skipif(importlib.util.find_spec("yaml") is None, reason="needs PyYAML")
@pytest.mark.parametrize("block", FILES, ids=line_of)
def test_files_for_kubernetes_are_yaml(block: Block) -> None:
    import yaml  # type: ignore[import-untyped, unused-ignore]

    facts = yaml.safe_load(block.text)
    assert {"apiVersion", "kind", "metadata", "spec"} == facts.keys()
    if facts["kind"] == "DaskCluster":
        name = facts["metadata"]["name"]
        service = facts["spec"]["scheduler"]["service"]
        assert service["selector"]["dask.org/cluster-name"] == name
        others = "".join(other.text for other in FILES)
        assert f"tcp://{name}-scheduler:{service['ports'][0]['port']}" in others


def test_all_files_for_kubernetes_are_run_by_one_account() -> None:
    text = "".join(block.text for block in FILES)
    assert len(FILES) == 2
    assert set(re.findall(r"serviceAccountName: (\S+)", text)) == {"shards"}
    assert len(set(re.findall(r"image: (\S+)", text))) == 1


# ---- the model ----------------------------------------------------------------------------------

CLUSTER = Cluster(
    cores=4,
    stream=1e9,
    node=10e9,
    read=1e12,
    write=1e12,
    seeks=1e9,
    wait_seconds=0.001,
    header_seconds=0.001,
    header_threads=10,
    start_seconds=10,
)
WORK = Work("some", 64_000, 64, 2.0, 1e9, 0.5e9, 1000)
CONSTANTS = Constants(1e-4, 1e-3, 1e5, 0.3, 1e-3, 1e-6, 1e-6, 0.3)


def test_a_shard_alone() -> None:
    assert alone(WORK, CLUSTER) == pytest.approx(2.0 + 1.0 + 1.5)
    assert list(limits(WORK, CLUSTER)) == pytest.approx([10, 1000])
    assert limits(WORK, replace(CLUSTER, seeks=5000))[1] == pytest.approx(5)


@pytest.mark.parametrize("nodes", [1, 2, 4, 16])
@pytest.mark.parametrize(
    "narrow", [{}, {"node": 1e9}, {"read": 2e9}, {"write": 1e9}, {"seeks": 2e3}], ids=str
)
def test_simulation_and_formula_agree(nodes: int, narrow: dict[str, float]) -> None:
    cluster = replace(CLUSTER, **narrow)  # type: ignore[arg-type]  # all of them are numbers
    took, expected = simulated(WORK, cluster, nodes), by_formula(WORK, cluster, nodes)
    # The formula knows whole rounds alone, and no shard that is larger than another.
    assert expected * 0.9 <= took <= expected * 1.2


def test_what_is_there_is_shared_out_and_no_more() -> None:
    counts = np.array([4, 1, 0])
    each = rates(counts, 1.0, 2.0, 10.0)
    assert each[:2].tolist() == [0.5, 1.0]
    # The one that is alone on its node is held back first.
    assert rates(counts, 1.0, 2.0, 2.8)[:2].tolist() == pytest.approx([0.5, 0.8])
    assert rates(counts, 1.0, 2.0, 2.0)[:2].tolist() == pytest.approx([0.4, 0.4])


def test_more_nodes_take_no_longer_and_are_used_no_better() -> None:
    rows = table(WORK, CLUSTER, CONSTANTS, [1, 2, 4, 8, 64])["rows"]
    writing = [row["writing"] for row in rows]
    assert writing == sorted(writing, reverse=True)
    used = [row["efficiency"] for row in rows]
    assert used == sorted(used, reverse=True)
    assert (rows[0]["speed_up"], used[0]) == (1, 1)
    assert writing[-1] >= alone(WORK, CLUSTER) * 0.9  # a shard is one worker's


def test_what_was_measured_is_there() -> None:
    import json

    constants = Constants.of_facts(json.loads(STORED.read_text(encoding="utf-8")))
    kept, smaller = (Work.of("imagenet", constants, resize) for resize in (False, True))
    assert smaller.core_seconds > kept.core_seconds
    assert smaller.write_bytes < kept.write_bytes == kept.read_bytes


# ---- a dataset of headers -----------------------------------------------------------------------


def test_simulated_classes_come_to_the_images_that_there_are() -> None:
    import random

    for shape in (*SHAPES.values(), Shape(70, 4000)):
        sizes, which = class_sizes(shape, random.Random(1))
        assert len(which) == shape.classes
        assert sum(sizes[k] for k in which) == shape.images
        assert min(sizes) >= 1


@pytest.mark.parametrize("form", FORMS)
def test_simulated_datasets_are_listed_as_real_ones(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench.simulated
    from bench.planned import planned

    monkeypatch.setitem(bench.simulated.SHAPES, "imagenet-21k", Shape(90, 900))
    made = build_simulated(tmp_path, "imagenet-21k", form)  # type: ignore[arg-type]
    assert (made.images, made.classes) == (900, 90)
    found = planned(str(made.path), str(tmp_path / "out"), accounts=True)
    assert found["images"] == 900
    assert found["manifest_bytes"] > 900
    assert found["plan_bytes"] > 900 * 40
    assert not (tmp_path / "out").exists()
