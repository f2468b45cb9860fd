"""What a run and many seeds print at their end, line by line, from records made by hand."""

import re

import numpy as np
import pytest
from scipy import integrate, stats

import gan
import hessian


def table(lines):
    """Read lines 'words   values': values by words."""
    return dict((re.split(" {2,}", line.strip(), maxsplit=1) + [""])[:2] for line in lines)


def test_of_one_run():
    """w = 2, b = 4 make 5 and 6 of z = 0.5 and 1; D = sigmoid(x - 5) gives these 0.5 and 0.731, on average 0.616."""
    model = gan.GAN(3, 1, 2, num_samples=2)
    draws = gan.Draws(np.zeros(4), np.array([3.0, 5.0]), np.full((3, 2), 0.1), np.full((3, 2, 2), 0.2))
    draws.z_gen[-1, -1] = 0.5, 1
    params, column = np.array([[9.0, 9, 9, 9], [8, 8, 8, 8], [2, 4, 1, -5]]), np.array([1.0, 2, 3])
    history = gan.History(params, column / 10, column / 7, column / 100, column / 1000)
    eigenvalues = np.array([[-4.0, -3, -2, -1], [1, 2, 3, 4], [-3, -1, 0.5, 2]])
    equilibrium = hessian.equilibrium(model, draws.x, np.array([2.0, 0, 0, 0]))  # of m = 4: b = 4 - 1
    lines = gan.closing_report(model, draws, history, eigenvalues, equilibrium)
    assert table(lines) == {
        "After 3 games:": "",
        "objective": "0.3, at D = 1/2: -2 log 2 = -1.3863",
        "generated mean, std": "5, 0.5774",
        "real samples' mean, std": "4, 1",
        "D on real, on generated": "0.310, 0.616",
        "gradient norms of D, G": "0.03, 0.003",
        "Hessian's eigenvalues": "-3, -1, 0.5, 2: indefinite",
        "The nearest equilibrium:": "",
        "w, b, w', b'": "2, 3, 0, 0",
        "a deviation": hessian.fate(equilibrium),
        "largest learning rate": "0.226",  # 4 / (1 + 16 + (1 + 4 / 12) / 2)
    }


def test_of_many_seeds():
    """Five seeds, of which one was lost; two of the others show a wave."""
    nan, inf = np.nan, np.inf
    ends = hessian.Outcomes(
        optimal=np.array([True, True, False, False]),
        stalled=np.array([False, False, False, True]),
        halvings=np.array([[False, False, False, True, True], *3 * [4 * [False] + [True]]]),
        settled=np.array([20, 40, inf, inf]),
        gap=np.array([0.1, 0.2, 0.2, 0.3]),
        definiteness=np.array(["indefinite", "indefinite", "indefinite", "zero"]),
        edge=np.array([0.11, 0.12, 0.12, 0.13]),
        period=np.array([100.0, 100, nan, nan]),
        closed_form=np.array([104.0, 110, 1, 1]),
        measured=np.array([101.0, 103, nan, nan]),
        kept=np.array([0.5, 0.5, nan, nan]),
        measured_kept=np.array([0.4, 0.4, nan, nan]),
    )
    params = np.array([[2.0, 3, 0, 0], [4, 3, 0, 0], [4, 3, 0, 0], [6, 3, 0, 0]])  # means 4, 5, 5, 6
    target = stats.norm(7, 1.5)
    model = gan.GAN(16, 1, 1)
    lines = list(gan.seeds_report(model, 5, ends, params, target))
    part = {count: gan.share(np.arange(5) < count, 5).strip() for count in range(6)}
    printed = table(lines)
    best = printed.pop("best D's objective V*").split()[0]
    assert printed == {
        "Of 5 seeds after 16 games": "share  [95% interval]",
        "at the optimum after 1": part[0],
        "at the optimum after 2": part[0],
        "at the optimum after 4": part[0],
        "at the optimum after 8": part[1],
        "at the optimum after 16": part[4],
        "stalled": part[1],
        "Hessian indefinite": part[3],
        "Hessian zero": part[1],
        "left the finite numbers": part[1],
        "turn within 2% of theory": f"{gan.share([1, 0], 2).strip()} of 2 with a wave",  # off by 1% and 3%
        "turn within 2% of (8 pi / rate) ...": f"{gan.share([0, 0], 2).strip()} of 2 with a wave",  # by 2.9% and 6%
        "games in a turn": "101  [101, 103]",
        "half a turn leaves": "0.4  [0.4, 0.4], theory 0.5  [0.5, 0.5]",
        "Of the finite ones": "median  [range of 90%]",
        "generated mean": "5  [4, 6], target 7",
        "generated std": "1.155  [0.5774, 1.732], target 1.5",
        "largest |D - 1/2| on data": "0.2  [0.1, 0.3]",
        "largest learning rate": "0.12  [0.11, 0.13]",
        "V near -2 log 2 from game": "20  [20, 40], where it ends there",
    }
    p, q = target.pdf, 1 / 4  # on [3, 7], where D* = p / (p + q); beyond it is 1
    value, _ = integrate.quad(lambda x: p(x) * np.log(p(x) / (p(x) + q)) + q * np.log(q / (p(x) + q)), 3, 7)
    assert float(best) == pytest.approx(value, abs=1e-3)
