"""How a bank does on photographs it does not train on, every so many steps: quick, and always on the same pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from stylebank.evaluation.held_out import inference, photograph
from stylebank.losses.terms import Made, StyleLoss
from stylebank.training.training_run import TrainingRun

PHOTOGRAPHS = 4
PAIRS = 16  # of a photograph and a style


def pairs_of(styles: int, photographs: int) -> dict[int, list[int]]:
    """Which photograph is seen in which styles: at most 16 styles, spread evenly over all, dealt round photographs.

    Where there are fewer styles than photographs, every photograph is seen in one.
    """
    count = min(PAIRS, max(styles, photographs))
    dealt: dict[int, list[int]] = {}
    for i in range(count):
        dealt.setdefault(i % photographs, []).append(i * styles // count if styles > count else i % styles)
    return dealt


@torch.no_grad()
def validate(run: TrainingRun, files: Sequence[Path]) -> dict[str, float]:
    """Means over a few pairs of held-out photograph and style, of pictures with a short side of 256 pixels.

    Measured with the training's own objective, loss network and number format, so that curves compare with those of the
    losses; the report's metrics (`measuring.measure`) are of all pairs, and of VGG as it is published.

    Args:
        files: photographs; the first four count.

    Returns:
        `loss`: the weighted sum that the stylizing branch minimises. `content`: the relative content distance.
        `style_gap_closed`: how far outputs have come from photograph to painting, 0 to 1.
    """
    objective, rows = run.objective, []
    style_loss = next(term for term in objective.stylizing if isinstance(term, StyleLoss))
    files = files[:PHOTOGRAPHS]
    measured = run.task.measured
    for i, numbers in pairs_of(len(measured), len(files)).items():
        styles = [measured[number] for number in numbers]
        image = photograph(files[i], run.device)
        with inference(run.model, run.device, run.dtype):
            activations = objective.network(image)
            content = {name: activations[name] for name in objective.config.content_layers}
            inputs = run.model.filter_input(run.model.encode(image))
            for style in styles:
                module = run.model.filters[run.task.first_style + style]
                output = run.model.decode(module(inputs), (image.shape[2], image.shape[3])).float().clamp(0, 1)
                values = objective.stylizing_terms(image, output, [style], content)
                before = style_loss(Made(image, image, activations, content, [style]))
                closed = 1 - values["style"] / before
                rows.append(_row(objective.total(values, [style]), values["content"], closed))
    loss, content_distance, gap = torch.stack(rows).mean(0).tolist()
    return {"loss": loss, "content": content_distance, "style_gap_closed": gap}


def _row(loss: Tensor, content: Tensor, closed: Tensor) -> Tensor:
    return torch.stack([loss.reshape(()), content.reshape(()), closed.reshape(())]).float()
