from groundup.cli import here
from groundup.model import device as devices


def test_the_machine_at_hand_is_measured(monkeypatch):
    monkeypatch.setattr(devices, "set_threads", lambda count: None)
    monkeypatch.setattr(here, "SECONDS", 0.0)
    monkeypatch.setattr(here, "MIN_STEPS", 1)
    device = here.measured_device()
    assert device.peak_flops > 1e9
    assert 0 < device.mfu <= 1
    assert device.source.startswith("measured")
    assert device.memory_bytes > 1e9
