"""Curvature against derivatives by hand, finite differences, and matrices known beforehand."""

import dataclasses
import doctest
import gc

import numpy as np
import pytest
import replica
import tensorflow as tf
from scipy import linalg, optimize, stats

import hessian
from gan import GAN
from noisy_gan import NoisyDraws, NoisyGAN

RNG = np.random.default_rng(0)
POINTS = RNG.normal(0, 2, size=(8, 4))


@pytest.fixture(scope="module")
def batch():
    model = GAN(1, 1, 1)
    draws = model.draw(0)
    batch, z = model.deal(draws, 0), draws.z_gen[0, -1]
    return lambda params: model.objective(params[..., :2], params[..., 2:], batch, z), draws.x, z


def test_equals_the_hessian_by_hand(batch):
    objective, x, z = batch
    for point in POINTS:
        np.testing.assert_allclose(
            hessian.hessian(objective, point), replica.hessian(point, x, z), rtol=1e-11, atol=1e-12
        )


def test_equals_finite_differences(batch):
    objective, x, z = batch
    point, step = POINTS[0], 1e-5
    rows = [
        (replica.gradient(point + step * axis, x, z) - replica.gradient(point - step * axis, x, z)) / (2 * step)
        for axis in np.eye(4)
    ]
    np.testing.assert_allclose(hessian.hessian(objective, point), rows, rtol=0, atol=1e-8)


def test_gradient_equals_the_one_by_hand(batch):
    objective, x, z = batch
    expected = [replica.gradient(point, x, z) for point in POINTS]
    np.testing.assert_allclose(hessian.gradient(objective, tf.constant(POINTS)), expected, rtol=1e-12, atol=1e-13)


def test_of_a_quadratic_form_is_its_matrix():
    matrix = RNG.normal(size=(3, 3))
    form = hessian.hessian(lambda p: tf.einsum("...i,ij,...j->...", p, matrix, p), RNG.normal(size=3))
    np.testing.assert_allclose(form, matrix + matrix.T, rtol=1e-14)


def test_parameters_without_influence_have_zeros():
    np.testing.assert_array_equal(hessian.hessian(lambda p: p[..., 0] ** 2, [1.0, 2.0]), [[2, 0], [0, 0]])
    np.testing.assert_array_equal(hessian.hessian(lambda p: 3 * p[..., 1], [1.0, 2.0]), np.zeros((2, 2)))


def test_many_points_equal_one_at_a_time(batch):
    objective = batch[0]
    each = [hessian.hessian(objective, point) for point in POINTS]
    np.testing.assert_allclose(hessian.hessian(objective, POINTS), each, rtol=1e-13, atol=1e-15)
    grid = hessian.hessian(objective, POINTS.reshape(2, 4, 4))
    np.testing.assert_allclose(grid, np.reshape(each, (2, 4, 4, 4)), rtol=1e-13, atol=1e-15)


def test_is_float64_whatever_goes_in():
    for point in ([1, 2], np.float32([1, 2])):
        assert hessian.hessian(lambda p: p[..., 0] ** 3 * p[..., 1], point).dtype == np.float64


@pytest.mark.parametrize(
    ("eigenvalues", "words"),
    [
        ([-1, 2], "indefinite"),
        ([-1, 0, 2], "indefinite"),
        ([1, 2], "positive definite"),
        ([-2, -1], "negative definite"),
        ([0, 2], "positive semidefinite"),
        ([-2, 0], "negative semidefinite"),
        ([0, 0], "zero"),
        ([-13.4, -0.1, -1e-5, 0.11], "indefinite"),
        # what is small beside the largest is zero, however large it is by itself
        ([-1 / hessian.ZERO, 0.99], "negative semidefinite"),
        ([-1 / hessian.ZERO, 1.01], "indefinite"),
        ([-0.99 * hessian.ZERO, 1], "positive semidefinite"),
        ([1e-9, 2e-9], "positive definite"),
    ],
)
def test_definiteness(eigenvalues, words):
    assert hessian.definiteness(np.array(eigenvalues)) == words


