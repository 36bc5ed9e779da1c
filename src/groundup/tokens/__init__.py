"""Stage 3: documents to a byte-level BPE tokenizer and token shards.

Reads `documents/{train,validation}-*.parquet` of a corpus. Writes `tokenizer.json` (the format of
Hugging Face `tokenizers`), `{train,validation}/NNNNN.bin` (token ids; each document is followed by
`<|end|>`), a `.parquet` beside each that says where every document begins, and `tokens.json`.

Sources: byte-level BPE, Radford et al. 2019 ("Language Models are Unsupervised Multitask
Learners"), section 2.2, after Sennrich et al. 2016, arXiv 1508.07909.

- `split`: the patterns that cut text into pieces; `bpe`: training; `tokenizer`: encode and decode
- `vocabulary`: what a tokenizer.json holds, ours or GPT-2's, Llama 3's, Qwen2's and Qwen3's
- `chat`: conversations to ids and loss mask; the only place where a chat template exists
- `pack`: documents to shards; `loader`: shards to batches, without any state
"""
