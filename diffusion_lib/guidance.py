"""Steering: denoisers made of denoisers.

Guidance takes two beliefs about the same x_t and combines them, so it is itself a `Denoiser`, and samplers do not know
that it exists.
"""

import torch
from torch import Tensor

from .denoisers import Denoiser
from .process import Prediction


class ClassifierFreeGuidance(Denoiser):
    """What the prompt adds, added more strongly.

        x0 = x0(nothing) + scale (x0(cond) - x0(nothing))

    scale: 0 is the model without a prompt, 1 the model as trained, above 1 goes beyond it (an extrapolation: it does
    not sample the sharpened density p(x) p(cond | x)^scale). interval: (low, high), the times in which to guide;
    outside, the conditional model is used as it is. Both beliefs come from one call with 2 B rows.
    Raises ValueError where the interval is not 0 <= low <= high <= 1.

    References: Ho and Salimans 2022, eq. 6 (their w is scale - 1); Kynkaanniemi et al. 2024 (the interval).
    """

    def __init__(self, denoiser: Denoiser, scale: float, interval: tuple[float, float] = (0.0, 1.0)):
        super().__init__()
        low, high = interval
        if not 0 <= low <= high <= 1:
            raise ValueError(f"interval is {tuple(interval)}, but it has to be (low, high) with 0 <= low <= high <= 1")
        self.denoiser, self.schedule, self.scale, self.interval = denoiser, denoiser.schedule, float(scale), (low, high)

    def weight(self, t: Tensor, like: Tensor) -> Tensor:
        """The scale inside the interval, 1 outside it; shaped to multiply `like`."""
        inside = (t >= self.interval[0]) & (t <= self.interval[1])
        weight = 1 + (self.scale - 1) * inside.to(like.device, like.dtype)
        return weight.reshape(-1, *[1] * (like.ndim - 1)) if weight.ndim else weight

    def forward(self, x_t, t, cond=None, keep=None):
        t = torch.as_tensor(t, dtype=torch.float64)
        weight = self.weight(t, x_t)
        if cond is None or self.scale == 1 or (not t.ndim and not self.interval[0] <= float(t) <= self.interval[1]):
            return self.denoiser(x_t, t, cond, keep)
        if isinstance(cond, str):
            raise ValueError(f"cond is {cond!r}, but it has to be a list of {len(x_t)} texts, one a picture")
        said = torch.ones(len(x_t), dtype=torch.bool, device=x_t.device) if keep is None else keep
        both = self.denoiser(torch.cat([x_t, x_t]), torch.cat([t, t]) if t.ndim else t,
                             torch.cat([cond, cond]) if isinstance(cond, Tensor) else [*cond, *cond],
                             torch.cat([said, torch.zeros_like(said)]))
        conditional, nothing = _halves(both)
        return conditional.mix(nothing, weight)


def _halves(both: Prediction) -> tuple[Prediction, Prediction]:
    """Split a prediction for 2 B rows into two for B rows."""
    at = [type(both.at)(*half) for half in zip(*(c.chunk(2) if c.ndim else (c, c) for c in both.at))]
    return tuple(Prediction(x0, eps, c) for x0, eps, c in zip(both.x0.chunk(2), both.eps.chunk(2), at))
