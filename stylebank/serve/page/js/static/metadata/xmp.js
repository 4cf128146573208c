// XMP packets: what describes the photograph is taken over, what describes its old pixels is not. The same as
// `stylebank/images/xmp.py` has it.

const LARGEST = 2 ** 22; // bytes that are read
const [TIFF, EXIF] = ["http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"];
const DROPPED = {
  [TIFF]: words("Orientation ImageWidth ImageLength BitsPerSample Compression PhotometricInterpretation SamplesPerPixel PlanarConfiguration YCbCrSubSampling YCbCrPositioning YCbCrCoefficients TransferFunction WhitePoint PrimaryChromaticities ReferenceBlackWhite NativeDigest XResolution YResolution ResolutionUnit"),
  [EXIF]: words("PixelXDimension PixelYDimension ColorSpace Gamma ComponentsConfiguration CompressedBitsPerPixel CFAPattern SpatialFrequencyResponse SubjectArea SubjectLocation FocalPlaneXResolution FocalPlaneYResolution FocalPlaneResolutionUnit MakerNote NativeDigest"),
  "http://ns.adobe.com/xap/1.0/": ["Thumbnails"],
  "http://ns.adobe.com/photoshop/1.0/": ["ICCProfile", "ColorMode"],
  "http://ns.adobe.com/xmp/note/": ["HasExtendedXMP"],
};
// Faces by their place; gain maps, depth maps and clips behind the pixels, which readers would look for.
const DROPPED_SPACES = [
  "http://www.metadataworkinggroup.com/schemas/regions/",
  "http://ns.microsoft.com/photo/1.2/",
  "http://ns.adobe.com/hdr-gain-map/1.0/",
  "http://ns.apple.com/HDRGainMap/1.0/",
  ...["camera", "container", "depthmap", "image"].map((name) => `http://ns.google.com/photos/1.0/${name}/`),
  "http://ns.google.com/photos/dd/1.0/device/",
];

/** The packet for a new picture, as bytes; throws if it is no XML. */
export function readXmp(packet) {
  if (packet.length > LARGEST) throw new RangeError("too large");
  const text = new TextDecoder().decode(packet).replaceAll("\0", "");
  if (/<!(?!--|\[CDATA\[)/.test(text)) throw new RangeError("it declares a document type");
  const whole = new DOMParser().parseFromString(text.trim(), "application/xml");
  if (whole.querySelector("parsererror")) throw new RangeError("no XML");
  for (const element of whole.querySelectorAll("*")) {
    if (isDropped(element)) element.remove();
    else for (const attribute of [...element.attributes]) if (isDropped(attribute)) element.removeAttributeNode(attribute);
  }
  const writer = new XMLSerializer();
  return new TextEncoder().encode([...whole.childNodes].map((node) => writer.serializeToString(node)).join(""));
}

/** The orientation, 1 to 8, that a packet tells, or null. */
export function orientationIn(packet) {
  return Number(new TextDecoder().decode(packet).match(/tiff:Orientation(?:="|>)([1-8])/)?.[1] ?? 0) || null;
}

function isDropped({ namespaceURI: space, localName }) {
  return DROPPED_SPACES.includes(space) || Boolean(DROPPED[space]?.includes(localName));
}

function words(text) {
  return text.split(" ");
}
