"""Fine-tuning: a foundation model -> one that answers -> one that scores higher.

`sft` reads a finished model and the examples of an `instruct` run and learns their answers; `grpo`
lets a model answer by itself and reinforces the answers that earn more than their siblings. Both
write `model/` (weights, config, tokenizer, chat template), `preflight.json` and `.md` (what is
about to be learned, token by token), `health.json` (whether it went well, in plain words),
`samples.jsonl`, `metrics.jsonl` and, while they run, `checkpoints/`.

Sources: Ouyang et al. 2022, arXiv 2203.02155 (SFT, then RL); Shao et al. 2024, arXiv 2402.03300
(GRPO); Liu et al. 2025, arXiv 2503.20783 (Dr. GRPO); Yu et al. 2025, arXiv 2503.14476 (DAPO).
"""

__all__: list[str] = []
