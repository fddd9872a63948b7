"""Sources in object stores: what comes of them is what comes of the same files on disk."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, digests

from cluster.conftest import SECRET, Server
from cluster.faulty import FaultyProxy
from cluster.web import WebServer
from fastconv import Options, convert
from fastconv.errors import FastconvError, InputError
from fastconv.progress import Progress
from fastconv.remote.path import RemotePath
from fastconv.sources.archives import list_archive
from fastconv.sources.buckets import forget
from fastconv.sources.memory import listed
from fastconv.sources.remote_archives import Pace, list_remote_archive

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("no_children", "without_cache")]

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"


@pytest.fixture
def without_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTCONV_CACHE", "")


@pytest.fixture
def upload(server: Server, bucket: str) -> Callable[[Path, str], str]:
    """Puts a file, or all below a folder, under a key; returns the URL."""
    client = server.client()

    def put(path: Path, key: str) -> str:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            name = key if file == path else f"{key}/{file.relative_to(path)}"
            client.put_object(Bucket=bucket, Key=name, Body=file.read_bytes())
        return f"s3://{bucket}/{key}"

    return put


@pytest.fixture
def archives(mini: Path, tmp_path: Path) -> Path:
    """The sample without its tree."""
    folder = tmp_path / "archives"
    folder.mkdir()
    for file in mini.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    return folder


def converted(source: object, out: Path, **more: object) -> dict[str, str]:
    convert(Options(source=source, out=out, **{"train_shards": 4, **more}))  # type: ignore[arg-type]
    return digests(out)


def refused(source: object, out: Path, **more: object) -> str:
    with pytest.raises(FastconvError) as caught:
        converted(source, out, **more)
    assert digests(out) == {}
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("workers", [1, 2])
def test_archives_give_the_same_bytes(
    archives: Path, upload: Callable[[Path, str], str], tmp_path: Path, workers: int
) -> None:
    url = upload(archives, "some/where")
    here = converted(archives, tmp_path / "here", workers=workers)
    assert converted(url, tmp_path / "there", workers=workers) == here
    ours, theirs = (
        json.loads((tmp_path / out / "manifest.json").read_bytes()) for out in ("here", "there")
    )
    source = theirs["source"]
    assert source["train"]["path"] == f"{url}/{TRAIN}"
    assert source["train"]["bytes"] == (archives / TRAIN).stat().st_size
    assert source["train"]["version"]
    assert source["fingerprint"] == ours["source"]["fingerprint"]
    assert theirs["shards"] == ours["shards"]
    assert theirs["totals"] == ours["totals"]
    # Images that were repaired are named by their URLs.
    assert [note["image"] for note in theirs["repaired"]] == [
        note["image"].replace(str(archives), url) for note in ours["repaired"]
    ]


def test_trees_give_the_same_bytes(
    mini: Path, upload: Callable[[Path, str], str], tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(mini / "tree", tree)
    (tree / "train" / ".hidden").mkdir()
    (tree / "train" / ".hidden" / "x.jpg").write_bytes(b"x")
    first = sorted((tree / "train").iterdir())[1]
    (first / "deeper").mkdir()
    (first / "notes.txt").write_text("no image")
    image = sorted(first.glob("*.JPEG"))[0]
    image.rename(first / "deeper" / image.name)
    url = upload(tree, "tree")
    here = converted(tree, tmp_path / "here")
    assert converted(url, tmp_path / "there") == here
    ours, theirs = (
        json.loads((tmp_path / out / "manifest.json").read_bytes()) for out in ("here", "there")
    )
    assert theirs["odd"] == ours["odd"]
    assert theirs["totals"] == ours["totals"]


def test_kaggles_tree_class_folders_and_flat_folders_are_found(
    mini: Path, upload: Callable[[Path, str], str], tmp_path: Path
) -> None:
    data = tmp_path / "kaggle" / "ILSVRC" / "Data" / "CLS-LOC"
    shutil.copytree(mini / "tree" / "train", data / "train")
    (data / "val").mkdir()
    for image in (mini / "tree" / "validation").rglob("*.JPEG"):
        shutil.copy(image, data / "val")
    shutil.copytree(
        mini / "tree" / "bounding_boxes",
        tmp_path / "kaggle" / "ILSVRC" / "Annotations" / "CLS-LOC" / "train",
    )
    shutil.copytree(mini / "tree" / "train", tmp_path / "classes")
    for name in ("kaggle", "kaggle/ILSVRC", "classes"):
        here = converted(tmp_path / name, tmp_path / f"{name}-here")
        url = upload(tmp_path / name, name)
        assert converted(url, tmp_path / f"{name}-there") == here
        kinds = {
            json.loads((tmp_path / f"{name}-{out}" / "manifest.json").read_bytes())["source"][
                "kind"
            ]
            for out in ("here", "there")
        }
        assert len(kinds) == 1


def test_a_folder_of_class_archives_is_a_tree(
    mini: Path, upload: Callable[[Path, str], str], tmp_path: Path
) -> None:
    train = tmp_path / "source" / "train"
    train.mkdir(parents=True)
    for folder in sorted((mini / "tree" / "train").iterdir()):
        with tarfile.open(train / f"{folder.name}.tar", "w") as tar:
            for image in sorted(folder.iterdir()):
                tar.add(image, image.name)
    here = converted(tmp_path / "source", tmp_path / "here")
    assert converted(upload(tmp_path / "source", "s"), tmp_path / "there") == here


def test_a_cut_archive_is_told_as_on_disk_and_its_whole_part_used(
    archives: Path, upload: Callable[[Path, str], str], tmp_path: Path
) -> None:
    train = archives / TRAIN
    os.truncate(train, train.stat().st_size * 2 // 3 // 512 * 512 + 100)
    url = upload(archives, "cut")
    here = refused(archives, tmp_path / "out")
    assert refused(url, tmp_path / "out") == here.replace(str(archives), url)
    ours = converted(archives, tmp_path / "here", use_cut_archives=True)
    assert converted(url, tmp_path / "there", use_cut_archives=True) == ours


def test_bad_images_stop_or_are_skipped_as_on_disk(
    archives: Path, upload: Callable[[Path, str], str], tmp_path: Path
) -> None:
    listing = list_archive(archives / TRAIN)
    with (archives / TRAIN).open("r+b") as file:
        for row in (3, 30):
            file.seek(int(listing.offset[row]) + 2)
            file.write(bytes(200))
    url = upload(archives, "bad")
    here = refused(archives, tmp_path / "out", workers=1)
    assert refused(url, tmp_path / "out", workers=1) == here.replace(str(archives), url)
    ours = converted(archives, tmp_path / "here", on_error="skip")
    assert converted(url, tmp_path / "there", on_error="skip") == ours


def test_one_image_may_be_larger_than_a_batch(
    mini: Path, upload: Callable[[Path, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And images that are empty, or as large as a piece, come as they are."""
    tree = tmp_path / "tree"
    images = sorted((mini / "tree" / "train").rglob("*.JPEG"))[:6]
    for number, padding in enumerate((0, 8 << 20, 13 << 20, 1, (8 << 20) - 1, 40 << 20)):
        folder = tree / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(images[number].read_bytes() + bytes(padding))
    (tree / "a" / "empty.jpg").touch()
    here = converted(tree, tmp_path / "here", on_error="skip", train_shards=1)
    url = upload(tree, "large")
    assert converted(url, tmp_path / "there", on_error="skip", train_shards=1) == here


