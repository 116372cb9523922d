"""How a gradient becomes a step: AdamW for every number on its own, or Muon for whole matrices at once.

AdamW scales each number's step by how large its gradients have been. A layer's weights, though, are a matrix, and its
gradients point into few directions again and again: the loud ones are learned first, the quiet ones late. Muon gives all
directions of a matrix the same length, which costs a few small matrix products and saves many steps.
"""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from .hardware import fastest_dtype

SMALLEST_SIDE = 16                                           # of what Muon takes for a matrix; below, AdamW
QUINTIC = (3.4445, -4.7750, 2.0315)                          # of the iteration below: found by search, so that few rounds do


def adamw(model: nn.Module, weight_decay: float) -> Optimizer:
    """AdamW on all parameters. Reference: Loshchilov and Hutter 2019, algorithm 2."""
    return AdamW(model.parameters(), weight_decay=weight_decay, fused=next(model.parameters()).device.type in ("cpu", "cuda"))


class Muon(AdamW):
    """Steps of equal length in all directions of a matrix; whatever is no matrix is left to AdamW.

        m <- (1 - d) g + d m,     w <- w - lr (0.2 sqrt(max(A, B)) orthogonal((1 - d) g + d m) + weight_decay w)

    A x B is the shape of the matrix; a convolution's kernel (out, in, 3, 3) counts as one of shape (out, in * 9). The
    factor gives the step the root mean square that AdamW's steps have, so that one lr suits both.

    model: its embeddings, biases, norms and thin layers (a side below 16) are AdamW's. weight_decay: at least 0.
    momentum: d, in [0, 1). The learning rate is that of the parameter groups, as in every optimizer.
    Reference: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; the factor: Liu et al. 2025, eq. 4.
    """

    def __init__(self, model: nn.Module, weight_decay: float, momentum: float = 0.95):
        super().__init__(model.parameters(), weight_decay=weight_decay, fused=False)
        self.momentum, self.weight_decay = momentum, weight_decay
        tables = {module.weight for module in model.modules() if isinstance(module, nn.Embedding)}
        matrices = [p for p in model.parameters() if p.ndim >= 2 and min(p.flatten(1).shape) >= SMALLEST_SIDE and p not in tables]
        self.alike = [[p for p in matrices if p.shape == shape] for shape in dict.fromkeys(p.shape for p in matrices)]

    @torch.no_grad()
    def step(self, closure: Callable | None = None):
        """One step for everything that has a gradient. Raises ValueError for a closure: the gradients have to be there already."""
        if closure is not None:
            raise ValueError("closure is given, but Muon takes its step from gradients that are there already")
        lr = self.param_groups[0]["lr"]
        for weights in self.alike:                           # those of one shape take their steps together
            weights = [weight for weight in weights if weight.grad is not None]
            if weights:
                self._step(weights, lr)
        # AdamW's step without the hooks around it: those around this one are the same ones.
        return inspect.unwrap(AdamW.step, stop=lambda step: not getattr(step, "hooked", False))(self)

    def _step(self, weights: list[nn.Parameter], lr: float) -> None:
        """One step for N matrices of one shape."""
        for weight in weights:
            if not self.state[weight]:                       # its first step
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        gradients, momenta = [weight.grad for weight in weights], [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_lerp_(momenta, gradients, 1 - self.momentum)
        directions = torch.stack(torch._foreach_lerp(gradients, momenta, self.momentum)).flatten(2)  # (N, A, B)
        length = 0.2 * max(directions.shape[1:]) ** 0.5
        for weight, direction in zip(weights, orthogonal(directions)):
            weight.mul_(1 - lr * self.weight_decay).add_(direction.view_as(weight), alpha=-lr * length)
            weight.grad = None                               # AdamW passes over what has no gradient


def orthogonal(matrices: Tensor, rounds: int = 5) -> Tensor:
    """The same matrices with all singular values brought near 1: U V^T instead of U S V^T, to within a factor of 0.7 ... 1.2.

        X <- a X + (b X X^T + c (X X^T)^2) X,     from X = matrix / |matrix|

    matrices: (N, A, B). rounds: of the iteration. Returns (N, A, B), float32.
    Reference: Jordan et al. 2024 (Newton-Schulz with tuned coefficients); Bernstein and Newhouse 2024, appendix A.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = (x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)).to(fastest_dtype(x.device))    # (N, small, large)
    for _ in range(rounds):
        gram = x @ x.mT                                      # (N, small, small)
        shares = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)  # b X X^T + c (X X^T)^2, in one go
        x = torch.baddbmm(x, shares, x, beta=a)
    return (x.mT if tall else x).float()


OPTIMIZERS = {"adamw": adamw, "muon": Muon}
