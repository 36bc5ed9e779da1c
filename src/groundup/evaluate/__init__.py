"""Evaluation: models -> scores with intervals.

Reads finished models and the held-out examples of an `instruct` run. Writes `answers.jsonl` (every
question with every model's answer and marks) and `scores.json` (by task and model: share of answers
that end, F1, exact match, reward, each with its interval; constant answers as the chance line;
paired differences; bits per byte).

Sources: Rajpurkar et al. 2016, arXiv 1606.05250 (F1); Field and Welsh 2007 (cluster bootstrap).
"""

__all__: list[str] = []