def test_definiteness_tolerance():
    assert hessian.definiteness(np.array([-1, 1e-4]), tolerance=1e-5) == "indefinite"
    assert hessian.definiteness(np.array([-1, 1e-4]), tolerance=1e-3) == "negative semidefinite"


def test_docstring_example():
    failed, attempted = doctest.testmod(hessian)
    assert (failed, attempted > 0) == (0, True)


# ---------------------------------------------------------------- equilibria, expected over z, by games in NumPy

GRID = (np.arange(1000) + 0.5) / 1000  # z, evenly: mean 1/2, variance 1/12
EQUILIBRIA = [
    GAN(1, 1, 1),
    GAN(1, 3, 2, learning_rate=0.03),
    GAN(1, 1, 2, gen_loss="non-saturating"),
    NoisyGAN(1, 2, 1, noise_std=1.5),
    NoisyGAN(1, 1, 2, noise_std=0.4, gen_loss="non-saturating"),
]
X = np.array([4.1, 4.7, 6.2, 5.9])
END = np.array([2.4, 3.1, 0.3, -0.2])


def dealt(model, params, games=1, x=X):
    """Draws of games in which each step sees all of the distributions; at D = 1/2 noise enters by its variance."""
    x, z, std = np.repeat(x, 2000 // len(x)), np.tile(GRID, 2), getattr(model, "noise_std", 0)
    real, fake = std * np.tile([1, -1], 1000), std * np.repeat([1, -1], 1000)
    each = [np.tile(values, (games, 1)) for values in (z, real, fake)]
    return NoisyDraws(params, x, each[0], np.tile(z, (games, model.gen_update, 1)), *each[1:])


def play(model, params, games=1, x=X):
    return replica.train(model, dealt(model, params, games, x))[0]


def played_map(model, point, x=X, step=1e-6):
    """The linear map of one game, by finite differences."""
    both = (
        (play(model, point + step * axis, x=x)[-1], play(model, point - step * axis, x=x)[-1]) for axis in np.eye(4)
    )
    return np.array([(ahead - behind) / (2 * step) for ahead, behind in both]).T


@pytest.mark.parametrize("model", EQUILIBRIA, ids=repr)
def test_equilibrium_is_a_point_that_no_game_moves(model):
    there = hessian.equilibrium(model, X, END)
    assert there.params[0] == END[0]
    np.testing.assert_allclose(play(model, there.params)[-1], there.params, rtol=0, atol=1e-13)
    draws = dealt(model, there.params)
    noise = draws.noise_real[0], draws.noise_fake[0]
    assert replica.objective(there.params, draws.x, draws.z_discr[0], noise) == pytest.approx(hessian.OPTIMUM)
    expected = replica.hessian(there.params, draws.x, draws.z_discr[0], noise)
    np.testing.assert_allclose(there.hessian, expected, rtol=0, atol=1e-6)
    signs = np.linalg.eigvalsh(there.hessian)
    assert signs[1] < -1e-3 < abs(signs[2]) * 1e6 < 1 < 1e3 * signs[3]


@pytest.mark.parametrize("model", EQUILIBRIA, ids=repr)
def test_linear_map_is_that_of_a_game_played_there(model):
    there = hessian.equilibrium(model, X, END)
    np.testing.assert_allclose(there.linear_map, played_map(model, there.params), rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", EQUILIBRIA[::3], ids=repr)
def test_edge_is_the_rate_from_which_on_deviations_grow(model):
    edge = hessian.equilibrium(model, X, END).edge
    for share, word in ((0.99, "half a turn leaves"), (1.01, "grows")):
        faster = dataclasses.replace(model, learning_rate=share * edge)
        there = hessian.equilibrium(faster, X, END)
        assert word in hessian.fate(there)
        sizes = np.abs(np.linalg.eigvals(played_map(faster, there.params)))
        assert (sizes.max() > 1.001) == (share > 1)


@pytest.mark.parametrize("steps", [(1, 1), (2, 3)])
def test_closed_form_is_the_period_of_small_steps(steps):
    """Data far away swing without loss, and the form is exact."""
    model, far = GAN(1, *steps, learning_rate=1e-5), X + 100
    there = hessian.equilibrium(model, far, END)
    angles = np.angle(np.linalg.eigvals(played_map(model, there.params, far, 1e-4)))
    turn = 2 * np.pi / min(angle for angle in angles if 1e-8 < angle < 1)
    assert there.closed_form == pytest.approx(turn, rel=1e-3)
    assert there.period == pytest.approx(turn, rel=1e-3)


def test_equilibria_of_many_seeds_are_those_of_each():
    x, ends = RNG.normal(5, 1, (3, 10)), RNG.normal(1, 1, (3, 4))
    for model in EQUILIBRIA[2:4]:
        together = hessian.equilibrium(model, x, ends)
        for seed in range(3):
            for ours, alone in zip(together, hessian.equilibrium(model, x[seed], ends[seed])):
                np.testing.assert_allclose(ours[seed], alone, rtol=1e-9, atol=1e-12)


def test_prediction_is_a_run_close_to_an_equilibrium():
    """It starts where the run is after a game, and ends with the run or after four turns."""
    model = EQUILIBRIA[1]
    there = hessian.equilibrium(model, X, END)
    params = play(model, there.params + 1e-5 * np.array([1, 2, 3, -4]), 60)
    predicted = hessian.predict(there, params, 20)
    np.testing.assert_allclose(predicted, params[19:], rtol=0, atol=1e-8)
    assert np.abs(predicted - predicted[0]).max() > 1e-5
    assert len(hessian.predict(there._replace(period=5.2), params, 20)) == 1 + 21


def test_game_of_x_times_y():
    """Steps of size h in turn go round, in 2 pi / arccos(1 - h^2 / 2) games, and lose nothing."""
    linear_map = hessian.game_map(np.array([[0.0, 1], [1, 0]]), 0.1, 1, 1)
    np.testing.assert_allclose(linear_map @ [1, 0], [1 - 0.1**2, 0.1])  # D first, G against what D made of it
    assert hessian.rotation(linear_map) == pytest.approx((2 * np.pi / np.arccos(1 - 0.1**2 / 2), 1))


def turning(size, angle):
    return size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


MAPS = [
    ([[0.9]], [[0.5]], np.nan, "dies out without a turn to be seen, times 0.900 a game"),
    ([[1.1]], [[0.5]], np.nan, "grows: steps overshoot"),
    ([[-0.5]], [[0.4]], np.nan, "dies out without a turn to be seen, times 0.500 a game"),  # overshoots: no turn
    ([[-1.003]], [[0.9]], np.nan, "grows: steps overshoot"),
    ([[-0.997]], [[0.9]], np.nan, "dies out without a turn to be seen, times 0.997 a game"),
    (turning(1.1, 0.1), [[0.3]], np.nan, "grows: steps overshoot"),
    (turning(0.99, 0.1), [[0.3]], 20 * np.pi, "turns once in 63 games; half a turn leaves 73%"),  # 0.99^31.4
    (turning(0.99, 0.1), turning(0.9, 1), 20 * np.pi, "turns once in 63 games; half a turn leaves 73%"),
    (turning(0.5, 0.1), turning(0.9, 1), 2 * np.pi, "turns once in 6 games; half a turn leaves 72%"),  # 0.9^3.14
    (turning(0.5, 0.1), [[0.3]], np.nan, "dies out without a turn to be seen, times 0.500 a game"),
    (turning(0.9, 2), [[0.3]], np.nan, "dies out without a turn to be seen, times 0.900 a game"),
    (turning(0.101 ** (0.1 / np.pi), 0.1), [[0.3]], 20 * np.pi, "turns once in 63 games; half a turn leaves 10%"),
    (turning(0.099 ** (0.1 / np.pi), 0.1), [[0.3]], np.nan, "dies out without a turn to be seen, times 0.929 a game"),
]


@pytest.mark.parametrize(("one", "other", "period", "words"), MAPS)
def test_rotation_and_fate(one, other, period, words):
    """Of a map that is known, in another basis; one direction stays, as along the line of equilibria."""
    basis = RNG.normal(size=(len(one) + len(other) + 1,) * 2)
    linear_map = basis @ linalg.block_diag(one, other, 1) @ np.linalg.inv(basis)
    found = hessian.rotation(linear_map)
    assert found[0] == pytest.approx(period, nan_ok=True)
    assert np.isnan(found[1]) == np.isnan(period)
    for maps in (np.array([linear_map, np.zeros_like(linear_map)]), np.array([np.eye(len(basis)), linear_map])):
        assert np.nanmax([*hessian.rotation(maps)[0], 0]) == pytest.approx(np.nan_to_num(period))
    assert hessian.fate(hessian.Equilibrium(0, 0, linear_map, *found, 0, 0)) == words


@pytest.mark.parametrize("model", [EQUILIBRIA[1], EQUILIBRIA[2], EQUILIBRIA[3]], ids=repr)
def test_phase_field_is_what_a_game_adds(model):
    """Derivatives by hand, summed over many samples, where D's steep direction (m, 1) is at rest."""
    w, std = 1.8, getattr(model, "noise_std", 0)
    mean, slope = (axis.ravel() for axis in np.meshgrid([0.5, 3, 5, 6.5], [-0.6, -0.05, 0.2, 1]))
    x = np.repeat(X, 5000)
    z, *noise = RNG.permuted((np.arange(len(x)) + 0.5) / len(x) + np.zeros((3, 1)), axis=1)
    noise = std * stats.norm.ppf(noise)
    saturating, expected = model.gen_loss == "saturating", []
    for middle, a in zip(mean, slope):

        def at(c, middle=middle, a=a):
            return np.array([w, middle - w / 2, a, c])

        def steep(c, at=at):
            return np.dot([X.mean(), 1], replica.gradient(at(c), x, z, noise)[2:])

        here = at(optimize.brentq(steep, -60, 60))
        by_w, by_b = replica.generator_gradient(here, x, z, noise, saturating)
        by_slope = replica.gradient(here, x, z, noise)[2]
        expected.append([-model.gen_update * (by_w / 2 + by_b), model.discr_update * by_slope])
    expected = model.learning_rate * np.transpose(expected)
    for found, wanted in zip(hessian.phase_field(model, X, w, mean, slope), expected):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=(0.05 if std else 0.02) * np.abs(wanted).max())


# ---------------------------------------------------------------- where runs end, by sequences made by hand


def wave(period, games=2000, half_turn_leaves=0.7, shift=0.6, noise=0.0):
    time = np.arange(games)
    swing = half_turn_leaves ** (2 * time / period) * np.cos(2 * np.pi * (time / period - shift))
    return swing + noise * np.random.default_rng(1).normal(size=games)


@pytest.mark.parametrize("period", [37, 200, 588.5])
def test_flat_games_are_those_in_which_a_wave_crosses_zero(period):
    crossings = (np.arange(30) / 2 + 0.35) * period  # cos is 0 a quarter of a turn past 0.6 turns, and every half
    for weight in (wave(period), -wave(period), wave(period, noise=0.02)):
        turns = hessian.flat_games(weight, period)
        assert len(turns) >= min(5, 2 * 2000 / period - 2)
        np.testing.assert_allclose(turns, crossings[: len(turns)] + 1, rtol=0, atol=0.02 * period + 2)
    assert hessian.measured_period(hessian.flat_games(wave(period, 6000), period)) == pytest.approx(period, rel=0.01)


def test_waves_lost_in_noise_are_not_followed():
    """Of half-turns that leave 40% each, two more can be seen beside the largest."""
    clean, noisy = (hessian.flat_games(wave(300, 1500, 0.4, noise=noise), 300) for noise in (0, 0.01))
    assert len(clean) == len(noisy) == 3
    assert hessian.flat_games(wave(300), np.nan).size == 0
    assert hessian.flat_games(wave(300, 100), 300).size == 0
    assert hessian.flat_games(wave(300, 200), 300) == pytest.approx([106], abs=3)
    assert hessian.flat_games(np.ones(1000), 300).size == 0


def test_measured_period_counts_whole_turns_from_the_second_flat_game_on():
    assert hessian.measured_period(np.array([10, 100, 190, 310, 380, 500])) == 200  # 100 to 310 to 500
    assert hessian.measured_period(np.array([10, 100, 190, 310])) == 210
    for turns in ([], [10], [10, 100], [10, 100, 190]):
        assert np.isnan(hessian.measured_period(np.array(turns, int)))


def test_measured_kept_is_what_half_a_turn_leaves():
    for left in (0.3, 0.7, 1):
        assert hessian.measured_kept(wave(200, 900, left), 200) == pytest.approx(left, rel=1e-6)
    for period in (np.nan, 451):
        assert np.isnan(hessian.measured_kept(wave(200, 900), period))


def test_near_optimum_and_stalled_look_at_the_last_50_games():
    objective = np.tile(-5.0, (200, 8))
    objective[-50:] = [hessian.OPTIMUM + off for off in (0, 0.049, 0.051, -0.049, -0.051)] + [-0.11, -0.09, 0]
    objective[-50::2] += 3
    objective[-49::2] -= 3
    assert hessian.near_optimum(objective).tolist() == [True, True, False, True, False, False, False, False]
    assert hessian.stalled(objective).tolist() == [False] * 6 + [True] * 2


def test_halvings():
    assert hessian.halvings(1500) == [93, 187, 375, 750, 1500]
    assert hessian.halvings(16) == [1, 2, 4, 8, 16]
    assert hessian.halvings(3) == [1, 3]


def test_settled():
    """The game from which on the mean of ten games stays near -2 log 2."""
    objective = np.full((100, 6), -2 * np.log(2))
    objective[:30, 1] = 0
    objective[-1, 2] = 10
    objective[:, 3] = np.nan
    objective[40, 4] += 0.51  # a mean of ten moves by 0.051
    objective[40, 5] += 0.49
    assert hessian.settled(objective).tolist() == [1, 31, np.inf, np.inf, 42, 1]
    assert hessian.settled(objective[:3]).tolist() == [1, np.inf, 1, np.inf, 1, 1]


@pytest.mark.parametrize(("games", "samples"), [(1, 1), (7, 10**9), (1_000_000, 20), (150_001, 21), (30, 200_000)])
def test_split_deals_every_game_once_into_parts_of_one_length(games, samples):
    parts = hessian.split(games, samples)
    assert len({len(part) for part in parts}) == 1
    dealt = np.concatenate(parts)
    assert dealt[:games].tolist() == list(range(games))
    assert set(dealt[games:]) <= {games - 1}
    assert len(parts[0]) == 1 or len(parts[0]) * samples <= hessian.BLOCK
    assert len(parts) == 1 or (len(parts) - 2) * len(parts[0]) < games


@pytest.mark.parametrize("collecting", [True, False])
def test_import_puts_garbage_collection_back(collecting):
    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        with hessian._quiet_import():
            assert not gc.isenabled()
        assert gc.isenabled() == collecting
        assert gc.get_freeze_count() > 0  # of objects that it looks at no more
    finally:
        (gc.enable if before else gc.disable)()
