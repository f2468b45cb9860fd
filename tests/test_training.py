"""The run itself: against the original's record, a NumPy replica, and what theory knows exactly."""

import numpy as np
import pytest
import replica

import gan
import hessian
from gan import GAN, Draws
from noisy_gan import NoisyGAN

SETTINGS = [
    GAN(20, 5, 3),
    GAN(30, 1, 2, num_samples=7, learning_rate=0.3, init_std=2.0),
    NoisyGAN(20, 5, 3),
    NoisyGAN(20, 2, 1, noise_std=0.4),
    GAN(20, 3, 2, gen_loss="non-saturating"),
]


def dealt(model, draws, game=0):
    return model.deal(gan.as_tensors(draws), game)


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
    ours, theirs = hessian.eigenvalues(model.hessians(draws, history)), recorded["eigenvalues"]
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
        slope = replica.gradient if model.gen_loss == "saturating" else replica.non_saturating_gradient
        expected = replica.train(draws, model.discr_update, model.learning_rate, slope)
        for ours, theirs in zip(model.train(draws), expected):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_hessians_are_taken_after_each_game_at_its_last_noise():
    model = SETTINGS[2]
    draws = model.draw(0)
    history = model.train(draws)
    noise = zip(draws.noise_real, draws.noise_fake)
    expected = [replica.hessian(p, draws.x, z[-1], e) for p, z, e in zip(history.params, draws.z_gen, noise)]
    np.testing.assert_allclose(model.hessians(draws, history), expected, rtol=1e-10, atol=1e-12)


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
    for z in (z_discr, z_gen):
        assert 0 <= z.min() < 1e-3 < 0.999 < z.max() < 1
        assert (z.mean(), z.var()) == pytest.approx((1 / 2, 1 / 12), abs=0.01)
    assert np.unique(np.concatenate([z_discr.ravel(), z_gen.ravel()])).size == z_discr.size + z_gen.size


def test_same_seed_same_draws_other_seed_others():
    model = NoisyGAN(3, 1, 2)
    for first, again, other in zip(model.draw(1), model.draw(1), model.draw(2)):
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_an_undecided_discriminator():
    """D = 1/2: V = -2 log 2, nothing for G to learn, and D's slope is half the gap between the means."""
    model = GAN(1, 1, 1, num_samples=8)  # a power of 2: its means of equal numbers are exact
    draws = model.draw(0)
    z, params = draws.z_gen[0, -1], np.array([0.7, -0.3, 0, 0])
    here = dealt(model, draws)

    def objective(p):
        return model.objective(p, here, z)

    params_tensor = gan.as_tensors(draws._replace(params=params)).params
    assert objective(params_tensor).numpy() == -2 * np.log(2) == gan.OPTIMUM
    gap = draws.x.mean() - (0.7 * z - 0.3).mean()
    np.testing.assert_allclose(hessian.gradient(objective, params_tensor), [0, 0, gap / 2, 0], atol=1e-15)
    assert not hessian.gradient(objective, params_tensor).numpy()[:2].any()
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
        noisy.hessians(noisy_draws, noisy_history), plain.hessians(plain_draws, plain_history)
    )


