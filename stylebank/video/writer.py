"""Writing films that survive interruption: parts first, then one film with everything else the source had in it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from stylebank.errors import StyleBankError
from stylebank.video.codecs import choose_codec, container_of
from stylebank.video.frames import Frame, FrameReader, FrameWriter, Position, VideoError, VideoInfo
from stylebank.video.join import join
from stylebank.video.passthrough import Source
from stylebank.video.reader import VideoReader
from stylebank.video.segments import PictureEncoding, Segment, SegmentEncoder, find_segments
from stylebank.video.stream_plan import DEFAULT_RULES, StreamPlan, StreamRules, plan_streams
from stylebank.video.unfinished import UnfinishedWork, partial_path, work_folder

SEGMENT_FRAMES = 48
"""Frames in a part: what a killed run loses at most, and the longest way between two key frames."""


class VideoWriter(FrameWriter):
    """Writes frames to the film `path` in the time base, frame rate and colour of `like`.

    Where `like` is a film, its sound, subtitles, attachments, chapters and metadata are copied untouched (with
    `like`'s start and end applied); subtitles in text become the container's own kind where it cannot hold theirs.
    The picture keeps its exact size: where that is odd and the codec's 4:2:0 cannot hold it, it is stored as 4:4:4,
    which some hardware players refuse. Times are exact in MP4 and MOV; Matroska and WebM round them to milliseconds.
    Alpha is laid on white. Films are written with eight bits a channel (prores_ks:
    ten), whatever the source had.

    Frames are encoded in parts of `segment_frames` in a hidden folder beside the output. Left by an exception, the
    writer joins what there is into a playable `NAME.partial.SUFFIX` and keeps the parts: with `resume`, another
    writer with the same settings goes on after the last whole part (`position`), and the film comes out as if
    nothing had happened.

    Args:
        path: the film; its suffix (`CONTAINERS`) decides the container.
        like: what the frames come from.
        size: (width, height) of the frames that will come, None for the size of `like`.
        codec: a name in `CODECS`, None for the container's usual one.
        quality: on the codec's own scale, None for its default.
        preset: one of the codec's own, None for its default.
        overwrite: replace a film that exists, drop unfinished work.
        resume: go on with unfinished work if there is any.
        settings: whatever else decides what frames look like; resuming with other settings is refused.
        rules: what happens to streams that the container cannot hold.

    Raises:
        VideoError: unknown codec, option off its scale, `path` exists, streams that do not fit the container.
    """

    def __init__(
        self,
        path: str | Path,
        like: FrameReader,
        size: tuple[int, int] | None = None,
        *,
        codec: str | None = None,
        quality: int | None = None,
        preset: str | None = None,
        overwrite: bool = False,
        resume: bool = False,
        settings: Mapping[str, Any] | None = None,
        rules: StreamRules = DEFAULT_RULES,
        segment_frames: int = SEGMENT_FRAMES,
    ) -> None:
        self.path = Path(path)
        self._container = container_of(self.path)
        chosen = choose_codec(codec, self.path)
        if isinstance(like, VideoReader) and _same_file(self.path, like.path):
            raise VideoError(f"'{self.path}' is the film being read; write to another file.")
        self._encoding = PictureEncoding(
            codec=chosen,
            options=chosen.settings(quality, preset),
            size=size or like.info.size,
            time_base=like.info.time_base,
            rate=like.info.frame_rate,
            color=like.info.color,
            pixel_aspect=_pixel_aspect(like.info, size or like.info.size),
        )
        self._source = _source(like)
        self._copied = StreamPlan()
        if self._source:
            self._copied = plan_streams(self._source, self._container, self.path, self._encoding, rules)
        self._each = segment_frames
        stored = {"codec": chosen.name, **self._encoding.options, "size": list(self._encoding.size)}
        record = {**(settings or {}), **like.identity(), **stored, "segment_frames": segment_frames}
        self._work = UnfinishedWork(
            self.path,
            work_folder(self.path),
            record,
            overwrite=overwrite,
            resume=resume,
            partial=partial_path(self.path),
        )
        self._parts = self._whole_parts()
        self._current: SegmentEncoder | None = None
        self._end: int | None = self._parts[-1].end if self._parts else None

    @property
    def position(self) -> Position:
        """How much an earlier run left behind."""
        return Position(sum(part.frames for part in self._parts), self._end) if self._parts else Position()

    @property
    def left_out(self) -> list[str]:
        """The source's streams that do not come along, by name."""
        return self._copied.left_out

    def write(self, frame: Frame) -> None:
        """Encodes the next frame. Raises VideoError for another size than announced or a time that goes back."""
        if frame.size != self._encoding.size:
            raise VideoError(
                f"'{self.path}': frame {frame.index} is {frame.size[0]}x{frame.size[1]}, the film is "
                f"{self._encoding.size[0]}x{self._encoding.size[1]}."
            )
        tick = self._encoding.time_base
        pts, end = round(frame.time / tick), round((frame.time + frame.duration) / tick)
        if self._end is not None and pts < self._end:
            raise VideoError(f"'{self.path}': frame {frame.index} comes before the end of the one before it.")
        if self._current is None:
            first = sum(part.frames for part in self._parts)
            self._current = SegmentEncoder(self._work.folder, self._encoding, first, pts)
        self._end = max(end, pts + 1)
        self._current.write(frame.on_white(), pts, self._end)
        if self._current.frames == self._each:
            self._close_part()

    def finish(self) -> Path:
        """Makes the film and removes everything unfinished. Raises VideoError if there are no frames."""
        self._close_part()
        if not self._parts:
            self._work.remove()
            raise VideoError(f"'{self.path}' was not written: there are no frames.")
        join(self._parts, self.path, self._container, self._encoding, self._source, self._copied)
        self._work.remove()
        return self.path

    def finish_partial(self) -> Path | None:
        """Makes `NAME.partial.SUFFIX` of the frames so far, None if there are none; the parts stay for resuming."""
        with suppress(StyleBankError):  # of an encoder that has failed already: the parts before are good
            self._close_part()
        if not self._parts:
            self._work.remove()
            return None
        source = self._source
        if source is not None:
            until = source.begin + self._parts[-1].end * self._encoding.time_base
            source = replace(source, end=until if source.end is None else min(until, source.end))
        if not self._work.may_write_partial():
            return None
        partial = partial_path(self.path)
        join(self._parts, partial, self._container, self._encoding, source, self._copied)
        self._work.note_partial()
        return partial

    def _close_part(self) -> None:
        current, self._current = self._current, None
        if current is None:
            return
        try:
            part = current.close()
        except BaseException:
            current.abort()
            raise
        if part is not None:
            self._parts.append(part)

    def _whole_parts(self) -> list[Segment]:
        """Parts to go on after; a short one, cut off by an interruption, is made anew so that all come out alike."""
        whole = [part for part in find_segments(self._work.folder) if part.frames == self._each]
        for path in set(self._work.folder.glob("[!.]*")) - {part.path for part in whole}:
            path.unlink()
        return whole


def _source(like: FrameReader) -> Source | None:
    if not isinstance(like, VideoReader):
        return None
    return Source(like.path, like.video_index, like.origin, cut=bool(like.start), end=like.until, clock=like.clock)


def _pixel_aspect(info: VideoInfo, size: tuple[int, int]) -> Fraction:
    """Keeps the shape of the picture on the screen if its size is changed in one direction only."""
    if info.pixel_aspect == 1:
        return Fraction(1)
    stretch = Fraction(info.width * size[1], info.height * size[0])
    return (info.pixel_aspect * stretch).limit_denominator(10000)


def _same_file(path: Path, other: Path) -> bool:
    return path.exists() and path.samefile(other)
