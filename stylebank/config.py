"""The configuration of a training run: every setting, typed and strict. `config_files` reads and writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(gt=0)]
Width = Annotated[int, Field(gt=0, le=2**16)]
"""Channels of a layer."""
LARGEST_SEED = 2**32 - 1
"""Of the filters' noise."""
LARGEST_SIDE = 2**14
"""Pixels along a side of whatever is trained on; more is a mistake, or meant to fill the memory."""
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Layers = Annotated[tuple[str, ...], Field(min_length=1)]


def _in_order(scale: tuple[float, float]) -> tuple[float, float]:
    if not 0 < scale[0] <= scale[1] <= 8:
        raise ValueError("must be two numbers with 0 < lowest <= highest <= 8")
    return scale


Scale = Annotated[tuple[float, float], AfterValidator(_in_order)]
Norm = Literal["instance", "pixel", "none"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ModelConfig(_Section):
    """The shared auto-encoder. See `Architecture` before a key is added."""

    channels: tuple[Width, Width, Width] = (32, 64, 128)
    """Widths of the encoder's three convolutions; the decoder mirrors them."""
    norm: Norm = "pixel"
    """Normalization after every convolution of encoder and decoder but the last (the paper: `instance`)."""
    normalize_features: bool = True
    """Instance-normalize the features once, before a style's filter."""
    residual_blocks: Annotated[int, Field(ge=0, le=16)] = 0
    """Residual blocks at the beginning of the decoder, shared by all styles (the paper: none)."""
    trunk_blocks: Annotated[int, Field(ge=0, le=16)] = 0
    """Residual blocks before those, at half the features' resolution, whose outcome is added to the features (the
    paper: none). Each sees twice as far for a quarter of the work."""
    trunk_channels: Width = 160
    """Channels of the blocks at half resolution."""
    upsample: Literal["nearest", "transposed"] = "nearest"
    """How the decoder doubles the size: `nearest`, by repeating pixels before a convolution, or `transposed`, by
    convolutions of stride 1/2 (the paper), which may leave a checkerboard and are not folded for speed."""


class BankConfig(_Section):
    """The form of every style's filter. See `Architecture` before a key is added."""

    kernel_size: Literal[1, 3, 5, 7] = 3
    """Side of the kernels."""
    depth: Annotated[int, Field(ge=1, le=4)] = 1
    """Convolutions per filter; 1 is the paper's linear filter, whose kernels may be summed."""
    width: Width = 128
    """Channels between the convolutions of deeper filters."""
    norm: Norm = "none"
    """Normalization between the convolutions of deeper filters."""
    noise_channels: Annotated[int, Field(ge=0, le=96)] = 0
    """Channels of smooth noise beside the features at a filter's input, in octaves of 1 to 32 features, so that plain
    parts of a picture get strokes as well (the paper: none)."""
    form: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = "convolution"
    """What filters are: `convolution`, as the other keys say, or one of your own by its name (docs/extending.md)."""
    post_norm: bool = False
    """Instance normalization and ReLU after a filter's last convolution (the paper: true). Such filters are not linear:
    kernels of a mixture are still summed, before the norm, but sums of outputs are something else."""

    @property
    def linear(self) -> bool:
        """Whether a filter is one convolution and nothing else, so that summing kernels sums outputs."""
        return self.form == "convolution" and self.depth == 1 and not self.post_norm


class Architecture(_Section):
    """All that is needed to build a network again: two sections of the configuration, stored whole in a bank.

    For whoever adds a key to either: its default must be what banks have that were written without it, since that is
    how they are read. What new banks should have instead is for the files in `configs/` to say.
    """

    model: ModelConfig = ModelConfig()
    bank: BankConfig = BankConfig()


class LossConfig(_Section):
    """What is minimised, and the network it is measured with."""

    network: Literal["vgg16", "vgg19"] = "vgg19"
    """The loss network; `vgg19` comes with the program, `vgg16` (the paper's) is downloaded or given as a file."""
    pooling: Literal["max", "average"] = "max"
    """Its pooling layers."""
    padding: Literal["zeros", "replicate"] = "replicate"
    """What its convolutions see beyond the picture; with `zeros`, as VGG was trained, banks learn to draw a frame."""
    content_layers: Layers = ("relu4_2",)
    """Activations compared with the photograph's."""
    style_layers: Layers = ("relu1_2", "relu2_2", "relu3_2", "relu4_2")
    """Activations whose Gram matrices are compared with the painting's."""
    content_weight: Weight = 5.0
    """Weight of the relative squared content distance."""
    style_weight: Weight = 20.0
    """Weight of the relative Gram distance."""
    tv_weight: Weight = 0.3
    """Weight of the total variation, in mean absolute difference of neighbouring pixels."""
    temporal_weight: Weight = 0.0
    """Weight of the squared difference between what comes of a photograph and of its like a moment later, moved along:
    for films that are steady frame by frame (the paper: none)."""
    card_content: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Factor on `content_weight` for the crops of `data.cards`, which show nothing that must be kept."""
    strengths: dict[str, Weight] = {}
    """Factor on `style_weight` for single styles, by name: above 1 for a style that comes out too weak."""

    @model_validator(mode="after")
    def _something_to_learn(self) -> LossConfig:
        if self.content_weight == self.style_weight == 0:
            raise ValueError("content_weight and style_weight are both 0: nothing would be learned")
        return self

    def for_style(self, name: str) -> LossConfig:
        """What a single style is trained with: its strength is part of the style weight."""
        weight = self.style_weight * self.strengths.get(name, 1.0)
        return self.model_copy(update={"style_weight": weight, "strengths": {}})


class DataConfig(_Section):
    """Photographs and paintings."""

    content: Path = Path("data/content")
    """Folder tree of photographs."""
    styles: tuple[Path, ...] = (Path("data/styles"),)
    """Paintings: files, or folders of them (a subfolder is one style with several pictures)."""
    style_size: Annotated[int, Field(ge=32, le=LARGEST_SIDE)] = 384
    """Side in pixels at which a painting is seen: smaller means finer strokes."""
    style_side: Literal["short", "long"] = "short"
    """Which side of a painting `style_size` is (the paper: `long`)."""
    content_size: Annotated[int, Field(ge=16, le=LARGEST_SIDE)] = 288
    """Short side in pixels to which photographs are scaled before cropping."""
    scale: Scale = (0.6, 1.0)
    """Random factor on `content_size`, lowest and highest."""
    flip: bool = True
    """Mirror half of the crops."""
    cards: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the crops that are drawn instead: plain colours, gradients, shapes; photographs have too few of them."""
    min_side: Annotated[int, Field(ge=16)] = 64
    """Photographs with a shorter side in pixels are skipped."""
    held_out: Annotated[int, Field(ge=0)] = 8
    """Photographs kept from training, for previews and measurements; at most half of those that are there."""
    measured_pairs: Annotated[int, Field(ge=0)] = 512
    """Outputs that a finished bank is measured on, each of a held-out photograph in a style: of more, every style is
    measured on a part of the photographs, of the same number for all and at least one; 0 measures all with all."""
    workers: Annotated[int, Field(ge=0, le=256)] = 2
    """Processes that decode photographs, and draw cards; 0 does so in the training process."""
    in_memory: bool | Literal["auto"] = "auto"
    """Decode every photograph once, keep them all in the device's memory, and make the crops there; `auto` does so on
    CUDA if they take a quarter of what is free at most. Crops are of the same places, with slightly other pixels."""


class TrainConfig(_Section):
    """The schedule."""

    steps: Positive = 20000
    """Optimizer updates in all, identity steps included."""
    batch_size: Annotated[int, Field(gt=0, le=2**16)] = 4
    """Photographs per step, over all processes; in a stylizing step each has its own style."""
    crop_size: Annotated[int, Field(ge=16, le=LARGEST_SIDE)] = 256
    """Side of the training crops in pixels."""
    small_crop_steps: Annotated[int, Field(ge=0)] = 0
    """Steps at the start whose crops have half that side: a quarter of the work."""
    kept_batches: Annotated[int, Field(ge=0, le=2**24)] = 0
    """While styles are added: the same N batches of crops come again and again, and what the frozen encoder and the
    loss network make of them stays in memory; 0 draws fresh crops at every step."""
    fixed_norm: bool = False
    """While styles are added: their kernels keep the norm of the bank's own filters (geometric mean), or that which
    they begin with where they are trained on. In a mixture the filter with the larger kernel wins."""
    optimizer: Literal["adam", "muon"] = "muon"
    """`muon` makes the steps of the kernels orthogonal and learns faster; the paper has `adam`."""
    lr: Annotated[float, Field(gt=0, le=1)] = 0.002
    """Highest learning rate, for the mean gradient over the whole batch."""
    lr_schedule: Literal["constant", "step", "cosine"] = "cosine"
    """`step` multiplies by `lr_decay` every `lr_decay_every` steps; `cosine` falls to zero at the end."""
    lr_decay: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Factor of the `step` schedule."""
    lr_decay_every: Positive = 30000
    """Steps between two decays of the `step` schedule."""
    warmup_steps: Annotated[int, Field(ge=0)] = 50
    """Steps in which the learning rate rises from zero."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of the weights, crops and the order of photographs and styles."""
    steps_per_cycle: Annotated[int, Field(ge=1)] = 2
    """The paper's T: stylizing steps before each identity step."""
    identity_weight: Weight = 1.0
    """The paper's lambda: weight of the identity gradient; 0 leaves identity steps out. With separate optimizers, whose
    steps do not depend on a gradient's size, it multiplies the identity branch's learning rate."""
    gradient_rescaling: bool = True
    """Scale the identity gradient to the norm of the stylizing one before weighting (the paper's rule)."""
    separate_optimizers: bool = True
    """Keep one optimizer state per branch instead of one for both."""
    identity_pretrain_steps: Annotated[int, Field(ge=0)] = 200
    """Steps at the start that train the auto-encoder alone."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of a running average of the weights, 0.999 for instance: the bank, previews and measurements are then of
    the average, while training goes on with the weights themselves; 0 keeps none."""
    accumulate: Positive = 1
    """Parts in which a process's photographs of a step go through the networks, one part after the other, their
    gradients added up: as many times less memory for the same step."""
    gradient_clip: Weight = 10.0
    """Largest norm of a step's whole gradient; 0 does not limit it."""
    precision: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Of the convolutions; `auto` takes bfloat16 where the hardware has it. float16 is for older GPUs."""
    compile: bool | Literal["auto", "reduce-overhead"] = "auto"
    """Compile networks with torch.compile: minutes of start-up, then faster steps. `reduce-overhead` also records what
    a GPU is told as CUDA graphs, for steps that are over sooner than they are told. `auto` is that on one CUDA GPU in
    runs of 5,000 steps and more, where there is a compiler, and else false."""
    log_every: Positive = 20
    """Steps between two entries in the log."""
    checkpoint_every: Annotated[int, Field(ge=0)] = 500
    """Steps between two checkpoints; 0 makes them by time only."""
    checkpoint_minutes: Weight = 15.0
    """Minutes after which there is a checkpoint at the latest; 0 makes them by steps only. There is always one at the
    end, also of a run that is stopped."""
    preview_every: Annotated[int, Field(ge=0)] = 500
    """Steps between two preview grids and identity measurements; 0 makes them by time only, if at all."""
    preview_minutes: Weight = 0.0
    """Minutes after which there are previews at the latest; 0 makes them by steps only."""
    validate_every: Annotated[int, Field(ge=0)] = 0
    """Steps between two measurements on a few held-out photographs, up to 16 pictures; 0 makes none. The bank that did
    best in them is kept beside the last one, in the run's folder `best`."""

    @model_validator(mode="after")
    def _small_crops_fit(self) -> TrainConfig:
        if self.small_crop_steps and self.crop_size < 32:
            raise ValueError("small_crop_steps needs a crop_size of 32 or more: half of it is too small to train on")
        return self

    @model_validator(mode="after")
    def _checkpoints_are_made(self) -> TrainConfig:
        if self.checkpoint_every == self.checkpoint_minutes == 0:
            raise ValueError("checkpoint_every and checkpoint_minutes are both 0: a run that is killed would be lost")
        return self


class PredictorConfig(_Section):
    """The network that predicts filters from paintings, where that is what trains."""

    rank: Annotated[int, Field(ge=0, le=2**12)] = 0
    """Products that a predicted kernel is a sum of; 0 trains no predictor."""
    width: Width = 384
    """Of its hidden layers."""
    blocks: Annotated[int, Field(ge=0, le=16)] = 2
    """Its residual blocks."""
    compressed: Annotated[int, Field(gt=0, le=256)] = 32
    """Directions of every layer whose covariances it reads."""
    shrink: Annotated[float, Field(gt=0, le=1)] = 1.0
    """How much of a prediction's difference from what all kernels have in common is kept, but in training: what is
    predicted for paintings that were not learned from is less certain than for those that were."""
    variants: Annotated[int, Field(ge=0, le=64)] = 2
    """Crops of every painting, mirrored and in other colours, that it learns from beside the whole."""
    held_out: Annotated[int, Field(ge=1)] = 30
    """Paintings kept from training, to measure on."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The numbers that the network is built from."""
        return self.rank, self.width, self.blocks, self.compressed


class Config(_Section):
    """A whole training run."""

    model: ModelConfig = ModelConfig()
    bank: BankConfig = BankConfig()
    loss: LossConfig = LossConfig()
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    predictor: PredictorConfig = PredictorConfig()
    licence: str = ""
    """Licence of the trained bank, written into it."""

    @property
    def architecture(self) -> Architecture:
        """What the run's network is built from."""
        return Architecture(model=self.model, bank=self.bank)

    def style_settings(self) -> dict[str, dict[str, Any]]:
        """What decides how a style comes out; written beside each filter, the start for a style added later."""
        return self.model_dump(
            mode="json",
            include={
                "loss": True,
                "data": {"style_size", "style_side", "content_size", "scale", "cards"},
                "train": {"batch_size", "crop_size"},
            },
        )
