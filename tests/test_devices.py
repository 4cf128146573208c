"""What GPUs do differently, as far as a machine without one can tell: devices that are only said to be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from conftest import refused
from PIL import Image
from test_tiling import photograph, with_styles
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from stylebank.cli import messages
from stylebank.config import Architecture, BankConfig, ModelConfig
from stylebank.device import (
    autocast,
    compute_dtype,
    has_fast_bfloat16,
    precisions,
    repeatable,
    resampled,
    resolve_device,
    sent,
    training_steps,
)
from stylebank.distributed import Processes, ProcessLost, join
from stylebank.errors import ConfigError
from stylebank.films import motion
from stylebank.inference import memory, tiling
from stylebank.inference.blending import Recipe, Region, region_masks
from stylebank.inference.tile_grid import cut
from stylebank.losses import vgg
from stylebank.losses.functional import gram
from stylebank.losses.terms import Made, StyleLoss
from stylebank.losses.vgg import EdgeConv2d
from stylebank.network import layers
from stylebank.network.layers import ReflectConv2d
from stylebank.network.model import StyleBank
from stylebank.network.padding import gathered
from stylebank.optimize import picture as optimization
from stylebank.optimize.presets import find_preset
from stylebank.training.monitor import Means

CUDA, MPS, CPU = (torch.device(name) for name in ("cuda:1", "mps", "cpu"))


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """An A100 as the current device, and a T4 as the second one."""
    capabilities = {0: (8, 0), 1: (7, 5)}
    of = lambda device=None: capabilities[torch.device(device or "cuda:0").index or 0]  # noqa: E731
    monkeypatch.setattr(torch.cuda, "get_device_capability", of)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "Tesla T4")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)  # of the current one


@pytest.mark.usefixtures("gpus")
def test_bfloat16_is_asked_of_the_device_that_is_used() -> None:
    assert has_fast_bfloat16(torch.device("cuda:0"))
    assert not has_fast_bfloat16(CUDA)
    assert compute_dtype(torch.device("cuda:0"), "auto") == compute_dtype(torch.device("cuda"), "bfloat16")
    assert compute_dtype(CUDA, "auto") == torch.float32


@pytest.mark.usefixtures("gpus")
def test_bfloat16_is_refused_where_it_would_be_emulated() -> None:
    with refused(ConfigError, "bfloat16", "cuda:1", "Tesla T4", "7.5", "auto, float32, float16"):
        compute_dtype(CUDA, "bfloat16")
    assert compute_dtype(CUDA, "float16") == torch.float16


@pytest.mark.usefixtures("gpus")
def test_float16_is_for_gpus() -> None:
    assert precisions(MPS)["float16"]
    with refused(ConfigError, "float16", "cpu", "auto, float32, bfloat16"):
        compute_dtype(CPU, "float16")
    assert compute_dtype(CPU, "bfloat16") == torch.bfloat16


def test_unknown_precisions_are_refused() -> None:
    with refused(ConfigError, "half", "float32"):
        compute_dtype(CPU, "half")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_autocast_computes_in_the_format_asked_for(dtype: torch.dtype) -> None:
    x = torch.ones(4, 4)
    with autocast(CPU, dtype):
        assert (x @ x).dtype == dtype


@pytest.mark.parametrize(("name", "index"), [("cuda", 0), ("auto", 0), ("cuda:1", 1)])
@pytest.mark.usefixtures("gpus")
def test_a_gpu_is_chosen_by_its_number(name: str, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[object] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)  # which refuses a device without a number
    with join(name) as (_, device):
        assert device.type == "cuda"
    assert chosen == [index]


# ------------------------------------------------------------------------------------------------- optimisation


def test_an_optimisation_uses_cudnn_deterministically(monkeypatch: pytest.MonkeyPatch, random_vgg_weights: Any) -> None:
    seen: list[tuple[bool, bool, bool]] = []

    def _optimize(self: object, *_: object) -> None:
        cudnn = torch.backends.cudnn
        seen.append((cudnn.enabled, cudnn.benchmark, cudnn.deterministic))

    monkeypatch.setattr(optimization.CoarseToFine, "optimize", _optimize)
    small = Image.new("RGB", (40, 32))
    for enabled in (True, False):
        monkeypatch.setattr(torch.backends.cudnn, "enabled", enabled)
        optimization.optimize_image(
            small,
            [optimization.Painting(small)],
            replace(find_preset("neural-style"), style_layers={"relu1_1": 1.0}),
            weights=random_vgg_weights,
            device="cpu",
        )
        assert torch.backends.cudnn.enabled == enabled
    assert seen == [(True, False, True), (False, False, True)]


def test_repeatable_leaves_tf32_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    with repeatable():
        assert not torch.backends.cudnn.allow_tf32


# ------------------------------------------------------------------------------------------------------- masks


class Where(TorchFunctionMode):
    """Notes on which devices a function of torch is called."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function, self.devices = function, list[str]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is self.function:
            self.devices.append(args[0].device.type)
        if func is torch.Tensor.to and MPS in args:  # which only a torch for macOS can do
            return torch.empty(args[0].shape, device=MPS)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("device", [CUDA, MPS])
