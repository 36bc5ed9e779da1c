import pytest
import torch

from groundup.core.errors import DeviceError
from groundup.core.machine import cores
from groundup.model import device


def test_the_cpu_is_always_there():
    assert device.choose("cpu") == torch.device("cpu")
    assert device.choose("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:99"])
def test_devices_that_are_not_there_are_refused(name):
    with pytest.raises(DeviceError, match=name) as caught:
        device.choose(name)
    assert "cpu" in caught.value.hint


def test_bfloat16_only_where_a_probe_says_so(monkeypatch):
    for answers, expected in (
        ((False, False), torch.float32),
        ((True, False), torch.bfloat16),
        ((False, True), torch.bfloat16),
        ((None, None), torch.float32),  # a PyTorch that has no probes
    ):
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        for name, answer in zip(names, answers, strict=True):
            probe = None if answer is None else lambda a=answer: a
            monkeypatch.setattr(torch.cpu, name, probe, raising=False)
        device.compute_dtype.cache_clear()
        assert device.compute_dtype(torch.device("cpu")) == expected
    monkeypatch.undo()
    device.compute_dtype.cache_clear()


def test_threads_are_at_most_the_cores():
    before = torch.get_num_threads()
    try:
        assert 1 <= device.set_threads() <= cores()
        assert device.set_threads(1) == torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_the_limit_is_a_plausible_speed():
    assert 1e8 < device.matmul_limit_flops(torch.device("cpu"), torch.float32, repeats=1) < 1e14
