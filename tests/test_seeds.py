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
MODEL = GAN(1500, 1, 1, init_std=5)  # two stall


@pytest.fixture(scope="module")
def judged():
    draws = gan.stack_seeds([MODEL.draw(seed) for seed in SEEDS])
    return hessian.judge(MODEL, draws, MODEL.train(draws))


@pytest.fixture(scope="module")
def alone():
    return [(draws, gan.History(*replica.train(MODEL, draws))) for draws in map(MODEL.draw, SEEDS)]


def test_outcomes_are_those_of_each_run_alone(judged, alone):
    for number, (draws, history) in enumerate(alone):
        params, objective, weight = history.params[-1], history.objective, history.params[:, 2]
        there, signs = (
            hessian.equilibrium(MODEL, draws.x, params),
            replica.hessian(params, draws.x, draws.z_gen[-1, -1]),
        )
        near = [abs(objective[games - 50 : games].mean() + 2 * np.log(2)) < 0.05 for games in (93, 187, 375, 750, 1500)]
        expected = {
            "end": hessian.ending(history, draws.x, there.period),
            "params": params,
            "definiteness": hessian.definiteness(np.linalg.eigvalsh(signs)),
            "halvings": near,
            "draw_from": hessian.at_draw_from(objective[:, None])[0],
            "gap": np.abs(replica.sigmoid(params[2] * draws.x + params[3]) - 0.5).max(),
            **{name: getattr(there, name) for name in ("edge", "period")},
            "measured": hessian.measured_period(hessian.flat_games(weight, there.period)),
        }
        assert expected.keys() == set(judged._fields)
        for name, value in expected.items():
            found = getattr(judged, name)[number]
            assert found == value if isinstance(value, str) else found == pytest.approx(value, rel=1e-6, nan_ok=True)
    assert judged.end.tolist() == 2 * ["settled", "circling", "stalled"]
    assert np.isnan(judged.measured).tolist() == [True, False, True, False, False, True]


@pytest.fixture
def shown(monkeypatch):
    """What is reported and drawn of many seeds: (model, seeds, ends, target), (games, objective, ...)."""
    calls = []
    for module, name in ((hessian, "seeds_report"), (plots, "seeds_figure")):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, function=function: calls.append(given) or function(*given))
    return calls


def test_command_counts_seeds_in_order_and_draws_one_picture(command, images, monkeypatch, judged, alone, shown):
    """Also where memory holds the draws of four seeds only: the second part is shorter."""
    monkeypatch.setattr(gan, "MOST_NUMBERS", 8 * 1500 * 10 * 2 + 1)
    status, out, err = command("--games=1500", "--init-std=5", "--seed=3", "--seeds=6")
    assert (status, err) == (0, "")
    assert [path.name for path in images.iterdir()] == ["seeds_1500_1_1_init-std5_seed3_seeds6.png"]
    assert out.startswith("seeds 3 to 6: 1500 of 1500 games\nseeds 7 to 8: 1500 of 1500 games\nOf 6 seeds after 1500 ")
    (_, seeds, ends, target), (games, objective, params, there, _) = shown
    assert (seeds, target.mean(), target.std()) == (6, 5, 1)
    for ours, expected in zip(ends, judged, strict=True):
        if ours.dtype.kind in "Ub":
            np.testing.assert_array_equal(ours, expected)
        else:
            np.testing.assert_allclose(ours, expected, rtol=1e-6)
    np.testing.assert_array_equal(there, judged.halvings[:, -1])
    for number, (_, history) in enumerate(alone):
        np.testing.assert_allclose(objective[:, number], history.objective[games - 1], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(params[:, number], history.params[games - 1], rtol=1e-6, atol=1e-9)


def test_lost_seeds_are_counted_as_lost_and_as_nothing_else(command, monkeypatch, shown):
    """Also where each seed is a part, and some parts have none that is left."""
    model = GAN(60, 1, 1, init_std=1e154)
    with np.errstate(all="ignore"):
        runs = [replica.train(model, model.draw(seed)) for seed in range(10)]
    lost = [not all(np.isfinite(values).all() for values in history) for history in runs]
    assert 2 <= sum(lost) <= 8
    outs, flags = [], ("--games=60", "--init-std=1e154", "--seeds=10")
    for most in (gan.MOST_NUMBERS, 2 * 60 * 10 * 2):
        monkeypatch.setattr(gan, "MOST_NUMBERS", most)
        status, out, err = command(*flags)
        assert (status, err) == (0, "")
        outs.append(out.partition("Of 10 seeds")[2].partition("Saved")[0])
    assert outs[0] == outs[1]
    assert not re.search(r"\b(nan|inf)\b", out)
    shares = {word: float(share) for word, share in re.findall(r"^  (\S.*?) +([\d.]+)%", outs[0], re.MULTILINE)}
    assert shares["lost"] == 10 * sum(lost)
    assert sum(shares.get(word, 0) for word in hessian.ENDS) == pytest.approx(100)
    assert sum(share for word, share in shares.items() if "Hessian" in word) == pytest.approx(100 - shares["lost"])
    assert len(shown[0][2].end) == 10 - sum(lost)


def test_a_hundred_seeds_at_once_at_most_and_no_word_of_what_none_of_them_has(command, monkeypatch):
    monkeypatch.setattr(plots, "png", lambda figure: b"")
    status, out, err = command("--games=60", "--seed=5", "--seeds=101")
    assert (status, err) == (0, "")
    assert out.startswith("seeds 5 to 104: 60 of 60 games\nseeds 105 to 105: 60 of 60 games\n")
    assert not re.search(r"\b(nan|inf)\b|games in a turn", out)


def test_command_without_a_finite_run_is_one_line(command, images):
    status, _, err = command("--learning-rate=1e300", "--init-std=1e300", "--seeds=3")
    assert (status, err.count("\n")) == (1, 1)
    assert not list(images.iterdir())
