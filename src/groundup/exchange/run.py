"""Import, the stage: a Hugging Face folder to a run that chat, serve, finetune and evaluate take.

Reads `config.json`, safetensors, `tokenizer.json`, and what there is of `tokenizer_config.json`,
`chat_template.jinja` and `generation_config.json`. Writes `model/`, as `pretrain` does. Weights
keep their number format, and the tokenizer's file its bytes.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from groundup.core.artifact import Artifact, RunDir, digest_file
from groundup.core.errors import DataError
from groundup.exchange.config import ImportConfig
from groundup.exchange.folder import Folder, read_json
from groundup.exchange.hf_config import family_of, read_config
from groundup.exchange.hf_import import read_weights
from groundup.exchange.template import read_template
from groundup.model import count, weights
from groundup.model.config import ModelConfig
from groundup.tokens.chat import template_json
from groundup.tokens.jinja_template import PLAIN
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["VERSION", "outside", "run"]

log = logging.getLogger(__name__)

VERSION = 1
_READ = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


def outside(config: ImportConfig) -> dict[str, str]:
    """sha256 of every file that is read, by name.

    Raises:
        ArtifactError: Weights are missing or damaged.
        DataError: The only weights are pickles.
    """
    path = Path(config.folder)
    read_json(path / "config.json")
    there = [path / name for name in _READ if (path / name).is_file()]
    return {file.name: digest_file(file) for file in [*there, *Folder(path).files]}


def run(config: ImportConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
    """Takes the model of `config.folder` over.

    Raises:
        ConfigError: An architecture, or a setting of it, that groundup does not have.
        ArtifactError: A file is missing or damaged, or the tokenizer is not byte-level BPE.
        DataError: Config, weights and tokenizer do not belong together.
    """
    path = Path(config.folder)
    values = read_json(path / "config.json")
    source = str(path / "config.json")
    family = family_of(values, source=source)
    shape = read_config(values, family, source=source)
    tokenizer = _tokenizer(path, shape)
    tensors = read_weights(Folder(path), family, shape)
    with out.publish("model") as partial:
        weights.write(tensors, shape, partial)
        tokenizer.save(partial / "tokenizer.json")
        chat = json.dumps(template_json(tokenizer), indent=1, ensure_ascii=False)
        (partial / "chat.json").write_text(chat + "\n", encoding="utf-8")
    out.summary.update(
        family=family.model_type,
        parameters=count.n_params(shape),
        vocab_size=shape.vocab_size,
        context_length=shape.context_length,
        source=str(path.resolve()),
    )


def _tokenizer(path: Path, shape: ModelConfig) -> Tokenizer:
    """The folder's tokenizer, with its chat template.

    Raises:
        DataError: It has more tokens than the model; fewer is normal, for matrices are padded.
    """
    tokenizer = Tokenizer.load(path / "tokenizer.json")
    if tokenizer.vocab_size > shape.vocab_size:
        raise DataError(
            f"{path / 'tokenizer.json'} has {tokenizer.vocab_size:,} ids, but the model's "
            f"embedding only {shape.vocab_size:,}",
            hint="tokenizer.json and config.json are of different models; fetch both again",
            source=str(path),
        )
    tokenizer.template = read_template(path, tokenizer)
    if tokenizer.template.source == PLAIN:
        log.warning("%s has no chat template: questions are written as User: and Assistant:", path)
    return tokenizer
