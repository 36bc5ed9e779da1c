"""The patterns that cut text into pieces; merges never cross from one piece to the next.

Only patterns that tiktoken, Hugging Face `tokenizers` and llama.cpp all know are offered, so that
a tokenizer trained here can be used everywhere. The expressions below are tiktoken's faster forms
(possessive quantifiers) of the published ones; tests check that they cut alike.

| name   | first used by | in llama.cpp | source                                           |
|--------|---------------|--------------|--------------------------------------------------|
| gpt2   | GPT-2         | gpt-2        | openai/gpt-2, src/encoder.py                     |
| cl100k | GPT-4         | llama-bpe    | openai/tiktoken, tiktoken_ext/openai_public.py   |
"""

from typing import Literal

__all__ = ["HF_CL100K", "PATTERNS", "PatternName"]

PatternName = Literal["gpt2", "cl100k"]

PATTERNS: dict[PatternName, str] = {
    "gpt2": (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"),
    "cl100k": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
}

HF_CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""`cl100k` exactly as in Llama 3's `tokenizer.json`, so that converters recognise it."""
