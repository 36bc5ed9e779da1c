"""The programs that exports are proved in, loaded only when they are installed.

Letters: T position, V vocabulary.
"""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundup.core.records import Message

__all__ = ["LlamaCpp", "Transformers", "is_installed"]

_FLOAT32 = 0  # GGML_TYPE_F32


def is_installed(module: str) -> bool:
    """Whether a Python module is there."""
    return importlib.util.find_spec(module) is not None


def _dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


class Transformers:
    """Hugging Face transformers with a folder, in float32."""

    name = "transformers"
    tolerance = 1e-4

    def __init__(self, folder: Path) -> None:
        library: Any = importlib.import_module("transformers")
        self.version: str = library.__version__
        importlib.import_module("transformers.utils.logging").disable_progress_bar()
        self._model = library.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True
        ).eval()
        self._tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)

    @property
    def stop_ids(self) -> frozenset[int]:
        """As `Runtime` says."""
        ids = self._model.generation_config.eos_token_id
        return frozenset(ids if isinstance(ids, list) else [] if ids is None else [ids])

    def encode(self, text: str) -> list[int]:
        """As `Runtime` says."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def chat_ids(self, messages: Sequence[Message]) -> list[int]:
        """As `Runtime` says."""
        text = self._tokenizer.apply_chat_template(
            _dicts(messages), tokenize=False, add_generation_prompt=True
        )
        return self.encode(text)

    @torch.inference_mode()
    def logits(self, ids: Sequence[int]) -> Tensor:
        """As `Runtime` says."""
        logits_TV: Tensor = self._model(torch.tensor([list(ids)])).logits[0]
        return logits_TV.float()

    @torch.inference_mode()
    def generate(self, ids: Sequence[int], max_new_tokens: int) -> list[int]:
        """As `Runtime` says."""
        prompt = torch.tensor([list(ids)])
        whole = self._model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=max_new_tokens,
            do_sample=False,
        )
        answer: list[int] = whole[0, len(ids) :].tolist()
        return answer


class LlamaCpp:
    """llama.cpp with a GGUF file, keys and values in float32."""

    name = "llama.cpp (llama-cpp-python)"
    tolerance = 2e-2  # its GELU is a table of float16 values of the tanh form

    def __init__(self, file: Path, *, context_length: int) -> None:
        library: Any = importlib.import_module("llama_cpp")
        self._library = library
        self.version: str = library.__version__
        self._model = library.Llama(
            model_path=str(file),
            n_ctx=context_length,
            n_batch=context_length,
            n_ubatch=context_length,
            logits_all=True,
            type_k=_FLOAT32,
            type_v=_FLOAT32,
            flash_attn=False,
            verbose=False,
        )
        self._vocabulary = library.llama_model_get_vocab(self._model.model)

    @property
    def stop_ids(self) -> frozenset[int]:
        """As `Runtime` says."""
        is_end, vocabulary = self._library.llama_vocab_is_eog, self._vocabulary
        return frozenset(id for id in range(self._model.n_vocab()) if is_end(vocabulary, id))

    def encode(self, text: str) -> list[int]:
        """As `Runtime` says."""
        return list(self._model.tokenize(text.encode(), add_bos=False, special=False))

    def chat_ids(self, messages: Sequence[Message]) -> list[int]:
        """As `Runtime` says."""
        chat: Any = importlib.import_module("llama_cpp.llama_chat_format")
        formatter = chat.Jinja2ChatFormatter(
            template=self._model.metadata["tokenizer.chat_template"],
            eos_token=self._text_of(self._model.token_eos()),
            bos_token=self._text_of(self._model.token_bos()),
        )
        prompt = formatter(messages=_dicts(messages)).prompt
        return list(self._model.tokenize(prompt.encode(), add_bos=False, special=True))

    def _text_of(self, id: int) -> str:
        if id < 0:
            return ""
        text: bytes = self._library.llama_vocab_get_text(self._vocabulary, id)
        return text.decode("utf-8")

    def logits(self, ids: Sequence[int]) -> Tensor:
        """As `Runtime` says."""
        self._model.reset()
        self._model.eval(list(ids))
        return torch.from_numpy(self._model.scores[: len(ids)].copy())

    def generate(self, ids: Sequence[int], max_new_tokens: int) -> list[int]:
        """As `Runtime` says."""
        answer: list[int] = []
        for id in self._model.generate(list(ids), temp=0.0, top_k=1, repeat_penalty=1.0):
            answer.append(int(id))
            ended = self._library.llama_vocab_is_eog(self._vocabulary, id)
            if ended or len(answer) == max_new_tokens:
                break
        return answer
