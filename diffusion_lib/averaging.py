"""Averaged weights: where the last thousand steps of training were pointing, without their jitter.

Samples from the averaged weights look far better than from the raw ones, whose every step follows one batch's noise.
"""

import copy

import torch
from torch import nn


class EMA:
    """A second model whose parameters follow the first one's slowly: w_ema <- d w_ema + (1 - d) w.

        d = min(decay, (1 + n) / (10 + n)) after n updates

    so that the random weights of the beginning are soon forgotten. Parameters only: buffers and schedules are not averaged.

    model: its parameters are floats. decay: in [0, 1). Raises ValueError for another decay.
    Reference: Ho et al. 2020, appendix B (decay 0.9999); the warm-up is that of TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, model: nn.Module, decay: float):
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}, but it has to lie in [0, 1)")
        self.model, self.decay, self.updates = copy.deepcopy(model).eval().requires_grad_(False), float(decay), 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move a little towards `model`."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)
        self.updates += 1
