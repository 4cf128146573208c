"""XMP packets: what describes the photograph is taken over, what describes its old pixels is not."""

from __future__ import annotations

from xml.dom import minidom

LARGEST = 4 << 20
"""Bytes of a packet that is read; editors' histories and masks have a few hundred thousand."""

_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_DROPPED = {
    _TIFF: {
        *("Orientation", "ImageWidth", "ImageLength", "BitsPerSample", "Compression", "PhotometricInterpretation"),
        *("SamplesPerPixel", "PlanarConfiguration", "YCbCrSubSampling", "YCbCrPositioning", "YCbCrCoefficients"),
        *("TransferFunction", "WhitePoint", "PrimaryChromaticities", "ReferenceBlackWhite", "NativeDigest"),
        *("XResolution", "YResolution", "ResolutionUnit"),
    },
    _EXIF: {
        *("PixelXDimension", "PixelYDimension", "ColorSpace", "Gamma", "ComponentsConfiguration"),
        *("CompressedBitsPerPixel", "CFAPattern", "SpatialFrequencyResponse", "SubjectArea", "SubjectLocation"),
        *("FocalPlaneXResolution", "FocalPlaneYResolution", "FocalPlaneResolutionUnit", "MakerNote", "NativeDigest"),
    },
    "http://ns.adobe.com/xap/1.0/": {"Thumbnails"},
    "http://ns.adobe.com/photoshop/1.0/": {"ICCProfile", "ColorMode"},
    "http://ns.adobe.com/xmp/note/": {"HasExtendedXMP"},
}
# Faces by their place; gain maps, depth maps and clips behind the pixels, which readers would look for.
_DROPPED_SPACES = frozenset(
    {
        "http://www.metadataworkinggroup.com/schemas/regions/",
        "http://ns.microsoft.com/photo/1.2/",
        "http://ns.adobe.com/hdr-gain-map/1.0/",
        "http://ns.apple.com/HDRGainMap/1.0/",
        "http://ns.google.com/photos/1.0/camera/",
        "http://ns.google.com/photos/1.0/container/",
        "http://ns.google.com/photos/1.0/depthmap/",
        "http://ns.google.com/photos/1.0/image/",
        "http://ns.google.com/photos/dd/1.0/device/",
    }
)


def without_pixels(packet: bytes) -> bytes:
    """The packet without what describes the old pixels, in UTF-8.

    Raises:
        Exception: of nearly any kind, if it is no XML; ValueError if it is too large or declares entities.
    """
    if len(packet) > LARGEST:
        raise ValueError(f"it has {len(packet):,} bytes")
    if b"<!" in packet.replace(b"\0", b"").replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise ValueError("it declares a document type")
    document = minidom.parseString(packet.strip(b"\0"))
    _clean(document)
    return "".join(node.toxml() for node in document.childNodes).encode()


def _clean(node: minidom.Node) -> None:
    waiting = list(node.childNodes)
    while waiting:
        element = waiting.pop()
        if element.nodeType != minidom.Node.ELEMENT_NODE:
            continue
        if _is_dropped(element):
            assert element.parentNode is not None
            element.parentNode.removeChild(element)
            continue
        for attribute in list(element.attributes.values()):
            if _is_dropped(attribute):
                element.removeAttributeNode(attribute)
        waiting += element.childNodes


def _is_dropped(node: minidom.Node) -> bool:
    space = node.namespaceURI or ""
    return space in _DROPPED_SPACES or node.localName in _DROPPED.get(space, ())
