"""What counts as trouble, on curves made by hand."""

import json
import math
import random

import pytest
import torch

from groundup.core.errors import NumericalError
from groundup.training.config import SafetyConfig
from groundup.training.guard import Guard, Trouble

CONFIG = SafetyConfig(window_steps=16, spike_steps=3, max_interventions=2)


def look(guard, step, loss=2.0, norm=1.0):
    guard.look(step, torch.tensor(loss), torch.tensor(norm))


def watched(losses, config=CONFIG, **options):
    """The trouble that a curve gives, or None."""
    guard = Guard(config, **options)
    try:
        for step, loss in enumerate(losses):
            look(guard, step, loss)
        guard.settle()
    except Trouble as trouble:
        return trouble
    return None


def noisy(n, seed=0, level=3.0, noise=0.05):
    rng = random.Random(seed)
    return [level + rng.gauss(0, noise) for _ in range(n)]


def test_the_limit_is_six_robust_deviations_above_the_median():
    losses = [1.0, 2.0, 3.0, 4.0, 5.0] * 4
    guard = Guard(SafetyConfig(window_steps=20, spike_steps=1))
    for step, loss in enumerate(losses):
        look(guard, step, loss)
    # Median 3, absolute deviations 0 1 1 2 2: their median is 1.
    look(guard, 20, 3 + 6 * 1.4826 - 0.001)
    with pytest.raises(Trouble) as caught:
        look(guard, 21, 3 + 6 * 1.4826 + 0.01)
    assert caught.value.is_spike
    assert caught.value.limit == pytest.approx(3 + 6 * 1.4826)


def test_a_spike_is_seen_at_its_third_step_and_not_before():
    assert watched([*noisy(40), 9.0, 9.0, 3.0, 9.0, 9.0, 3.0]) is None
    trouble = watched([*noisy(40), 9.0, 8.0, 7.0, 3.0])
    assert (trouble.step, trouble.quantity, trouble.value) == (42, "loss_nats", 7.0)
    assert not trouble.weights_are_whole


def test_high_losses_do_not_hide_the_next():
    config = CONFIG.model_copy(update={"spike_steps": 12})
    assert watched([*noisy(40), *[9.0] * 12], config).step == 51


def test_nothing_is_a_spike_before_the_window_is_full():
    assert watched([*noisy(12), 9.0, 9.0, 9.0]) is None


def test_falling_and_noisy_curves_raise_no_alarm():
    falling = [8 * math.exp(-step / 60) + 2 + loss for step, loss in enumerate(noisy(2000))]
    assert watched(falling, SafetyConfig()) is None
    steady = noisy(5000, seed=3, noise=0.3)
    assert watched(steady, SafetyConfig()) is None


def test_a_run_that_repeats_itself_has_no_deviation_and_no_spike():
    assert watched([0.01] * 40 + [0.05] * 10) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("quantity", ["loss", "norm"])
def test_what_is_not_finite_is_trouble_before_the_update(bad, quantity):
    guard = Guard(CONFIG)
    look(guard, 0)
    with pytest.raises(Trouble) as caught:
        look(guard, 1, **{quantity: bad})
    assert caught.value.weights_are_whole
    assert guard.skip(caught.value) == 1
    assert guard.order.batch_of(1) == 2
    with pytest.raises(Trouble) as again:  # the next batch too: it is the weights
        look(guard, 1, **{quantity: bad})
    assert not again.value.weights_are_whole


def test_looking_later_finds_the_same_spike():
    curve = [*noisy(40), 9.0, 8.0, 7.0, 3.0, 3.0, 3.0, 3.0]
    now, later = watched(curve), watched(curve, examine_every_steps=10)
    assert (now.step, now.value, now.limit) == (later.step, later.value, later.limit)


def test_looking_later_the_weights_are_whole_only_at_the_last_step():
    last = watched([2.0, 2.0, math.nan], examine_every_steps=3)
    assert last.weights_are_whole
    assert not watched([2.0, math.nan, 2.0], examine_every_steps=3).weights_are_whole


def test_going_back_skips_every_batch_since_and_forgets_their_losses():
    guard = Guard(CONFIG)
    for step, loss in enumerate(noisy(20)):
        look(guard, step, loss)
    snapshot = json.loads(json.dumps(guard.state()))
    look(guard, 20)
    trouble = Trouble(27, "loss_nats", 9.0, limit=4.0, weights_are_whole=False)
    assert guard.roll_back(trouble, 20, snapshot) == 20
    assert [guard.order.batch_of(step) for step in (19, 20)] == [19, 28]
    after = guard.state()
    assert after["window"] == snapshot["window"]
    assert (after["interventions"], after["skipped_batches"]) == (1, [[20, 27]])


def test_a_resumed_guard_goes_on_as_if_nothing_had_happened():
    curve = [*noisy(40), 9.0, 8.0]
    guard = Guard(CONFIG)
    for step, loss in enumerate(curve):
        look(guard, step, loss)
    resumed = Guard(CONFIG)
    resumed.resume(json.loads(json.dumps(guard.state())))
    for each in (guard, resumed):
        with pytest.raises(Trouble, match="at step 42"):
            look(each, 42, 7.5)


def test_help_ends_with_an_error_that_says_what_to_change():
    guard = Guard(CONFIG)
    for _ in range(2):
        guard.skip(Trouble(7, "loss_nats", math.nan, limit=math.inf, weights_are_whole=True))
    with pytest.raises(NumericalError) as caught:
        guard.skip(Trouble(7, "loss_nats", math.nan, limit=math.inf, weights_are_whole=True))
    assert "loss_nats is nan at step 7 after 2 interventions" in caught.value.message
    assert "lower the learning rates" in caught.value.hint
    assert (caught.value.step, caught.value.quantity) == (7, "loss_nats")
