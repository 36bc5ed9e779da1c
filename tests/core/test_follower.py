"""A run directory as ranks above 0 see it: nothing of theirs is written."""

import pytest

from groundup.core.follower import FollowedRun


def test_a_follower_leaves_no_trace(tmp_path):
    run = FollowedRun(tmp_path / "run", "0" * 12)
    run.metrics.log(1, train__loss_nats=2.0)
    run.summary.update(params=1)
    with pytest.raises(AssertionError, match="only rank 0 publishes"), run.publish("model"):
        pass
    assert list(tmp_path.iterdir()) == []
