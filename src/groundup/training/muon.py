"""Muon: momentum, then the nearest orthogonal matrix instead of the gradient's own shape.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks",
https://kellerjordan.github.io/posts/muon. Differs from `torch.optim.Muon`: matrices of one shape
are orthogonalised together in batched products, which gives the same numbers sooner.

Letters: L matrices of one shape, R their smaller side, C their larger side.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from groundup.training.parts import local

__all__ = ["WORK_DTYPE", "Muon", "Orthogonaliser", "orthogonalise", "orthogonalise_together"]

Orthogonaliser = Callable[[Sequence[Tensor], torch.Size, int], Sequence[Tensor]]
"""Matrices that have one shape (or the rows of them that are here), the shape, and iterations."""

# Quintic iteration with the steepest slope at zero; singular values end in about 0.7..1.2
# (same source, section "Deriving the coefficients").
QUINTIC = (3.4445, -4.7750, 2.0315)
WORK_DTYPE = torch.bfloat16  # in which the iteration is stable (same source)
NORM_FLOOR = 1e-7  # keeps an all-zero gradient zero (same source)


def orthogonalise(matrices_LRC: Tensor, *, steps: int = 5) -> Tensor:
    """Moves all singular values of each matrix near 1, keeping its singular vectors.

    For U S V^T the result is U S' V^T with S' in about 0.7..1.2. Computed in bfloat16, where the
    iteration is stable.

    Args:
        matrices_LRC: Float matrices of one shape, any orientation.
        steps: Iterations; five take singular values from 0.002 of the largest on to 0.7 and more.

    Returns:
        bfloat16, same shape.
    """
    a, b, c = QUINTIC
    wide = matrices_LRC.shape[-2] <= matrices_LRC.shape[-1]
    x_LRC = (matrices_LRC if wide else matrices_LRC.mT).to(WORK_DTYPE)
    norm_L11 = x_LRC.float().square().sum(dim=(-2, -1), keepdim=True).sqrt()
    x_LRC = x_LRC / norm_L11.clamp(min=NORM_FLOOR).to(WORK_DTYPE)
    for _ in range(steps):
        # x <- a x + (b G + c G G) x with G = x x^T
        gram_LRR = torch.bmm(x_LRC, x_LRC.mT)
        poly_LRR = torch.baddbmm(gram_LRR, gram_LRR, gram_LRR, beta=b, alpha=c)
        x_LRC = torch.baddbmm(x_LRC, poly_LRR, x_LRC, beta=a)
    return x_LRC if wide else x_LRC.mT


def orthogonalise_together(
    matrices: Sequence[Tensor], shape: torch.Size, steps: int
) -> Sequence[Tensor]:
    """`orthogonalise` for whole matrices of one shape; returns float32."""
    return orthogonalise(torch.stack(tuple(matrices)), steps=steps).float().unbind()


class Muon(torch.optim.Optimizer):
    """Muon for two-dimensional weights.

    Args:
        params: Matrices, or groups of them with their own `lr`.
        lr: Learning rate; a matrix with more rows than columns takes sqrt(rows / columns) of it.
        momentum: Decay of the mean of gradients; Nesterov's look-ahead is always on.
        weight_decay: Decoupled pull towards zero: each step multiplies by 1 - lr weight_decay.
        steps: Iterations of the orthogonalisation.
        orthogonaliser: Does it for all matrices of one shape, wherever their rows are.

    Raises:
        ValueError: A parameter is not a matrix.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        steps: int = 5,
        orthogonaliser: Orthogonaliser = orthogonalise_together,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "steps": steps}
        super().__init__(params, defaults)
        self._orthogonaliser = orthogonaliser
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(f"Muon takes matrices, not shape {tuple(parameter.shape)}")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Applies one update to every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for parameters in by_shape.values():
                self._update(group, parameters)
        return loss

    def _update(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        momentum = group["momentum"]
        shape = parameters[0].shape
        gradients = [local(p.grad) for p in parameters if p.grad is not None]
        means = [local(self._mean(parameter)) for parameter in parameters]
        torch._foreach_lerp_(means, gradients, 1.0 - momentum)  # m <- beta m + (1 - beta) g
        ahead = torch._foreach_lerp(gradients, means, momentum)  # g + beta (m - g)
        updates = self._orthogonaliser(ahead, shape, group["steps"])
        lr = group["lr"] * math.sqrt(max(1.0, shape[0] / shape[1]))
        weights = [local(parameter) for parameter in parameters]
        torch._foreach_mul_(weights, 1.0 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, list(updates), alpha=-lr)

    def _mean(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        mean: Tensor = state["momentum_buffer"]
        return mean