def test_noise_comes_on_top_of_the_same_draws():
    plain, noisy = GAN(500, 2, 1).draw(4), NoisyGAN(500, 2, 1, noise_std=0.3).draw(4)
    for ours, theirs in zip(noisy, plain):
        np.testing.assert_array_equal(ours, theirs)
    for noise in (noisy.noise_real, noisy.noise_fake):
        assert noise.shape == (500, 10)
        assert (noise.mean(), noise.std()) == pytest.approx((0, 0.3), abs=0.02)
    assert abs(np.corrcoef(noisy.noise_real.ravel(), noisy.noise_fake.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("model", [GAN(1, 2, 1, learning_rate=1e-3), NoisyGAN(1, 2, 1, learning_rate=1e-3)], ids=repr)
def test_each_player_moves_itself_alone_and_the_right_way(model):
    draws = model.draw(0)._replace(params=np.array([0.5, 1, 0.4, -0.2]))
    here = dealt(model, draws)
    start = gan.as_tensors(draws).params
    noise = (draws.noise_real[0], draws.noise_fake[0]) if hasattr(draws, "noise_real") else (0, 0)

    def value(params, z):
        return replica.objective(params.numpy(), draws.x, z, noise)

    met, after_discr = model.play(start, here._replace(z_gen=here.z_gen[:0]))  # D's steps alone
    for first, then in ((start, met), (met, after_discr)):
        np.testing.assert_array_equal(first[:2], then[:2])
        assert np.all(first[2:] != then[2:])
        assert value(first, draws.z_discr[0]) < value(then, draws.z_discr[0])

    _, after_gen = model.play(start, here)
    np.testing.assert_array_equal(after_discr[2:], after_gen[2:])
    assert np.all(after_discr[:2] != after_gen[:2])
    assert value(after_gen, draws.z_gen[0, 0]) < value(after_discr, draws.z_gen[0, 0])


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
    here, params = dealt(model, draws), gan.as_tensors(draws).params

    def objective(p):
        return model.objective(p, here, here.z_gen[-1])

    assert objective(params).numpy() == value
    np.testing.assert_allclose(hessian.gradient(objective, params), slope, rtol=0, atol=1e-12)
    assert np.isfinite(hessian.hessian(objective, params)).all()


def test_discriminator_is_the_sigmoid_of_its_logit():
    params, sample = np.array([[1, 2, 0.5, -3], [1, 2, -2, 1]]), np.array([[-1, 0, 6], [2, 3, 4]])
    expected = [1 / (1 + np.exp(-(a * row + c))) for (_, _, a, c), row in zip(params, sample)]
    np.testing.assert_allclose(gan.discriminator(params, sample), expected, rtol=1e-14)


@pytest.mark.parametrize("model", SETTINGS[1:3], ids=repr)
def test_many_seeds_at_once_equal_each_alone(model):
    each = [model.draw(seed) for seed in range(3)]
    together = type(each[0])(*(np.stack(field, axis=-2) for field in zip(*each)))
    history = model.train(together)
    hessians = model.hessians(together, history)
    for seed, draws in enumerate(each):
        alone = model.train(draws)
        for ours, theirs in zip(history, alone):
            np.testing.assert_allclose(ours[:, seed], theirs, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(hessians[:, seed], model.hessians(draws, alone), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("chunk", "large", "parts"), [(600, 0, [7, 7, 6]), (1, 10**9, [1] * 20)])
def test_parts_of_a_run_equal_the_whole(monkeypatch, chunk, large, parts):
    """A long run is trained and measured in parts; neither where they end nor compiling the measures may show."""
    model = SETTINGS[2]  # 80 samples a game
    draws = model.draw(0)
    whole = model.train(draws)
    hessians = model.hessians(draws, whole)
    reports = []
    monkeypatch.setattr(gan, "CHUNK", chunk)
    monkeypatch.setattr(gan, "LARGE", large)
    history = model.train(draws, lambda played, objective: reports.append((played, objective)))
    for ours, theirs in zip(history, whole):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(model.hessians(draws, history), hessians, rtol=1e-12, atol=1e-14)
    assert [len(objective) for _, objective in reports] == parts
    assert [played for played, _ in reports] == [0, *np.cumsum(parts)[:-1]]
    np.testing.assert_array_equal(np.concatenate([objective for _, objective in reports]), history.objective)


def test_moments_of_the_generated_distribution():
    """The uniform on [b, b + w], also where w is negative."""
    z = (np.arange(100_000) + 0.5) / 100_000
    params = np.array([[2.4, 3.8, 0, 0], [-3, 1, 0, 0]])
    samples = params[:, :1] * z + params[:, 1:2]
    np.testing.assert_allclose(gan.generator(params, z), samples, rtol=1e-15)
    np.testing.assert_allclose(gan.generated_mean(params), samples.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(gan.generated_std(params), samples.std(axis=1), rtol=1e-9)
