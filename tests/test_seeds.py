"""Many seeds at once: where they end, against one run at a time in NumPy."""

import re

import numpy as np
import pytest
import replica

import gan
from gan import GAN

SEEDS = range(3, 9)
MODEL = GAN(120, 1, 20)


@pytest.fixture(scope="module")
def together():
    draws = gan.stack_seeds([MODEL.draw(seed) for seed in SEEDS])
    history = MODEL.train(draws)
    return history, gan.judge(MODEL, draws, history)


@pytest.fixture(scope="module")
def alone():
    return [(draws, replica.train(draws, 1, 0.1)) for draws in map(MODEL.draw, SEEDS)]


def test_outcomes_are_those_of_each_run_alone(together, alone):
    _, result = together
    for number, (draws, (params, objective, _, _)) in enumerate(alone):
        w, b, a, c = params[-1]
        end = objective[-50:].mean()
        assert result.finite[number]
        assert result.optimal[number] == (abs(end + 2 * np.log(2)) < 0.05)
        assert result.stalled[number] == (end > -0.1)
        assert result.mean[number] == pytest.approx(b + w / 2)
        assert result.std[number] == pytest.approx(abs(w) / 12**0.5)
        assert result.gap[number] == pytest.approx(np.abs(replica.sigmoid(a * draws.x + c) - 0.5).max())
        slope = np.mean([replica.gradient(params[-1], draws.x, z) for z in draws.z_gen[:, -1]], axis=0)
        signs = np.linalg.eigvalsh(replica.hessian(params[-1], draws.x, draws.z_gen[-1, -1]))
        moving = max(np.linalg.norm(slope[:2]), np.linalg.norm(slope[2:])) > 1e-3 * np.abs(signs).max()
        assert result.stationary[number] == (not moving)
        assert (result.definiteness[number] == "indefinite") == (
            signs[0] < 0 < signs[-1] and signs[-1] > -1e-4 * signs[0]
        )


def test_settled():
    """The game from which on the mean of ten games stays near -2 log 2."""
    objective = np.full((100, 4), -2 * np.log(2))
    objective[:30, 1] = 0
    objective[-1, 2] = 10
    objective[:, 3] = np.nan
    assert list(gan.settled(objective)) == [1, 31, np.inf, np.inf]


def test_command_counts_seeds_and_draws_one_picture(command, images, alone):
    status, out, err = command("--games=120", "--gen-update=20", "--seed=3", "--seeds=6")
    assert (status, err) == (0, "")
    assert [path.name for path in images.iterdir()] == ["seeds_120_1_20.png"]
    optimal = np.mean([abs(objective[-50:].mean() + 2 * np.log(2)) < 0.05 for _, (_, objective, _, _) in alone])
    (printed,) = re.findall(r"at the optimum after 120 +([\d.]+)%", out)
    assert float(printed) == pytest.approx(100 * optimal, abs=0.05)


def test_command_without_a_finite_run_is_one_line(command, images):
    status, _, err = command("--learning-rate=1e300", "--init-std=1e300", "--seeds=3")
    assert (status, err.count("\n")) == (1, 1)
    assert not list(images.iterdir())
