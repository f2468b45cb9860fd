"""Every number in README.md about an outcome is measured again, over the seeds and settings that it names."""

import re
from functools import cache

import numpy as np
import pytest
from scipy import stats
from scripts import ROOT

import gan
import noisy_gan
import plots

SEEDS = 100
SLACK = 0.02  # of a share: two seeds of a hundred, that another processor's rounding may move


@cache
def outcomes(model):
    draws = gan.stack_seeds([model.draw(seed) for seed in range(SEEDS)])
    return gan.judge(model, draws, model.train(draws))


@cache
def run(model):
    draws = model.draw(0)
    history = model.train(draws)
    return draws, history, model.hessians(draws, history)


def normal():
    return outcomes(gan.GAN(1500, 1, 1))


def strong_discriminator(games=500, **settings):
    return outcomes(gan.GAN(games, 50, 1, **settings))


def strong_generator(init_std=0.1):
    return outcomes(gan.GAN(500, 1, 50, init_std=init_std))


def noisy():
    return outcomes(noisy_gan.NoisyGAN(500, 50, 1))


def non_saturating():
    return strong_discriminator(gen_loss="non-saturating")


@pytest.fixture(scope="module")
def readme():
    return (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def measured(readme):
    """The third column of the table of claims, by the number of its row."""
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", readme, re.MULTILINE)
    return {int(number): cells.split(" | ")[1] for number, cells in rows}


def shares(cell):
    """Find the shares in a cell, each '94% [88%, 97%]', as fractions."""
    found = re.findall(r"([\d.]+)% \[([\d.]+)%, ([\d.]+)%\]", cell)
    return [tuple(float(number) / 100 for number in numbers) for numbers in found]


def check_shares(cell, *whiches):
    printed = shares(cell)
    assert len(printed) == len(whiches)
    for (share, low, high), which in zip(printed, whiches):
        assert share == pytest.approx(np.mean(which), abs=SLACK + 0.005)
        interval = stats.binomtest(round(share * len(which)), len(which)).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx(tuple(interval), abs=0.0051)


def check_median(cell, pattern, values, tolerance):
    assert float(re.search(pattern, cell)[1]) == pytest.approx(np.median(values), **tolerance)


def test_table_has_all_rows(measured):
    assert list(measured) == list(range(1, 13))


def test_1_normal_setting_converges(measured):
    result = normal()
    check_shares(measured[1], result.optimal)
    check_median(measured[1], r"from game (\d+)", result.settled[result.optimal], {"rel": 0.03})


def test_2_discriminator_is_nearly_half(measured):
    gap = normal().gap
    check_median(measured[2], r"median ([\d.]+)", gap, {"abs": 0.002})
    assert float(re.search(r"below ([\d.]+)", measured[2])[1]) == pytest.approx(np.quantile(gap, 0.95), abs=0.005)


def test_3_hessian_is_indefinite(measured):
    check_shares(measured[3], normal().definiteness == "indefinite", normal().stationary)


def test_4_strong_discriminator_stalls(measured):
    check_shares(measured[4], strong_discriminator().stalled, strong_discriminator().optimal)


def test_5_not_in_a_maximum(measured):
    result = strong_discriminator()
    check_shares(measured[5], result.definiteness == "negative definite", result.stationary)


def test_6_slow_rather_than_converged(measured):
    assert gan.halvings(8000) == [int(games) for games in re.findall(r"\d+(?=,| games)", measured[6].split(":")[0])]
    check_shares(measured[6], *strong_discriminator(8000).halvings.T)


def test_7_strong_generator_is_faster(measured):
    result, before = strong_generator(), normal()
    check_shares(measured[7], result.optimal)
    check_median(measured[7], r"from game (\d+)", result.settled[result.optimal], {"abs": 1})
    check_median(measured[7], r"; (\d+) in the normal", before.settled[before.optimal], {"rel": 0.03})


def test_8_bad_initialization(measured):
    assert "init std 0.1, 1, 2, 5" in measured[8]
    check_shares(measured[8], *(~strong_generator(init_std).optimal for init_std in (0.1, 1, 2, 5)))


def test_9_noise_helps(measured):
    check_shares(measured[9], noisy().optimal)
    without = float(re.search(r"without noise (\d+)%", measured[9])[1]) / 100
    assert without == pytest.approx(strong_discriminator().optimal.mean(), abs=SLACK)


def test_10_non_saturating_loss_helps(measured):
    result = non_saturating()
    check_shares(measured[10], result.optimal)
    check_median(measured[10], r"from game (\d+)", result.settled[result.optimal], {"rel": 0.05})


def test_11_objective_does_not_certify(measured):
    check_median(measured[11], r"median ([\d.]+)", normal().std, {"abs": 0.01})
    check_median(measured[11], r"V\* = (-[\d.]+)", normal().best, {"abs": 0.01})


def test_12_period(measured):
    result = normal()
    seen = np.isfinite(result.measured) & np.isfinite(result.predicted)
    check_shares(measured[12], np.abs(result.measured / result.predicted - 1)[seen] < 0.1)
    assert float(re.search(r"of the (\d+) seeds", measured[12])[1]) == pytest.approx(seen.sum(), abs=2)


def test_default_seed_is_typical(readme):
    """Seed 0 does what the share of seeds does that the README names for each setting."""
    assert gan.SEED == 0
    does = [normal().optimal, strong_discriminator().stalled, strong_generator().optimal, noisy().optimal]
    assert all(which[0] for which in does)
    printed = re.search(r"what it does, (\d+)%, (\d+)%, (\d+)% and (\d+)% of the seeds do", readme).groups()
    assert [float(share) / 100 for share in printed] == pytest.approx([which.mean() for which in does], abs=SLACK)


REPORTED = {
    "gan.py": gan.GAN(1500, 1, 1),
    "gan.py --games 500 --discr-update 50": gan.GAN(500, 50, 1),
    "gan.py --games 500 --gen-update 50": gan.GAN(500, 1, 50),
    "noisy_gan.py": noisy_gan.NoisyGAN(500, 50, 1),
    "gan.py --games 500 --discr-update 50 --gen-loss non-saturating": gan.GAN(500, 50, 1, gen_loss="non-saturating"),
}


def test_every_console_block_is_checked(readme):
    assert re.findall(r"^\$ python (.*)$", readme, re.MULTILINE) == list(REPORTED)


@pytest.mark.parametrize("command", REPORTED)
def test_closing_reports(readme, command):
    """The words of a closing report are the README's, and so are its numbers, to rounding in the digits printed."""
    model = REPORTED[command]
    draws, history, hessians = run(model)
    multipliers = model.multipliers(model.jacobians(draws, history, hessians))
    lines = gan.closing_report(model, draws, history, hessians, multipliers)
    printed = re.search(rf"^\$ python {re.escape(command)}\n\.\.\.\n(.*?)\n```", readme, re.MULTILINE | re.DOTALL)[1]
    number = r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?"
    assert re.sub(number, "#", printed) == re.sub(number, "#", "\n".join(lines))
    for line, there in zip(lines, printed.splitlines()):
        now, then = ([float(text) for text in re.findall(number, text)] for text in (line, there))
        assert then == pytest.approx(now, rel=0.06, abs=2e-6), line


def test_numbers_in_the_text(readme):
    """Numbers that the prose repeats from a run with seed 0."""
    text = " ".join(readme.split())
    _, history, hessians = run(gan.GAN(1500, 1, 1))
    eigenvalues = np.linalg.eigvals(gan.hessian.game_jacobian(hessians[-gan.LAST_GAMES :].mean(axis=0)))
    pair = eigenvalues[eigenvalues.imag.argmax()]
    real, imag = re.search(r"pair sits at \$(-[\d.]+) \\pm ([\d.]+) i\$", text).groups()
    assert (float(real), float(imag)) == pytest.approx((pair.real, pair.imag), abs=1e-3)
    end = history.params[-1]
    assert "the mean is off by 0.4, and the std is 0.70 instead of 1" in text
    assert abs(gan.generated_mean(end) - 5) == pytest.approx(0.4, abs=0.05)
    assert gan.generated_std(end) == pytest.approx(0.70, abs=0.01)
    best = float(re.search(r"best D of all would still reach (-[\d.]+)\.", text)[1])
    assert plots.best_objective(gan.TARGET, *gan.generated_ends(end)) == pytest.approx(best, abs=0.01)
    assert "falls to 3% of what it was in the first game" in text
    strong = run(gan.GAN(500, 50, 1))[1].gen_gradient
    assert strong[-1] / strong[0] == pytest.approx(0.03, abs=0.005)
    assert "in the median of 100 seeds it stays there from game 3 on" in text
    assert np.median(strong_generator().settled) == 3
    later = float(re.search(r"half of them by game (\d+)", text)[1])
    assert np.median(non_saturating().settled) == pytest.approx(later, rel=0.05)
    assert "the first two, far from the end point, they miss by some 40 games" in text
    multipliers = gan.GAN(1500, 1, 1).multipliers(gan.hessian.game_jacobian(hessians))
    period = gan.hessian.rotation_period(multipliers)
    turns = gan.flat_games(history.params[:, 2], period)
    misses = np.abs(turns[3] - period / 2 * np.arange(3, -1, -1) - turns)
    assert misses == pytest.approx([40, 40, 14, 0], abs=8)
    assert "needs some hundred games to settle" in text
    arriving = gan.generated_mean(run(gan.GAN(500, 1, 50))[1].params)
    assert np.abs(arriving[10:60] - arriving[-1]).max() > 0.3 > np.abs(arriving[100:] - arriving[-1]).max()
    assert "With `--init-std 5` more than half of the seeds are not at the optimum" in text
    assert strong_generator(5).optimal.mean() < 0.5
    low, high = map(float, re.search(r"of 90% of the seeds lie between (-\d+) and (\d+)\.", text).groups())
    assert np.quantile(strong_generator(5).mean, [0.05, 0.95]) == pytest.approx([low, high], rel=0.05)


def test_keeping_of_deviations(readme):
    """The strong generator's game keeps less of a deviation than the normal setting's."""
    kept = []
    for model in (gan.GAN(500, 1, 50), gan.GAN(1500, 1, 1)):
        draws, history, hessians = run(model)
        factors = np.abs(model.multipliers(model.jacobians(draws, history, hessians)))
        kept.append(factors[np.abs(factors - 1) > gan.hessian.NEUTRAL].max())
    printed = re.search(r"keeps ([\d.]+)% of its size from game to game, against ([\d.]+)%", " ".join(readme.split()))
    assert [float(share) / 100 for share in printed.groups()] == pytest.approx(kept, abs=0.005)
