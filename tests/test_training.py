"""The run itself: against the original's record, a NumPy replica, and what theory knows exactly."""

from pathlib import Path

import numpy as np
import pytest
import replica
import tensorflow as tf

import gan
import hessian
from gan import GAN, Draws
from noisy_gan import NoisyGAN

SETTINGS = [
    GAN(20, 5, 3),
    GAN(30, 1, 2, num_samples=7, learning_rate=0.3, init_std=2.0),
    NoisyGAN(20, 5, 3),
    NoisyGAN(20, 2, 3, noise_std=0.4, target_mean=-3, target_std=2),
    GAN(20, 3, 2, gen_loss="non-saturating"),
]


def test_follows_the_original():
    """As recorded on the TensorFlow it was written for, but for the biases' derivatives."""
    recorded = np.load(Path(__file__).with_name("original.npz"))
    model, theirs = GAN(300, 1, 1), recorded["params"]
    draws = Draws(recorded["init"], recorded["x"], recorded["z_discr"], recorded["z_gen"])
    history = model.train(draws)
    np.testing.assert_allclose(history.params, theirs, rtol=0, atol=2e-5)
    np.testing.assert_allclose(history.objective, recorded["objective"], rtol=0, atol=2e-6)
    values, expected = np.linalg.eigvalsh(hessian.run_hessians(model, draws, history)), recorded["eigenvalues"]
    assert np.all(np.abs(values - expected) <= 1e-3 * np.abs(expected).max(axis=1, keepdims=True))
    discr_last = np.hstack([np.vstack([recorded["init"], theirs[:-1]])[:, :2], theirs[:, 2:]])
    discr_bias = [replica.gradient(p, draws.x, z)[3] for p, z in zip(discr_last, draws.z_discr)]
    gen_bias = [replica.gradient(p, draws.x, z)[1] for p, z in zip(theirs, draws.z_gen[:, -1])]
    discr, gen = np.hypot(recorded["grad_discr_w"], discr_bias), np.hypot(recorded["grad_gen_w"], gen_bias)
    np.testing.assert_allclose(history.discr_gradient**2, discr**2, rtol=0, atol=2e-5)
    np.testing.assert_allclose(history.gen_gradient**2, gen**2, rtol=0, atol=2e-5)


def hessians(draws, params):
    """Those of the replica after each game, at its last noise."""
    games = enumerate(zip(params, draws.z_gen))
    return [replica.hessian(after, draws.x, z[-1], replica.noise(draws, game)) for game, (after, z) in games]


