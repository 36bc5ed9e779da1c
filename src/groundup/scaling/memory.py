"""Memory of training and serving, from a shape; bytes throughout.

AdamW in float32 keeps 12 bytes a parameter (weight and two moments) and 4 of gradients; bf16
autocast keeps the same and a bf16 copy of every matrix while a step lasts. What a block stores for
the backward pass was counted on this program's own blocks (RMSNorm, RoPE, GELU, fused attention)
with saved-tensor hooks: it is a constant times layers x tokens x width, whatever the width, context
and vocabulary. The peak comes at the start of the backward pass, when the logits' gradient stands
beside all that was stored, or at its end, when all gradients are there.
"""

from dataclasses import dataclass

from groundup.scaling.devices import Machine
from groundup.scaling.shapes import PlanShape

__all__ = ["Memory", "kv_cache_bytes", "training_memory", "weight_bytes"]

STATE_BYTES = 12  # float32 weight and two moments
GRADIENT_BYTES = 4
USABLE = 0.9  # of a device's memory; the rest is fragmentation and the library's own


@dataclass(frozen=True, slots=True)
class Stored:
    """What one number format stores: bytes by what they grow with.

    Attributes:
        block: A layer, token and unit of width.
        ends: A token and unit of width, outside the blocks.
        logits: A token and token id: the probabilities, and their gradient.
        matrices: A parameter: copies in the format of the products.
    """

    block: float
    ends: float
    logits: float
    matrices: float


STORED = {4: Stored(76.2, 12.6, 8.0, 0.0), 2: Stored(65.0, 12.6, 4.0, 2.0)}


@dataclass(frozen=True, slots=True)
class Memory:
    """What training takes on one device.

    Attributes:
        persistent_bytes: Weights, moments and gradients, with their share of the sharding.
        step_bytes: What a step takes whatever its rows: copies of matrices, the head's gradient.
        row_bytes: Activations and logits of one row of the batch.
        rows: Rows that fit beside the rest; 0 when not even one does.
        accumulation: Micro-batches to one optimizer step.
        sharded: Whether weights, gradients and optimizer are divided over the devices.
    """

    persistent_bytes: float
    step_bytes: float
    row_bytes: float
    rows: int
    accumulation: int
    sharded: bool

    @property
    def peak_bytes(self) -> float:
        """Most that is held at once on one device."""
        whole = self.persistent_bytes
        before = whole * STATE_BYTES / (STATE_BYTES + GRADIENT_BYTES)
        held = before if self.accumulation == 1 else whole  # gradients of earlier micro-batches
        return max(whole, held + self.step_bytes + self.rows * self.row_bytes)


def training_memory(shape: PlanShape, machine: Machine, batch_tokens: float) -> Memory:
    """How a shape fits on the devices of a machine, sharding only when it must."""
    device, config = machine.device, shape.config
    stored = STORED[device.activation_bytes]
    per_token = config.d_model * (stored.block * config.n_layers + stored.ends)
    row = config.context_length * (per_token + stored.logits * config.vocab_size)
    step = stored.matrices * shape.n_matrix + GRADIENT_BYTES * config.vocab_size * config.d_model
    usable = USABLE * device.memory_bytes
    whole = float((STATE_BYTES + GRADIENT_BYTES) * shape.n_total)
    sharded = machine.count > 1 and whole + step + row > usable
    if sharded:
        whole, step = whole / machine.count, step / machine.count
    wanted = max(1, round(batch_tokens / config.context_length / machine.count))
    fitting = int(max(0.0, usable - whole - step) // row)
    rows = min(wanted, fitting)
    accumulation = -(-wanted // rows) if rows else 0
    return Memory(whole, step, row, rows, accumulation, sharded)


def weight_bytes(shape: PlanShape) -> dict[str, float]:
    """Weights for serving, by number format."""
    return {
        "bf16": 2.0 * shape.n_total,
        "int8": 1.0 * shape.n_total,
        "4-bit": 0.55 * shape.n_total,  # with scales
    }


def kv_cache_bytes(shape: PlanShape) -> float:
    """Keys and values of one full context in bf16."""
    config = shape.config
    per_token = 2 * config.n_layers * config.kv_heads * config.head_width * 2
    return float(per_token * config.context_length)
