"""Many seeds at once: where they end, against one run at a time in NumPy."""

import re

import numpy as np
import pytest
import replica

import gan
import hessian
import plots
from gan import GAN

SEEDS = range(3, 9)
MODEL = GAN(120, 1, 20)


@pytest.fixture(scope="module")
def judged():
    draws = gan.stack_seeds([MODEL.draw(seed) for seed in SEEDS])
    return hessian.judge(MODEL, draws, MODEL.train(draws))


@pytest.fixture(scope="module")
def alone():
    return [(draws, *replica.train(MODEL, draws)) for draws in map(MODEL.draw, SEEDS)]


def test_outcomes_are_those_of_each_run_alone(judged, alone):
    for number, (draws, params, objective, *_) in enumerate(alone):
        _, _, a, c = params[-1]
        end = objective[-50:].mean()
        assert judged.optimal[number] == (abs(end + 2 * np.log(2)) < 0.05)
        assert judged.stalled[number] == (end > -0.1)
        early = [abs(objective[max(0, games - 50) : games].mean() + 2 * np.log(2)) < 0.05 for games in (7, 15, 30, 60)]
        assert judged.halvings[number].tolist() == [*early, judged.optimal[number]]
        assert judged.settled[number] == hessian.settled(objective[:, None])
        assert judged.gap[number] == pytest.approx(np.abs(replica.sigmoid(a * draws.x + c) - 0.5).max())
        signs = np.linalg.eigvalsh(replica.hessian(params[-1], draws.x, draws.z_gen[-1, -1]))
        assert judged.definiteness[number] == hessian.definiteness(signs)
        there = hessian.equilibrium(MODEL, draws.x, params[-1])
        found = [getattr(judged, name)[number] for name in ("edge", "period", "closed_form", "kept")]
        np.testing.assert_allclose(found, [there.edge, there.period, there.closed_form, there.kept], rtol=1e-6)
    assert len(set(judged.settled)) > 1


def test_periods_are_those_of_each_run_alone():
    model = GAN(1500, 1, 1)
    draws = gan.stack_seeds([model.draw(seed) for seed in range(4)])
    history = model.train(draws)
    ends = hessian.judge(model, draws, history)
    for seed in range(4):
        weight, period = history.params[:, seed, 2], ends.period[seed]
        assert ends.measured[seed] == hessian.measured_period(hessian.flat_games(weight, period))
        assert ends.measured_kept[seed] == hessian.measured_kept(weight, period)
    assert len(set(ends.measured)) > 2


def test_lost_seeds_are_left_out_and_the_finite_ones_stay():
    model = GAN(60, 1, 1, init_std=1e154)
    each = [model.draw(seed) for seed in range(10)]
    histories = [model.train(draws) for draws in each]
    finite = [all(np.isfinite(values).all() for values in history) for history in histories]
    assert 2 <= finite.count(False) <= 8
    draws = gan.stack_seeds(each)
    kept, history = hessian.finite_seeds(draws, model.train(draws))
    for ours, theirs in zip(kept, gan.stack_seeds([one for one, there in zip(each, finite) if there])):
        np.testing.assert_array_equal(ours, theirs)
    for name, values in history._asdict().items():
        assert np.isfinite(values).all()
        expected = [getattr(one, name) for one, there in zip(histories, finite) if there]
        np.testing.assert_allclose(values, np.stack(expected, axis=1), rtol=1e-9)


def test_lost_seeds_are_counted_as_lost_and_as_nothing_else(command):
    status, out, err = command("--games=60", "--init-std=1e154", "--seeds=10")
    assert (status, err) == (0, "")
    assert "nan" not in out
    (lost,) = map(float, re.findall(r"left the finite numbers +([\d.]+)%", out))
    assert 20 <= lost <= 80
    (stalled,) = map(float, re.findall(r"stalled +([\d.]+)%", out))
    assert stalled <= 100 - lost
    assert sum(map(float, re.findall(r"Hessian .*?([\d.]+)%  ", out))) == pytest.approx(100 - lost)


def test_share_is_written_with_its_interval():
    """Of Wilson: (p + z^2/2n -+ z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n), here 0.1822 -+ 0.0733."""
    assert gan.share(np.arange(100) < 17, 100) == " 17.0%  [10.9%, 25.5%]"
    assert gan.share(np.ones(3), 3).split() == ["100.0%", "[43.9%,", "100.0%]"]


def test_middle_is_the_median_and_the_range_of_90_percent():
    values = np.random.default_rng(0).permutation(np.arange(101.0))
    assert gan.middle(values) == "50  [5, 95]"
    assert gan.middle(np.where(values > 90, np.inf, values)) == "50  [5, inf]"
    assert gan.middle(np.where(values > 40, np.inf, values)) == "inf  [5, inf]"
    assert gan.middle(np.array([490.9, 500, np.inf])) == "500  [490.9, inf]"


def test_command_counts_seeds_and_draws_one_picture(command, images, monkeypatch, judged, alone):
    """Also where memory holds the draws of four seeds only: the second part is shorter."""
    shown, figure = [], plots.seeds_figure
    monkeypatch.setattr(plots, "seeds_figure", lambda *given: shown.append(given) or figure(*given))
    monkeypatch.setattr(gan, "MOST_NUMBERS", 8 * 120 * 10 * 21)
    status, out, err = command("--games=120", "--gen-update=20", "--seed=3", "--seeds=6")
    assert (status, err) == (0, "")
    assert [path.name for path in images.iterdir()] == ["seeds_120_1_20_seed3_seeds6.png"]
    for words, which in (
        ("at the optimum after 120", judged.optimal),
        ("at the optimum after 7", judged.halvings[:, 0]),
        ("stalled", judged.stalled),
        ("Hessian indefinite", judged.definiteness == "indefinite"),
    ):
        (printed,) = re.findall(rf"{words} +([\d.]+)%", out)
        assert float(printed) == pytest.approx(100 * which.mean(), abs=0.05)
    ends = np.array([params[-1] for _, params, *_ in alone])
    for words, values in (("mean", ends[:, 1] + ends[:, 0] / 2), ("std", np.abs(ends[:, 0]) / 12**0.5)):
        (printed,) = re.findall(rf"generated {words} +([\d.]+)  \[", out)
        assert float(printed) == pytest.approx(np.quantile(values, 0.5, method="nearest"), rel=1e-3)
    ((games, objective, params, optimal, _),) = shown
    for number, (_, expected_params, expected, *_) in enumerate(alone):
        np.testing.assert_allclose(objective[:, number], expected[games - 1], rtol=1e-9)
        np.testing.assert_allclose(params[:, number], expected_params[games - 1], rtol=1e-7, atol=1e-9)
        assert optimal[number] == judged.optimal[number]


def test_command_without_a_finite_run_is_one_line(command, images):
    status, _, err = command("--learning-rate=1e300", "--init-std=1e300", "--seeds=3")
    assert (status, err.count("\n")) == (1, 1)
    assert not list(images.iterdir())
