"""Pictures in terminals: kitty's protocol, iTerm2's, sixel, or coloured signs, by Chafa."""

from __future__ import annotations

import fcntl
import struct
import termios
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from fastconv.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

KITTY, ITERM, SIXEL, SIGNS = "kitty", "iTerm2", "sixel", "signs"
MISSING = "pictures in a terminal need Chafa: pip install 'fastconv[show]'; or use --sheet"
UNUSABLE = "Chafa cannot be loaded ({}); on Linux it needs GLib's library; or use --sheet"
CELL = 10, 20  # pixels of a cell where the terminal does not tell
SIGNS_CELL = 8, 16
PAPER = (255, 255, 255)
# How terminals name themselves, in the variables that each sets.
BY_PROGRAM = {"iTerm.app": ITERM, "WezTerm": ITERM, "mintty": ITERM, "ghostty": KITTY}
BY_TERM = {
    "xterm-kitty": KITTY,
    "xterm-ghostty": KITTY,
    "foot": SIXEL,
    "foot-extra": SIXEL,
    "mlterm": SIXEL,
    "mlterm-256color": SIXEL,
    "yaft-256color": SIXEL,
    "contour": SIXEL,
}
MULTIPLEXERS = ("screen", "tmux", "dumb")  # which pass no pictures on


class Window(NamedTuple):
    """A terminal's size: columns and rows of cells, and a cell's pixels."""

    columns: int
    rows: int
    cell_width: int
    cell_height: int

    @property
    def width(self) -> int:
        return self.columns * self.cell_width


def protocol(environment: Mapping[str, str]) -> str | None:
    """How a terminal shows pictures, by the variables that it sets; None where none says so.

    The terminal itself is not asked: its answer would have to be told from what is typed meanwhile.
    """
    term = environment.get("TERM", "")
    if term.startswith(MULTIPLEXERS) or "TMUX" in environment or "STY" in environment:
        return None
    if term in BY_TERM:
        return BY_TERM[term]
    program = environment.get("TERM_PROGRAM", "")
    if program in BY_PROGRAM:
        return BY_PROGRAM[program]
    if "KITTY_WINDOW_ID" in environment or "KITTY_PID" in environment:
        return KITTY
    if environment.get("LC_TERMINAL") == "iTerm2":  # which ssh passes on
        return ITERM
    if "sixel" in term or "MLTERM" in environment:
        return SIXEL
    konsole = environment.get("KONSOLE_VERSION", "")
    return SIXEL if konsole.isdigit() and int(konsole) >= 220400 else None


def window(fd: int) -> Window:
    """The size of the terminal at `fd`; 80 by 24 where it is none."""
    try:
        answer = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        answer = bytes(8)
    rows, columns, width, height = struct.unpack("HHHH", answer)
    columns, rows = columns or 80, rows or 24
    if width // columns and height // rows:
        return Window(columns, rows, width // columns, height // rows)
    return Window(columns, rows, *CELL)


def without_chafa() -> str:
    """Why there is no Chafa, and what to do; empty where there is."""
    try:
        import chafa
    except ImportError:
        return MISSING
    except OSError as error:  # of a library that it loads
        return UNUSABLE.format(error)
    return "" if hasattr(chafa, "Canvas") else MISSING


def escapes(image: Image.Image, how: str, room: Window) -> bytes:
    """What shows an RGB image in a terminal of this protocol, no larger than it is and no wider
    than the window, ended by a line feed. Chafa must be there."""
    import chafa

    modes = {
        KITTY: chafa.PixelMode.CHAFA_PIXEL_MODE_KITTY,
        ITERM: chafa.PixelMode.CHAFA_PIXEL_MODE_ITERM2,
        SIXEL: chafa.PixelMode.CHAFA_PIXEL_MODE_SIXELS,
        SIGNS: chafa.PixelMode.CHAFA_PIXEL_MODE_SYMBOLS,
    }
    cell_width, cell_height = SIGNS_CELL if how == SIGNS else room[2:]
    config = chafa.CanvasConfig()
    config.pixel_mode = modes[how]
    config.cell_width, config.cell_height = cell_width, cell_height
    image = _of_whole_cells(image, room.columns, cell_width, cell_height)
    config.width, config.height = image.width // cell_width, image.height // cell_height
    canvas = chafa.Canvas(config)
    pixels = image.tobytes()
    canvas.draw_all_pixels(
        chafa.PixelType.CHAFA_PIXEL_RGB8, pixels, image.width, image.height, 3 * image.width
    )
    # Sequences that all terminals of a protocol share; looking for ours is done above.
    out: bytes = canvas.print(chafa.TermDb().get_fallback_info())
    return out + b"\n"


def _of_whole_cells(
    image: Image.Image, columns: int, cell_width: int, cell_height: int
) -> Image.Image:
    """An image made to fit so many columns, if it is wider, with paper around it to whole cells:
    terminals stretch what is no whole number of cells."""
    from PIL import Image

    if image.width > columns * cell_width:
        width = columns * cell_width
        height = max(1, round(image.height * width / image.width))
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    width = -(-image.width // cell_width) * cell_width
    height = -(-image.height // cell_height) * cell_height
    whole = Image.new("RGB", (width, height), PAPER)
    whole.paste(image)
    return whole


def how_to_show(
    environment: Mapping[str, str], wanted: bool | None, is_terminal: bool
) -> str | None:
    """The protocol to show pictures with, None for not at all. ``wanted``: whether a person asked
    for pictures, or for none; where it is None, they are shown where a terminal can, and Chafa is
    there. Raises UsageError where they are asked for, and Chafa is missing."""
    if wanted is False:
        return None
    how = protocol(environment)
    if wanted is None:
        return how if how and is_terminal and not without_chafa() else None
    if why := without_chafa():
        raise UsageError(why)
    return how or SIGNS
