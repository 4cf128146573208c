"""Which branch trains at which step, and at what learning rate: pure functions of the step number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stylebank.config import TrainConfig


@dataclass(frozen=True)
class Schedule:
    """The paper's cycle: T stylizing steps, then one identity step (Chen et al. 2017, section 3.3)."""

    config: TrainConfig
    joint: bool = True
    """False while styles are added to a frozen auto-encoder: every step is a stylizing one."""

    def is_identity(self, step: int) -> bool:
        """Whether this step (counted from 0) trains the auto-encoder branch."""
        if not self.joint:
            return False
        after = step - self.config.identity_pretrain_steps
        if after < 0:
            return True
        if self.config.identity_weight == 0:
            return False
        cycle = self.config.steps_per_cycle + 1
        return after % cycle == cycle - 1

    def identity_weight(self, step: int) -> float:
        """The paper's lambda at this identity step; 1 while the auto-encoder trains alone."""
        return self.config.identity_weight if step >= self.config.identity_pretrain_steps else 1.0

    def stylizing_steps_before(self, step: int) -> int:
        """How many stylizing steps precede this step: the number of the style batch."""
        if not self.joint:
            return step
        after = max(0, step - self.config.identity_pretrain_steps)
        if self.config.identity_weight == 0:
            return after
        return after - after // (self.config.steps_per_cycle + 1)

    def stages(self) -> list[tuple[range, int]]:
        """Parts of the run and the side of their crops in pixels: small ones first, where they are asked for."""
        steps, side = self.config.steps, self.config.crop_size
        small = min(self.config.small_crop_steps, steps)
        return [(range(small), side // 2), (range(small, steps), side)]

    def batch_number(self, step: int) -> int:
        """The number of this step's batch of crops: its own, unless batches come again (`train.kept_batches`)."""
        kept = self.config.kept_batches
        if not kept:
            return step
        begin = next(steps.start for steps, _ in self.stages() if step in steps)
        return begin + (step - begin) % kept

    def learning_rate(self, step: int) -> float:
        """Learning rate of this step, warm-up included."""
        config = self.config
        factor = 1.0
        if config.lr_schedule == "step":
            factor = config.lr_decay ** (step // config.lr_decay_every)
        elif config.lr_schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * step / config.steps))
        return config.lr * factor * min(1.0, (step + 1) / (config.warmup_steps + 1))