@pytest.mark.parametrize("model", SETTINGS, ids=repr)
def test_training_equals_a_numpy_replica_one_seed_or_many_at_once(model):
    each = [model.draw(seed) for seed in range(3)]
    expected = [replica.train(model, draws) for draws in each]
    for draws, wanted in zip(each, expected):
        for ours, theirs in zip(model.train(draws), wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)
    if model in SETTINGS[1:3]:
        together = gan.stack_seeds(each)
        history = model.train(together)
        curvature = hessian.run_hessians(model, together, history)
        for seed, (draws, wanted) in enumerate(zip(each, expected)):
            for ours, theirs in zip(history, wanted, strict=True):
                np.testing.assert_allclose(ours[:, seed], theirs, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(curvature[:, seed], hessians(draws, wanted[0]), rtol=1e-9, atol=1e-9)


def test_a_run_too_large_to_be_trained_at_once(monkeypatch):
    """It is trained and measured part by part: the parts are reported in turn, and their ends do not show."""
    model, parts = NoisyGAN(13, 2, 2, num_samples=3), []
    draws = model.draw(0)
    monkeypatch.setattr(hessian, "BLOCK", 50)  # of the 9 numbers that a game draws
    history = model.train(draws, lambda first, part: parts.append((first, part)))
    assert [(first, len(part.objective)) for first, part in parts] == [(0, 5), (5, 5), (10, 3)]
    for whole, *pieces, expected in zip(history, *(part for _, part in parts), replica.train(model, draws)):
        np.testing.assert_array_equal(np.concatenate(pieces), whole)
        np.testing.assert_allclose(whole, expected, rtol=1e-9, atol=1e-12)
    expected = hessians(draws, history.params)
    monkeypatch.setattr(hessian, "BLOCK", 300)  # of 75: four games at most
    for last in (None, 13, 6, 1):
        found = hessian.run_hessians(model, draws, history, last=last)
        np.testing.assert_allclose(found, expected[-(last or 13) :], rtol=1e-10, atol=1e-12)


def test_a_later_part_that_overflows_names_the_game_of_the_run(monkeypatch, capsys):
    class Broken(GAN):
        def draw(self, seed):
            draws = super().draw(seed)
            draws.z_gen[7] = 1e157  # only the norm of G's gradient overflows
            return draws

    monkeypatch.setattr(hessian, "BLOCK", 12)
    with pytest.raises(FloatingPointError, match="at game 8, where numbers overflow: lower LEARNING_RATE, INIT_STD"):
        gan.run(Broken(13, 1, 1, num_samples=2, learning_rate=1e-9), 1)
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["1", "2", "3", "4", "5", "6"]
    monkeypatch.setattr(hessian, "run_hessians", lambda *given: np.full((13, 4, 4), np.nan))
    with pytest.raises(FloatingPointError, match="at game 1, "):
        gan.run(GAN(13, 1, 1), 0)


def test_draws():
    """Shapes, distributions and the start: N(0, init_std) weights, biases of 0."""
    model = GAN(400, 1, 2, num_samples=50, init_std=0.5)
    params, x, z_discr, z_gen = model.draw(0)
    assert (params.shape, x.shape, z_discr.shape, z_gen.shape) == ((4,), (50,), (400, 50), (400, 2, 50))
    starts = np.array([GAN(1, 1, 1, num_samples=1, init_std=0.5).draw(seed).params for seed in range(2000)])
    assert starts[:, [0, 2]].std(axis=0) == pytest.approx([0.5, 0.5], rel=0.1)
    assert starts.mean(axis=0) == pytest.approx(np.zeros(4), abs=0.05)
    assert not starts[:, [1, 3]].any()
    for mean, std in ((5, 1), (-3, 2)):
        big = GAN(1, 1, 1, num_samples=100_000, target_mean=mean, target_std=std).draw(0).x
        assert (big.mean(), big.std()) == pytest.approx((mean, std), abs=0.02)
    for z in (z_discr, z_gen):
        assert 0 <= z.min() < 1e-3 < 0.999 < z.max() < 1
        assert (z.mean(), z.var()) == pytest.approx((1 / 2, 1 / 12), abs=0.01)
    assert np.unique(np.concatenate([z_discr.ravel(), z_gen.ravel()])).size == z_discr.size + z_gen.size


def test_noise_comes_on_top_of_the_same_draws():
    """Without it a noisy GAN is a GAN. The same seed draws the same, another all else."""
    for first, again, other in zip(*(NoisyGAN(3, 1, 2).draw(seed) for seed in (1, 1, 2))):
        np.testing.assert_array_equal(first, again)
        assert not np.isin(first[first != 0], other).any()
    draws, blurred = GAN(500, 5, 3).draw(4), NoisyGAN(500, 5, 3, noise_std=0.3).draw(4)
    for ours, theirs in zip(blurred, draws):
        np.testing.assert_array_equal(ours, theirs)
    for noise in (blurred.noise_real, blurred.noise_fake):
        assert noise.shape == (500, 10)
        assert (noise.mean(), noise.std()) == pytest.approx((0, 0.3), abs=0.02)
    assert abs(np.corrcoef(blurred.noise_real.ravel(), blurred.noise_fake.ravel())[0, 1]) < 0.05
    plain, none = GAN(20, 5, 3), NoisyGAN(20, 5, 3, noise_std=0)
    for ours, theirs in zip(none.train(none.draw(4)), plain.train(plain.draw(4))):
        np.testing.assert_array_equal(ours, theirs)


def test_a_sure_discriminator_stays_finite():
    """log D at a logit of -500 is -500, though D itself has rounded to 0 or 1."""
    model, z = GAN(1, 1, 1, num_samples=2), np.array([0.25, 0.75])
    batch = Draws(None, np.full(2, 5.0), z, z)
    objective = lambda params: model.objective(params[..., :2], params[..., 2:], batch, z)
    for params, value, slope in (
        # D is sure that all is real: wrong about the fakes, G = 0.5 each, in proportion to the logit
        ((0, 0.5, 0, 500), -500, (0, 0, -0.5, -1)),
        ((0, 0.5, 0, -500), -500, (0, 0, 5, 1)),
        ((0, 0.5, 1000, 0), -500, (-500, -1000, -0.5, -1)),
        ((0, 0.5, -1000, 0), -5000, (0, 0, 5, 1)),
    ):
        params = tf.constant(params, tf.float64)
        assert objective(params).numpy() == value
        np.testing.assert_allclose(hessian.gradient(objective, params), slope, rtol=0, atol=1e-12)
        assert np.isfinite(hessian.hessian(objective, params)).all()


@pytest.mark.parametrize("other", [GAN(6, 1, 2), GAN(5, 1, 1), GAN(4, 1, 2)], ids=repr)
def test_draws_of_another_model_are_refused(other):
    shape = rf"\({other.games}, {other.gen_update}, 10\)"
    with pytest.raises(ValueError, match=rf"\(5, 2\) .*{shape}"):
        GAN(5, 1, 2).train(other.draw(0))
    with pytest.raises(ValueError, match=r"\(5, 2\) "):
        GAN(5, 1, 2).train(gan.stack_seeds([other.draw(seed) for seed in range(3)]))
