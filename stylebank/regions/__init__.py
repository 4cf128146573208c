"""Regions of a picture: found by the computer or painted by hand, kept as label maps, given a style each.

A label map is an array (H, W) of whole numbers from 0 up; all pixels of one number are one region.
"""

from typing import TYPE_CHECKING

from stylebank.late import late
from stylebank.regions.map_files import label_map_files
from stylebank.regions.method import MAX_LABELS, RegionMethod, parse_method

if TYPE_CHECKING:
    from stylebank.regions.assignment import Assignment, Treatment, parse_assignment, regions_from_labels
    from stylebank.regions.find import find_regions
    from stylebank.regions.label_map import PALETTE, key_picture, key_text, load_label_map, save_label_map
    from stylebank.regions.resize import upsample_labels
    from stylebank.regions.segment import segment_kmeans, segment_slic

__all__ = [
    "MAX_LABELS",
    "PALETTE",
    "Assignment",
    "RegionMethod",
    "Treatment",
    "find_regions",
    "key_picture",
    "key_text",
    "label_map_files",
    "load_label_map",
    "parse_assignment",
    "parse_method",
    "regions_from_labels",
    "save_label_map",
    "segment_kmeans",
    "segment_slic",
    "upsample_labels",
]

_ROOM = {
    "assignment": ("Assignment", "Treatment", "parse_assignment", "regions_from_labels"),
    "find": ("find_regions",),
    "label_map": ("PALETTE", "key_picture", "key_text", "load_label_map", "save_label_map"),
    "resize": ("upsample_labels",),
    "segment": ("segment_kmeans", "segment_slic"),
}
__getattr__ = late(__name__, {name: f"{__name__}.{home}" for home, names in _ROOM.items() for name in names})
