"""The options that are for films, animations and folders of frames alone, as typed values."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from stylebank.errors import ConfigError
from stylebank.films.methods import METHODS, StabilizeMethod
from stylebank.video.folders import DEFAULT_FPS
from stylebank.video.stream_plan import DEFAULT_RULES, StreamRules


@dataclass(frozen=True)
class FilmOptions:
    """What is for films, animations and folders of frames alone."""

    stabilize: StabilizeMethod | None = None
    start: float | None = None
    """Seconds, as `end`; None for the whole film."""
    end: float | None = None
    frames: bool = False
    """Folders are films' frames, and films become such folders."""
    fps: float | None = None
    """Frames per second of folders."""
    codec: str | None = None
    preset: str | None = None
    batch: int | None = None
    """Frames through the network at a time."""
    lenient: bool = False
    streams: StreamRules = DEFAULT_RULES
    """What happens to sound and titles that the output cannot hold."""
    profile: bool = False
    """Print where the time went."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    group = parser.add_argument_group("films, animations, folders of frames")
    group.add_argument(
        "--stabilize",
        nargs="?",
        const=METHODS[0],
        choices=METHODS,
        help=f"less flicker: {METHODS[0]} (quick) if no method is named, or flow (optical flow)",
    )
    group.add_argument("--start", type=float, metavar="SECONDS", help="begin here")
    group.add_argument("--end", type=float, metavar="SECONDS", help="end here")
    group.add_argument("--frames", action="store_true", help="folders are films' frames, and films become such folders")
    group.add_argument(
        "--fps", type=float, metavar="N", help=f"frames per second of a folder of frames, else {DEFAULT_FPS}"
    )
    group.add_argument("--codec", metavar="NAME", help="encoder, as FFmpeg calls it, else the container's usual one")
    group.add_argument("--preset", metavar="NAME", help="of the encoder: speed against size")
    group.add_argument("--batch", type=int, metavar="N", help="frames through the network at a time, else by size")
    group.add_argument("--lenient", action="store_true", help="read damaged films as far as possible")
    group.add_argument("--drop-streams", action="store_true", help="leave out sound and titles the output cannot hold")
    group.add_argument(
        "--transcode-audio", action="store_true", help="sound the output cannot hold becomes AAC (Opus in WebM)"
    )
    group.add_argument("--strict", action="store_true", help="refuse whatever would be left out, data too")
    group.add_argument("--profile", action="store_true", help="print where the time went")


def films_of(options: argparse.Namespace) -> FilmOptions:
    """What the arguments ask for. Raises ConfigError if they contradict each other."""
    if options.drop_streams and options.strict:
        raise ConfigError("--drop-streams leaves out what the output cannot hold and --strict refuses it; give one.")
    return FilmOptions(
        stabilize=options.stabilize,
        start=options.start,
        end=options.end,
        frames=options.frames,
        fps=options.fps,
        codec=options.codec,
        preset=options.preset,
        batch=options.batch,
        lenient=options.lenient,
        streams=StreamRules(options.drop_streams, options.transcode_audio, options.strict, options.strip_metadata),
        profile=options.profile,
    )
