"""Models from elsewhere and to elsewhere: Hugging Face folders and GGUF files.

| direction   | reads                                         | writes                             |
|-------------|-----------------------------------------------|------------------------------------|
| import      | config, safetensors, tokenizer, chat template | a run, like those of `pretrain`    |
| export hf   | the model of a run                            | a folder for transformers and vLLM |
| export gguf | the model of a run                            | one file for llama.cpp             |

Every export is proved in the program that it is for, when that is installed: logits, token ids, and
greedy generation that stops (`proof.py`). `families.py` says which architectures there are and
which switches of ours each can express; start there, then at `run.py` (import) and `export.py`.
"""
