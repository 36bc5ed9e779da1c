"""The Transformer, one class.

Letters: B batch, T position, D model width, V vocabulary, N rows (B times T).

Parameters are float32 and named as in `config.json`'s folder: `embedding.weight`,
`blocks.0.attention.query.weight`, `final_norm.weight`, `head.weight`. Matrix products run in the
compute format of the device, the residual stream in float32.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from groundup.core.errors import ShapeError
from groundup.model import device, feedforward, init
from groundup.model.attention import Attention, Frame
from groundup.model.cache import Cache
from groundup.model.config import ModelConfig, ModelShape
from groundup.model.layers import LayerNorm, Linear, RMSNorm
from groundup.model.loss import IGNORED, target_log_probs
from groundup.model.rope import LearnedPositions, RotaryPositions

__all__ = ["Block", "Transformer"]


def _norm(shape: ModelShape) -> nn.Module:
    kinds: dict[str, type[LayerNorm | RMSNorm]] = {"layer": LayerNorm, "rms": RMSNorm}
    return kinds[shape.norm](shape.d_model, eps=shape.norm_eps, bias=shape.has_bias)


class Block(nn.Module):
    """Attention and feed-forward, each normalised before and added after (pre-norm, GPT-2)."""

    def __init__(self, shape: ModelShape, layer: int) -> None:
        super().__init__()
        self.attention_norm = _norm(shape)
        self.attention = Attention(shape, layer)
        self.feedforward_norm = _norm(shape)
        self.feedforward = feedforward.build(shape)

    def forward(self, x_BTD: Tensor, frame: Frame) -> Tensor:
        """The residual stream after this block, (B, T, D)."""
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD).to(frame.dtype), frame)
        y_BTD: Tensor = self.feedforward(self.feedforward_norm(x_BTD).to(frame.dtype))
        return x_BTD + y_BTD


class Transformer(nn.Module):
    """A decoder-only language model.

    Args:
        config: Shape and vocabulary.
        seed: Decides the initial weights; None leaves them unset, for a caller that loads some.
        compute_dtype: Number format of matrix products; None takes what the device is best at.

    Attributes:
        config: As given.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        seed: int | None = 0,
        compute_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self._compute_dtype = compute_dtype
        self._n_steady = 0
        self.embedding = nn.Embedding(
            config.vocab_size,
            config.d_model,
            _weight=torch.empty(config.vocab_size, config.d_model),
        )
        self.positions = _positions(config)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layers))
        self.final_norm = _norm(config)
        self.head = Linear(config.d_model, config.vocab_size, bias=False)
        if config.tied:
            self.head.weight = cast(nn.Parameter, self.embedding.weight)
        if seed is not None:
            init.initialise(self, config, seed)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    @property
    def compute_dtype(self) -> torch.dtype:
        """Number format of matrix products, of logits and of the cache."""
        return self._compute_dtype or device.compute_dtype(self.device)

    @compute_dtype.setter
    def compute_dtype(self, dtype: torch.dtype | None) -> None:
        self._compute_dtype = dtype

    @contextmanager
    def steady(self) -> Iterator[None]:
        """While inside, weights are cast to the compute format once and not at every pass.

        For many small passes without gradients, as in generation, where casting would cost as much
        as the products. The weights must not change inside; passes with gradients use the weights
        themselves. May be entered several times, and left in any order.
        """
        layers = [module for module in self.modules() if isinstance(module, Linear)]
        self._n_steady += 1
        if self._n_steady == 1:
            for layer in layers:
                layer.keep(self.compute_dtype)
        try:
            yield
        finally:
            self._n_steady -= 1
            if self._n_steady == 0:
                for layer in layers:
                    layer.release()

    def forward(self, ids_BT: Tensor, *, cache: Cache | None = None) -> Tensor:
        """Logits for the token after each token: (B, T, V) in the compute format.

        With a cache, `ids_BT` follow what the cache holds and are added to it.

        Raises:
            ShapeError: Not two dimensions, or more tokens than the context or the cache holds.
        """
        logits_BTV: Tensor = self.head(self.hidden(ids_BT, cache=cache))
        return logits_BTV

    def hidden(self, ids_BT: Tensor, *, cache: Cache | None = None) -> Tensor:
        """What the output layer reads: (B, T, D) in the compute format. Arguments as `forward`."""
        positions = self._positions_of(ids_BT, cache)
        dtype = self.compute_dtype
        frame = Frame(
            dtype=dtype,
            rotation=self.positions.rotation(positions, dtype),
            cache=cache,
            bias=torch.empty(0) if cache is None else cache.reserve(ids_BT.shape[1]),
        )
        x_BTD = self.positions.add(self.embedding(ids_BT), positions)
        for block in self.blocks:
            x_BTD = block(x_BTD, frame)
        if cache is not None:
            cache.advance(ids_BT.shape[1])
        hidden_BTD: Tensor = self.final_norm(x_BTD).to(dtype)
        return hidden_BTD

    def loss(
        self,
        ids_BT: Tensor,
        targets_BT: Tensor,
        *,
        weights_BT: Tensor | None = None,
        exact: bool = False,
    ) -> Tensor:
        """Mean negative log-probability of the targets, in nats: a float32 scalar.

        Args:
            ids_BT: Token ids.
            targets_BT: The token that follows each; -100 is left out of the mean.
            weights_BT: Weight of each target in the mean (sum of weighted losses over the sum of
                the weights of targets that count); None weighs all alike.
            exact: Logits and log-softmax in float32, for validation; not differentiable.

        Returns:
            The mean; 0 when no target counts.
        """
        logp_BT = self.log_probs(ids_BT, targets_BT, exact=exact)
        counted_BT = (targets_BT != IGNORED).to(logp_BT.dtype)
        if weights_BT is not None:
            counted_BT = counted_BT * weights_BT
        total = counted_BT.sum()
        return -(logp_BT * counted_BT).sum() / torch.where(total == 0, 1.0, total)

    def log_probs(self, ids_BT: Tensor, targets_BT: Tensor, *, exact: bool = False) -> Tensor:
        """Log-probability of each target, in nats: float32 (B, T), 0 where the target is -100.

        Raises:
            ShapeError: Ids and targets differ in shape.
        """
        if ids_BT.shape != targets_BT.shape:
            raise ShapeError(f"ids are {tuple(ids_BT.shape)} but targets {tuple(targets_BT.shape)}")
        hidden_ND = self.hidden(ids_BT).flatten(0, 1)
        weight_VD = self.head.weight if exact else self.head.cast(hidden_ND.dtype)[0]
        logp_N = target_log_probs(hidden_ND, weight_VD, targets_BT.flatten(), exact=exact)
        return logp_N.view(targets_BT.shape)

    def _positions_of(self, ids_BT: Tensor, cache: Cache | None) -> Tensor:
        if ids_BT.ndim != 2:
            raise ShapeError(f"token ids must be (B, T), not {tuple(ids_BT.shape)}")
        T = ids_BT.shape[1]
        end = T if cache is None else cache.longest + T
        if end > self.config.context_length:
            raise ShapeError(f"{end} tokens exceed the context of {self.config.context_length}")
        if cache is None:
            return torch.arange(T, device=ids_BT.device)
        return cache.positions(T)


def _positions(config: ModelConfig) -> LearnedPositions | RotaryPositions:
    if config.position == "rope":
        return RotaryPositions(
            config.context_length,
            config.head_width,
            config.rope_theta,
            scaling=config.rope_scaling,
        )
    return LearnedPositions(config.context_length, config.d_model)
