"""The machine at hand as a device of a plan, measured by a few seconds of real training."""

import time

import psutil

from groundup.core.machine import cores, describe_hardware
from groundup.scaling.devices import Device

__all__ = ["measured_device"]

SECONDS = 6.0
ROWS = 8
MIN_STEPS = 3


def measured_device() -> Device:
    """Trains the demo's shape for some seconds; peak is the fastest large matrix product.

    The share of the peak is thus this program's own on this machine, for small models; larger ones
    do better.
    """
    import torch

    from groundup.model import device as devices
    from groundup.model.config import ModelConfig
    from groundup.model.count import flops_per_token
    from groundup.model.transformer import Transformer

    where = devices.choose("auto")
    if where.type == "cpu":
        devices.set_threads(cores())
    config = ModelConfig(
        n_layers=4,
        d_model=256,
        n_heads=4,
        context_length=256,
        norm="rms",
        position="rope",
        bias=False,
        vocab_size=4096,
    )
    model = Transformer(config, seed=0).to(where)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(config.vocab_size, (ROWS, config.context_length), generator=generator).to(
        where
    )

    def step() -> float:
        devices.synchronize(where)
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        model.loss(ids, ids).backward()  # type: ignore[no-untyped-call]  # untyped in torch
        optimizer.step()
        devices.synchronize(where)
        return time.perf_counter() - start

    step()  # loads kernels
    times_s: list[float] = []
    while len(times_s) < MIN_STEPS or sum(times_s) < SECONDS:
        times_s.append(step())
    times_s.sort()
    median_s = times_s[len(times_s) // 2]
    reached = flops_per_token(config, config.context_length) * ids.numel() / median_s
    dtype = devices.compute_dtype(where)
    peak = devices.matmul_limit_flops(where, dtype)
    memory = (
        torch.cuda.get_device_properties(where).total_memory
        if where.type == "cuda"
        else psutil.virtual_memory().total
    )
    name = describe_hardware()["processor"] if where.type == "cpu" else torch.cuda.get_device_name()
    return Device(
        "here",
        peak,
        float(memory),
        None,
        None,
        None,
        min(reached / peak, 1.0),
        f"measured: {name}, {len(times_s)} training steps of a 4.2-million model",
        2 if dtype == torch.bfloat16 else 4,
    )
