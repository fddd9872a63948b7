"""Pictures in terminals: which protocol is spoken, and what a terminal gets out of it."""

from __future__ import annotations

import base64
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import tty
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pictures import shades
from PIL import Image
from shown_records import features, file_of, shard

from fastconv.cli import run as run_command
from fastconv.errors import UsageError
from fastconv.pictures import terminal
from fastconv.pictures.terminal import (
    ITERM,
    KITTY,
    PAPER,
    SIGNS,
    SIXEL,
    Window,
    escapes,
    how_to_show,
    protocol,
    window,
)

pytest.importorskip("chafa")
ROOM = Window(80, 24, 10, 20)
XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-kitty"}, KITTY),
        ({**XTERM, "KITTY_WINDOW_ID": "1"}, KITTY),
        ({**XTERM, "KITTY_PID": "77"}, KITTY),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, KITTY),
        ({**XTERM, "TERM_PROGRAM": "ghostty"}, KITTY),
        ({**XTERM, "TERM_PROGRAM": "iTerm.app"}, ITERM),
        ({**XTERM, "LC_TERMINAL": "iTerm2"}, ITERM),
        ({**XTERM, "TERM_PROGRAM": "WezTerm"}, ITERM),
        ({"TERM": "xterm", "TERM_PROGRAM": "mintty"}, ITERM),
        ({"TERM": "foot"}, SIXEL),
        ({"TERM": "mlterm"}, SIXEL),
        ({"TERM": "xterm", "MLTERM": "3.9.0"}, SIXEL),
        ({"TERM": "yaft-256color"}, SIXEL),
        ({"TERM": "xterm-sixel"}, SIXEL),
        ({**XTERM, "KONSOLE_VERSION": "220400"}, SIXEL),
        ({**XTERM, "KONSOLE_VERSION": "220399"}, None),
        ({**XTERM, "KONSOLE_VERSION": "new"}, None),
        (XTERM, None),
        ({}, None),
        ({"TERM": "dumb"}, None),
        ({"TERM": "linux"}, None),
        ({"TERM": "alacritty"}, None),
        ({**XTERM, "TERM_PROGRAM": "Apple_Terminal"}, None),
        ({"TERM": "screen-256color", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "tmux-256color", "LC_TERMINAL": "iTerm2"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-1/default,1,0"}, None),
        ({"TERM": "xterm-kitty", "STY": "1.pts"}, None),
    ],
)
def test_terminals_by_their_variables(environment: dict[str, str], expected: str | None) -> None:
    assert protocol(environment) == expected


@pytest.mark.parametrize(
    ("wanted", "is_terminal", "environment", "expected"),
    [
        (None, True, {"TERM": "xterm-kitty"}, KITTY),
        (None, False, {"TERM": "xterm-kitty"}, None),
        (None, True, XTERM, None),
        (True, True, XTERM, SIGNS),
        (True, False, {"TERM": "foot"}, SIXEL),
        (True, False, XTERM, SIGNS),
        (False, True, {"TERM": "xterm-kitty"}, None),
    ],
)
def test_when_pictures_are_shown(
    wanted: bool | None, is_terminal: bool, environment: dict[str, str], expected: str | None
) -> None:
    assert how_to_show(environment, wanted, is_terminal) == expected


