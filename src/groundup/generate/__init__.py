"""Model to text: sampling, batched generation over a cache, streaming. Used by every later stage.

Reads the `model/` folder of a finished pretrain, sft or grpo run (`load.py`); writes nothing.
"""
