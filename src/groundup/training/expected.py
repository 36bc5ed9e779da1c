"""Whether a run does as well as the same recipe did before: bands of its validation measure.

Bands are made from finished runs over several seeds by `benchmarks/loss_bands.py`, and carried by
the recipe. They hold for one corpus, so a run on another is not compared.
"""

import logging

from groundup.tokens.loader import TrainingRows
from groundup.training.config import ExpectedConfig

__all__ = ["Expected"]

log = logging.getLogger(__name__)

SAME_CORPUS_FRACTION = 0.1  # most that the tokens of the same corpus differ, as from day to day


class Expected:
    """The bands of a recipe for one run.

    Args:
        config: The recipe's; None expects nothing.
        rows: What the run trains on.
        vocab_size: Of its tokenizer.
    """

    def __init__(self, config: ExpectedConfig | None, rows: TrainingRows, vocab_size: int) -> None:
        self._bands: dict[int, tuple[float, float]] = {}
        if config is None:
            return
        same_size = abs(rows.n_tokens / config.train_tokens - 1) <= SAME_CORPUS_FRACTION
        if same_size and vocab_size == config.vocab_size:
            self._bands = {step: (low, high) for step, low, high in config.bits_per_byte}
        else:
            log.info(
                "the recipe's expected bits per byte hold for %s (%s tokens, vocabulary %s): this"
                " run has %s bytes and vocabulary %s, so nothing is compared",
                config.corpus,
                f"{config.train_tokens:,}",
                f"{config.vocab_size:,}",
                f"{rows.n_tokens:,}",
                f"{vocab_size:,}",
            )

    def measures(self, step: int) -> dict[str, float]:
        """The band as measurements, for the line of metrics that it belongs to."""
        band = self._bands.get(step)
        if band is None:
            return {}
        return {"validation__expected_low": band[0], "validation__expected_high": band[1]}

    def says(self, step: int, bits_per_byte: float) -> str:
        """Such as `, inside the expected 1.68 to 1.72`; empty for a step without a band."""
        band = self._bands.get(step)
        if band is None:
            return ""
        low, high = band
        where = "above" if bits_per_byte > high else "below" if bits_per_byte < low else "inside"
        return f", {where} the expected {low:.3f} to {high:.3f}"
