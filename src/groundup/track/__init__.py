"""Trackers: `metrics.jsonl` -> TensorBoard or Weights & Biases.

The file is the truth. A tracker is fed from it, while a run goes on or any time after, and holds
every measurement once, also after a run was killed, resumed, or taken back some steps.
"""

__all__: list[str] = []
