"""The README of an exported folder."""

from __future__ import annotations

from stylebank.export.manifest import ExportManifest

_TEXT = """# A style bank as ONNX models

Written by `stylebank export` {version}. Licence: {licence}.
`manifest.json` says names, shapes, ranges, sizes and hashes.

Pictures are RGB, float32, 0 to 1, (batch, 3, height, width), {sizes}. All else is {precision}.

## Photograph in, picture out

`styles/NAME.onnx` does all of one style. Its picture has the photograph's size.

```python
import numpy as np
import onnxruntime
from PIL import Image

photo = np.asarray(Image.open("photo.jpg").convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 255
session = onnxruntime.InferenceSession("styles/{style}.onnx")
[picture] = session.run(None, {{"photo": photo}})
Image.fromarray((picture[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)).save("picture.png")
```
{parts}
## JavaScript

Not run by the program that wrote this folder. With `onnxruntime-web` (`onnxruntime-node` has the same calls):

```js
const session = await ort.InferenceSession.create("styles/{style}.onnx");
const pixels = context.getImageData(0, 0, width, height).data; // of a canvas: RGBA, row by row
const photo = new Float32Array(3 * height * width);
for (let i = 0; i < height * width; i++)
  for (let c = 0; c < 3; c++) photo[c * height * width + i] = pixels[4 * i + c] / 255;
const tensor = new ort.Tensor("float32", photo, [1, 3, height, width]);
const {{ picture }} = await session.run({{ photo: tensor }}); // picture.data: Float32Array, laid out like photo
```

## C#

Not run by the program that wrote this folder. With the package `Microsoft.ML.OnnxRuntime`:

```csharp
using var session = new InferenceSession("styles/{style}.onnx");
var photo = new DenseTensor<float>(new[] {{ 1, 3, height, width }}); // photo[0, c, y, x] = 0 to 1
using var results = session.Run(new[] {{ NamedOnnxValue.CreateFromTensor("photo", photo) }});
Tensor<float> picture = results.First().AsTensor<float>(); // picture[0, c, y, x]
```
"""

_PARTS = """
## Encode once, any style, any mixture

`encoder.onnx` makes features of a photograph, `apply.onnx` applies a style to them, `decoder.onnx` makes the picture.
A style is a `kernel` and a `bias` in `styles/NAME.safetensors`, and an input: new styles and mixtures need no new
model. The decoder's pictures are multiples of {multiple} high and wide: cut off what is more than the photograph,
below and to the right.

```python
import numpy as np
import onnxruntime
from PIL import Image
from safetensors.numpy import load_file

{names} = (onnxruntime.InferenceSession(f"{{name}}.onnx") for name in {strings})
photo = np.asarray(Image.open("photo.jpg").convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 255
one, other = load_file("styles/{style}.safetensors"), load_file("styles/{other}.safetensors")
inputs = {{key: (0.7 * one[key] + 0.3 * other[key]).astype("{numbers}") for key in ("kernel", "bias")}}
[features] = encoder.run(None, {{"photo": photo}})
{noise}[fused] = apply.run(None, {{"features": features, "identity": np.zeros(1, "{numbers}"), **inputs}})
[picture] = decoder.run(None, {{"fused": fused}})
picture = picture[0, :, : photo.shape[2], : photo.shape[3]].transpose(1, 2, 0)
Image.fromarray((picture * 255).round().astype(np.uint8)).save("picture.png")
```

Several styles side by side: `regions.onnx` takes `kernels` (R, ...), `biases` (R, ...), `identities` (R,) and `maps`
(R, rows, columns), the share of each at every place of the features, which are a {multiple}th of the photograph's
size, rounded up.

The photograph itself, as the auto-encoder returns it, has the weight `identity`. Filters come out larger than
features, by `identity_gain` = g of the manifest. For strength a (0 to 1), multiply kernel and bias by a g^(a - 1), and
let identity be (1 - a) g^a; with a = 1 these are 1 and 0.
{scale}{about_noise}"""

_SCALE = """
Kernels and biases are stored {scale:g} times their size, and the decoder expects that, so that nothing overflows in
float16.
"""

_NOISE = """
Filters see smooth noise beside the features, so that plain areas get strokes: `noise.onnx` makes it of the features'
size and a `seed`, two int32: the upper and the lower 16 bits of `--seed`. `styles/NAME.onnx` has seed 0 inside.
"""


def readme(manifest: ExportManifest) -> str:
    """Its text, with examples that fit the folder."""
    size = manifest.size
    sizes = f"{size[0]} high and {size[1]} wide" if size else f"any height and width from {manifest.smallest} up"
    return _TEXT.format(
        version=manifest.stylebank,
        licence=manifest.licence or "none given",
        sizes=sizes,
        precision=manifest.precision,
        style=manifest.styles[0].name,
        parts=_parts(manifest) if "apply" in manifest.models else "",
    )


def _parts(manifest: ExportManifest) -> str:
    noisy = bool(manifest.noise_channels)
    models = ["encoder", *(["noise"] if noisy else []), "apply", "decoder"]
    line = '[inputs["noise"]] = noise.run(None, {"features": features, "seed": np.array([0, 0], np.int32)})\n'
    return _PARTS.format(
        multiple=manifest.multiple,
        names=", ".join(models),
        strings="(" + ", ".join(f'"{name}"' for name in models) + ")",
        style=manifest.styles[0].name,
        other=manifest.styles[-1].name,
        numbers=manifest.numbers,
        noise=line if noisy else "",
        scale=_SCALE.format(scale=manifest.scale) if manifest.scale != 1 else "",
        about_noise=_NOISE if noisy else "",
    )
