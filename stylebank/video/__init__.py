"""Films, animations and folders of frames, in and out, frame by frame.

    reader = open_reader("holiday.mp4", start=10, end=20)
    with open_writer("holiday_waves.mp4", reader) as writer:
        with ReadAhead(reader, after=writer.position) as frames, WriteBehind(writer) as behind:
            for frame in frames:
                behind.write(frame.with_rgb(stylize(frame.rgb)))

Rotation is applied, times are exact, sound and subtitles are copied; see `VideoReader` and `VideoWriter`.
"""

from stylebank.video.animation import ANIMATIONS, AnimationReader
from stylebank.video.animation_writer import AnimationWriter
from stylebank.video.codecs import CODECS, CONTAINERS
from stylebank.video.color_space import ColorSpace
from stylebank.video.folders import FolderReader, FolderWriter
from stylebank.video.frames import Frame, FrameReader, FrameWriter, Position, StreamInfo, VideoError, VideoInfo
from stylebank.video.opening import FILM_SUFFIXES, is_film, open_reader, open_writer
from stylebank.video.reader import VideoReader
from stylebank.video.stream_plan import StreamRules
from stylebank.video.threads import ReadAhead, WriteBehind
from stylebank.video.webcam import Webcam
from stylebank.video.writer import VideoWriter

__all__ = [
    "ANIMATIONS",
    "CODECS",
    "CONTAINERS",
    "FILM_SUFFIXES",
    "AnimationReader",
    "AnimationWriter",
    "ColorSpace",
    "FolderReader",
    "FolderWriter",
    "Frame",
    "FrameReader",
    "FrameWriter",
    "Position",
    "ReadAhead",
    "StreamInfo",
    "StreamRules",
    "VideoError",
    "VideoInfo",
    "VideoReader",
    "VideoWriter",
    "Webcam",
    "WriteBehind",
    "is_film",
    "open_reader",
    "open_writer",
]
