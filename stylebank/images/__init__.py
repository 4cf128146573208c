"""Everything between picture files and pixels: finding, reading, converting, resizing and saving.

Pixels inside StyleBank are always upright sRGB, eight bits a channel in Pillow and [0, 1] in tensors;
whatever a file does differently (EXIF orientation, colour profile, 16 bits, CMYK, palette) ends here.
"""

from typing import TYPE_CHECKING

from stylebank.images.find import find_files, find_images, find_unread
from stylebank.images.formats import IMAGE_SUFFIXES, SAVE_FORMATS
from stylebank.images.limit import (
    DEFAULT_MEGAPIXELS,
    LIMIT_VARIABLE,
    check_megapixels,
    limit_megapixels,
    max_megapixels,
    parse_megapixels,
)
from stylebank.images.metadata import Metadata
from stylebank.images.read import Picture, load_picture, probe
from stylebank.images.resize import Side, resize_long_side, resize_short_side, resize_side
from stylebank.images.write import check_writable, save_picture
from stylebank.late import late

if TYPE_CHECKING:
    from stylebank.images.tensors import to_image, to_tensor

__all__ = [
    "DEFAULT_MEGAPIXELS",
    "IMAGE_SUFFIXES",
    "LIMIT_VARIABLE",
    "SAVE_FORMATS",
    "Metadata",
    "Picture",
    "Side",
    "check_megapixels",
    "check_writable",
    "find_files",
    "find_images",
    "find_unread",
    "limit_megapixels",
    "load_picture",
    "max_megapixels",
    "parse_megapixels",
    "probe",
    "resize_long_side",
    "resize_short_side",
    "resize_side",
    "save_picture",
    "to_image",
    "to_tensor",
]

__getattr__ = late(__name__, dict.fromkeys(("to_image", "to_tensor"), "stylebank.images.tensors"))
