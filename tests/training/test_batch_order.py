"""Steps to batches, against a list that is walked along."""

from hypothesis import given
from hypothesis import strategies as st

from groundup.training.batch_order import BatchOrder


def test_steps_and_batches_are_equal_until_one_is_skipped():
    order = BatchOrder()
    assert [order.batch_of(step) for step in range(5)] == [0, 1, 2, 3, 4]
    order.skip_from(2, 3)
    assert [order.batch_of(step) for step in range(5)] == [0, 1, 4, 5, 6]
    assert (order.n_skipped, order.state()) == (2, [[2, 3]])


stretches = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=6)


@given(stretches)
def test_the_order_is_that_of_a_list_from_which_batches_are_struck(found):
    order, left = BatchOrder(), list(range(500))
    for first, more in found:
        order.skip_from(first, first + more)
        low, high = left[first], left[first + more]
        left = [batch for batch in left if not low <= batch <= high]
    assert [order.batch_of(step) for step in range(60)] == left[:60]
    assert order.n_skipped == 500 - len(left)
    steps = {batch: step for step, batch in enumerate(left)}
    assert [order.step_of(batch) for batch in range(120)] == [steps.get(b) for b in range(120)]
    again = BatchOrder.of(order.state())
    assert [again.batch_of(step) for step in range(60)] == left[:60]
