"""Pretraining: token shards -> a model of one's own.

Reads a finished `tokens` run. Writes `model/` (weights, config, tokenizer, chat template),
`baselines.json` (what counting n-grams reaches on the same text), `samples.jsonl`, `metrics.jsonl`
and, while it runs, `checkpoints/`.

Sources: Radford et al. 2019 (GPT-2); Jordan et al. 2024 (Muon); Hu et al. 2024, arXiv 2404.06395
(warmup-stable-decay schedule); Loshchilov and Hutter 2019, arXiv 1711.05101 (AdamW).
"""

__all__: list[str] = []
