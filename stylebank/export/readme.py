"""The README of an exported folder."""

from __future__ import annotations

import torch

from stylebank.export.formats import FORMATS
from stylebank.export.manifest import ExportManifest
from stylebank.export.readme_code import CODE

_TEXT = """# A style bank as {title}

Written by `stylebank export` {version}. Licence: {licence}.
`manifest.json` says names, shapes, ranges, sizes and hashes.

Pictures are RGB, float32, 0 to 1, (batch, 3, height, width), {sizes}. All else is {precision}.

## Photograph in, picture out

`styles/NAME{suffix}` does all of one style. Its picture has the photograph's size.{beside}

```python
import numpy as np
{imported}
from PIL import Image

photo = np.asarray(Image.open("photo.jpg").convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 255
{whole}
Image.fromarray((picture[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)).save("picture.png")
```
{parts}
{others}"""

_PARTS = """
## Encode once, any style, any mixture

`encoder{suffix}` makes features of a photograph, `apply{suffix}` applies a style to them, `decoder{suffix}` makes the
picture. A style is a `kernel` and a `bias` in `styles/NAME.safetensors`, and an input: new styles and mixtures need no
new model. The decoder's pictures are multiples of {multiple} high and wide: cut off what is more than the photograph,
below and to the right.

```python
import numpy as np
{imported}
from PIL import Image
from safetensors.numpy import load_file


{open}


photo = np.asarray(Image.open("photo.jpg").convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 255
one, other = load_file("styles/{style}.safetensors"), load_file("styles/{other}.safetensors")
inputs = {{key: (0.7 * one[key] + 0.3 * other[key]).astype("{numbers}") for key in ("kernel", "bias")}}
features = opened("encoder")(photo=photo)
{noise}fused = opened("apply")(features=features, identity=np.zeros(1, "{numbers}"), **inputs)
picture = opened("decoder")(fused=fused)[0, :, : photo.shape[2], : photo.shape[3]]
Image.fromarray((picture.transpose(1, 2, 0) * 255).round().astype(np.uint8)).save("picture.png")
```

Several styles side by side: `regions{suffix}` takes `kernels` (R, ...), `biases` (R, ...), `identities` (R,) and `maps`
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
Filters see smooth noise beside the features, so that plain areas get strokes: `noise{suffix}` makes it of the features'
size and a `seed`, two int32: the upper and the lower 16 bits of `--seed`. `styles/NAME{suffix}` has seed 0 inside.
"""


def readme(manifest: ExportManifest) -> str:
    """Its text, with examples that fit the folder."""
    size, files, code = manifest.size, FORMATS[manifest.kind], CODE[manifest.kind]
    sizes = f"{size[0]} high and {size[1]} wide" if size else f"any height and width from {manifest.smallest} up"
    style = manifest.styles[0].name
    return _TEXT.format(
        title=files.title,
        version=manifest.stylebank,
        licence=manifest.licence or "none given",
        sizes=sizes,
        precision=manifest.precision,
        suffix=files.suffix,
        beside=f" `NAME{files.beside}` must lie beside it." if files.beside else "",
        imported=code.imported,
        whole=code.whole.format(style=style),
        parts=_parts(manifest) if "apply" in manifest.models else "",
        others=code.others.format(style=style, torch=f"PyTorch {torch.__version__}"),
    )


def _parts(manifest: ExportManifest) -> str:
    suffix, code, noisy = FORMATS[manifest.kind].suffix, CODE[manifest.kind], bool(manifest.noise_channels)
    line = 'inputs["noise"] = opened("noise")(features=features, seed=np.array([0, 0], np.int32))\n'
    return _PARTS.format(
        multiple=manifest.multiple,
        suffix=suffix,
        imported=code.imported,
        open=code.open.format(),
        style=manifest.styles[0].name,
        other=manifest.styles[-1].name,
        numbers=manifest.numbers,
        noise=line if noisy else "",
        scale=_SCALE.format(scale=manifest.scale) if manifest.scale != 1 else "",
        about_noise=_NOISE.format(suffix=suffix) if noisy else "",
    )
