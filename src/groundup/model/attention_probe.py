"""Which attention to train with, found out by trying: forward and backward, compared and timed.

A kernel that is named in a library may still be missing for a head width, wrong on a new device, or
slower than another. So each one runs on small tensors, must agree with the plain product, and the
fastest that does is taken. On a CPU nothing is tried: `attend_causally` has the measured rule.

Letters: B batch, T position, H query head, K key/value head, C head width.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from groundup.core.errors import DeviceError
from groundup.model.attention import CausalAttention, attend_causally, attend_plainly
from groundup.model.config import ModelShape
from groundup.model.device import synchronize
from groundup.model.transformer import Block, Transformer

__all__ = ["KERNELS", "Trial", "choose_attention", "fastest", "try_kernel", "use_attention"]

log = logging.getLogger(__name__)

PROBE_ROWS = 4
REPEATS = 5
# A kernel may differ from float32 by this many times what the plain product in its own format does:
# both round each product once, in another order.
TOLERANCE_FACTOR = 3.0
LEAST_ERROR = 1e-5


@dataclass(frozen=True, slots=True)
class Trial:
    """What trying a kernel gave.

    Attributes:
        name: Of the kernel.
        milliseconds: Forward and backward, best of some; infinite when it did not run.
        error: Largest difference from float32, of results and gradients.
        problem: Why it cannot be used; empty when it can.
    """

    name: str
    milliseconds: float
    error: float
    problem: str = ""


def _sdpa(backend: SDPBackend, q_BHTC: Tensor, k_BKTC: Tensor, v_BKTC: Tensor) -> Tensor:
    grouped = q_BHTC.shape[1] != k_BKTC.shape[1]
    with sdpa_kernel(backend):
        return F.scaled_dot_product_attention(
            q_BHTC, k_BKTC, v_BKTC, is_causal=True, enable_gqa=grouped
        )


@lru_cache
def _compiled_flex() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    compiled: Callable[..., Tensor] = torch.compile(flex_attention, dynamic=False)
    return compiled


@lru_cache
def _causal_blocks(T: int, device: str) -> object:
    from torch.nn.attention.flex_attention import create_block_mask

    def visible(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return query >= key

    return create_block_mask(visible, None, None, T, T, device=device)


def _flex(q_BHTC: Tensor, k_BKTC: Tensor, v_BKTC: Tensor) -> Tensor:
    return _compiled_flex()(
        q_BHTC,
        k_BKTC,
        v_BKTC,
        block_mask=_causal_blocks(q_BHTC.shape[2], str(q_BHTC.device)),
        enable_gqa=q_BHTC.shape[1] != k_BKTC.shape[1],
    )


def _flash3(q_BHTC: Tensor, k_BKTC: Tensor, v_BKTC: Tensor) -> Tensor:
    """FlashAttention 3 (arXiv 2407.08608); its tensors have positions before heads."""
    from flash_attn_interface import flash_attn_func

    q, k, v = (x.transpose(1, 2) for x in (q_BHTC, k_BKTC, v_BKTC))
    found = flash_attn_func(q, k, v, causal=True)
    y_BTHC: Tensor = found[0] if isinstance(found, tuple) else found
    return y_BTHC.transpose(1, 2)


KERNELS: dict[str, CausalAttention] = {
    "sdpa": attend_causally,
    "flash": partial(_sdpa, SDPBackend.FLASH_ATTENTION),
    "cudnn": partial(_sdpa, SDPBackend.CUDNN_ATTENTION),
    "efficient": partial(_sdpa, SDPBackend.EFFICIENT_ATTENTION),
    "flex": _flex,
    "flash3": _flash3,
    "plain": attend_plainly,
}
"""Kernels by name; `sdpa` lets PyTorch choose."""


def choose_attention(
    name: str, shape: ModelShape, device: torch.device, dtype: torch.dtype
) -> CausalAttention:
    """The kernel to train with.

    Args:
        name: One of `KERNELS`, or `auto`: the fastest on a GPU, the measured rule on a CPU.
        shape: Heads, their width and the context.
        device: Where to try.
        dtype: Number format of queries, keys and values.

    Raises:
        DeviceError: The kernel that was asked for does not run here, or gives something else.
    """
    if name == "auto" and device.type == "cpu":
        return attend_causally
    sizes = (shape.n_heads, shape.kv_heads, shape.context_length, shape.head_width)
    if name == "auto":
        chosen = _fastest_here(sizes, device, dtype)
        return KERNELS[chosen.name]
    trial = try_kernel(name, KERNELS[name], _tensors(sizes, device, dtype))
    if trial.problem:
        raise DeviceError(
            f"attention {name!r} cannot be used on {device}: {trial.problem}",
            hint="set attention = 'auto', which takes the fastest that works",
        )
    return KERNELS[name]


def use_attention(model: Transformer, name: str) -> None:
    """Makes a model that is on its device train with a kernel; names as in `choose_attention`.

    Raises:
        DeviceError: As `choose_attention`.
    """
    kernel = choose_attention(name, model.config, model.device, model.compute_dtype)
    for block in model.blocks:
        cast(Block, block).attention.attend_causally = kernel


@lru_cache
def _fastest_here(
    sizes: tuple[int, int, int, int], device: torch.device, dtype: torch.dtype
) -> Trial:
    """Tries all kernels, once for the process and a shape."""
    return fastest(KERNELS, _tensors(sizes, device, dtype))


def fastest(kernels: Mapping[str, CausalAttention], tensors: tuple[Tensor, ...]) -> Trial:
    """The fastest kernel that agrees with the plain product; says what each one did.

    Raises:
        DeviceError: None does.
    """
    trials = [try_kernel(name, kernel, tensors) for name, kernel in kernels.items()]
    usable = [trial for trial in trials if not trial.problem]
    for trial in sorted(trials, key=lambda trial: trial.milliseconds):
        log.info("attention %s: %s", trial.name, trial.problem or f"{trial.milliseconds:.3f} ms")
    if not usable:
        raise DeviceError(
            "no attention kernel works here", hint="update PyTorch and the driver, or --device cpu"
        )
    best = min(usable, key=lambda trial: trial.milliseconds)
    log.info("attention: %s, the fastest of %d that agree", best.name, len(usable))
    return best


def _tensors(
    sizes: tuple[int, int, int, int], device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    """Queries, keys, values, and a gradient of the result."""
    H, K, T, C = sizes
    random = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(PROBE_ROWS, heads, T, C, generator=random).to(device, dtype)
        for heads in (H, K, K, H)
    )


def try_kernel(name: str, kernel: CausalAttention, tensors: tuple[Tensor, ...]) -> Trial:
    """Runs a kernel forward and backward; whatever goes wrong in it is its problem, not ours."""
    wanted = _run(attend_plainly, tuple(tensor.float() for tensor in tensors))
    allowed = max(
        TOLERANCE_FACTOR * _difference(_run(attend_plainly, tensors), wanted), LEAST_ERROR
    )
    try:
        error = _difference(_run(kernel, tensors), wanted)
        best_s = min(_timed(kernel, tensors) for _ in range(REPEATS))
    except Exception as problem:  # of any class: kernels, compilers and imports fail in many ways
        lines = str(problem).strip().splitlines()
        reason = lines[0] if lines else ""
        return Trial(name, float("inf"), float("inf"), f"{type(problem).__name__}: {reason}")
    if not error <= allowed:
        return Trial(name, 1e3 * best_s, error, f"differs by {error:.2g}, allowed {allowed:.2g}")
    return Trial(name, 1e3 * best_s, error)


def _run(kernel: CausalAttention, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """The result and the gradients by queries, keys and values."""
    *inputs, gradient_BHTC = tensors
    leaves = [tensor.detach().requires_grad_() for tensor in inputs]
    y_BHTC = kernel(leaves[0], leaves[1], leaves[2])
    return [y_BHTC.detach(), *torch.autograd.grad(y_BHTC, leaves, gradient_BHTC)]


def _difference(found: list[Tensor], wanted: list[Tensor]) -> float:
    """Largest difference, relative to the largest value; NaN counts as infinite."""
    pairs = zip(found, wanted, strict=True)
    errors = [float((a.float() - b).abs().max() / b.abs().max()) for a, b in pairs]
    return max(error if error == error else float("inf") for error in errors)


def _timed(kernel: CausalAttention, tensors: tuple[Tensor, ...]) -> float:
    synchronize(tensors[0].device)
    start = time.perf_counter()
    _run(kernel, tensors)
    synchronize(tensors[0].device)
    return time.perf_counter() - start