def test_without_chafa(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is missed only by those who ask for pictures."""
    monkeypatch.setitem(sys.modules, "chafa", None)
    assert how_to_show({"TERM": "xterm-kitty"}, None, True) is None
    with pytest.raises(UsageError, match=r"pip install 'fastconv\[show\]'"):
        how_to_show({"TERM": "xterm-kitty"}, True, True)
    path = shard(tmp_path / "a", [features()])
    assert run_command(["show", str(path), "--picture"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "fastconv[show]" in said.err
    assert run_command(["show", str(path)]) == 0
    assert "a.JPEG" in capsys.readouterr().out


def test_a_chafa_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its wheel holds Chafa's library, but not GLib's."""
    (tmp_path / "chafa.py").write_text("raise OSError('libglib-2.0.so.0: cannot open')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "chafa")
    assert how_to_show({"TERM": "xterm-kitty"}, None, True) is None
    with pytest.raises(UsageError, match=r"loaded \(libglib-2.*needs GLib's library"):
        how_to_show({"TERM": "xterm-kitty"}, True, True)


# ---- what a terminal gets ------------------------------------------------------------------------


def from_kitty(data: bytes) -> list[Image.Image]:
    found = []
    for part in re.split(rb"(?=\x1b_Ga=T)", data)[1:]:
        head = re.match(rb"\x1b_Ga=T,f=32,s=(\d+),v=(\d+),c=(\d+),r=(\d+),m=1\x1b\\", part)
        assert head is not None, part[:80]
        width, height = int(head[1]), int(head[2])
        chunks = re.findall(rb"\x1b_Gm=[01];?([^\x1b]*)\x1b\\", part)
        assert all(len(chunk) <= 4096 for chunk in chunks)
        pixels = b"".join(map(base64.b64decode, chunks))
        found.append(Image.frombytes("RGBA", (width, height), pixels).convert("RGB"))
    return found


def from_iterm(data: bytes) -> list[Image.Image]:
    found = []
    for match in re.finditer(rb"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", data):
        assert b"inline=1" in match[1]
        found.append(Image.open(io.BytesIO(base64.b64decode(match[2]))).convert("RGB"))
    return found


def from_sixel(data: bytes) -> list[Image.Image]:
    """The sixels as a VT340 would draw them: DEC's STD 070, but for its aspect ratios."""
    found = []
    for match in re.finditer(rb'\x1bP[\d;]*q"\d+;\d+;(\d+);(\d+)(.*?)\x1b\\', data, re.S):
        width, height = int(match[1]), int(match[2])
        pixels = np.zeros((height + 6, width, 3), np.uint8)
        palette: dict[int, tuple[int, ...]] = {}
        x = y = colour = 0
        for part in re.finditer(rb"#(\d+)((?:;\d+)*)|!(\d+)(.)|([$\-])|([?-~])", match[3], re.S):
            if part[1]:
                colour = int(part[1])
                if part[2]:
                    _, _, *percent = part[2].split(b";")
                    palette[colour] = tuple(round(int(one) * 2.55) for one in percent)
            elif part[5]:
                x, y = 0, y + 6 * (part[5] == b"-")
            else:
                times, sign = (int(part[3]), part[4]) if part[3] else (1, part[6])
                for bit in range(6):
                    if (sign[0] - 63) >> bit & 1:
                        pixels[y + bit, x : x + times] = palette[colour]
                x += times
        found.append(Image.fromarray(pixels[:height]))
    return found


BEGIN = {KITTY: b"\x1b_G", ITERM: b"\x1b]1337;File=", SIXEL: b"\x1bP"}
DECODERS = {KITTY: from_kitty, ITERM: from_iterm, SIXEL: from_sixel}


def difference(a: Image.Image, b: npt.NDArray[np.uint8]) -> float:
    return float(abs(np.asarray(a).astype(int) - b).mean())


@pytest.mark.parametrize("how", DECODERS)
@pytest.mark.parametrize("size", [(200, 100), (195, 93), (1, 1), (10, 500)])
def test_a_picture_comes_out_as_it_went_in(how: str, size: tuple[int, int]) -> None:
    pixels = shades(size[1], size[0])
    said = escapes(Image.fromarray(pixels), how, ROOM)
    assert said.endswith(b"\n")
    (shown,) = DECODERS[how](said)
    assert (shown.width % 10, -(-size[0] // 10)) == (0, shown.width // 10)
    # Sixels come in sixes, and Chafa makes whole ones of a picture's end.
    assert -(-size[1] // 20) * 20 - shown.height in ((0,) if how != SIXEL else range(6))
    there = np.asarray(shown)[: size[1], : size[0]]
    assert difference(Image.fromarray(there), pixels[: len(there)]) < (1 if how != SIXEL else 16)
    beyond = np.asarray(shown)[:, size[0] :]
    assert beyond.size == 0 or abs(beyond.astype(int) - PAPER).mean() < 8


@pytest.mark.parametrize("how", DECODERS)
def test_wide_pictures_are_made_to_fit(how: str) -> None:
    (shown,) = DECODERS[how](escapes(Image.fromarray(shades(300, 1600)), how, ROOM))
    assert shown.width == 800 and 150 <= shown.height <= 160


def test_coloured_signs() -> None:
    said = escapes(Image.new("RGB", (80, 64), (200, 30, 40)), SIGNS, ROOM)
    rows = re.sub(rb"\x1b\[[\d;]*m", b"", said).decode().splitlines()
    assert len(rows) == 4 and {len(row) for row in rows} == {10}
    assert b"8;2;200;30;40m" in said
    assert not any(start in said for start in BEGIN.values())


def test_a_window_that_tells_its_size_or_does_not() -> None:
    ours, theirs = pty.openpty()
    try:
        for told, expected in (
            ((50, 160, 1600, 1100), (160, 50, 10, 22)),
            ((50, 160, 0, 0), (160, 50, 10, 20)),
            ((0, 0, 0, 0), (80, 24, 10, 20)),
            ((50, 160, 100, 20), (160, 50, 10, 20)),
        ):
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *told))
            assert window(theirs) == expected
    finally:
        os.close(ours)
        os.close(theirs)
    with Path(os.devnull).open() as file:
        assert window(file.fileno()) == (80, 24, 10, 20)


# ---- the command ---------------------------------------------------------------------------------


def on_a_terminal(environment: dict[str, str], *words: object) -> bytes:
    """What the command shows on a terminal of 100 columns, each of 10 x 20 pixels."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 1000, 800))
    names = ("TERM", "TERM_PROGRAM", "LC_TERMINAL", "TMUX", "STY", "COLUMNS", "KITTY_WINDOW_ID")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "fastconv", "show", *map(str, words)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, **environment},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += (piece := os.read(ours, 1 << 16))
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
    os.close(ours)
    assert process.wait(timeout=20) == 0, shown
    return shown


TERMINALS = {
    KITTY: {"TERM": "xterm-kitty"},
    ITERM: {**XTERM, "TERM_PROGRAM": "iTerm.app"},
    SIXEL: {"TERM": "foot"},
}


@pytest.fixture
def shard_of_five(tmp_path: Path) -> Path:
    data = file_of(Image.fromarray(shades(150, 224)))
    return shard(tmp_path / "x.tfrecord", [features(f"{n}.png", data=data) for n in range(5)])


@pytest.mark.parametrize("how", TERMINALS)
def test_terminals_that_can_show_pictures_do(shard_of_five: Path, how: str) -> None:
    shown = on_a_terminal(TERMINALS[how], shard_of_five)
    assert shown.index(b"4.png") < shown.index(b"shown: the first 5") < shown.index(BEGIN[how])
    strips = DECODERS[how](shown)
    assert [strip.width for strip in strips] == [980, 260]  # four pictures, and one
    if how != SIXEL:
        there = np.asarray(strips[1])[18 + 37 : 18 + 37 + 150, 18 : 18 + 224]
        assert (there == shades(150, 224)).all()


def test_one_picture_is_shown_larger(shard_of_five: Path) -> None:
    shown = on_a_terminal(TERMINALS[KITTY], shard_of_five, "--record", 2)
    (picture,) = DECODERS[KITTY](shown)
    assert picture.width > 512


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (XTERM, []),
        ({"TERM": "xterm-kitty", "TMUX": "x"}, []),
        ({"TERM": "xterm-kitty"}, ["--no-picture"]),
        ({"TERM": "xterm-kitty"}, ["--json"]),
        ({"TERM": "xterm-kitty"}, ["--quiet"]),
    ],
)
def test_others_are_left_alone(
    shard_of_five: Path, environment: dict[str, str], words: list[str]
) -> None:
    shown = on_a_terminal(environment, shard_of_five, *words)
    assert not any(start in shown for start in BEGIN.values())


def test_pictures_in_a_pipe_when_asked_for(
    shard_of_five: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("TERM", "foot")
    assert run_command(["show", str(shard_of_five)]) == 0
    assert b"\x1b" not in capfdbinary.readouterr().out
    assert run_command(["show", str(shard_of_five), "--picture"]) == 0
    assert len(from_sixel(capfdbinary.readouterr().out)) == 2  # 80 columns: three, and two


def test_chafa_is_not_loaded_where_nothing_is_shown() -> None:
    assert terminal.without_chafa() == ""
    code = "import sys, fastconv.pictures.terminal; print('chafa' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
