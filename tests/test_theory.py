"""The distances of data and generator, and the best discriminator, from their definitions."""

import math
import tracemalloc
import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

import plots

TARGET = stats.norm(5, 1)
INTERVALS = [  # ends of the generated samples: like a run's, touching the data's tail, crossing it once or thrice
    *[(3.8, 6.2), (3.125, 6.875), (0.7, 1.1), (4.99, 5.01), (1, 9), (5, 12), (2, 5), (4.5, 7.5), (-3, 4), (0, 40)],
    *[(-3, 13), (-5, 15), (-45, 55), (-4000, 6000), (-20, -15)],
]


def normal(x):
    return math.exp(-((x - 5) ** 2) / 2) / math.sqrt(2 * math.pi)


def uniform(x, low, high):
    return (low < x < high) / (high - low)


def integral(function, low, high):
    """Integrate over the pieces of [-7, 17], where the target's mass is, cut where a density jumps."""
    cuts = np.unique(np.clip([*range(-7, 18), low, high], -7, 17))
    return sum(integrate.quad(function, *piece, epsabs=1e-11, epsrel=1e-9)[0] for piece in pairwise(cuts))


@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_jensen_shannon_is_its_definition(low, high):
    def integrand(x):
        p, q = normal(x), uniform(x, low, high)
        return (special.rel_entr(p, (p + q) / 2) + special.rel_entr(q, (p + q) / 2)) / 2

    far = 1 - np.ptp(np.clip([low, high], -7, 17)) / (high - low)  # the share of the uniform that is left out
    expected = integral(integrand, low, high) + far * np.log(2) / 2
    assert plots.jensen_shannon(TARGET, low, high) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("low", "high"), INTERVALS[:-1])
def test_wasserstein_is_the_area_between_distributions(low, high):
    def gap(x):
        return abs(special.ndtr(x - 5) - min(max(x - low, 0) / (high - low), 1))

    beyond = (max(high - 17, 0) ** 2 + max(-7 - low, 0) ** 2) / (2 * (high - low))  # where the target's is 1 or 0
    assert plots.wasserstein(TARGET, low, high) == pytest.approx(integral(gap, low, high) + beyond, abs=1e-6)


@pytest.mark.parametrize(("low", "high"), INTERVALS[:8])
def test_kullback_leibler_is_its_definition_and_the_best_discriminator_reaches_the_best_objective(low, high):
    def integrand(x):
        best = plots.best_discriminator(TARGET, low, high, x)
        return special.xlogy(normal(x), best) + special.xlogy(uniform(x, low, high), 1 - best)

    divergence = integral(lambda x: special.rel_entr(uniform(x, low, high), normal(x)), low, high)
    assert plots.kullback_leibler(TARGET, low, high) == pytest.approx(divergence, abs=1e-8)
    assert plots.best_objective(TARGET, low, high) == pytest.approx(integral(integrand, low, high), abs=1e-8)


def test_best_generator():
    def value(params):
        middle, width = params
        return plots.best_objective(TARGET, middle - width / 2, middle + width / 2)

    best = optimize.minimize(value, [4, 1], method="Nelder-Mead", options={"xatol": 1e-4})
    assert best.x == pytest.approx([5, 3.75], abs=0.01)
    assert best.fun > -np.log(4)


def test_point_generator_and_far_generator():
    """With w = 0 all samples are equal: no overlap, and the mean distance |x - b| to go."""
    assert plots.jensen_shannon(TARGET, 5.0, 5.0) == np.log(2)
    assert plots.wasserstein(TARGET, 5.0, 5.0) == pytest.approx(np.sqrt(2 / np.pi), abs=1e-12)
    assert plots.wasserstein(TARGET, -1e6, -1e6) == pytest.approx(1e6 + 5, abs=1e-6)
    assert plots.best_discriminator(TARGET, 5.0, 5.0, np.array([4.0, 5.0, 6.0])).tolist() == [1, 0, 1]
    for function in (plots.jensen_shannon, plots.wasserstein):  # and it is the limit of narrow ones
        assert function(TARGET, 5.0, 5 + 1e-9) == pytest.approx(function(TARGET, 5.0, 5.0), abs=1e-7)
    # without overlap JSD is log 2 at any distance, and Wasserstein-1 grows with it
    low = np.array([-1e6, -1e3, -50, -20, 30, 1e4])
    assert plots.jensen_shannon(TARGET, low, low + 2) == pytest.approx(np.log(2), abs=1e-12)
    assert plots.wasserstein(TARGET, low, low + 2) == pytest.approx(np.abs(low + 1 - 5), rel=1e-12)
    with warnings.catch_warnings():  # a run that diverges is not cluttered with them
        warnings.simplefilter("error")
        for end in (1e12, 1e200):
            assert plots.jensen_shannon(TARGET, -end, end) == pytest.approx(np.log(2), abs=1e-9)
            assert plots.wasserstein(TARGET, -end, end) == pytest.approx(end / 2, rel=1e-9)


@pytest.mark.parametrize("function", [plots.jensen_shannon, plots.wasserstein, plots.best_objective])
def test_distances_of_many_games_are_those_of_each(function):
    rng = np.random.default_rng(0)
    low = rng.normal(3, 3, size=(20, 2))
    high = low + rng.normal(0, 3, size=(20, 2))
    values = function(TARGET, low, high)
    assert values.shape == low.shape
    assert values == pytest.approx(np.vectorize(lambda a, b: function(TARGET, a, b))(low, high), abs=1e-13)
    assert np.array_equal(values, function(TARGET, high, low))  # w < 0 swaps the ends
    other = stats.norm(-1, 2)  # the same picture, moved and stretched
    scale = 2 if function is plots.wasserstein else 1
    assert function(other, 2 * (low - 5) - 1, 2 * (high - 5) - 1) == pytest.approx(scale * values, abs=1e-12)


def test_memory_of_a_long_run():
    """Some fifty numbers a game, not one for each node of the quadrature."""
    low = np.linspace(0, 5, 50_000)
    tracemalloc.start()
    for function in (plots.jensen_shannon, plots.wasserstein):
        function(TARGET, low, low + 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # bytes