def test_a_listing_is_remembered_while_the_object_is_the_same(
    archives: Path,
    upload: Callable[[Path, str], str],
    proxy: FaultyProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("fastconv.cache.WORTH_SECONDS", 0.0)
    place = RemotePath(*upload(archives / TRAIN, "train.tar").replace("://", "/", 1).split("/", 2))
    first = listed(place)
    asked = len(proxy.requests)
    forget()
    again = listed(place)
    assert len(proxy.requests) == asked + 1  # what its size and version are
    assert again.containers == first.containers
    assert (again.offset == first.offset).all()
    listing = list_archive(archives / TRAIN)
    with (archives / TRAIN).open("ab") as file:
        file.write(bytes(10240))
    upload(archives / TRAIN, "train.tar")
    forget()
    assert (listed(place).offset == listing.offset).all()
    assert len(proxy.requests) > asked + 2


def test_a_table_of_a_schema_may_be_in_a_store(
    archives: Path, upload: Callable[[Path, str], str], tmp_path: Path
) -> None:
    names = [
        (list_archive(archives / TRAIN).names[row]).decode()
        for row in range(len(list_archive(archives / TRAIN)))
    ]
    table = tmp_path / "table.csv"
    table.write_text("file_name,mark\n" + "".join(f"{n},{k}\n" for k, n in enumerate(names)))
    url = upload(table, "tables/table.csv")
    outs = []
    for number, file in enumerate((table, url)):
        schema = tmp_path / f"{number}.toml"
        schema.write_text(
            f"[columns]\nfile = '{file}'\n[columns.features]\n'image/mark' = 'mark'\n"
        )
        more = {"schema": str(schema), "split": "train"}
        outs.append(converted(archives, tmp_path / f"out{number}", **more))
    assert outs[0] == outs[1]
    told = json.loads((tmp_path / "out1" / "manifest.json").read_bytes())["source"]["columns"]
    assert told["path"] == url


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["archive", "image"])
def test_an_object_that_changes_after_the_plan_ends_the_job(
    mini: Path,
    archives: Path,
    upload: Callable[[Path, str], str],
    server: Server,
    bucket: str,
    tmp_path: Path,
    kind: str,
) -> None:
    url = upload(archives if kind == "archive" else mini / "tree", "s")
    key, client = f"s/{TRAIN}", server.client()
    if kind == "image":
        first = min((mini / "tree" / "train").rglob("*.JPEG"))
        key = f"s/{first.relative_to(mini / 'tree')}"
    phases: list[str] = []

    def change(progress: Progress) -> None:
        phases.append(progress.phase)
        if progress.phase == "planning" and phases.count("planning") == 1:
            with client.get_object(Bucket=bucket, Key=key)["Body"] as body:
                data = body.read()
            client.put_object(Bucket=bucket, Key=key, Body=data + bytes(1024))

    options = Options(source=url, out=tmp_path / "out", train_shards=4, workers=1)
    with pytest.raises(InputError, match="not the one that was listed any more") as caught:
        convert(options, change)
    assert f"s3://{bucket}/{key}" in str(caught.value)


