"""The run itself: against the original's record, a NumPy replica, and what theory knows exactly."""

import numpy as np
import pytest
import replica
import tensorflow as tf
from scipy import stats

import gan
import hessian
import plots
from gan import GAN, Draws
from noisy_gan import NoisyGAN

SETTINGS = [
    GAN(20, 5, 3),
    GAN(30, 1, 2, num_samples=7, learning_rate=0.3, init_std=2.0),
    NoisyGAN(20, 5, 3),
    NoisyGAN(20, 2, 1, noise_std=0.4, target_mean=-3, target_std=2),
    GAN(20, 3, 2, gen_loss="non-saturating"),
]


@pytest.fixture(scope="module")
def original(recorded):
    model = GAN(300, 1, 1)
    draws = Draws(recorded["init"], recorded["x"], recorded["z_discr"], recorded["z_gen"])
    return model, draws, model.train(draws)


def test_follows_the_original(original, recorded):
    _, _, history = original
    np.testing.assert_allclose(history.params, recorded["params"], rtol=0, atol=2e-5)
    np.testing.assert_allclose(history.objective, recorded["objective"], rtol=0, atol=2e-6)


def test_eigenvalues_follow_the_original(original, recorded):
    model, draws, history = original
    ours, theirs = np.linalg.eigvalsh(hessian.run_hessians(model, draws, history)), recorded["eigenvalues"]
    assert np.all(np.abs(ours - theirs) <= 1e-3 * np.abs(theirs).max(axis=1, keepdims=True))


def test_gradient_norms_are_the_original_weight_parts_and_the_bias_parts(original, recorded):
    """The original recorded the weights' derivatives alone; the biases' come from its recorded params."""
    _, draws, history = original
    before = np.vstack([recorded["init"], recorded["params"][:-1]])
    discr_last = np.hstack([before[:, :2], recorded["params"][:, 2:]])
    discr_bias = [replica.gradient(p, draws.x, z)[3] for p, z in zip(discr_last, draws.z_discr)]
    gen_bias = [replica.gradient(p, draws.x, z)[1] for p, z in zip(recorded["params"], draws.z_gen[:, -1])]
    discr = np.hypot(recorded["grad_discr_w"], discr_bias)
    gen = np.hypot(recorded["grad_gen_w"], gen_bias)
    np.testing.assert_allclose(history.discr_gradient**2, discr**2, rtol=0, atol=2e-5)
    np.testing.assert_allclose(history.gen_gradient**2, gen**2, rtol=0, atol=2e-5)


