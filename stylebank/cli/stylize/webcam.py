"""A camera's pictures, stylized live in a window."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from PIL import Image

from stylebank.cli.arguments import require
from stylebank.cli.stylize.loading import load_stylizer
from stylebank.cli.stylize.looks import Looks
from stylebank.cli.stylize.options import WebcamOptions
from stylebank.errors import StyleBankError
from stylebank.films.optical_flow import load_opencv
from stylebank.films.stylize import FilmStylizer
from stylebank.images import resize_short_side
from stylebank.video import Webcam

if TYPE_CHECKING:
    import tkinter

DEFAULT_SIDE = 240  # short side in pixels, for a processor to keep up; --size says otherwise
_NEXT, _LEAVE = ("n", "space", "Right"), ("q", "Escape")


def show_camera(options: WebcamOptions) -> None:
    """Shows the camera's pictures in every look asked for.

    Raises:
        ConfigError: a mask moves, or no look is asked for.
        StyleBankError: as `show`.
    """
    if options.stabilize == "flow":
        load_opencv()  # before anything else is loaded
    stylizer = load_stylizer(options.bank, options.device, options.precision)
    wanted = Looks(options.looks, stylizer)
    wanted.check_still()
    require(style=wanted.names)
    recipes = wanted.recipes(Image.new("RGB", (64, 64)))  # none depends on the picture
    looks = {
        name: FilmStylizer(
            stylizer,
            recipe,
            stroke=options.looks.stroke,
            colors=options.looks.colors,
            tile=options.tile,
            stabilize=options.stabilize,
        )
        for name, recipe in recipes.items()
    }
    show(options.camera, looks, options.size or DEFAULT_SIDE)


def show(camera: str, looks: Mapping[str, FilmStylizer], short_side: int) -> None:
    """Shows the camera's pictures in the first look, with a key that goes on to the next, until the window is closed.

    Raises:
        VideoError: there is no camera, or it stops.
        StyleBankError: there is no display, or Python has no window toolkit.
    """
    with Webcam(camera) as pictures:
        window = Window(list(looks))
        try:
            for frame in pictures:
                began = time.monotonic()
                picture = resize_short_side(Image.fromarray(frame.rgb), short_side)
                output = looks[window.look].one(picture)
                if not window.show(output, 1 / (time.monotonic() - began)):
                    return
        finally:
            window.close()


class Window:
    """A window that shows pictures; `look` is the one chosen by key."""

    def __init__(self, looks: list[str]) -> None:
        self._looks, self._index = looks, 0
        self._root = _root()
        self._label = _label(self._root)
        self._open = True
        self._root.protocol("WM_DELETE_WINDOW", self._leave)
        for key in _LEAVE:
            self._root.bind(f"<{key}>", lambda _: self._leave())
        for key in _NEXT:
            self._root.bind(f"<{key}>", lambda _: self._next())

    @property
    def look(self) -> str:
        """The name of the look chosen."""
        return self._looks[self._index]

    def show(self, picture: Image.Image, rate: float) -> bool:
        """Shows a picture and how many come a second; False once the window was closed."""
        from PIL import ImageTk

        if self._open:
            self._picture = ImageTk.PhotoImage(picture, master=self._root)  # Tk keeps no reference of its own
            self._label.configure(image=str(self._picture))
            self._root.title(f"{self.look}, {rate:.1f} pictures a second; n: next look, q: leave")
            self._root.update()
        return self._open

    def close(self) -> None:
        """Removes the window."""
        self._root.destroy()

    def _leave(self) -> None:
        self._open = False

    def _next(self) -> None:
        self._index = (self._index + 1) % len(self._looks)


def _root() -> tkinter.Tk:
    try:
        import tkinter
    except ImportError as error:
        raise StyleBankError(
            "This Python has no tkinter, which the window needs; install it (on Debian the package python3-tk)."
        ) from error
    try:
        return tkinter.Tk()
    except tkinter.TclError as error:
        raise StyleBankError(f"There is no display to open a window on ({error}).") from error


def _label(root: tkinter.Tk) -> tkinter.Label:
    import tkinter

    label = tkinter.Label(root, borderwidth=0)
    label.pack()
    return label