def test_masks_are_made_smaller_on_the_processor(device: torch.device) -> None:
    """CUDA refuses factors above about 94: a mask of 4000 pixels at the deepest layer of a coarse scale."""
    with FakeTensorMode(), Where(F.interpolate) as called:
        regions = [Region({"a": 1.0}, torch.ones(4000, 3000)), Region({"a": 1.0}, torch.ones(40, 30, device=device))]
        masks = region_masks(Recipe({"b": 1.0}, regions), (12, 9), device)
        assert (masks.device.type, masks.shape) == (device.type, (3, 12, 9))
    assert called.devices == ["cpu", "cpu"]


# --------------------------------------------------------------------------------------------------------- MPS


def test_frames_are_resampled_on_the_processor_where_mps_cannot() -> None:
    with FakeTensorMode(), Where(F.grid_sample) as called:
        for mode in ("bicubic", "bilinear"):
            there = resampled(torch.ones(1, 3, 8, 8, device=MPS), torch.ones(1, 4, 4, 2, device=MPS), mode)
            assert (there.device.type, there.shape) == ("mps", (1, 3, 4, 4))
    assert called.devices == ["cpu", "cpu"]


def test_the_camera_is_followed_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes dozens of small steps, after each of which a GPU would be waited for."""
    seen: list[str] = []
    monkeypatch.setattr(motion, "camera_shift", lambda *pair: (seen.extend(p.device.type for p in pair), (0.0, 0.0))[1])
    with FakeTensorMode():
        motion.camera_motion(torch.ones(1, 3, 8, 8, device=CUDA), torch.ones(1, 3, 8, 8, device=CUDA), 4)
    assert seen == ["cpu", "cpu"]


def test_moments_of_tiles_are_copied_before_they_become_float64() -> None:
    """MPS has no such numbers, and in one step converts first."""

    class AtOnce(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = (*args, *(kwargs or {}).values())
            assert not (func is torch.Tensor.to and torch.float64 in given and len(given) > 2)
            return func(*args, **(kwargs or {}))

    gathered = tiling.Gathered(stride=4)
    with AtOnce(), pytest.raises(tiling._Enough):
        gathered.add_core(cut((8, 8), 8, 0, 4)[0], torch.ones(1, 4, 2, 2))
    assert gathered.moments(CPU)(torch.ones(1, 4, 2, 2))[0].flatten().tolist() == [1.0] * 4


def test_what_torch_keeps_to_use_again_is_free_on_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 100)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 120)
    for taken, free in ((30, 70), (110, 0)):
        monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda taken=taken: taken)
        assert memory.available_memory(MPS) == free
        assert memory.tile_for(1, (1000, 1000), Architecture(), torch.float32, MPS) == 64


@pytest.mark.parametrize(
    "text",
    [
        "Invalid buffer size: 16.00 GiB",
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "MPS backend out of memory (MPS allocated: 7.98 GB, other allocations: 1.00 GB, max allowed: 9.07 GB).",
        "[enforce fail at alloc_cpu.cpp:124] data. DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_too_little_memory_is_known_on_every_device(
    text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert messages.out_of_memory(RuntimeError(text))
    assert "Out of memory" in messages.sentence(RuntimeError(text))
    with_, source = with_styles(), photograph(100, 90)
    expected = with_.encode(source).picture(with_.recipe("style1"))
    encode = StyleBank.encode

    def limited(self: StyleBank, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2] * x.shape[3] >= 100 * 90:
            raise RuntimeError(text)
        return encode(self, x)

    monkeypatch.setattr(tiling, "FALLBACK_TILE", 32)
    monkeypatch.setattr(StyleBank, "encode", limited)
    encoded = with_.encode(source)
    assert isinstance(encoded, tiling.TiledPicture)
    assert encoded.picture(with_.recipe("style1")).size == expected.size
    assert "tiles of 32 pixels" in caplog.records[0].getMessage()


def test_other_errors_are_no_reason_for_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> torch.Tensor:
        raise RuntimeError("shapes differ")

    with_ = with_styles()
    monkeypatch.setattr(StyleBank, "encode", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        with_.encode(photograph(64, 48))


# ------------------------------------------------------------------------------------------------ large tensors


@pytest.mark.parametrize("device", [CUDA, MPS])
def test_no_tensor_has_more_elements_than_a_gpu_can_count(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda _: 10**13)
    arch = Architecture()
    side = int((2**31 / arch.model.channels[0]) ** 0.5)
    assert memory.tile_for(1, (side - 100, side - 100), arch, torch.bfloat16, device) is None
    tile = memory.tile_for(1, (side, side), arch, torch.bfloat16, device)
    assert tile is not None
    assert memory.tile_for(1, (side, side), arch, torch.bfloat16, CPU) is None
    many = memory.tile_for(400, (1000, 1000), arch, torch.bfloat16, device)
    assert many is not None
    whole = memory.tile_for(1, (side - 100, side - 100), arch, torch.float32, device) is None
    assert whole == (device == CUDA)  # MPS counts bytes: more than 2^32 in a tensor, and Metal ends the program
    assert 400 * arch.model.channels[0] * (many + 2 * 64) ** 2 < 2**31


# ------------------------------------------------------------------------------------------------- several GPUs


def calls_of(monkeypatch: pytest.MonkeyPatch, lost_at: int | None = None) -> list[tuple[str, Any]]:
    """Notes what is sent, on which kind of device and in which group; at one call another process is gone."""
    calls: list[tuple[str, Any]] = []

    def note(tensor: torch.Tensor, *_: object, group: Any = None, **__: object) -> None:
        if len(calls) == lost_at:
            raise RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer")
        calls.append((tensor.device.type, group))

    monkeypatch.setattr(dist, "all_reduce", note)
    monkeypatch.setattr(dist, "broadcast", note)
    return calls


@pytest.mark.parametrize("method", ["all_reduce_sum", "broadcast"])
def test_processes_answer_on_the_processor_around_what_gpus_send(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, tensors = calls_of(monkeypatch), [torch.ones(3, device="meta"), torch.ones(2, device="meta")]
    getattr(Processes(0, 2, gpus="nccl"), method)(tensors)
    assert calls == [("cpu", None), ("meta", "nccl"), ("cpu", None)]


@pytest.mark.parametrize("method", ["all_reduce_sum", "broadcast"])
@pytest.mark.parametrize("lost_at", [0, 1, 2])
def test_a_lost_process_is_said_before_anybody_waits_for_a_gpu(
    method: str, lost_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls_of(monkeypatch, lost_at)
    monkeypatch.setattr(torch.Tensor, "copy_", lambda *_: pytest.fail("the GPU's result was waited for"))
    with refused(ProcessLost, "ended or cannot be reached", "--resume"):
        getattr(Processes(0, 2, gpus="nccl"), method)([torch.ones(3, device="meta")])


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_what_is_wrong_with_ones_own_gpu_is_not_put_down_to_another_process(
    kind: type[RuntimeError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise kind("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(dist, "broadcast", fails)
    with pytest.raises(kind):
        Processes(0, 2).broadcast([torch.ones(3)])


def test_what_nccl_says_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise dist.DistBackendError("NCCL error in ProcessGroupNCCL.cpp:3690, unhandled system error\n/dev/shm is full")

    monkeypatch.setattr(dist, "all_reduce", fails)
    with refused(ProcessLost, "unhandled system error /dev/shm is full", "NCCL_DEBUG=INFO", "--resume"):
        Processes(0, 2).all_reduce_sum([torch.ones(3)])


def test_tensors_on_the_processor_are_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = calls_of(monkeypatch)
    Processes(0, 2).all_reduce_sum([torch.ones(3)])
    assert calls == [("cpu", None)]


# ----------------------------------------------------------------------------------------------- hidden waiting


class Copies(TorchFunctionMode):
    """Notes copies from the processor to a GPU that wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting, self.others = list[Any](), 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if func in (torch.tensor, torch.as_tensor) and made.device.type == "cuda":
            self.waiting.append(func)
        if func is torch.Tensor.to and (args[0].device.type, made.device.type) == ("cpu", "cuda"):
            if kwargs.get("non_blocking") and id(args[0]) in PINNED:
                self.others += 1
            else:
                self.waiting.append(func)
        return made


