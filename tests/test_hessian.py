"""Curvature against derivatives by hand, finite differences, and matrices known beforehand; where runs end.

Then the theorem of README.md and the wave's equation, from the players' expected motion by hand and from the replica.
"""

import doctest
import re

import numpy as np
import pytest
import replica
import tensorflow as tf
from scipy import linalg, optimize, special, stats
from trained import README

import gan
import hessian
from gan import GAN
from noisy_gan import NoisyDraws, NoisyGAN

RNG, DRAW = np.random.default_rng(0), -2 * np.log(2)
POINTS = RNG.normal(0, 2, size=(8, 4))


def test_derivatives_equal_those_by_hand():
    """Of one point, of many, and of a grid of them; and one matrix equals finite differences."""
    model = GAN(1, 1, 1)
    draws = model.draw(0)
    batch, x, z = model.deal(draws, 0), draws.x, draws.z_gen[0, -1]
    objective = lambda params: model.objective(params[..., :2], params[..., 2:], batch, z)
    slopes, curvatures = ([by_hand(point, x, z) for point in POINTS] for by_hand in (replica.gradient, replica.hessian))
    np.testing.assert_allclose(hessian.gradient(objective, tf.constant(POINTS)), slopes, rtol=1e-12, atol=1e-13)
    for shape in ((8, 4), (2, 4, 4)):
        found = hessian.hessian(objective, POINTS.reshape(shape))
        np.testing.assert_allclose(found, np.reshape(curvatures, (*shape, 4)), rtol=1e-11, atol=1e-12)
    alone = hessian.hessian(objective, POINTS[0])
    np.testing.assert_allclose(alone, curvatures[0], rtol=1e-11, atol=1e-12)
    ahead, behind = ([replica.gradient(POINTS[0] + step, x, z) for step in sign * 1e-5 * np.eye(4)] for sign in (1, -1))
    np.testing.assert_allclose(alone, np.subtract(ahead, behind) / 2e-5, rtol=0, atol=1e-8)


def test_of_functions_whose_second_derivatives_are_known():
    """A quadratic form; parameters without influence; whole numbers and single precision."""
    matrix = RNG.normal(size=(3, 3))
    form = hessian.hessian(lambda p: tf.einsum("...i,ij,...j->...", p, matrix, p), RNG.normal(size=3))
    np.testing.assert_allclose(form, matrix + matrix.T, rtol=1e-14)
    np.testing.assert_array_equal(hessian.hessian(lambda p: p[..., 0] ** 2, [1.0, 2.0]), [[2, 0], [0, 0]])
    np.testing.assert_array_equal(hessian.hessian(lambda p: 3 * p[..., 1], [1.0, 2.0]), np.zeros((2, 2)))
    for point in ([1, 2], np.float32([1, 2])):
        assert hessian.hessian(lambda p: p[..., 0] ** 3 * p[..., 1], point).dtype == np.float64


SIGNS = {  # what is small beside the largest is zero, however large it is by itself
    "indefinite": ([-1, 2], [-1, 0, 2], [-13.4, -0.1, -1e-5, 0.11], [-10_000, 1.01]),
    "positive definite": ([1, 2], [1e-9, 2e-9]),
    "negative definite": ([-2, -1],),
    "positive semidefinite": ([0, 2], [-0.99e-4, 1], [1e-4, 1]),
    "negative semidefinite": ([-2, 0], [-10_000, 0.99]),
    "zero": ([0, 0],),
}


@pytest.mark.parametrize(("words", "cases"), SIGNS.items())
def test_definiteness(words, cases):
    assert [hessian.definiteness(np.array(eigenvalues)) for eigenvalues in cases] == [words] * len(cases)
    assert hessian.definiteness(np.array([-1, 1e-4]), tolerance=1e-5) == "indefinite"
    assert doctest.testmod(hessian) == (0, 3)


