"""Many seeds at once: where they end, against one run at a time in NumPy.

Then what a run and many seeds print at their end, line by line, from records made by hand.
"""

import re

import numpy as np
import pytest
import replica
from scipy import integrate, stats

import gan
import hessian
import plots
from gan import GAN

inf, nan = np.inf, np.nan
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
        there = hessian.equilibrium(MODEL, draws.x, params)
        signs = replica.hessian(params, draws.x, draws.z_gen[-1, -1])
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
    outs = []
    for most in (gan.MOST_NUMBERS, 60 * 10 * 2):
        monkeypatch.setattr(gan, "MOST_NUMBERS", most)
        status, out, err = command("--games=60", "--init-std=1e154", "--seeds=10")
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


def table(lines):
    """Read lines 'words   values': values by words, in the order of the lines."""
    return dict((re.split(" {2,}", line.strip(), maxsplit=1) + [""])[:2] for line in lines)


def wilson(count, n):
    """The share and its interval: (p + z^2/2n -+ z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n)."""
    p, z = count / n, stats.norm.ppf(0.975)
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return f"{p:.1%}  [{abs(low):.1%}, {high:.1%}]"


def test_share_is_written_with_its_interval_and_middle_with_the_range_of_90_percent():
    """The median and its range are values that a seed has; nan is none."""
    assert hessian.share(np.arange(100) < 17, 100) == " 17.0%  [10.9%, 25.5%]" == f" {wilson(17, 100)}"
    assert hessian.share(np.ones(3), 3) == f"{wilson(3, 3)}" == "100.0%  [43.9%, 100.0%]"
    assert hessian.share(np.array([True, False]), 8) == f" {wilson(1, 8)}"  # of more than are asked
    values = np.random.default_rng(0).permutation(np.arange(101.0) ** 2)
    assert hessian.middle(values) == "2500  [25, 9025]"
    assert hessian.middle(np.append(values, [nan] * 300)) == "2500  [25, 9025]"
    assert hessian.middle(np.array([nan, 490.91, 500, nan, 7000])) == "500  [490.9, 7000]"
    assert hessian.middle(np.array([nan, 0.123456])) == "0.1235  [0.1235, 0.1235]"


def test_the_first_game_that_overflows_is_named_whatever_overflows():
    """In the last column, of the last seed; not the first record's first."""
    for arrays, first, game in (
        ([[1, 2, nan], [1, -inf, 3]], 0, 2),
        ([[1, inf, 3], [1, 2, nan]], 40, 42),
        ([np.ones((3, 2, 4)), [[1, 2], [3, 4], [5, nan]]], 7, 10),
        ([[nan, 1]], 0, 1),
    ):
        with pytest.raises(FloatingPointError, match=rf"^lost at game {game}, where numbers overflow: lower "):
            hessian.require_finite([np.array(values) for values in arrays], first)
    hessian.require_finite([np.full((2, 3, 4), 1e308), np.zeros(2)])


def test_of_one_run():
    """w = 2, b = 4 make 4.5, 5 and 6 of z; D = sigmoid(x - 5) gives these 0.378, 0.5, 0.731: 0.536 on average."""
    model = GAN(3, 1, 2, num_samples=3)
    draws = gan.Draws(np.zeros(4), np.array([3.0, 4, 8]), np.full((3, 3), 0.1), np.full((3, 2, 3), 0.2))
    draws.z_gen[-1, -1] = 0.5, 1, 0.25
    params, column = np.array([[9.0, 9, 9, 9], [8, 8, 8, 8], [2, 4, 1, -5]]), np.array([1.0, 2, 3])
    history = gan.History(params, np.array([-1.5, -0.5, -0.875]), column / 7, column / 100, column / 1000)
    eigenvalues = np.array([[-4.0, -3, -2, -1], [1, 2, 3, 4], [-3, -1, 0.5, 2]])
    turning = np.diag([1.0, 0, 0, 0])  # LINE is no direction that this map keeps, but it grows in none
    there = hessian.Equilibrium(np.array([-2.5, 6.25, 0, 0]), None, turning, np.array(62.8), np.array(0.728), 0.22642)
    assert list(table(hessian.closing_report(model, draws, history, eigenvalues, there)).items()) == [
        ("After 3 games: on the way", ""),
        ("objective V", "-0.875, a draw is -2 log 2 = -1.3863"),
        ("generated mean, std", "5, 0.5774"),
        ("real samples' mean, std", "5, 2.16"),
        ("D on real, on generated", "0.447, 0.536"),
        ("gradient norms of D, G", "0.03, 0.003"),
        ("Theory (README.md, part 2):", ""),
        ("Hessian's eigenvalues", "-3, -1, 0.5, 2: indefinite"),
        ("nearest equilibrium", "w = -2.5, b = 6.25: std 0.7217"),
        ("a small swing", "turns once in 63 games; half a turn leaves 73%"),
        ("largest learning rate", "0.226"),
    ]