PINNED: dict[int, torch.Tensor] = {}


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    def pin_memory(tensor: torch.Tensor) -> torch.Tensor:
        PINNED[id(tensor)] = tensor
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)


@pytest.mark.usefixtures("pinned")
def test_lists_go_to_a_gpu_without_waiting_for_it() -> None:
    gpu = torch.device("cuda")
    with FakeTensorMode(allow_non_fake_inputs=True), Copies() as copies:
        grams = {"relu1_1": torch.empty(3, 8, 8, device=gpu)}
        strengths = torch.empty(3, device=gpu)
        term = StyleLoss(1.0, ["relu1_1"], grams, strengths)
        features = {"relu1_1": torch.empty(2, 8, 4, 4, device=gpu)}
        outputs = torch.empty(2, 3, 4, 4, device=gpu)
        assert term(Made(outputs, outputs, features, {}, [0, 2])).device.type == "cuda"
        weights = term.weights([0, 2])
        assert isinstance(weights, torch.Tensor)
        assert weights.shape == (2,)
        means = Means(["a", "b"], gpu)
        means.add(["b"], torch.empty(1, device=gpu))
    assert copies.waiting == []
    assert copies.others == 3


def test_on_the_processor_a_list_is_a_tensor() -> None:
    assert torch.equal(sent([2, 0, 1], CPU), torch.tensor([2, 0, 1]))
    assert sent([], CPU).dtype == torch.int64


