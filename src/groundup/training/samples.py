"""Text that a model writes while it is trained, kept in `samples.jsonl`."""

import json
import logging
from typing import Any

from groundup.core.artifact import RunDir
from groundup.core.seeds import derive
from groundup.generate.engine import Engine
from groundup.generate.sampling import SamplingParams
from groundup.model.transformer import Transformer
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.config import SamplesConfig

__all__ = ["Samples"]

log = logging.getLogger(__name__)

FILE = "samples.jsonl"


class Samples:
    """Writes lines `{"step": 200, "prompt": "...", "text": "what follows the prompt"}`.

    Args:
        first_step: Steps taken by earlier processes; what they sampled later on is dropped, for it
            will be sampled again.
    """

    def __init__(
        self,
        out: RunDir,
        tokenizer: Tokenizer,
        config: SamplesConfig,
        *,
        seed: int,
        first_step: int,
    ) -> None:
        self._out, self._tokenizer, self._config, self._seed = out, tokenizer, config, seed
        path = out.path / FILE
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        rows = [json.loads(line) for line in lines]
        self._rows: list[dict[str, Any]] = [row for row in rows if row["step"] <= first_step]

    def are_due(self, step: int) -> bool:
        """Whether there is something to write at a step, and it has not been written."""
        return bool(self._config.prompts) and all(row["step"] != step for row in self._rows)

    def write(self, model: Transformer, step: int) -> None:
        """Samples a continuation of every prompt; equal step and weights give equal text."""
        if not self.are_due(step):
            return
        params = SamplingParams(
            max_new_tokens=min(self._config.max_new_tokens, model.config.context_length - 1),
            temperature=self._config.temperature,
            top_k=self._config.top_k,
        )
        room = model.config.context_length - params.max_new_tokens
        prompts = [self._begin(prompt)[:room] for prompt in self._config.prompts]
        seeds = [derive(self._seed, f"samples/{step}/{i}") for i in range(len(prompts))]
        written = Engine(model, self._tokenizer).generate(prompts, params, seeds=seeds)
        for prompt, completion in zip(self._config.prompts, written, strict=True):
            self._rows.append({"step": step, "prompt": prompt, "text": completion.text})
        log.info("step %d, sample: %s%s", step, self._config.prompts[0], _line(written[0].text))
        with self._out.publish(FILE) as partial:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows)
            partial.write_text("".join(lines), encoding="utf-8")

    def forget_after(self, step: int) -> None:
        """Drops what was sampled after `step`, for it will be sampled again."""
        self._rows = [row for row in self._rows if row["step"] <= step]

    def _begin(self, prompt: str) -> list[int]:
        """A document's start: the end token of the one before, then the prompt."""
        return [self._tokenizer.end_id, *self._tokenizer.encode(prompt)]


def _line(text: str, width: int = 160) -> str:
    """The text on one line, cut to a width."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else f"{flat[:width]}..."
