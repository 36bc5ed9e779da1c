"""A model of ours as a folder for transformers and vLLM."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from groundup.exchange.families import Family
from groundup.exchange.hf_config import write_config
from groundup.exchange.layout import layout_of, to_foreign
from groundup.generate.load import LoadedModel
from groundup.tokens.chat import JINJA
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["NUMBER_FORMATS", "template_of", "write_folder"]

NUMBER_FORMATS = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
"""What `--type` may be for a folder."""


def template_of(tokenizer: Tokenizer) -> tuple[str, dict[str, str]]:
    """The chat template in Jinja, and the texts of the tokens that it may refer to."""
    if tokenizer.template is not None:
        return tokenizer.template.source, dict(tokenizer.template.variables)
    end = tokenizer.token_bytes(tokenizer.end_id).decode("utf-8")
    return JINJA, {"eos_token": end}


def write_folder(source: LoadedModel, family: Family, folder: Path, *, number_format: str) -> None:
    """Writes config, weights, tokenizer, chat template and generation config."""
    dtype = NUMBER_FORMATS[number_format]
    config = source.model.config
    ours = {name: value.detach().cpu() for name, value in source.model.named_parameters()}
    tensors = {
        foreign.name: to_foreign(foreign, ours).to(dtype).contiguous()
        for foreign in layout_of(family, config)
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    template, tokens = template_of(source.tokenizer)
    ids = _token_ids(source, tokens)
    kind = str(dtype).removeprefix("torch.")
    _write(folder / "config.json", {**write_config(config, family), **ids, "dtype": kind})
    _write(folder / "generation_config.json", {**ids, "eos_token_id": sorted(source.stop_ids)})
    source.tokenizer.save(folder / "tokenizer.json")
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": config.context_length,
            "clean_up_tokenization_spaces": False,
            "add_bos_token": False,
            **{"pad_token": tokens["eos_token"], **tokens},
            "chat_template": template,
        },
    )
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def _token_ids(source: LoadedModel, tokens: dict[str, str]) -> dict[str, int | None]:
    """Ids that the configs name; the end token pads, for nothing looks at padding."""
    special = source.tokenizer.special
    end = special.get(tokens["eos_token"], source.tokenizer.end_id)
    begin = special.get(tokens.get("bos_token", ""))
    return {"bos_token_id": begin, "eos_token_id": end, "pad_token_id": end}


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
