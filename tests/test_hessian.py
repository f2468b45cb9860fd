"""Curvature against derivatives by hand, finite differences, and matrices known beforehand."""

import doctest

import numpy as np
import pytest
import replica
import tensorflow as tf

import gan
import hessian

RNG = np.random.default_rng(0)
POINTS = RNG.normal(0, 2, size=(8, 4))


@pytest.fixture(scope="module")
def batch():
    model = gan.GAN(1, 1, 1)
    draws = model.draw(0)
    dealt, z = model.deal(gan.as_tensors(draws), 0), draws.z_gen[0, -1]
    return lambda params: model.objective(params, dealt, z), draws.x, z


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


def test_eigenvalues_ascend():
    wanted = np.array([[-13.4, -0.1, -1e-5, 0.11], [3, 4, 7, 7]])
    basis, _ = np.linalg.qr(RNG.normal(size=(2, 4, 4)))
    matrices = np.einsum("gij,gj,gkj->gik", basis, wanted[:, [2, 0, 3, 1]], basis)
    np.testing.assert_allclose(hessian.eigenvalues(matrices), np.sort(wanted), rtol=0, atol=1e-13)


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


@pytest.mark.parametrize("updates", [(1, 1), (3, 2)])
def test_game_multipliers_are_those_of_a_game_played(updates):
    """At an equilibrium, the linear map of one game by finite differences of a NumPy game."""
    discr_update, gen_update = updates
    rate, step = 0.1, 1e-6
    z = np.array([0.1, 0.4, 0.7])
    point = np.array([0.5, 4.8, 0, 0])  # D = 1/2, and both means are 5
    x = np.array([4.1, 4.7, 6.2])

    def play(params):
        draws = gan.Draws(params, x, z[None], np.tile(z, (1, gen_update, 1)))
        return replica.train(draws, discr_update, rate)[0][-1]

    np.testing.assert_allclose(play(point), point, rtol=0, atol=1e-14)
    linear = np.array([(play(point + step * axis) - play(point - step * axis)) / (2 * step) for axis in np.eye(4)]).T
    jacobian = hessian.game_jacobian(replica.hessian(point, x, z))
    multipliers = hessian.game_multipliers(jacobian, rate, discr_update, gen_update)
    # one of them is 1: sorting complex numbers that differ by rounding would not pair them
    np.testing.assert_allclose(np.poly(multipliers), np.poly(linear), rtol=0, atol=1e-8)


def test_game_of_x_times_y():
    """Steps of size h in turn go round: the Jacobian's eigenvalues are +-i, a turn takes 2 pi / arccos(1 - h^2 / 2)."""
    jacobian = hessian.game_jacobian(np.array([[0.0, 1], [1, 0]]))
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(jacobian)), [-1j, 1j], atol=1e-15)
    multipliers = hessian.game_multipliers(jacobian, 0.1, 1, 1)
    np.testing.assert_allclose(np.abs(multipliers), 1, rtol=1e-14)
    assert hessian.rotation_period(multipliers) == pytest.approx(2 * np.pi / np.arccos(1 - 0.1**2 / 2))


def turning(size, angle):
    return [size * np.exp(1j * angle), size * np.exp(-1j * angle)]


@pytest.mark.parametrize(
    ("multipliers", "attracts", "period"),
    [
        ([0.9, 0.5], True, np.nan),
        ([1.1, 0.5], False, np.nan),
        ([1, 0.5], True, np.nan),  # along a line of equilibria nothing pulls back
        ([-0.5, 0.9], True, np.nan),  # overshoots; that is no rotation
        ([-1.2, 0.9], False, np.nan),
        (turning(0.99, 0.1), True, 20 * np.pi),
        (turning(1.1, 0.1), False, 20 * np.pi),
        (turning(0.5, 1) + turning(0.99, 0.1), True, 20 * np.pi),
        (turning(0.5, 0.1), True, np.nan),  # gone long before half a turn
    ],
)
def test_multipliers_tell_stability_and_rotation(multipliers, attracts, period):
    multipliers = np.array(multipliers, complex)
    assert hessian.attracts(multipliers) == attracts
    assert hessian.rotation_period(multipliers) == pytest.approx(period, nan_ok=True)
    words = hessian.stability(multipliers)
    assert words.startswith("attracts" if attracts else "repels")
    assert (f" {period:.0f} games" in words) == np.isfinite(period)


@pytest.mark.parametrize("words", ["indefinite", "negative definite", "positive semidefinite", "zero"])
def test_verdict_calls_a_point_stationary_only_where_both_gradients_are_zero(words):
    values = {"indefinite": [-1, 1], "negative definite": [-2, -1], "positive semidefinite": [0, 1], "zero": [0, 0]}
    for gradients, still in (((0, 0), True), ((0.5, 0), False), ((0, 0.5), False)):
        verdict = hessian.verdict(np.array(values[words]), gradients)
        assert words in verdict
        assert verdict.startswith("stationary" if still else "still moving")


def test_a_plateau_is_not_stationary():
    """On an exponential tail the gradient is small, but not beside the curvature."""
    for height in (1, 1e-3, 1e-9):
        assert not hessian.is_stationary(-height * np.array([1, 0.1]), (height, 0.1 * height))


def test_nothing_attracts_where_nothing_moves():
    assert not hessian.attracts(np.ones(4))
    assert hessian.stability(np.ones(4)) == "neither attracts nor repels"
