"""The theorem of README.md and the wave's equation, from the players' expected motion by hand and from the replica."""

import numpy as np
import pytest
import replica
from scipy import optimize
from scipy.special import expit
from trained import README

import gan
import hessian

NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2  # z uniform on (0, 1)
MANY = (np.arange(2000) + 0.5) / 2000
X = np.random.default_rng(7).normal(5, 1, 10)
LOSSES = pytest.mark.parametrize("saturating", [True, False])
ANYWHERE = np.random.default_rng(0).normal(0, 1, (60, 4)) * [5, 5, 1, 5]


def field(params, saturating=True):
    """Compute the directions of both players' steps, expected over z: params (4,) give (4,)."""
    w, b, a, c = params
    fake = w * NODES + b
    missed, fooled = expit(-(a * X + c)), expit(a * fake + c)
    push = a * (fooled if saturating else 1 - fooled) * WEIGHTS
    return np.array(
        [push @ NODES, push.sum(), np.mean(missed * X) - WEIGHTS @ (fooled * fake), missed.mean() - WEIGHTS @ fooled]
    )


def derivative(function, point, step=1e-6):
    return np.stack([(function(point + e) - function(point - e)) / (2 * step) for e in step * np.eye(4)], axis=-1)


def nearest(w=2.4, model=gan.GAN(1, 1, 1), x=X):  # noqa: B008
    """The equilibrium of weight w, from a point off the line: straight off, along (1/2, 1)."""
    return hessian.equilibrium(model, x, np.array([w - 0.4, x.mean() - w / 2 - 0.8, 0.1, -0.2]))


def test_the_motion_is_the_gradient_of_the_replica():
    """What the other tests look at is the game: against derivatives by hand on 2000 even z."""
    for params in ANYWHERE[:5] / [5, 5, 3, 5]:
        slopes = replica.gradient(params, X, MANY)
        for saturating in (True, False):
            gen = replica.generator_gradient(params, X, MANY, saturating=saturating)
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
        away = min((a * X + c).min(), -(a * (w * NODES + b) + c).max()) > 15
        line = np.abs(end - [w, X.mean() - w / 2, 0, 0]).max() < 1e-3
        assert line or away
        on_line += line
    assert on_line > 10


def test_what_holds_everywhere_and_that_nobody_gains_by_moving_alone_on_the_line():
    """V is concave in D, and G is pushed by D's slope times a mean of probabilities."""
    for params in ANYWHERE:
        block = replica.hessian(params, X, MANY)[2:, 2:]
        assert np.linalg.eigvalsh(block).max() <= 1e-12 * np.abs(block).max()
        for saturating in (True, False):
            assert 0 < field(params, saturating)[1] / params[2] < 1
    for move in np.random.default_rng(1).normal(0, 2, (200, 2)):
        gen, discr = np.array([*move, 0, 0]), np.array([0, 0, *move])
        assert replica.objective(nearest().params + gen, X, MANY) == pytest.approx(-2 * np.log(2), abs=1e-12)
        assert replica.objective(nearest().params + discr, X, MANY) < -2 * np.log(2)


@pytest.mark.parametrize("w", [-1, 0, 0.5, 2.4, 6])
def test_hessian_on_the_line(w):
    there = nearest(w)
    assert there.params == pytest.approx([w, X.mean() - w / 2, 0, 0], abs=1e-14)
    values = np.linalg.eigvalsh(there.hessian)
    zero = np.abs(values).argmin()
    assert abs(values[zero]) < 1e-14
    assert sorted(np.sign(np.delete(values, zero))) == [-1, -1, 1]
    assert hessian.definiteness(values) == "indefinite"
    assert there.hessian @ [1, -0.5, 0, 0] == pytest.approx(np.zeros(4), abs=1e-15)
    assert "has the trace $-K/2 < 0$ and the determinant $5/32 > 0$" in " ".join(README.read_text().split())
    assert np.prod(np.delete(values, zero)) == pytest.approx(5 / 32)
    steepness = 1 + X.mean() ** 2 + (X.var() + w**2 / 12) / 2
    assert values.sum() == pytest.approx(-steepness / 2)


@LOSSES
def test_wave_equation(saturating):
    """The README's cubic has the eigenvalues of the expected motion, besides the 0 along the line."""
    cubic = r"\lambda^3 + \frac{K}{2} \lambda^2 + \left(\frac{s^2}{4} + \frac{5}{16}\right) \lambda + \frac{5}{32} = 0"
    assert cubic in README.read_text()
    w, mean = 2.4, X.mean()
    spread = (X.var() + w**2 / 12) / 2
    cubic = [1, (1 + mean**2 + spread) / 2, spread / 4 + 5 / 16, 5 / 32]
    jacobian = derivative(lambda params: field(params, saturating), nearest(w).params)
    values = np.linalg.eigvals(jacobian)
    values = np.delete(values, np.abs(values).argmin())
    assert np.poly(values) == pytest.approx(np.array(cubic, complex), rel=1e-6)
    slow = values[np.abs(values.imag) > 1e-9]
    assert len(slow) == 2
    assert values.real.max() < 0  # "it attracts, for small steps"
    assert np.abs(slow.imag) == pytest.approx(np.sqrt(5 / (16 * (1 + mean**2 + spread))), rel=0.03)


def test_no_single_game_moves_only_the_collapsed_generator():
    model = gan.GAN(1, 1, 1)
    draws = model.draw(3)
    for w, moves in ((0, False), (0.1, True), (2.4, True)):
        start = nearest(w, model, draws.x).params
        end = np.array(replica.train(model, draws._replace(params=start))[0][-1])
        assert (np.abs(end - start).max() > 1e-4) == moves
