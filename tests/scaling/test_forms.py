import numpy as np
import pytest

from groundup.core.errors import ConfigError
from groundup.scaling.forms import FORMS, form_named


@pytest.mark.parametrize("name", FORMS)
def test_gradients_equal_finite_differences(name):
    form = FORMS[name]
    generator = np.random.default_rng(3)
    x, y = generator.normal(0, 1.5, 12), generator.normal(0, 1.5, 12)
    theta = np.concatenate([[0.2, -0.3], generator.uniform(0.2, 0.6, form.n_free - 2)])
    _, slopes = form.log_loss(theta, x, y)
    for k in range(form.n_free):
        step = np.zeros(form.n_free)
        step[k] = 1e-6
        up, down = (form.log_loss(theta + sign * step, x, y)[0] for sign in (1, -1))
        assert slopes[k] == pytest.approx((up - down) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("name", FORMS)
def test_the_law_in_plain_numbers_predicts_what_the_form_does(name):
    form = FORMS[name]
    n, d = np.geomspace(1e6, 1e9, 5), np.geomspace(1e8, 1e11, 5)[::-1]
    centre = np.log(n).mean(), np.log(d).mean()
    theta = np.array([0.1, 0.2, 0.3, 0.4, 0.5])[: form.n_free]
    predicted, _ = form.log_loss(theta, np.log(n) - centre[0], np.log(d) - centre[1])
    law = form.law(theta, *centre, name=name)
    assert np.log(law.losses(n, d)) == pytest.approx(predicted, rel=1e-9)


@pytest.mark.parametrize("name", FORMS)
def test_many_vectors_at_once_give_what_each_gives_alone(name):
    form = FORMS[name]
    generator = np.random.default_rng(4)
    x, y = generator.normal(0, 1, 7), generator.normal(0, 1, 7)
    thetas = generator.uniform(0.1, 0.6, (4, form.n_free))
    together, slopes = form.log_loss(thetas, x, y)
    for theta, values, slope in zip(thetas, together, slopes, strict=True):
        alone, alone_slopes = form.log_loss(theta, x, y)
        assert values == pytest.approx(alone)
        assert slope == pytest.approx(alone_slopes)


def test_an_unknown_law_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError) as caught:
        form_named("moore")
    assert "equal-exponent" in caught.value.hint