@pytest.mark.parametrize("model", SETTINGS, ids=repr)
def test_training_equals_a_numpy_replica(model):
    for seed in range(3):
        draws = model.draw(seed)
        for ours, theirs in zip(model.train(draws), replica.train(model, draws), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_hessians_are_taken_after_each_game_at_its_last_noise():
    model = SETTINGS[2]
    draws = model.draw(0)
    history = model.train(draws)
    noise = zip(draws.noise_real, draws.noise_fake)
    expected = [replica.hessian(p, draws.x, z[-1], e) for p, z, e in zip(history.params, draws.z_gen, noise)]
    np.testing.assert_allclose(hessian.run_hessians(model, draws, history), expected, rtol=1e-10, atol=1e-12)


def test_draws():
    """Shapes, distributions and the start: N(0, init_std) weights, biases of 0."""
    model = GAN(400, 1, 2, num_samples=50, init_std=0.5)
    params, x, z_discr, z_gen = model.draw(0)
    assert (params.shape, x.shape, z_discr.shape, z_gen.shape) == ((4,), (50,), (400, 50), (400, 2, 50))
    starts = np.array([GAN(1, 1, 1, num_samples=1, init_std=0.5).draw(seed).params for seed in range(2000)])
    assert starts[:, [0, 2]].std(axis=0) == pytest.approx([0.5, 0.5], rel=0.1)
    assert starts.mean(axis=0) == pytest.approx(np.zeros(4), abs=0.05)
    assert not starts[:, [1, 3]].any()
    big = GAN(1, 1, 1, num_samples=100_000).draw(0).x
    assert (big.mean(), big.std()) == pytest.approx((5, 1), abs=0.02)
    other = GAN(1, 1, 1, num_samples=100_000, target_mean=-3, target_std=2).draw(0).x
    assert (other.mean(), other.std()) == pytest.approx((-3, 2), abs=0.03)
    for z in (z_discr, z_gen):
        assert 0 <= z.min() < 1e-3 < 0.999 < z.max() < 1
        assert (z.mean(), z.var()) == pytest.approx((1 / 2, 1 / 12), abs=0.01)
    assert np.unique(np.concatenate([z_discr.ravel(), z_gen.ravel()])).size == z_discr.size + z_gen.size


def test_same_seed_same_draws_other_seed_others():
    model = NoisyGAN(3, 1, 2)
    for first, again, other in zip(model.draw(1), model.draw(1), model.draw(2)):
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def objective_of(model, draws):
    """V as a function of all four parameters, at the first game's last noise."""
    batch = model.deal(draws, 0)
    return lambda params: model.objective(params[..., :2], params[..., 2:], batch, draws.z_gen[0, -1])


def test_an_undecided_discriminator():
    """D = 1/2: V = -2 log 2, nothing for G to learn, and D's slope is half the gap between the means."""
    model = GAN(1, 1, 1, num_samples=8)  # a power of 2: its means of equal numbers are exact
    draws = model.draw(0)
    objective, params = objective_of(model, draws), tf.constant(np.array([0.7, -0.3, 0, 0]))
    assert objective(params).numpy() == -2 * np.log(2) == hessian.OPTIMUM
    gap = draws.x.mean() - (0.7 * draws.z_gen[0, -1] - 0.3).mean()
    slope = hessian.gradient(objective, params).numpy()
    np.testing.assert_allclose(slope, [0, 0, gap / 2, 0], atol=1e-15)
    assert not slope[:2].any()
    curvature = hessian.hessian(objective, params)
    assert not curvature[:2, :2].any()
    assert curvature[2:, :2].any()


def test_no_noise_makes_a_noisy_gan_a_gan():
    plain, noisy = GAN(20, 5, 3), NoisyGAN(20, 5, 3, noise_std=0)
    plain_draws, noisy_draws = plain.draw(1), noisy.draw(1)
    plain_history, noisy_history = plain.train(plain_draws), noisy.train(noisy_draws)
    for ours, theirs in zip(noisy_history, plain_history):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(
        hessian.run_hessians(noisy, noisy_draws, noisy_history), hessian.run_hessians(plain, plain_draws, plain_history)
    )


def test_noise_comes_on_top_of_the_same_draws():
    plain, noisy = GAN(500, 2, 1).draw(4), NoisyGAN(500, 2, 1, noise_std=0.3).draw(4)
    for ours, theirs in zip(noisy, plain):
        np.testing.assert_array_equal(ours, theirs)
    for noise in (noisy.noise_real, noisy.noise_fake):
        assert noise.shape == (500, 10)
        assert (noise.mean(), noise.std()) == pytest.approx((0, 0.3), abs=0.02)
    assert abs(np.corrcoef(noisy.noise_real.ravel(), noisy.noise_fake.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("model", SETTINGS[1:], ids=repr)
def test_each_player_goes_by_its_own_slope(model):
    """By finite differences of what it climbs or descends, D at V and G at its loss, as defined."""
    draws, step = model.draw(0), 1e-6
    batch, z = model.deal(draws, 0), draws.z_gen[0, -1]
    noise = (draws.noise_real[0], draws.noise_fake[0]) if hasattr(draws, "noise_real") else (0, 0)

    def loss(params):
        w, b, a, c = params
        d = 1 / (1 + np.exp(-(a * (w * z + b + noise[1]) + c)))
        return np.log(1 - d).mean() if model.gen_loss == "saturating" else -np.log(d).mean()

    for params in np.random.default_rng(0).normal(0, 1, (5, 4)):
        players = tf.constant(params[:2]), tf.constant(params[2:])
        assert model.generator_loss(*players, batch, z).numpy() == pytest.approx(loss(params))
        for ours, of, axes in (
            (model.gen_slope, loss, np.eye(4)[:2]),
            (model.discr_slope, lambda p: replica.objective(p, draws.x, z, noise), np.eye(4)[2:]),
        ):
            expected = [(of(params + step * axis) - of(params - step * axis)) / (2 * step) for axis in axes]
            np.testing.assert_allclose(ours(*players, batch, z), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("params", "value", "slope"),
    [
        # D is sure that all is real: wrong about the fakes, G = 0.5 each, in proportion to the logit
        ((0, 0.5, 0, 500), -500, (0, 0, -0.5, -1)),
        ((0, 0.5, 0, -500), -500, (0, 0, 5, 1)),
        ((0, 0.5, 1000, 0), -500, (-500, -1000, -0.5, -1)),
        ((0, 0.5, -1000, 0), -5000, (0, 0, 5, 1)),
    ],
)
def test_a_sure_discriminator_stays_finite(params, value, slope):
    """log D at a logit of -500 is -500, though D itself has rounded to 0 or 1."""
    model = GAN(1, 1, 1, num_samples=2)
    draws = Draws(np.array(params, float), np.full(2, 5.0), np.full((1, 2), 0.25), np.array([[[0.25, 0.75]]]))
    objective, params = objective_of(model, draws), tf.constant(draws.params)
    assert objective(params).numpy() == value
    np.testing.assert_allclose(hessian.gradient(objective, params), slope, rtol=0, atol=1e-12)
    assert np.isfinite(hessian.hessian(objective, params)).all()


def test_discriminator_is_the_sigmoid_of_its_logit():
    discr, sample = np.array([[0.5, -3], [-2, 1]]), np.array([[-1, 0, 6], [2, 3, 4]])
    expected = [1 / (1 + np.exp(-(a * row + c))) for (a, c), row in zip(discr, sample)]
    np.testing.assert_allclose(gan.discriminator(discr, sample), expected, rtol=1e-14)


@pytest.mark.parametrize("model", SETTINGS[1:3], ids=repr)
def test_many_seeds_at_once_equal_each_alone(model):
    each = [model.draw(seed) for seed in range(3)]
    together = gan.stack_seeds(each)
    history = model.train(together)
    hessians = hessian.run_hessians(model, together, history)
    for seed, draws in enumerate(each):
        alone = model.train(draws)
        for ours, theirs in zip(history, alone):
            np.testing.assert_allclose(ours[:, seed], theirs, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(hessians[:, seed], hessian.run_hessians(model, draws, alone), rtol=1e-9, atol=1e-9)


def test_a_run_too_large_to_be_trained_at_once():
    """It is trained and measured part by part: the parts are reported in turn, and their ends do not show."""
    model, parts = NoisyGAN(13, 1, 1, num_samples=100_000), []
    draws = model.draw(0)
    history = model.train(draws, lambda first, part: parts.append((first, part)))
    assert len(parts) > 1
    assert [first for first, _ in parts] == [0, *np.cumsum([len(part.objective) for _, part in parts])[:-1]]
    for whole, *pieces, replayed in zip(history, *(part for _, part in parts), replica.train(model, draws)):
        np.testing.assert_array_equal(np.concatenate(pieces), whole)
        np.testing.assert_allclose(whole, replayed, rtol=1e-9, atol=1e-12)
    hessians = hessian.run_hessians(model, draws, history)
    assert hessians.shape == (13, 4, 4)
    for game in (0, 1, 2, 12):
        noise = draws.noise_real[game], draws.noise_fake[game]
        expected = replica.hessian(history.params[game], draws.x, draws.z_gen[game, -1], noise)
        np.testing.assert_allclose(hessians[game], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(hessian.run_hessians(model, draws, history, last=3), hessians[-3:], rtol=1e-12)


@pytest.mark.parametrize(
    ("other", "shape"),
    [
        (GAN(6, 1, 2), r"\(6, 2, 10\)"),
        (GAN(5, 1, 1), r"\(5, 1, 10\)"),
        (GAN(4, 1, 2), r"\(4, 2, 10\)"),
    ],
)
def test_draws_of_another_model_are_refused(other, shape):
    model = GAN(5, 1, 2)
    with pytest.raises(ValueError, match=rf"\(5, 2\) .*{shape}"):
        model.train(other.draw(0))
    with pytest.raises(ValueError, match=r"\(5, 2\) "):
        model.train(gan.stack_seeds([other.draw(seed) for seed in range(3)]))


PLAYERS = np.array([
    [2.4, 3.8, 0.7, -3.0],
    [2.4, 3.8, -0.7, 3.0],  # the other way round
    [-3.0, 6.0, 0.4, -1.9],  # a generator of negative weight
    [-3.0, 6.0, -0.4, 1.9],
    [1.0, 0.0, 2.0, -6.0],  # sure, and right
    [1.0, 0.0, -2.0, 6.0],  # sure, and wrong
])  # fmt: skip


def test_moments_and_accuracies_are_those_of_samples():
    """G(z) is uniform on [b, b + w], also for w < 0; D is right where it gives real samples more than 1/2."""
    levels = (np.arange(100_000) + 0.5) / 100_000
    target = stats.norm(4, 1.5)
    fake = gan.generator(PLAYERS[:, :2], levels).numpy()
    np.testing.assert_allclose(fake, PLAYERS[:, :1] * levels + PLAYERS[:, 1:2], rtol=1e-15)
    np.testing.assert_allclose(plots.generated_mean(PLAYERS), fake.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(plots.generated_std(PLAYERS), fake.std(axis=1), rtol=1e-9)
    real_right = (gan.discriminator(PLAYERS[:, 2:], np.tile(target.ppf(levels), (6, 1))) > 1 / 2).mean(axis=1)
    fake_right = (gan.discriminator(PLAYERS[:, 2:], fake) < 1 / 2).mean(axis=1)
    for ours, shares in zip(plots.accuracies(PLAYERS, target), (real_right, fake_right)):
        np.testing.assert_allclose(ours, shares, rtol=0, atol=2e-5)
        assert len(set(ours.round(3))) > 3
