"""A batch of completions in lockstep: one cache, one forward pass a token for all running rows.

Letters: U different prompt, B row still running, V vocabulary, P prompt token (padding included),
G generated token, N row of the wave, finished or not, D model width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groundup.generate.sampling import SamplingParams, choose, draws
from groundup.generate.text import TextStream
from groundup.model.cache import Cache
from groundup.model.transformer import Transformer

__all__ = ["Wave", "run_wave", "waves"]

_CACHE_BYTES = 1 << 30  # keys and values of one wave
_PREFILL_TOKENS = 1 << 14  # prompt tokens, padding included, that are read at once


@dataclass(frozen=True, slots=True)
class Wave:
    """Requests that run together.

    Attributes:
        prompts: Token ids of each row.
        seeds: One for each row.
        stop_ids: Tokens that end a row.
        texts: A text stream for each row that watches for stop texts; None when there are none.
        n_ids: Ids that may come next, from 0: a padded vocabulary has more rows than tokens.
    """

    prompts: Sequence[Sequence[int]]
    seeds: Sequence[int]
    stop_ids: Sequence[int]
    texts: Sequence[TextStream] | None
    n_ids: int


def waves(
    model: Transformer, prompts: Sequence[Sequence[int]], max_new_tokens: int
) -> Iterator[list[int]]:
    """Rows that run together: of like length, and as many as a bounded cache holds."""
    config = model.config
    bytes_per_token = 2 * config.n_layers * config.kv_heads * config.head_width
    bytes_per_token *= model.compute_dtype.itemsize
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), row))
    wave: list[int] = []
    for row in reversed(order):  # the longest first: it sets the width of its wave
        width = len(prompts[wave[0] if wave else row]) + max_new_tokens
        if wave and (len(wave) + 1) * width * bytes_per_token > _CACHE_BYTES:
            yield wave
            wave = []
        wave.append(row)
    if wave:
        yield wave


@torch.inference_mode()
def run_wave(
    model: Transformer, wave: Wave, params: SamplingParams
) -> list[tuple[list[int], list[float] | None, bool]]:
    """Completes every row: its ids, their log-probabilities when asked for, whether it stopped."""
    context = model.config.context_length
    n_rows = len(wave.prompts)
    room_N = torch.tensor([min(params.max_new_tokens, context - len(p)) for p in wave.prompts])
    steps = int(room_N.max())
    ids_NG = torch.full((n_rows, steps), -1)
    logp_NG = torch.zeros(n_rows, steps)
    draws_NG = torch.from_numpy(np.stack([draws(seed, steps) for seed in wave.seeds]))
    draws_NG = draws_NG.to(model.device)
    stop_ids = torch.tensor(wave.stop_ids)
    stopped_N = torch.zeros(n_rows, dtype=torch.bool)
    rows_B = torch.arange(n_rows)  # which row of the wave each running row is
    cache, logits_BV = _prefill(model, wave, steps)
    for step in range(steps):
        new_B = choose(logits_BV, params, draws_NG[rows_B.to(model.device), step])
        ids_B = new_B.cpu()
        ids_NG[rows_B, step] = ids_B
        if params.logprobs:
            logp_NG[rows_B, step] = _log_prob(logits_BV, new_B).cpu()
        ended_B = torch.isin(ids_B, stop_ids)
        if wave.texts is not None:
            ended_B |= _watch(wave.texts, rows_B, ids_B)
        stopped_N[rows_B] = ended_B
        going_B = ~ended_B & (room_N[rows_B] > step + 1)
        if not going_B.any():
            break
        if not going_B.all():
            rows_B, new_B = _retire(cache, going_B, rows_B, new_B)
        hidden_BD = model.hidden(new_B[:, None], cache=cache)[:, -1]
        logits_BV = model.head(hidden_BD)[:, : wave.n_ids].float()
    return [
        (ids, logp_NG[row, : len(ids)].tolist() if params.logprobs else None, bool(stopped_N[row]))
        for row, ids in enumerate([id for id in row if id >= 0] for row in ids_NG.tolist())
    ]


def _prefill(model: Transformer, wave: Wave, steps: int) -> tuple[Cache, Tensor]:
    """Reads the prompts, equal ones once; the filled cache and the logits that follow, (N, V)."""
    prompts = wave.prompts
    unique = {
        tuple(prompt): index for index, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))
    }
    width = max(map(len, unique))
    start_U = torch.tensor([width - len(prompt) for prompt in unique], device=model.device)
    ids_UP = torch.zeros(len(unique), width, dtype=torch.int64)
    for row, prompt in enumerate(unique):
        ids_UP[row, width - len(prompt) :] = torch.tensor(prompt)
    cache = Cache.of(model, batch=len(unique), max_len=width + steps)
    cache.pad_left(start_U)
    ids_UP = ids_UP.to(model.device)
    chunk = max(1, _PREFILL_TOKENS // len(unique))
    for start in range(0, width, chunk):
        hidden_UPD = model.hidden(ids_UP[:, start : start + chunk], cache=cache)
    logits_UV = model.head(hidden_UPD[:, -1])[:, : wave.n_ids].float()
    if len(unique) == len(prompts):
        return cache, logits_UV
    rows_N = torch.tensor([unique[tuple(prompt)] for prompt in prompts], device=model.device)
    cache.keep(rows_N)
    return cache, logits_UV[rows_N]


def _retire(cache: Cache, going_B: Tensor, rows_B: Tensor, new_B: Tensor) -> tuple[Tensor, Tensor]:
    """Drops ended rows: those that go on at the end of the batch take their places."""
    left = int(going_B.sum())
    targets = torch.nonzero(~going_B[:left])[:, 0]
    sources = torch.nonzero(going_B[left:])[:, 0] + left
    rows_B[targets] = rows_B[sources]
    there = new_B.device
    new_B[targets.to(there)] = new_B[sources.to(there)]
    cache.move(sources.to(there), targets.to(there), left)
    return rows_B[:left], new_B[:left]


def _log_prob(logits_BV: Tensor, ids_B: Tensor) -> Tensor:
    """Log-probability of each row's id, in nats."""
    return torch.log_softmax(logits_BV, dim=-1).gather(1, ids_B[:, None])[:, 0]


def _watch(texts: Sequence[TextStream], rows_B: Tensor, ids_B: Tensor) -> Tensor:
    """Which rows have met a stop text with their new token."""
    met = []
    for row, id in zip(rows_B.tolist(), ids_B.tolist(), strict=True):
        texts[row].push(id)
        met.append(texts[row].stopped)
    return torch.tensor(met)
