"""The Transformer: one class that covers GPT-2, GPT-3, Llama, Qwen2, Qwen3 and mixtures of them.

Reads and writes `model.safetensors` and `config.json` (`weights.py`). Start at `transformer.py`.
Papers: Vaswani et al. 2017 (arXiv 1706.03762), Radford et al. 2019 (GPT-2), Touvron et al. 2023
(Llama, arXiv 2302.13971). `config.py`, `presets.py` and `allocator.py` import no PyTorch.
"""