# ------------------------------------------------------------------------------------------------------ padding


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [0, 1, 4])
def test_gathered_padding_is_the_same(width: int, dtype: torch.dtype) -> None:
    assert_same_padding(lambda x: gathered(x, width), lambda x: F.pad(x, [width] * 4, mode="reflect"), dtype)


@pytest.mark.parametrize(("width", "mode"), [(1, "reflect"), (4, "reflect"), (1, "replicate")])
def test_for_the_compiler_it_is_put_together_of_slices(width: int, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(x: torch.Tensor) -> torch.Tensor:
        with monkeypatch.context() as patch:
            patch.setattr(torch.compiler, "is_compiling", lambda: True)
            return gathered(x, width, repeat=mode == "replicate")

    assert_same_padding(made, lambda x: F.pad(x, [width] * 4, mode=mode), torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(9, 7), (2, 3), (1, 1), (4, 2)])
def test_gathered_repetition_is_the_same(size: tuple[int, int], dtype: torch.dtype) -> None:
    assert_same_padding(
        lambda x: gathered(x, 1, repeat=True), lambda x: F.pad(x, [1] * 4, mode="replicate"), dtype, size
    )


@pytest.mark.parametrize("size", [(2, 2), (3, 2), (4, 3), (3, 5)])
def test_gathered_padding_of_little(size: tuple[int, int]) -> None:
    """Where both edges mirror the same pixels."""
    assert_same_padding(lambda x: gathered(x, 1), lambda x: F.pad(x, [1] * 4, mode="reflect"), torch.float32, size)


Padding = Callable[[torch.Tensor], torch.Tensor]