def test_an_object_that_goes_after_the_plan_ends_the_job(
    mini: Path, upload: Callable[[Path, str], str], server: Server, bucket: str, tmp_path: Path
) -> None:
    url = upload(mini / "tree", "s")
    last = max((mini / "tree" / "train").rglob("*.JPEG")).relative_to(mini / "tree")

    def remove(progress: Progress) -> None:
        if progress.phase == "planning":
            server.client().delete_object(Bucket=bucket, Key=f"s/{last}")

    with pytest.raises(InputError, match=f"{url}/{last}: cannot be read: is not there"):
        convert(Options(source=url, out=tmp_path / "out", train_shards=4), remove)


def fastconv(*words: object) -> tuple[int, str]:
    """(the exit code, what was said on standard error) of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "fastconv", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr + done.stdout
    return done.returncode, done.stderr


def test_what_cannot_be_is_one_line(
    archives: Path,
    upload: Callable[[Path, str], str],
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, out = upload(archives, "s"), tmp_path / "out"

    def said(code: int, *words: object) -> str:
        got, text = fastconv("shards", *words, "--quiet", "--out", out)
        assert got == code
        assert text.count("\n") == 1
        assert not out.exists()
        return text

    assert f"{url}x: does not exist" in said(3, f"{url}x")
    assert f"{url}/{VAL}: SOURCE is a folder" in said(3, f"{url}/{VAL}")
    assert f"{url}/no.tar: does not exist (--train)" in said(3, "--train", f"{url}/no.tar")
    assert "there is no" in said(3, f"s3://{bucket}-none/s")
    assert "line 1" in said(3, url, "--synsets", f"{url}/{VAL}")
    assert f"{url}/{VAL}: holds no XML" in said(3, url, "--boxes", f"{url}/{VAL}")
    assert "an object store, which has checksums" in said(2, url, "--check-archives")
    assert "cannot be listed" in said(2, "https://localhost/s")
    with WebServer(archives) as web:
        assert f"{web.url}/no.tar: does not exist" in said(3, "--train", f"{web.url}/no.tar")
    assert "password" in said(2, f"s3://me:{SECRET}@{bucket}/s")
    code, text = fastconv("raw", url, "--out", out)
    assert code == 2
    assert "fetch it first" in text
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    text = said(3, url)
    assert "refuses access" in text
    assert "another-secret" not in text


def test_the_source_is_known_again_by_resume_verify_and_repair(
    archives: Path, upload: Callable[[Path, str], str], tmp_path: Path
) -> None:
    url, out = upload(archives, "s"), tmp_path / "out"
    assert fastconv("shards", url, "--out", out, "--train-shards", 4, "--quiet")[0] == 0
    before = digests(out)
    assert fastconv("shards", url, "--out", out, "--train-shards", 4, "--quiet")[0] == 0
    assert fastconv("verify", out, "--against-source", "--quiet")[0] == 0
    (out / "data_dir" / "train-00002-of-00004").unlink()
    assert fastconv("verify", out, "--quiet")[0] == 5
    assert fastconv("verify", out, "--repair", "--quiet")[0] == 0
    assert digests(out) == before


# ---- stores that fail for a while ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("latency", {"seconds": 0.03, "chance": 0.3}),
        ("status", {"status": 500, "chance": 0.15}),
        ("status", {"status": 503, "chance": 0.15}),
        ("reset", {"chance": 0.1}),
        ("truncate", {"chance": 0.1}),
    ],
)
def test_a_store_that_fails_for_a_while_gives_the_same_bytes(
    archives: Path,
    upload: Callable[[Path, str], str],
    proxy: FaultyProxy,
    tmp_path: Path,
    kind: str,
    more: dict[str, float],
) -> None:
    url = upload(archives, "s")
    here = converted(archives, tmp_path / "here")
    fault = proxy.add(kind, "GET .*tar", **more)
    assert converted(url, tmp_path / "there") == here
    assert fault.hits > 3


def test_a_store_that_fails_for_good_ends_the_job(
    archives: Path,
    upload: Callable[[Path, str], str],
    proxy: FaultyProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = upload(archives, "s")
    monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "2")

    def fail(progress: Progress) -> None:
        if progress.phase == "planning":
            proxy.add("status", "GET", status=500)

    with pytest.raises(InputError, match=rf"{url}/.*cannot be read: the store says 500"):
        convert(Options(source=url, out=tmp_path / "out", train_shards=2), fail)
    assert digests(tmp_path / "out") == {}


# ---- how much is asked for ----------------------------------------------------------------------


def tar_of_zeros(path: Path, classes: int, images: int, size: int) -> None:
    inner = path.with_suffix(".inner")
    with tarfile.open(path, "w") as tar:
        for number in range(classes):
            with tarfile.open(inner, "w") as own:
                for image in range(images):
                    info = tarfile.TarInfo(f"{number}_{image}.JPEG")
                    info.size = size
                    own.addfile(info, io.BytesIO(bytes(size)))
            tar.add(inner, f"n{number:08}.tar")


def test_requests_are_few_where_members_are_small_and_small_where_they_are_large(
    upload: Callable[[Path, str], str], proxy: FaultyProxy, tmp_path: Path
) -> None:
    for size, images in ((3000, 300), (2 << 20, 4)):
        tar = tmp_path / f"{size}.tar"
        tar_of_zeros(tar, 4, images, size)
        url = upload(tar, tar.name)
        proxy.requests.clear()
        forget()
        pace = Pace()
        scheme, _, rest = url.partition("://")
        path = RemotePath(scheme, *rest.split("/", 1))
        listing = list_remote_archive(path, pace=pace)
        here = list_archive(tar)
        for column in ("container", "offset", "size"):
            assert (getattr(listing, column) == getattr(here, column)).all()
        assert listing.names.blob.tobytes() == here.names.blob.tobytes()
        assert pace.requests + 2 == len(proxy.requests)  # one for the size, one for its first bytes
        if images == 300:
            assert pace.requests < 4 * images // 20
        else:
            assert pace.requests <= 4 * (images + 3) + 6
            assert pace.bytes < tar.stat().st_size / 20


# ---- web servers --------------------------------------------------------------------------------


@pytest.mark.parametrize("etags", [True, False])
def test_a_web_server_gives_the_same_bytes(archives: Path, tmp_path: Path, etags: bool) -> None:
    here = converted(archives, tmp_path / "here")
    boxes, labels = "ILSVRC2012_bbox_train_v2.tar.gz", "imagenet_2012_validation_synset_labels.txt"
    with WebServer(archives, etags) as web:
        out = tmp_path / "there"
        parts = {"train": TRAIN, "validation": VAL, "boxes": boxes, "validation_labels": labels}
        given = {part: f"{web.url}/{name}" for part, name in parts.items()}
        assert converted(None, out, **given) == here
        source = json.loads((out / "manifest.json").read_bytes())["source"]
        assert source["train"]["path"] == given["train"]
        # Another file of the same size: an ETag tells, and so does its time.
        os.utime(archives / TRAIN, (1, 1))
        forget()
        data = bytearray((archives / TRAIN).read_bytes())

        def change(progress: Progress) -> None:
            if progress.phase == "planning":
                data[-1] ^= 1
                (archives / TRAIN).write_bytes(data)

        options = Options(**given, out=tmp_path / "changed", train_shards=4)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="not the one that was listed any more"):
            convert(options, change)
