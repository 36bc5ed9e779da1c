"""Speed and loss as the progress bar and the metrics report them."""

import pytest
import torch

from groundup.training.loop import Step
from groundup.training.meters import RECENT_STEPS, Meter


def step_of(seconds, loss_nats=2.0, tokens=100):
    loss, norm = torch.tensor(loss_nats), torch.tensor(1.0)
    return Step(1, tokens, loss, norm, lr_factor=1.0, seconds=seconds)


def test_recent_speed_forgets_a_slow_start_and_the_whole_does_not():
    meter = Meter(flops_per_token=1e6, limit_flops=1e9, peak_flops=2e9)
    meter.add(step_of(10.0))
    for _ in range(RECENT_STEPS):
        meter.add(step_of(0.5))
    assert meter.recent_tokens_per_s == pytest.approx(200)
    assert meter.tokens_per_s == pytest.approx(100 * 21 / 20)
    assert meter.limit_fraction(200) == pytest.approx(0.2)
    assert meter.mfu(200) == pytest.approx(0.1)
    assert meter.shares(200) == "MFU 10%, 20% of limit"
    assert Meter(1e6, 1e9, 1e9).shares(200) == "20% of limit"


def test_the_loss_of_a_line_is_the_mean_since_the_line_before():
    meter = Meter(flops_per_token=1.0, limit_flops=1.0, peak_flops=1.0)
    for loss in (4.0, 2.0):
        meter.add(step_of(1.0, loss))
    assert meter.take_loss() == 3.0
    meter.add(step_of(1.0, 1.0))
    assert meter.take_loss() == 1.0


def test_a_resumed_meter_reports_what_an_uninterrupted_one_does():
    whole = Meter(flops_per_token=1.0, limit_flops=1.0, peak_flops=1.0)
    whole.add(step_of(1.0, 5.0))
    resumed = Meter(flops_per_token=1.0, limit_flops=1.0, peak_flops=1.0)
    resumed.resume(whole.state())
    for meter in (whole, resumed):
        meter.add(step_of(3.0, 1.0))
    assert resumed.take_loss() == whole.take_loss() == 3.0
    assert (resumed.tokens, resumed.seconds) == (200, 4.0)
    assert resumed.tokens_per_s == whole.tokens_per_s


def test_steps_that_are_undone_keep_their_time():
    meter = Meter(flops_per_token=1.0, limit_flops=1.0, peak_flops=1.0)
    meter.add(step_of(1.0, 5.0))
    before = meter.state()
    meter.add(step_of(3.0, 9.0))
    meter.go_back(before)
    assert (meter.tokens, meter.seconds) == (100, 4.0)
    assert meter.take_loss() == 5.0