def assert_same_padding(pieces: Padding, whole: Padding, dtype: torch.dtype, size: tuple[int, int] = (9, 7)) -> None:
    """Bit by bit, the gradient to rounding, and in channels-last order."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 8, *size, generator=generator).to(dtype, memory_format=torch.channels_last)
    outputs, gradients = [], []
    for padding in (pieces, whole):
        x = values.clone().requires_grad_(True)
        outputs.append(padding(x))
        weights = torch.randn(outputs[-1].shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        (outputs[-1] * weights).sum().backward()
        assert x.grad is not None
        gradients.append(x.grad.float())
    assert torch.equal(*outputs)
    assert outputs[0].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-5 if dtype == torch.float32 else 0.1)


@pytest.mark.parametrize(
    ("layer", "module", "pieces"),
    [
        (ReflectConv2d(4, 6, 5), layers, "gathered"),
        (EdgeConv2d(4, 6, 3), vgg, "gathered"),
    ],
)
def test_convolutions_are_padded_by_gathering_on_cuda_only(
    layer: torch.nn.Conv2d, module: ModuleType, pieces: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    side = 8 + layer.kernel_size[0]

    def note(x: torch.Tensor, *_: int, **__: bool) -> torch.Tensor:
        called.append(x.device.type)
        return torch.empty(1, 4, side, side, device="cuda")

    monkeypatch.setattr(module, pieces, note)
    layer(torch.zeros(1, 4, 9, 9))
    assert called == []
    with FakeTensorMode():
        weights = {name: torch.empty(value.shape, device="cuda") for name, value in layer.named_parameters()}
        x = torch.empty(1, 4, 9, 9, device="cuda")
        with torch.no_grad():
            assert torch.func.functional_call(layer, weights, x).shape == (1, 6, 9, 9)
    assert called == ["cuda"]


# ------------------------------------------------------------------------------------------------- tensor cores


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A GPU, and afterwards torch's own settings."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark
    yield
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark = before


def flags() -> list[bool]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return [cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark]


@pytest.mark.usefixtures("one_gpu")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "auto"])
def test_float32_is_float32_but_in_training_steps(name: str) -> None:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    device = resolve_device(name)
    assert flags() == [False, False, False]
    with training_steps(device):
        assert flags() == [True, True, True]
        with training_steps(device, within=False):
            assert flags() == [False, False, False]
        with pytest.raises(RuntimeError), training_steps(device, within=False):
            raise RuntimeError
        assert flags() == [True, True, True]
        with repeatable():  # asks for the same flags
            assert flags()[2] is False
    assert flags() == [False, False, False]


@pytest.mark.usefixtures("one_gpu")
def test_processors_know_nothing_of_it() -> None:
    before = flags()
    with training_steps(resolve_device("cpu")):
        assert flags() == before
    assert torch.backends.mkldnn.matmul.fp32_precision == "none"  # type: ignore[attr-defined]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_grams_on_cuda_are_products_of_half_precision_summed_in_float32(dtype: torch.dtype) -> None:
    called: list[str] = []

    class Calls(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            called.append(str(func))
            return func(*args, **(kwargs or {}))

    with FakeTensorMode(), Calls():
        found = gram(torch.empty(2, 8, 6, 5, dtype=dtype, device="cuda"))
        assert (found.dtype, tuple(found.shape)) == (torch.float32, (2, 8, 8))
    assert ("aten.bmm.dtype" in called) == (dtype != torch.float32)
    assert ("aten.bmm.default" in called) == (dtype == torch.float32)


def test_the_last_layer_is_float32_in_training_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = StyleBank(Architecture(), ["one"])
    features = torch.randn(1, 128, 4, 4)

    def drawn(training: bool) -> torch.Tensor:
        with autocast(CPU, torch.bfloat16):
            return model.train(training).decode(features, (16, 16))

    assert drawn(True).dtype == drawn(False).dtype == torch.bfloat16
    monkeypatch.setattr("stylebank.network.model.runs_ahead", lambda device: True)
    found = drawn(True)
    assert (found.dtype, drawn(False).dtype) == (torch.float32, torch.bfloat16)
    assert len(found.unique()) > 1.5 * len(drawn(False).unique())
    with autocast(CPU, torch.bfloat16):
        before = model.decoder.layers[:-1](features).float()
    torch.testing.assert_close(found, (model.decoder.layers[-1](before) + 2) / 4)


# ------------------------------------------------------------------------------------- fewer operations to hand over


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("noise", [0, 3])
def test_filters_of_a_batch_as_one_product_are_the_same(
    kernel: int, noise: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs and all gradients; one style twice, one not at all."""
    torch.manual_seed(0)
    form = BankConfig(kernel_size=kernel, noise_channels=noise)  # type: ignore[arg-type]
    model = StyleBank(Architecture(model=ModelConfig(channels=(4, 6, 8)), bank=form), ["a", "b", "c", "d"])
    x, results = torch.randn(3, 8, 7, 9), []
    for ahead in (False, True):
        monkeypatch.setattr("stylebank.network.model.runs_ahead", lambda device, ahead=ahead: ahead)
        features = x.clone().to(memory_format=torch.channels_last).requires_grad_(True)
        model.zero_grad()
        out = model.apply_filters(features, [2, 0, 2], [1, 2, 3])
        assert out.is_contiguous(memory_format=torch.channels_last)
        (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
        results.append([out, features.grad, *(p.grad for p in model.filters.parameters())])
    for one, other in zip(*results, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