TARGET = stats.norm(7, 1.5)
ENDS = hessian.Outcomes(
    end=np.array(["settled", "on the way", "circling", "stalled", "settled"]),
    params=np.array([[2.0, 3, 0, 0], [-4, 3, 0, 0], [4, 3, 0, 0], [4, 3, 0, 0], [6, 8, 0, 0]]),  # means 4, 1, 5, 5, 11
    halvings=np.array([[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]]) > 0,
    draw_from=np.array([7, nan, 4, nan, 15]),
    gap=np.array([0.1, 0.2, 0.25, 0.2, 0.4]),
    definiteness=np.array(["zero", "indefinite", "indefinite", "indefinite", "indefinite"]),
    edge=np.array([0.11, 0.12, 0.125, 0.12, 0.19]),
    period=np.array([100.0, 100, 900, nan, 200]),
    measured=np.array([101.9, 97.9, nan, nan, 195]),  # off by 1.9, 2.1 and 2.5%
)


def test_of_many_seeds():
    """Seven, of which two were lost; a turn was measured in three of the others."""
    printed = list(table(hessian.seeds_report(GAN(16, 1, 1), 7, ENDS, TARGET)).items())
    best = dict(printed)["best D's objective V*"]
    assert printed == [
        ("Of 7 seeds after 16 games", "share  [95% interval]"),
        ("lost", wilson(2, 7)),
        ("stalled", wilson(1, 7)),
        ("settled", wilson(2, 7)),
        ("circling", wilson(1, 7)),
        ("on the way", wilson(1, 7)),
        ("V at the draw after 1", wilson(0, 7)),
        ("V at the draw after 2", wilson(1, 7)),
        ("V at the draw after 4", wilson(0, 7)),
        ("V at the draw after 8", wilson(3, 7)),
        ("V at the draw after 16", wilson(4, 7)),
        ("Hessian indefinite", wilson(4, 7)),
        ("Hessian zero", wilson(1, 7)),
        ("Of the finite ones", "median  [range of 90%]"),
        ("generated mean", "5  [1, 11], target 7"),
        ("generated std", "1.155  [0.5774, 1.732], target 1.5"),
        ("best D's objective V*", best),
        ("largest |D - 1/2| on data", "0.2  [0.1, 0.4]"),
        ("largest learning rate", "0.12  [0.11, 0.19]"),
        ("V at the draw from game", "7  [4, 15], where it stays there"),
        ("games in a turn", "101.9  [97.9, 195], theory 100  [100, 200]"),
        ("within 2% of theory", f"{wilson(1, 3)} of 3 with a turn"),
    ]
    p, q = TARGET.pdf, 1 / 6  # on [8, 14], of the middle one, where D* = p / (p + q); beyond it is 1
    value, _ = integrate.quad(lambda x: p(x) * np.log(p(x) / (p(x) + q)) + q * np.log(q / (p(x) + q)), 8, 14)
    assert float(best.split()[0]) == pytest.approx(value, abs=1e-3)
    # without a turn, a draw or a lost seed the lines that would have no value are left out
    none = np.full(5, nan)
    ends = ENDS._replace(draw_from=none, measured=none, edge=none)
    printed = table(hessian.seeds_report(GAN(16, 1, 1), 5, ends, TARGET))
    assert "lost" not in printed
    assert list(printed.items())[-1] == ("largest learning rate", "none")