GRID = (np.arange(1000) + 0.5) / 1000  # z, evenly: mean 1/2, variance 1/12
EQUILIBRIA = [
    GAN(1, 1, 1),
    GAN(1, 3, 2, learning_rate=0.03),
    GAN(1, 1, 2, gen_loss="non-saturating"),
    NoisyGAN(1, 2, 1, noise_std=1.5),
    NoisyGAN(1, 1, 2, noise_std=0.4, gen_loss="non-saturating"),
    GAN(1, 50, 3),
    GAN(1, 2, 50),
]
X = np.array([4.1, 4.7, 6.2, 5.9])
END = np.array([2.4, 3.1, 0.3, -0.2])


def dealt(model, params, games=1):
    """Draws of games in which each step sees all of the distributions; at D = 1/2 noise enters by its variance."""
    x, z, std = np.repeat(X, 2000 // len(X)), np.tile(GRID, 2), getattr(model, "noise_std", 0)
    real, fake = std * np.tile([1, -1], 1000), std * np.repeat([1, -1], 1000)
    each = [np.tile(values, (games, 1)) for values in (z, real, fake)]
    return NoisyDraws(params, x, each[0], np.tile(z, (games, model.gen_update, 1)), *each[1:])


def play(model, params, games=1):
    return replica.train(model, dealt(model, params, games))[0]


@pytest.mark.parametrize("model", EQUILIBRIA, ids=repr)
def test_equilibrium_is_a_point_that_no_game_moves_and_has_the_linear_map_of_a_game_there(model):
    there, steps = hessian.equilibrium(model, X, END), 1e-6 * np.eye(4)
    ahead, behind = ([play(model, there.params + move)[-1] for move in sign * steps] for sign in (1, -1))
    np.testing.assert_allclose(there.linear_map, np.subtract(ahead, behind).T / 2e-6, rtol=0, atol=1e-6)
    np.testing.assert_allclose(play(model, there.params)[-1], there.params, rtol=0, atol=1e-13)
    draws = dealt(model, there.params)
    sample = draws.x, draws.z_discr[0], replica.noise(draws, 0)
    assert replica.objective(there.params, *sample) == pytest.approx(DRAW)
    np.testing.assert_allclose(there.hessian, replica.hessian(there.params, *sample), rtol=0, atol=1e-6)


def test_equilibrium_is_the_nearest_point_of_the_line():
    w = np.linspace(-20, 20, 400_001)
    line = np.stack([w, X.mean() - w / 2, 0 * w, 0 * w], axis=-1)
    for end in (END, *POINTS):
        nearest = line[((line - end) ** 2).sum(axis=-1).argmin()]
        np.testing.assert_allclose(hessian.equilibrium(EQUILIBRIA[0], X, end).params, nearest, rtol=0, atol=6e-5)


def equations(x, w, rate, discr_update, gen_update, noise_std=0):
    """What a game makes of a deviation of D's slope, its level, and the mean's error, by the README's equations."""
    mean, spread = x.mean(), (x.var() + w**2 / 12) / 2 + noise_std**2
    discr, gen = np.eye(3), np.eye(3)
    discr[0] += rate / 2 * np.array([-(mean**2) - spread, -mean, 1])
    discr[1] -= rate / 2 * np.array([mean, 1, 0])
    gen[2] -= rate * 5 / 8 * np.array([1, 0, 0])
    return np.linalg.matrix_power(gen, gen_update) @ np.linalg.matrix_power(discr, discr_update)


EDGES = [
    *[(5, 1, steps, 0, 1) for steps in ((1, 1), (50, 1), (1, 50), (1, 500))],
    *[(5, 1, (1, 1), 1.5, 1), (0, 1, (50, 50), 0, 1)],
    *[(0, 2, (2, 10), 0, 2), (2, 1, (2, 50), 0, 2)],  # stable again, at 3.5 times the first loss and at 1.9
]


@pytest.mark.parametrize(("mean", "std", "steps", "noise_std", "losses"), EDGES)
def test_edge_is_the_first_rate_at_which_a_deviation_grows(mean, std, steps, noise_std, losses):
    x = mean + std * np.array([-1.2, -0.3, 0.4, 1.1])
    there = hessian.equilibrium(NoisyGAN(1, *steps, noise_std=noise_std), x, np.array([2.0, 0.3, 0, 0]))
    w, bound = there.params[0], 4 / (1 + mean**2 + 1e-3)
    rates = np.geomspace(1e-3 * bound, bound, 4000)
    maps = [equations(x, w, rate, *steps, noise_std) for rate in rates]
    grows = np.abs(np.linalg.eigvals(maps)).max(axis=-1) > 1 + 1e-9
    assert np.diff(grows.astype(int)).clip(0).sum() == losses
    assert there.edge == pytest.approx(rates[grows.argmax()], rel=2.5e-3)
    for share, largest in ((0.9996, 0), (1.0001, 1)):
        size = np.abs(np.linalg.eigvals(equations(x, w, share * there.edge, *steps, noise_std))).max()
        assert (size > 1) == largest
        faster = NoisyGAN(1, *steps, learning_rate=share * there.edge, noise_std=noise_std)
        assert hessian.fate(hessian.equilibrium(faster, x, there.params)).startswith("grows") == largest
    share = there.edge / 4 * (1 + x.mean() ** 2 + (x.var() + w**2 / 12) / 2 + noise_std**2)  # of D's own limit
    assert share == pytest.approx(1, rel=3e-3) if steps[1] == 1 else share < 0.95


@pytest.mark.parametrize("noise_std", [0, 0.5, 1])
def test_closed_forms_of_the_turn_and_of_what_half_a_turn_leaves(noise_std):
    x = np.random.default_rng(3).normal(5, 1, (100, 10))
    mean, w = x.mean(axis=-1), 2.0
    ends = np.stack([0 * mean + w, mean - w / 2, 0 * mean, 0 * mean], axis=-1)
    there = hessian.equilibrium(NoisyGAN(1, 1, 1, noise_std=noise_std), x, ends)
    spread = (x.var(axis=-1) + w**2 / 12) / 2 + noise_std**2
    steepness, damping = 1 + mean**2 + spread, 4 * spread + 5
    turn = 8 * np.pi / 0.1 * np.sqrt(steepness / 5) * (1 + damping**2 / (160 * steepness))
    np.testing.assert_allclose(there.period, turn, rtol=0.0031)
    left = np.exp(-np.pi * damping / (4 * np.sqrt(5 * steepness)))
    np.testing.assert_allclose(there.kept, left, rtol=0, atol=0.008 if noise_std < 1 else 0.017)


def test_turns_at_small_rates():
    """Down to rates of which floating point keeps nothing, turns are so much longer, and leave the same."""
    slow = hessian.equilibrium(GAN(1, 2, 3, learning_rate=1e-5), X, END)
    factors = np.linalg.eigvals(equations(X, slow.params[0], 1e-5, 2, 3))
    wave = factors[factors.imag > 0][0]
    turn = 2 * np.pi / np.angle(wave)
    assert slow.period == pytest.approx(turn, rel=1e-3)
    assert slow.kept == pytest.approx(np.abs(wave) ** (turn / 2), rel=2e-3)
    for rate in (1e-13, 1e-200):
        there = hessian.equilibrium(GAN(1, 2, 3, learning_rate=rate), X, END)
        assert there.period == pytest.approx(turn * 1e-5 / rate, rel=1e-3)
        assert there.kept == slow.kept
        assert re.fullmatch(r"turns once in [\d.e+]+ games; half a turn leaves \d\d%", hessian.fate(there))


def test_prediction_is_a_run_close_to_an_equilibrium():
    """It starts where the run is after a game, and ends with the run or after four turns."""
    model = EQUILIBRIA[1]
    there = hessian.equilibrium(model, X, END)
    params = play(model, there.params + 1e-5 * np.array([1, 2, 3, -4]), 60)
    predicted = hessian.predict(there, params, 20)
    np.testing.assert_allclose(predicted, params[19:], rtol=0, atol=1e-8)
    assert np.abs(predicted - predicted[0]).max() > 1e-5
    assert len(hessian.predict(there._replace(period=5.2), params, 20)) == 1 + 21


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("steps", [(1, 1000), (1000, 1), (1000, 1000)])
def test_a_map_that_overflows_has_overshot(steps):
    there = hessian.equilibrium(GAN(1, *steps, learning_rate=1e300), X, END)
    assert 1e100 <= np.abs(there.linear_map).max() < np.inf
    assert hessian.fate(there) == "grows: steps overshoot"
    assert 0 < there.edge < 0.2


def turning(size, angle):
    return size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


GROWS, DIES, TURNS = "grows: steps overshoot", "dies out without a turn to be seen, times ", "turns once in "
MAPS = [
    ([[0.9]], [[0.5]], np.nan, DIES + "0.900 a game"),
    ([[-1.003]], [[0.9]], np.nan, GROWS),
    ([[-0.997]], [[0.9]], np.nan, DIES + "0.997 a game"),  # overshoots: no turn
    (turning(1.1, 0.1), [[0.3]], np.nan, GROWS),
    (turning(0.99, 0.1), [[0.3]], 20 * np.pi, TURNS + "63 games; half a turn leaves 73%"),  # 0.99^31.4
    (turning(0.99, 0.1), turning(0.98, 0.3), 20 * np.pi, TURNS + "63 games; half a turn leaves 73%"),
    (turning(0.98, 0.3), turning(0.99, 0.1), 20 * np.pi, TURNS + "63 games; half a turn leaves 73%"),
    (turning(1.01, 0.1), turning(0.9, 1), 2 * np.pi, GROWS),  # the slower is no turn that dies out
    (turning(1 + 1e-12, 0.1), [[0.3]], 20 * np.pi, TURNS + "63 games; half a turn leaves 100%"),
    (turning(1 + 1e-8, 0.1), [[0.3]], np.nan, GROWS),
    ([[1 + 3e-9]], [[0.5]], np.nan, GROWS),
    ([[1 + 3e-10]], [[0.5]], np.nan, DIES + "1.000 a game"),
    (turning(0.99, 0.1), turning(0.9, 1), 20 * np.pi, TURNS + "63 games; half a turn leaves 73%"),
    (turning(0.5, 0.1), turning(0.9, 1), 2 * np.pi, TURNS + "6 games; half a turn leaves 72%"),  # 0.9^3.14
    (turning(0.5, 0.1), [[0.3]], np.nan, DIES + "0.500 a game"),
    (turning(0.9, 2), [[0.3]], np.nan, DIES + "0.900 a game"),
    (turning(0.101 ** (0.1 / np.pi), 0.1), [[0.3]], 20 * np.pi, TURNS + "63 games; half a turn leaves 10%"),
    (turning(0.099 ** (0.1 / np.pi), 0.1), [[0.3]], np.nan, DIES + "0.929 a game"),
]


@pytest.mark.parametrize(("one", "other", "period", "words"), MAPS)
def test_rotation_and_fate(one, other, period, words, monkeypatch):
    """Of a map that is known, in another basis; one direction stays, as along the line of equilibria."""
    blocks = linalg.block_diag(1, one, other)
    basis = np.linalg.qr(RNG.normal(size=blocks.shape))[0]
    linear_map = basis @ blocks @ basis.T
    monkeypatch.setattr(hessian, "LINE", basis[:, 0])
    found = hessian.rotation(linear_map)
    assert found[0] == pytest.approx(period, nan_ok=True)
    assert np.isnan(found[1]) == np.isnan(period)
    for maps in (np.array([linear_map, np.zeros_like(linear_map)]), np.array([np.eye(len(basis)), linear_map])):
        assert np.nanmax([*hessian.rotation(maps)[0], 0]) == pytest.approx(np.nan_to_num(period))
    assert hessian.fate(hessian.Equilibrium(0, 0, linear_map, *found, 0)) == words


MANY = 2 + np.random.default_rng(0).exponential(2, 1000)  # of which the field takes a hundred quantiles


@pytest.mark.parametrize(("model", "samples"), [*zip(EQUILIBRIA[:4], (MANY, X, X, X))], ids="abcd")
def test_phase_field_is_what_a_game_adds(model, samples):
    """Where D's steep direction (m, 1) is at rest."""
    w, std = 1.8, getattr(model, "noise_std", 0)
    mean, slope = (axis.ravel() for axis in np.meshgrid([-0.1, 3, 5, 6.5], [-0.6, -0.05, 0.2, 1]))
    x = np.repeat(samples, 20_000 // len(samples))
    z, *noise = RNG.permuted((np.arange(len(x)) + 0.5) / len(x) + np.zeros((3, 1)), axis=1)
    noise = std * stats.norm.ppf(noise)
    saturating, expected = model.gen_loss == "saturating", []

    def steep(c, middle, a):
        return np.dot([x.mean(), 1], replica.gradient([w, middle - w / 2, a, c], x, z, noise)[2:])

    for middle, a in zip(mean, slope):
        here = w, middle - w / 2, a, optimize.brentq(steep, -60, 60, (middle, a))
        by_w, by_b = replica.generator_gradient(here, x, z, noise, saturating)
        by_slope = replica.gradient(here, x, z, noise)[2]
        expected.append([-model.gen_update * (by_w / 2 + by_b), model.discr_update * by_slope])
    expected = model.learning_rate * np.transpose(expected)
    for found, wanted in zip(hessian.phase_field(model, samples, w, mean, slope), expected):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=(0.05 if std else 0.02) * np.abs(wanted).max())


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


def test_half_turns_are_seen_beside_the_largest_and_the_first_that_is_not_ends_the_search():
    """Swings by hand, of half-turns of 40 games: not the first is the measure, and what comes back is not found."""
    cases = {(0.2, 1, 0.13, 0.11, 0.5): 4, (0.2, 1, 0.13, 0.09, 0.5): 3, (0.2, 1, 0.09, 0.5, 0.5): 2, (0.09, 1, 0.5): 0}
    for swings, found in cases.items():
        weight = np.concatenate([swing * (-1) ** turn * np.ones(40) for turn, swing in enumerate(swings)])
        assert hessian.flat_games(weight, 4).tolist() == [40, 80, 120, 160][:found]
    for weight, period in ((wave(300), np.nan), (wave(300, 149), 300), (wave(3), 3.9), (np.ones(1000), 300)):
        assert hessian.flat_games(weight, period).size == 0
    assert hessian.flat_games(wave(300, 200), 300) == pytest.approx([106], abs=3)


def test_measured_period():
    """The mean, not the median, of whole turns from the second flat game on: 210, 190 and 500 games."""
    assert hessian.measured_period(np.array([10, 100, 190, 310, 380, 500, 800, 1000])) == 300
    assert hessian.measured_period(np.array([10, 100, 190, 310, 1000])) == 210
    for turns in ([], [10], [10, 100], [10, 100, 190]):
        assert np.isnan(hessian.measured_period(np.array(turns, int)))


def test_at_draw_looks_at_the_mean_of_the_last_50_games_of_the_run_and_of_its_halves():
    objective = np.tile(-5.0, (200, 7))
    objective[-50:] = [DRAW + off for off in (0, 0.049, 0.051, -0.049, -0.051, 0, 0)]
    objective[-50::2] += 3
    objective[-49::2] -= 3
    objective[-50, 5:] += 50 * np.array([0.049, 0.051])  # the median is there
    assert hessian.at_draw(objective).tolist() == [True, True, False, True, False, True, False]
    assert [*map(hessian.halvings, (1500, 16, 3))] == [[93, 187, 375, 750, 1500], [1, 2, 4, 8, 16], [1, 3]]
    # the game from which on the mean of ten games stays there
    objective, nan = np.full((100, 6), DRAW), np.nan
    objective[:30, 1] = 0
    objective[-1, 2] = 10
    objective[:, 3] = nan
    objective[40, 4] += 0.51  # a mean of ten moves by 0.051
    objective[40, 5] += 0.49
    np.testing.assert_array_equal(hessian.at_draw_from(objective), [1, 31, nan, nan, 42, 1])
    np.testing.assert_array_equal(hessian.at_draw_from(objective[:3]), [1, nan, 1, nan, 1, 1])


ALL, LAST, SOME = slice(None), slice(-50, None), slice(0, 300, 2)
WINDOWS = (120, 120), (np.nan, 50), (30, 50)  # a turn, and the games at the end that are looked at


def flips(level, jump, games=ALL):
    """V jumps to and fro about a level, in games that are counted from the end."""
    start = games.start or 0
    return [(games, level - jump / 2), (slice(start, games.stop, 2), level + jump / 2)]


ENDINGS = [  # the word; the predicted turn; what V is in some of 400 games, else at the draw; the mean's miss, else 0.1
    ("settled", 120, [], []),
    ("lost", 120, [(LAST, 0), (3, np.inf)], []),
    ("lost", np.nan, [(-1, np.nan)], []),
    ("lost", 120, [], [(7, np.nan)]),
    ("stalled", 120, [(LAST, -0.099)], []),
    ("on the way", 120, [(LAST, -0.101)], []),
    ("stalled", 120, [(LAST, -0.15), (slice(-20, None), 0)], []),  # its mean is -0.09, the median -0.15
    ("on the way", 120, [(LAST, 0), (slice(-20, None), -0.3)], []),  # -0.12 and 0
    ("stalled", 120, [*flips(-9, 1, slice(350)), (LAST, 0)], [(SOME, -0.1)]),  # before flipping and circling
    ("on the way", 120, [(-51, 70), (LAST, -0.12), (-1, 0)], []),
    ("flipping", 120, flips(DRAW - 0.051, 0.3), [(SOME, -0.1)]),  # before circling
    ("settled", 120, flips(DRAW - 0.049, 0.3), []),
    ("flipping", 120, [*flips(DRAW - 0.2, 0.051), (-60, 99)], []),  # the median, not the mean
    ("on the way", 120, flips(DRAW - 0.2, 0.049), []),
    ("on the way", 120, [(ALL, DRAW - 0.2), (-60, 99)], []),  # one jump, whose mean would count
    ("settled", 120, flips(-99, 1, slice(-110, -70)), []),  # a third of a turn, whose mean would count
    *[("flipping", turn, flips(-3, 1, slice(-games, 400 - games * 4 // 10)), []) for turn, games in WINDOWS],
    *[("settled", turn, flips(-3, 1, slice(-2 * games, -games)), []) for turn, games in WINDOWS],
    ("flipping", 5000, flips(-3, 1, slice(-400, -150)), []),  # before settled; a turn ends with the run
    ("settled", 120, [(LAST, DRAW + 0.049)], []),
    ("on the way", 120, [(LAST, DRAW + 0.051)], []),
    ("settled", 240, [], [(slice(-120), 9), (slice(-120, None), -0.249)]),
    ("passing", 240, [], [(slice(-120), 9), (slice(-120, None), -0.251)]),
    *[("passing", 2 * turn, [], [(slice(100), -3), (-games, 0.26)]) for turn, games in WINDOWS],
    *[("settled", 2 * turn, [], [(slice(100), -3), (-games - 1, 0.26)]) for turn, games in WINDOWS],
    ("on the way", 5000, [], [(0, 0.26)]),
    ("settled", 120, [], [(SOME, -9)]),  # before circling
    ("passing", 120, [], [(ALL, 0.3), (slice(200), -3)]),  # the mean has passed once
    ("on the way", 120, [], [(ALL, 0.3)]),  # never
    ("circling", 120, [], [(ALL, -0.3), (slice(100, 300), 3)]),  # twice, and V at the draw
    ("circling", 120, [(LAST, -1)], [(350, -0.1)]),
    ("on the way", 120, [(LAST, -1)], [(slice(350), -3)]),
]


def test_endings():
    """Real samples of mean 5 and median 4; G's weight is 3: its mean is 1.5 beyond b."""
    objective, miss = np.full((400, len(ENDINGS)), DRAW), np.full((400, len(ENDINGS)), 0.1)
    for seed, (_, _, values, misses) in enumerate(ENDINGS):
        for record, changes in ((objective, values), (miss, misses)):
            for games, value in changes:
                record[games, seed] = value
    params = np.stack([3 + 0 * miss, 5 + miss - 1.5, 9 + 0 * miss, 9 + 0 * miss], axis=-1)
    history = gan.History(params, objective, *3 * [np.full_like(objective, np.nan)])
    x = np.array([3.0, 4, 8])
    runs = [gan.History(*(values[:, seed] for values in history)) for seed in range(len(ENDINGS))]
    found = [hessian.ending(run, x, case[1]) for run, case in zip(runs, ENDINGS)]
    assert list(zip(found, ENDINGS)) == [(case[0], case) for case in ENDINGS]
    assert {*found} == {*hessian.ENDS}
    params[5, 24, 3] = -np.inf
    assert hessian.ending(runs[24], x, 120) == "lost"


def test_a_seed_lost_in_one_recorded_column_alone_is_left_out():
    """Each of five in another column and game; the draws that stay are those of the seeds that stay."""
    history = gan.History(np.ones((3, 7, 4)), *(np.ones((3, 7)) for _ in range(4)))
    seeds = np.arange(7.0)
    draws = NoisyDraws(*(seeds[:, None] + np.zeros((*axes, 7, 2)) for axes in ((), (), (3,), (3, 2), (3,), (3,))))
    history.objective[:] = seeds
    for seed, (values, lost) in enumerate(zip(history, (np.nan, np.inf, -np.inf, np.nan, np.inf)), 1):
        values[(seed % 3, seed, 3)[: values.ndim]] = lost
    draws, finite = hessian.finite_seeds(draws, history)
    assert finite.params.shape == (3, 2, 4)
    assert finite.objective.tolist() == 3 * [[0, 6]]
    for values in draws:
        np.testing.assert_array_equal(values, np.broadcast_to([[0], [6]], values.shape))


def test_split_deals_every_game_once_and_few_in_the_last_part_alone():
    """In parts of 10 million samples at most, fewer if D has over 16 steps on them; of one length if possible."""
    for games, samples, steps, longest in (
        *[(1, 1, 1, 1), (7, 10**9, 1, 1), (1_000_000, 20, 1, 500_000), (500_001, 20, 1, 166_667)],
        *[(500_000, 20, 16, 500_000), (500_000, 20, 32, 250_000), (30, 400_000, 3, 15), (500, 90_000, 1, 100)],
        *[(1_000_003, 20, 1, 333_335), (1, 1, 1000, 1)],
    ):
        parts = hessian.split(games, samples, steps)
        assert np.concatenate([np.arange(games)[part] for part in parts]).tolist() == list(range(games))
        lengths = [part.stop - part.start for part in parts]
        assert {*lengths[:-1], longest} == {longest} >= {max(lengths)}


NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2  # z uniform on (0, 1)
EVEN = (np.arange(2000) + 0.5) / 2000
REAL = np.random.default_rng(7).normal(5, 1, 10)
LOSSES = pytest.mark.parametrize("saturating", [True, False])
ANYWHERE = np.random.default_rng(0).normal(0, 1, (60, 4)) * [5, 5, 1, 5]


def field(params, saturating=True):
    """Compute the directions of both players' steps, expected over z: params (4,) give (4,)."""
    w, b, a, c = params
    fake = w * NODES + b
    missed, fooled = special.expit(-(a * REAL + c)), special.expit(a * fake + c)
    push = a * (fooled if saturating else 1 - fooled) * WEIGHTS
    by_slope = np.mean(missed * REAL) - WEIGHTS @ (fooled * fake)
    return np.array([push @ NODES, push.sum(), by_slope, missed.mean() - WEIGHTS @ fooled])


def derivative(function, point, step=1e-6):
    return np.stack([(function(point + e) - function(point - e)) / (2 * step) for e in step * np.eye(4)], axis=-1)


def nearest(w=2.4, model=gan.GAN(1, 1, 1), x=REAL):  # noqa: B008
    """The equilibrium of weight w, from a point off the line: straight off, along (1/2, 1)."""
    return hessian.equilibrium(model, x, np.array([w - 0.4, x.mean() - w / 2 - 0.8, 0.1, -0.2]))


def test_the_motion_is_the_gradient_of_the_replica():
    """What the other tests look at is the game: against derivatives by hand on 2000 even z."""
    for params in ANYWHERE[:5] / [5, 5, 3, 5]:
        slopes = replica.gradient(params, REAL, EVEN)
        for saturating in (True, False):
            gen = replica.generator_gradient(params, REAL, EVEN, saturating=saturating)
            assert field(params, saturating) == pytest.approx([*-gen, *slopes[2:]], abs=1e-5)


@LOSSES
def test_root_searches_end_on_the_line_or_run_away(saturating):
    """Where D is sure of all samples slopes round to 0: that is not a place, but a way without end."""
    on_line = 0
    for start in ANYWHERE:
        end = optimize.root(field, start, saturating, method="lm", tol=1e-12).x
        w, b, a, c = end
        if np.abs(field(end, saturating)).max() > 1e-8:
            continue  # stopped on a slope
        away = min((a * REAL + c).min(), -(a * (w * NODES + b) + c).max()) > 15
        line = np.abs(end - [w, REAL.mean() - w / 2, 0, 0]).max() < 1e-3
        assert line or away
        on_line += line
    assert on_line > 10


def test_what_holds_everywhere_and_that_nobody_gains_by_moving_alone_on_the_line():
    """V is concave in D, and G is pushed by D's slope times a mean of probabilities."""
    for params in ANYWHERE:
        block = replica.hessian(params, REAL, EVEN)[2:, 2:]
        assert np.linalg.eigvalsh(block).max() <= 1e-12 * np.abs(block).max()
        for saturating in (True, False):
            assert 0 < field(params, saturating)[1] / params[2] < 1
    for move in np.random.default_rng(1).normal(0, 2, (200, 2)):
        gen, discr = np.array([*move, 0, 0]), np.array([0, 0, *move])
        assert replica.objective(nearest().params + gen, REAL, EVEN) == pytest.approx(-2 * np.log(2), abs=1e-12)
        assert replica.objective(nearest().params + discr, REAL, EVEN) < -2 * np.log(2)


@pytest.mark.parametrize("w", [-1, 0, 0.5, 2.4, 6])
def test_hessian_on_the_line(w):
    there = nearest(w)
    values = np.linalg.eigvalsh(there.hessian)
    zero = np.abs(values).argmin()
    assert abs(values[zero]) < 1e-14
    assert sorted(np.sign(np.delete(values, zero))) == [-1, -1, 1]
    assert hessian.definiteness(values) == "indefinite"
    assert there.hessian @ [1, -0.5, 0, 0] == pytest.approx(np.zeros(4), abs=1e-15)
    assert "has the trace $-K/2 < 0$ and the determinant $5/32 > 0$" in " ".join(README.read_text().split())
    assert np.prod(np.delete(values, zero)) == pytest.approx(5 / 32)
    steepness = 1 + REAL.mean() ** 2 + (REAL.var() + w**2 / 12) / 2
    assert values.sum() == pytest.approx(-steepness / 2)


@LOSSES
def test_wave_equation(saturating):
    """The README's cubic has the eigenvalues of the expected motion, besides the 0 along the line."""
    cubic = r"\lambda^3 + \frac{K}{2} \lambda^2 + \left(\frac{s^2}{4} + \frac{5}{16}\right) \lambda + \frac{5}{32} = 0"
    assert cubic in README.read_text()
    w, mean = 2.4, REAL.mean()
    spread = (REAL.var() + w**2 / 12) / 2
    cubic = [1, (1 + mean**2 + spread) / 2, spread / 4 + 5 / 16, 5 / 32]
    jacobian = derivative(lambda params: field(params, saturating), nearest(w).params)
    values = np.linalg.eigvals(jacobian)
    values = np.delete(values, np.abs(values).argmin())
    assert np.poly(values) == pytest.approx(np.array(cubic, complex), rel=1e-6)
    slow = values[np.abs(values.imag) > 1e-9]
    assert (len(slow), values.real.max() < 0) == (2, True)  # "it attracts, for small steps"
    assert np.abs(slow.imag) == pytest.approx(np.sqrt(5 / (16 * (1 + mean**2 + spread))), rel=0.03)


def test_no_single_game_moves_only_the_collapsed_generator():
    model = gan.GAN(1, 1, 1)
    draws = model.draw(3)
    for w, moves in ((0, False), (0.1, True), (2.4, True)):
        start = nearest(w, model, draws.x).params
        end = np.array(replica.train(model, draws._replace(params=start))[0][-1])
        assert (np.abs(end - start).max() > 1e-4) == moves
