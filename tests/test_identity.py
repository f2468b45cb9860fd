"""How part 2's rho^2 changes; R1 takes 2 gamma a^2 from it."""

import numpy as np
import pytest
import tensorflow as tf
from measure import Penalised

import gan
from noisy_gan import NoisyDraws

RNG = np.random.default_rng(4)
POINTS = RNG.normal(0, 1, (3000, 4)) * [4, 5, 1, 3]
X = RNG.normal(5, 1, (3000, 40))  # other data at each
Z = 1 / 2 + np.outer(RNG.uniform(0, 1, 3000), np.linspace(-1 / 2, 1 / 2, 40))  # the formula asks for a mean of 1/2
POINTS[0], X[0], Z[0] = (1, 1 / 2, 1, -4), 5, 1 / 2  # one real sample of logit 1, a generated one of -3


MU = {"saturating": 1, "non-saturating": -1, "middle": 0, "between": -0.4}
ACROSS = np.array([[1 / 2, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).T * np.sqrt([4 / 5, 1, 1])  # of length 1


@pytest.mark.parametrize("loss", MU)
@pytest.mark.parametrize(("noise_std", "gamma"), [(0, 0), (0.7, 0), (0, 0.5), (2, 3)])
def test_identity(loss, noise_std, gamma, monkeypatch):
    """The model's own derivatives against the formula; under one loss alone rho^2 grows, one keeps w - b/2."""
    monkeypatch.setitem(gan.LOSSES, "between", 0.3)  # share of the saturating loss
    model = Penalised(1, 1, 1, gen_loss=loss, gamma=gamma)
    noise = noise_std * np.random.default_rng(5).normal(size=(2, 3000, 40))
    noise -= noise.mean(axis=-1, keepdims=True)
    batch, (gen, discr) = NoisyDraws(POINTS, X, Z, Z, *noise), model.players(tf.constant(POINTS))
    real, fake = model.seen(batch, model.generator(gen, Z))
    moves = [-model.gen_gradient(gen, discr, batch, Z), model.discr_gradient(discr, real, fake)]
    moves, away = np.concatenate(moves, axis=-1), np.array(POINTS)
    away[:, 1] -= X.mean(axis=-1)
    w, b, a, _ = away.T[..., None]
    f, fake_f = model.logit(discr, real).numpy(), model.logit(discr, fake).numpy()
    ahead = -4 / 5 * (w / 2 + b) * a * (1 + Z / 2)  # f* - f
    terms = f * np.tanh(f / 2), (fake_f + MU[loss] * ahead) * np.tanh(fake_f / 2), 2 * gamma * a**2
    rate, terms = 2 * (away @ ACROSS) * (moves @ ACROSS), [term.mean(axis=-1) for term in terms]
    both = [*rate.T, *terms]  # they add up to 0
    assert (np.abs(np.sum(both, axis=0)) < 1e-12 * (1 + np.abs(both).sum(axis=0))).all()
    assert (rate.sum(axis=-1) > 1e-12).any() == (loss == "saturating")
    assert (np.abs(moves @ [1, -1 / 2, 0, 0]).max() < 1e-12) == (loss == "middle")
    if (noise_std, gamma, loss) == (0, 0, "saturating"):
        assert rate[0].sum() == pytest.approx(np.tanh(3 / 2) - np.tanh(1 / 2))
