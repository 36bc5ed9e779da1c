"""The folder that every training stage leaves behind: a model that can be opened by itself."""

import json

from groundup.core.artifact import RunDir
from groundup.model import weights
from groundup.model.transformer import Transformer
from groundup.tokens.chat import template_json
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["FOLDER", "publish_model"]

FOLDER = "model"


def publish_model(out: RunDir, model: Transformer, tokenizer: Tokenizer) -> None:
    """Writes `model/` with weights, config, tokenizer and chat template, whole or not at all."""
    with out.publish(FOLDER) as partial:
        weights.save(model, partial)
        tokenizer.save(partial / "tokenizer.json")
        (partial / "chat.json").write_text(
            json.dumps(template_json(tokenizer), indent=1) + "\n", encoding="utf-8"
        )
