"""How many rows are held at once."""

import pytest
import torch

from groundup.model.config import ModelConfig
from groundup.training.microbatch import CPU_TOKENS, micro_batch_rows

SHAPE = ModelConfig(n_layers=2, d_model=64, n_heads=2, context_length=256, vocab_size=512)
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("batch_rows", "wanted_tokens", "rows"),
    [
        (64, 1024, 4),
        (64, 100, 1),  # never less than a row
        (2, 1024, 2),  # never more than the batch
        (64, None, CPU_TOKENS // 256),
    ],
)
def test_rows_by_hand(batch_rows, wanted_tokens, rows):
    found = micro_batch_rows(SHAPE, CPU, batch_rows=batch_rows, wanted_tokens=wanted_tokens)
    assert found == rows


def test_on_a_gpu_free_memory_decides(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**30, 2**34))
    rows = micro_batch_rows(SHAPE, torch.device("cuda"), batch_rows=10**6, wanted_tokens=None)
    # 0.6 GiB over 2 * 64 * 64 + 512 * 8 = 12288 bytes a token, 256 tokens a row
    assert rows == int(0.6 * 2**30 / 12288) // 256
