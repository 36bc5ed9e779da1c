"""Which weight learns by which rule, as one object that is stepped, saved and loaded.

Weights fall into four roles by what they are in the model:

| role      | weights                                   | "muon" recipe      | "adamw" recipe |
|-----------|-------------------------------------------|--------------------|----------------|
| matrix    | matrices inside the blocks                | Muon, `matrix_lr`  | AdamW, `lr`    |
| embedding | tables of token and position embeddings   | AdamW, `embedding_lr` | AdamW, `lr` |
| head      | output layer, or a table shared with it   | AdamW, `head_lr`   | AdamW, `lr`    |
| scalar    | biases, norms                             | AdamW, `scalar_lr` | AdamW, `lr`    |

Weight decay pulls on matrices (and with "adamw" on the head) only. Sources: Jordan et al. 2024
(Muon, and why embeddings and head stay with AdamW); Loshchilov and Hutter 2019, arXiv 1711.05101.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from groundup.core.errors import CorruptArtifact
from groundup.training.config import AdamWConfig, MuonConfig
from groundup.training.muon import Muon
from groundup.training.parts import SavedTensors
from groundup.training.spread import Alone, Spread

__all__ = ["GroupedOptimizer", "build", "clip_gradients", "roles"]

Named = dict[str, nn.Parameter]

# Names in `groundup.model.transformer`.
HEAD_WEIGHT = "head.weight"
BLOCKS = "blocks."


class GroupedOptimizer:
    """Several PyTorch optimizers behind one face; each group has its own peak learning rate.

    Attributes:
        names: Name in the model of every weight that is trained.
    """

    def __init__(
        self,
        optimizers: Sequence[torch.optim.Optimizer],
        names: Mapping[str, nn.Parameter],
        spread: Spread,
    ) -> None:
        self._optimizers, self._spread = list(optimizers), spread
        self.names = dict(names)
        for group in self._groups():
            group.setdefault("peak_lr", group["lr"])

    def _groups(self) -> Iterable[dict[str, Any]]:
        for optimizer in self._optimizers:
            yield from optimizer.param_groups

    def parameters(self) -> list[nn.Parameter]:
        """All weights that are trained."""
        return list(self.names.values())

    def clip(self, max_norm: float | None) -> Tensor:
        """As `clip_gradients`, for all weights wherever their rows are."""
        return clip_gradients(self.parameters(), max_norm, self._spread)

    def step(self, lr_factor: float = 1.0) -> None:
        """Updates all weights with `lr_factor` times the peak learning rates."""
        for group in self._groups():
            group["lr"] = group["peak_lr"] * lr_factor
        for optimizer in self._optimizers:
            optimizer.step()

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state by name, such as `blocks.0.attention.out.weight:momentum_buffer`."""
        found: dict[str, Tensor] = {}
        names = {id(parameter): name for name, parameter in self.names.items()}
        for optimizer in self._optimizers:
            for parameter, state in optimizer.state.items():
                for key, value in state.items():
                    found[f"{names[id(parameter)]}:{key}"] = value
        return found

    @torch.no_grad()
    def load(self, saved: SavedTensors) -> None:
        """Takes over a state that `tensors` returned, each rank the rows of its weights.

        Raises:
            CorruptArtifact: It belongs to a model with other weights.
        """
        owner = {
            id(parameter): optimizer
            for optimizer in self._optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        for optimizer in self._optimizers:
            optimizer.state.clear()
        for key in saved.names():
            name, _, part = key.rpartition(":")
            parameter, shape = self.names.get(name), saved.shape(key)
            if parameter is None or (shape and shape != parameter.shape):
                raise CorruptArtifact(
                    f"the saved optimizer state {key} fits no weight of this model",
                    hint="delete that checkpoint folder and run the same command again",
                )
            value = (
                torch.zeros_like(parameter) if shape else torch.zeros((), device=parameter.device)
            )
            saved.copy(key, value)
            owner[id(parameter)].state[parameter][part] = value


def roles(model: nn.Module) -> dict[str, Named]:
    """Every trainable weight by role and name; the rule is the table on top of this module.

    A table that is also the output layer is listed once, as `head`: of the two learning rates the
    output layer's is the smaller and safer one.
    """
    found: dict[str, Named] = {"matrix": {}, "embedding": {}, "head": {}, "scalar": {}}
    everywhere = model.named_parameters(remove_duplicate=False)
    heads = {id(parameter) for name, parameter in everywhere if name == HEAD_WEIGHT}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if id(parameter) in heads:
            role = "head"
        elif parameter.ndim < 2:
            role = "scalar"
        else:
            role = "matrix" if name.startswith(BLOCKS) else "embedding"
        found[role][name] = parameter
    return found


def build(
    model: nn.Module, config: AdamWConfig | MuonConfig, spread: Spread | None = None
) -> GroupedOptimizer:
    """The optimizer that a recipe's `[optimizer]` section asks for.

    Args:
        model: Sharded already, when it is to be.
        config: The section.
        spread: How its weights lie on the ranks; None is one process.
    """
    spread = spread or Alone()
    by_role = roles(model)
    names = {name: weight for named in by_role.values() for name, weight in named.items()}
    if isinstance(config, AdamWConfig):
        only = _adamw(by_role, dict.fromkeys(by_role, config.lr), config)
        return GroupedOptimizer([only], names, spread)
    matrices = by_role.pop("matrix")
    lrs = {
        "embedding": config.embedding_lr,
        "head": config.head_lr,
        "scalar": config.scalar_lr,
    }
    optimizers: list[torch.optim.Optimizer] = []
    if matrices:
        muon = Muon(
            matrices.values(),
            lr=config.matrix_lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            steps=config.newton_schulz_steps,
            orthogonaliser=spread.orthogonalise,
        )
        optimizers.append(muon)
    return GroupedOptimizer([*optimizers, _adamw(by_role, lrs, config)], names, spread)


def _adamw(
    by_role: Mapping[str, Named], lrs: Mapping[str, float], config: AdamWConfig | MuonConfig
) -> torch.optim.AdamW:
    decayed = {"matrix", "head"} if isinstance(config, AdamWConfig) else set()
    groups = [
        {
            "params": list(named.values()),
            "lr": lrs[role],
            "weight_decay": config.weight_decay if role in decayed else 0.0,
        }
        for role, named in by_role.items()
        if named
    ]
    # One fused kernel: three times as fast as the loop over weights, on a CPU too.
    return torch.optim.AdamW(groups, betas=(config.beta1, config.beta2), eps=config.eps, fused=True)


def clip_gradients(
    parameters: Sequence[nn.Parameter], max_norm: float | None, spread: Spread | None = None
) -> Tensor:
    """Length of the whole gradient, before it is scaled down to `max_norm` (None: left as it is).

    Source: Pascanu et al. 2013, arXiv 1211.5063, algorithm 1.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = (spread or Alone()).norm(gradients)
    if max_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm
