"""How a folder's models are run, in Python and other languages: what its README is filled with.

In Python, `open` leaves a function `opened`, which takes a model's name and gives what takes inputs by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from stylebank.export.manifest import Kind


@dataclass(frozen=True)
class Code:
    """Texts in which {style} is a style's name."""

    imported: str
    whole: str
    """Makes `picture` of `photo`, arrays (1, 3, H, W), by one style's own model."""
    open: str
    others: str
    """Sections on other languages."""


_ONNX_OTHERS = """## JavaScript

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

_OPENVINO_OTHERS = """OpenVINO itself chooses what it computes in: bfloat16 on processors that have it, float16 on
GPUs. That is quicker and a little off. The hint `f32` asks for what this folder was compared with its bank in.

## C++

Not run by the program that wrote this folder.

```cpp
#include <openvino/openvino.hpp>

// pixels: float[3 * height * width] of 0 to 1, all red values, then green, then blue
ov::Core core;
auto model = core.compile_model("styles/{style}.xml", "CPU", ov::hint::inference_precision(ov::element::f32));
auto request = model.create_infer_request();
request.set_tensor("photo", ov::Tensor(ov::element::f32, {{1, 3, height, width}}, pixels));
request.infer();
const float* picture = request.get_tensor("picture").data<float>(); // laid out like pixels
```
"""

_PT2_OTHERS = """These files hold PyTorch's own operations and need nothing of the program that wrote them. They were
written with {torch}; PyTorch does not promise to read them in every later version. Loading one can run code that
somebody has put into it: load only files that you or people you trust have written.

## C++

Not run by the program that wrote this folder. libtorch runs a program that was compiled for the machine it is to run
on, by the C++ compiler there:

```sh
python -c "import torch; torch._inductor.aoti_compile_and_package(
    torch.export.load('styles/{style}.pt2'), package_path='compiled.pt2')"
```

```cpp
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/torch.h>

// pixels: float[3 * height * width] of 0 to 1, all red values, then green, then blue
c10::InferenceMode mode;
torch::inductor::AOTIModelPackageLoader model("compiled.pt2");
auto photo = torch::from_blob(pixels, {{1, 3, height, width}});
torch::Tensor picture = model.run({{photo}})[0];
```
"""

CODE: dict[Kind, Code] = {
    "onnx": Code(
        "import onnxruntime",
        """session = onnxruntime.InferenceSession("styles/{style}.onnx")
[picture] = session.run(None, {{"photo": photo}})""",
        """def opened(name):
    session = onnxruntime.InferenceSession(f"{{name}}.onnx")
    return lambda **inputs: session.run(None, inputs)[0]""",
        _ONNX_OTHERS,
    ),
    "openvino": Code(
        "import openvino\n\ncore = openvino.Core()  # one for the whole program",
        """model = core.compile_model("styles/{style}.xml", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
picture = model({{"photo": photo}})[0]""",
        """def opened(name):
    model = core.compile_model(f"{{name}}.xml", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
    return lambda **inputs: model(inputs)[0]""",
        _OPENVINO_OTHERS,
    ),
    "pt2": Code(
        "import torch",
        """program = torch.export.load("styles/{style}.pt2").module()
picture = program(photo=torch.from_numpy(photo)).detach().numpy()""",
        """def opened(name):
    program = torch.export.load(f"{{name}}.pt2").module()
    return lambda **inputs: program(**{{key: torch.from_numpy(inputs[key]) for key in inputs}}).detach().numpy()""",
        _PT2_OTHERS,
    ),
}
