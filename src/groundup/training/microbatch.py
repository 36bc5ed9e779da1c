"""How many rows to hold in memory at once."""

import torch

from groundup.model.config import ModelConfig

__all__ = ["micro_batch_rows"]

# CPU: activations of about this many tokens stay near the cache; more gains nothing and takes
# memory. A constant, so that results do not depend on the machine's free memory.
CPU_TOKENS = 4096

# GPU: bytes that a token leaves behind for the backward pass, in units of the width for each layer
# (residual stream, norms, queries to values, both sides of the activation), and for each entry of
# the vocabulary (probabilities, their gradient, and one temporary).
BYTES_PER_WIDTH = 64
BYTES_PER_VOCABULARY = 8
USABLE_FRACTION = 0.6  # the rest is for gradients, optimizer and fragmentation


def micro_batch_rows(
    config: ModelConfig, device: torch.device, *, batch_rows: int, wanted_tokens: int | None
) -> int:
    """Rows of a micro-batch, at most `batch_rows`.

    Args:
        wanted_tokens: The recipe's own choice; None lets the device decide.
    """
    tokens = wanted_tokens or _fitting_tokens(config, device)
    return min(max(tokens // config.context_length, 1), batch_rows)


def _fitting_tokens(config: ModelConfig, device: torch.device) -> int:
    if device.type != "cuda":
        return CPU_TOKENS
    free_bytes, _ = torch.cuda.mem_get_info(device)
    token_bytes = (
        config.n_layers * config.d_model * BYTES_PER_WIDTH
        + config.vocab_size * BYTES_PER_VOCABULARY
    )
    return int(free_bytes * USABLE_FRACTION / token_bytes)
