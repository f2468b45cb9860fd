"""Every number and outcome that README.md reports before its exercises is measured again, over the seeds it names."""

import re

import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize, stats
from trained import NUMBER, STRENGTHS, code_blocks, read_command, rounds_to, share_is, unit

import gan
import hessian
import noisy_gan
import plots

pytest_plugins = ["seeds"]
TARGET = stats.norm(gan.TARGET_MEAN, gan.TARGET_STD)


def only(pattern, text):
    """Return what the groups of a pattern hold where it occurs in a text, which must be in one place."""
    (groups,) = re.findall(pattern, text)
    return groups


def section(readme, title):
    """Return the prose of a section, up to the next heading of any level."""
    return " ".join(re.split(r"^#+ ", readme.partition(f"# {title}\n")[2], flags=re.MULTILINE)[0].split())


def typical(values):
    """Return the median as the scripts report it, which is the value of a seed."""
    return np.quantile(values[np.isfinite(values)], 0.5, method="nearest")


def wilson(count, seeds):
    return [round(100 * end) for end in stats.binomtest(count, seeds).proportion_ci(method="wilson")]


@pytest.fixture(scope="module")
def cells(readme):
    """The third column of the table of 100 seeds, by the number of its row."""
    rows = re.findall(r"^\| (\d+) \|.*? \| (.*?) \|", readme, re.MULTILINE)
    return {int(number): cell for number, cell in rows}


def printed_shares(cell):
    return [list(map(int, share)) for share in re.findall(r"(\d+)% \[(\d+)%, (\d+)%\]", cell)]


def test_words_and_constants_and_the_numbers_in_them(readme, prose):
    text = section(readme, "The words")
    pattern = r"last (\d+) games, is within (\S+) of .* any (\w+) games .* below (-\d\.\d+) for"
    last, near, ten, arrives = only(pattern, text)
    assert (int(last), float(near), ten, float(arrives)) == (hessian.LAST_GAMES, hessian.NEAR, "ten", -0.5)
    words = re.findall(r"^\| ([a-z ]+) \|", readme.partition("### Seven words")[2].partition("###")[0], re.MULTILINE)
    assert words == ["word", *hessian.ENDS]
    last, stall = only(r"over the last (\d+) games, is above (-\S+): D is sure", prose)
    assert (int(last), float(stall)) == (hessian.LAST_GAMES, hessian.STALL)
    assert float(only(r"last half turn the mean stayed within (\d\.\d+) of", prose)) == hessian.MISS
    blocks = [block for block in code_blocks(readme, "python") if block.startswith("GAMES = ")]
    settings = [tuple(map(float, re.findall(r"^[A-Z_]+ = ([\d.]+)$", block, re.MULTILINE))) for block in blocks]
    assert settings == [(1500, 1, 1), (500, 50, 1), (500, 1, 50), (500, 50, 1, 1.0)]
    assert settings[0] == (gan.GAMES, gan.DISCR_UPDATE, gan.GEN_UPDATE)
    assert settings[3] == (noisy_gan.GAMES, noisy_gan.DISCR_UPDATE, noisy_gan.GEN_UPDATE, noisy_gan.NOISE_STD)
    assert "`noisy_gan.py` has five constants of its own" in readme
    assert sum(re.fullmatch("[A-Z_]+", name) is not None for name in vars(noisy_gan)) == 5


def formulas(runs):
    """Compute the README's K, turn and what half a turn leaves, with w from the foot of the perpendicular."""
    m = runs.draws.x.mean(axis=-1)
    w = 2 / 5 * (m + 2 * runs.end[:, 0] - runs.end[:, 1])
    spread = (runs.draws.x.var(axis=-1) + w**2 / 12) / 2
    steep, damping = 1 + m**2 + spread, 4 * spread + 5
    turn = 8 * np.pi / gan.LEARNING_RATE * np.sqrt(steep / 5) * (1 + damping**2 / (160 * steep))
    return steep, turn, np.exp(-np.pi * damping / (4 * np.sqrt(5 * steep)))


def errors(runs):
    """Compute how far measured turns are from the linear map's and from the formula's, where there is a turn."""
    both = [np.abs(runs.outcomes.measured / theory - 1) for theory in (runs.outcomes.period, formulas(runs)[1])]
    return [values[np.isfinite(values)] for values in both]


def shares(normal, strong, generator, noises, other, slow, thousand, wild):
    """Find what the table's rows count: by row, which seeds."""
    return {
        1: [normal.at_draw()],
        3: [normal.outcomes.definiteness == "indefinite"],
        4: [strong.outcomes.end == "stalled", strong.at_draw(), thousand.at_draw()],
        5: [strong.outcomes.definiteness == "negative definite"],
        6: [slow.at_draw(games) for games in (500, 1000, 2000, 4000, 8000)],
        7: [generator.at_draw()],
        8: [runs.at_draw(games) for games in (500, 4000) for runs in wild],
        9: [runs.at_draw() for runs in noises],
        10: [other.at_draw()],
        12: [values < 0.02 for values in errors(normal)],
    }


def test_shares(cells, normal, strong, generator, noises, strong_other, strong_8000, thousand, wild_generator, wild):
    """Each share '94% [88%, 97%]' with Wilson's interval is right, but for two seeds as in `share_is`."""
    measured = shares(normal, strong, generator, noises, strong_other, strong_8000, thousand, [wild_generator, wild])
    assert list(measured) == [row for row, cell in cells.items() if printed_shares(cell)]
    for row, whiches in measured.items():
        for share, which in zip(printed_shares(cells[row]), whiches, strict=True):
            seeds, count = len(which), int(np.sum(which))
            counts = range(max(0, count - 2), min(seeds, count + 2) + 1)
            assert share in [[round(100 * near / seeds), *wilson(near, seeds)] for near in counts], row
    assert "at a draw after 500, 1000, 2000, 4000, 8000 games:" in cells[6]
    assert f"noise of {', '.join(f'{strength:g}' for strength in STRENGTHS)}:" in cells[9]


def medians_agree(here, there):
    """Say whether the medians of two hundred values can be the same: their intervals of some 95% overlap."""
    (low, high), (fresh_low, fresh_high) = (np.nanquantile(values, [0.4, 0.6]) for values in (here, there))
    return low <= fresh_high and fresh_low <= high


def test_elsewhere(request, cells, elsewhere, normal, generator, noisy, strong_other):
    """The chief figures on seeds that the text was not written from: the intervals of both overlap."""
    fresh, strong, *others = elsewhere
    slow, wild = map(request.getfixturevalue, ("strong_8000_elsewhere", "wild_generator_elsewhere"))
    for row, whiches in shares(fresh, strong, others[0], others[1:2], others[2], slow, strong, [wild]).items():
        printed = printed_shares(cells[row])[{8: slice(0, 3, 2), 9: slice(-1, None)}.get(row, slice(None))]
        for (_, low, high), which in zip(printed, whiches, strict=True):
            least, most = wilson(int(which.sum()), len(which))
            assert max(low, least) <= min(high, most), row
    for known, runs in zip((normal, generator, noisy, strong_other), (fresh, *others)):
        assert medians_agree(known.outcomes.draw_from, runs.outcomes.draw_from)
    assert medians_agree(generator.within(0.25), others[0].within(0.25))
    assert medians_agree(normal.kept[0], fresh.kept[0])
    for name in ("measured", "gap"):
        assert medians_agree(getattr(normal.outcomes, name), getattr(fresh.outcomes, name))
    assert medians_agree(plots.generated_std(normal.end), plots.generated_std(fresh.end))
    assert medians_agree(best(normal), best(fresh))


def test_1_and_2_normal_setting(cells, normal, normal_4000):
    (low, high), here = map(float, only(r"from game (\d+) on.*below (\d+\.\d+);", cells[1])), normal.outcomes
    late = ~normal.at_draw()
    assert typical(here.draw_from[~late]) == pytest.approx(low, rel=0.03)
    assert late.sum() >= 4
    assert here.edge[late].max() < high < here.edge[late].max() + 0.001
    assert "after 4000 games all of these hundred are there" in cells[1]
    assert normal_4000.at_draw()[late].all()
    median, most = only(r"median (\d+\.\d+), .* below (\d+\.\d+)", cells[2])
    assert rounds_to(median, typical(here.gap), units=1)
    assert rounds_to(most, np.quantile(here.gap, 0.95, method="nearest"), units=5)


def test_7_strong_generator_is_faster_in_games(cells, readme, generator, normal, normal_4000):
    numbers = only(r"game (\d+) on \(.*: (\d+)\. .* game (\d+) on, (\S+) steps; normal: (\d+) games, (\S+) ", cells[7])
    early, late, mean, steps, mean_late, steps_late = (int(number.replace(",", "")) for number in numbers)
    assert typical(generator.outcomes.draw_from) == early
    assert typical(normal.outcomes.draw_from) == pytest.approx(late, rel=0.03)
    assert np.median(generator.within(0.25)) == mean
    assert np.median(normal_4000.within(0.25)) == pytest.approx(mean_late, rel=0.03)
    assert (steps, steps_late) == (51 * mean, 2 * mean_late)
    text = section(readme, "Strong generator")
    assert f"from game {mean} on; in the normal setting from game {mean_late}." in text
    assert f"{round(steps, -2):,} steps against {steps_late:,}" in text
    assert "overshoots once and is there" in text
    assert np.median(generator.miss.max(axis=0)) > 0.5
    assert np.mean([run[run.argmax() :].min() > -0.25 for run in generator.miss.T]) > 0.9
    assert "closer than 0.1 the mean does not stay" in text
    assert np.mean(np.abs(generator.miss[-100:]).max(axis=0) > 0.1) > 0.8


def test_8_bad_start(cells, readme, wild, wild_generator):
    text = section(readme, "Strong generator")
    assert "first weights fifty times larger" in text
    assert wild.model.init_std == wild_generator.model.init_std == 50 * gan.INIT_STD
    printed = only(r"(\d+)% of 100 runs are near a draw here, (\d+)% in the .* games it is (\d+)% against (\d+)%", text)
    assert [int(share) for share in printed] == [share for share, *_ in printed_shares(cells[8])]
    assert np.median(np.abs(wild_generator.miss[-1])) > 10  # "so far off"


def test_9_and_10_cures(cells, readme, noisy, one_noise, strong_other):
    apart, one = only(r"last 50 games is (\d\.\d+), and (\d\.\d+) if real", section(readme, "A hundred seeds"))
    for printed, runs in ((apart, noisy), (one, one_noise)):
        assert rounds_to(printed, np.median(runs.history.objective[-50:].std(axis=0)), units=1)
    assert typical(strong_other.outcomes.draw_from) == pytest.approx(int(only(r"game (\d+)", cells[10])), abs=2)


def best(runs):
    return plots.best_objective(TARGET, *plots.generated_ends(runs.end))


def test_11_a_draw_does_not_certify(cells, prose, normal):
    std, objective, draw = only(r"median (\d\.\d+); V\\\*: (-\d\.\d+) instead of (-\d\.\d+)", cells[11])
    values = typical(plots.generated_std(normal.end)), typical(best(normal)), 2 * np.log(0.5)
    assert all(map(rounds_to, (std, objective, draw), values))
    assert only(r"ends at a draw while V\\\* = (-\d\.\d+)", prose) == objective
    value = lambda ends: plots.best_objective(TARGET, *ends)
    uniform = optimize.minimize(value, [3, 4], method="Nelder-Mead", options={"xatol": 1e-4})
    assert uniform.x == pytest.approx([5 - 3.75 / 2, 5 + 3.75 / 2], abs=0.01)
    assert rounds_to(only(r"the best uniform would have (-\d\.\d+)", prose), uniform.fun)


def test_12_theory_predicts_the_turn(cells, prose, normal):
    here, (steep, _, left), (exact, _) = normal.outcomes, formulas(normal), errors(normal)
    assert abs(int(only(r"of the (\d+) runs", cells[12])) - len(exact)) <= 2
    assert exact.max() < 0.05
    measured, theory = only(r"leaves (\d+)% .*, by theory (\d+)%", cells[12])
    seen, predicted = normal.kept
    assert rounds_to(measured, 100 * typical(seen), units=1)
    assert rounds_to(theory, 100 * typical(predicted))
    assert predicted == pytest.approx(left, abs=0.01)
    assert here.edge == pytest.approx(4 / steep, rel=3e-3)
    assert rounds_to(only(r"D's steep direction, some (-\d+)\.", prose), np.median(-steep / 2), units=1)


def test_letters_name_the_commands_and_seed_0_is_typical(request, readme, prose, normal, strong, generator, noisy):
    strong_8000, wild, thousand = map(request.getfixturevalue, ("strong_8000", "wild", "thousand"))
    named = dict(re.findall(r"\b([A-D]):\s`(python .*?)`", readme))
    for letter, runs in zip("ABCD", (normal, strong, generator, noisy)):
        assert read_command(named[letter]) == (runs.model, 0, len(runs.end))
    assert read_command(named["B"] + " --games 8000").model == strong_8000.model
    assert read_command(named["A"] + " --init-std 5 --games 4000").model == wild.model
    # seed 0 does what the share of seeds does that the README names for each setting
    assert gan.SEED == 0
    does = [normal.at_draw(), strong.outcomes.end == "stalled", generator.at_draw(), noisy.at_draw()]
    assert all(which[0] for which in does)
    printed = only(r"what it does, (\d+)%, (\d+)%, (\d+)% and (\d+)% of the hundred do", prose)
    assert all(map(share_is, printed, does))
    assert "drew high data" in prose
    smallest = thousand.draws.x.min(axis=-1)
    assert smallest[:100].mean() > smallest[100:].mean() + 0.05
    assert "nearly one run in five, not one in seven" in prose
    assert np.mean(thousand.at_draw()[100:]) == pytest.approx(0.19, abs=0.02)
    assert np.mean(thousand.at_draw()[:100]) == pytest.approx(1 / 7, abs=0.02)


def test_six_beliefs(readme, cells, strong_8000, normal, noises):
    text, first = section(readme, "Six beliefs"), {row: printed_shares(cell) for row, cell in cells.items()}
    late = only(r"it is slow: (\d+)% are at a draw after 500 games, (\d+)% after 8000", text)
    assert [int(share) for share in late] == [first[6][0][0], first[6][-1][0]]
    assert int(only(r"within 2% in (\d+)% of the runs", text)) == first[12][0][0]
    std, samples = only(r"the std is (\d\.\d+), the ten samples' (\d\.\d+), the bell curve's 1 ", text)
    assert std == only(r"generated std: median (\d\.\d+)", cells[11])
    assert rounds_to(samples, typical(normal.draws.x.std(axis=-1)))
    both, third = only(r"both do, in (\d+)%; noise of a third of the data's width in (\d+)%", text)
    assert [int(both), int(both), int(third)] == [first[9][-1][0], first[10][0][0], first[9][1][0]]
    assert "spoils it for good in more than half" in text
    assert first[8][2][2] < 50


@pytest.fixture(scope="module")
def alone(normal, strong):
    """The run of seed 0 of each setting, and the equilibrium nearest to its end."""
    runs = {"normal": normal.select(0), "strong": strong.select(0)}
    return {name: (run, hessian.equilibrium(run.model, run.draws.x, run.end)) for name, run in runs.items()}


def test_closing_reports(readme, alone):
    """The words of a closing report are the README's, and so are its numbers, to one in the last digit."""
    commands = {"gan.py": "normal", "gan.py --games 500 --discr-update 50": "strong"}
    for block, (command, name) in zip(code_blocks(readme, "console"), commands.items(), strict=True):
        run, equilibrium = alone[name]
        start, dots, *printed = block.splitlines()
        assert (start, dots) == (f"$ python {command}", "...")
        assert read_command(f"python {command}") == (run.model, 0, None)
        eigenvalues = np.linalg.eigvalsh(hessian.run_hessians(run.model, run.draws, run.history, last=1))
        lines = hessian.closing_report(run.model, run.draws, run.history, eigenvalues, equilibrium)
        if name == "strong":  # it leaves out the rest
            assert (len(printed), printed.pop()) == (6, "...")
        else:
            assert len(printed) == len(lines)
        for line, now in zip(printed, lines):
            assert re.sub(NUMBER, "#", line) == re.sub(NUMBER, "#", now)
            for there, here in zip(re.findall(NUMBER, line), re.findall(NUMBER, now)):
                assert float(there) == pytest.approx(float(here), abs=1.001 * max(unit(there), unit(here))), line


def test_normal_setting(readme, prose, alone):
    text, (run, there) = section(readme, "Normal setting"), alone["normal"]
    mean, real = only(r"came from 0 to (\d\.\d+); the ten \*real samples\* have (\d\.\d+)\.", text)
    assert all(map(rounds_to, (mean, real), (plots.generated_mean(run.end), run.draws.x.mean())))
    assert abs(plots.generated_mean(run.draws.params)) < 0.05
    predicted, share, shown = only(r"For seed 0 it says (\d+) games and (\d+)%.*?; the run shows (\d+)\.", prose)
    assert all(map(rounds_to, (predicted, share), (there.period, 100 * there.kept)))
    turns = hessian.flat_games(run.history.params[:, 2], there.period)
    assert int(shown) == pytest.approx(hessian.measured_period(turns), abs=2)
    games, kept = map(int, only(r"takes some (\d+) games, and half a turn leaves some (\d+)% of a swing", text))
    assert (games, kept) == (round(int(shown), -1), round(int(share), -1))
    assert np.count_nonzero(np.diff(np.sign(run.miss))) >= 3  # "overshoot, come back and overshoot again"


def longest(which):
    """Find the longest stretch of True: its slice."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], which, [0]])))
    first, last = max(zip(edges[::2], edges[1::2]), key=lambda ends: ends[1] - ends[0])
    return slice(first, last)


def test_strong_discriminator(readme, alone, normal, strong_8000, strong_8000_elsewhere):
    text, (run, _) = section(readme, "Strong discriminator"), alone["strong"]
    fake = run.end[0] * run.draws.z_gen[-1, -1] + run.end[1]
    belief = np.mean(1 / (1 + np.exp(-(run.end[2] * fake + run.end[3]))))
    assert rounds_to(only(r"belief in G's samples is (\d\.\d+), ", text), belief)
    first, *_, last = run.history.gen_gradient
    assert rounds_to(only(r"gradient falls to (\d+)% of what it was in the first game", text), 100 * last / first)
    percent, games = map(int, only(r"right about (\d+)% of the samples or more for some (\d+) games", text))
    sure = np.min(plots.accuracies(normal.history.params, TARGET), axis=0) >= percent / 100
    stretches = [longest(which) for which in sure.T]
    assert np.median([part.stop - part.start for part in stretches]) == pytest.approx(games, abs=5)
    assert min(np.diff(mean[part]).min() for mean, part in zip(normal.miss.T, stretches)) > 0  # "all the while"
    assert "about half get to the data within 1000 games, and nine in ten within 4000" in text
    arrived = np.concatenate([strong_8000.arrivals(), strong_8000_elsewhere.arrivals()])
    assert [np.mean(arrived <= games) for games in (1000, 4000)] == pytest.approx([0.5, 0.9], abs=0.06)


def test_cures(readme, noises, strong_other, strong, r1):
    text = section(readme, "Noisy GANs")
    for runs in (*noises, strong_other):
        np.testing.assert_array_equal(runs.draws.params, strong.draws.params)
        np.testing.assert_array_equal(runs.draws.x, strong.draws.x)
    there = "All of 100 runs get there"
    assert re.search(rf"{there}\. .* std of 0\.3 fewer than half do\. .* {there}", text)
    assert min(runs.at_draw().sum() for runs in (noises[-1], strong_other)) >= 98
    assert noises[1].at_draw().mean() < 0.5
    assert "with $\\gamma = 0.5$ all of 100 runs get to a draw" in section(readme, "Turn, damping, edge")
    assert r1.at_draw().sum() >= 98
    assert "D is less sure and less steep, and G keeps its gradient" in text
    early = [(runs.history.params[20:100, :, 2], runs.history.gen_gradient[20:100]) for runs in (noises[-1], strong)]
    slope, gradient = np.median(np.abs(early), axis=(2, 3)).T
    assert slope[0] < slope[1]
    assert gradient[0] > 2 * gradient[1]


def test_what_the_loss_hides(readme, alone):
    text, (run, _) = section(readme, "What the loss hides"), alone["normal"]
    std, samples = only(r"std is (\d\.\d+), that of the ten real samples (\d\.\d+), and .* bell curve 1\.", text)
    assert rounds_to(std, plots.generated_std(run.end))
    assert rounds_to(samples, run.draws.x.std())
    accuracy = np.mean(plots.accuracies(run.history.params, TARGET), axis=0)
    assert np.median(accuracy[-300:]) == pytest.approx(0.5, abs=0.02)  # "gets half right"
    ends = plots.generated_ends(run.history.params)
    apart = slice(0, np.argmax(ends[1] > 2.5))  # until the foremost sample comes within 2.5 std of the data's mean
    params = alone["strong"][0].history.params[5:]
    assert np.min(plots.accuracies(params, TARGET)) > 0.99
    for low, high, far in ((*(end[apart] for end in ends), 0.02), (*plots.generated_ends(params), 0.005)):
        assert np.abs(plots.jensen_shannon(TARGET, low, high) - np.log(2)).max() < far
        assert (np.diff(plots.wasserstein(TARGET, low, high)) < 0).all()
    questions = section(readme, "Questions that readers ask")
    of_d, of_g = only(r"\$2 \\log 2 = (\d\.\d+)\$.* \$\\log 2 = (\d\.\d+)\$", questions)
    assert all(map(rounds_to, (of_d, of_g), (2 * np.log(2), np.log(2))))


def test_stall_of_2000_games(readme, alone, strong_2000):
    text, run, (short, _) = section(readme, "Hessian against Jacobian"), strong_2000.select(0), alone["strong"]
    assert (np.linalg.eigvalsh(hessian.run_hessians(short.model, short.draws, short.history, last=1)) < 0).all()
    values = np.linalg.eigvalsh(hessian.run_hessians(run.model, run.draws, run.history))
    stall = longest((values < 0).all(axis=1))
    games = int(only(r"For some (\d+) games all four eigenvalues are negative", text))
    assert games == pytest.approx(stall.stop, abs=20)
    assert stall.start < 5
    assert hessian.definiteness(values[-1]) == "indefinite"
    assert rounds_to(only(r"mean ends at (\d\.\d+)\.", text), plots.generated_mean(run.end), units=1)
    games, (arrived,) = int(only(r"V at 0 for some (\d+) games, and then it falls", text)), strong_2000.arrivals()
    assert arrived == pytest.approx(games, rel=0.02)
    assert run.history.objective[100 : games - 100].min() > -0.02


def test_step_of_the_strong_discriminator(prose, strong):
    """In the seeds that stall, D is 1/2 in the middle between G's foremost sample and the nearest real one."""
    assert "D rises from 0 to 1 half-way between G and the smallest real sample" in prose
    _, _, slope, bias = strong.end.T
    foremost, smallest = plots.generated_ends(strong.end)[1], strong.draws.x.min(axis=-1)
    share = ((-bias / slope - foremost) / (smallest - foremost))[strong.outcomes.end == "stalled"]
    assert np.quantile(share, [0.05, 0.5, 0.95]) == pytest.approx([0.5, 0.5, 0.5], abs=0.05)


def arrivals(runs):
    """Return which runs arrive, log T of those, and what the law is linear in."""
    games = runs.arrivals()
    there = np.isfinite(games)
    known = np.stack([np.ones(len(games)), runs.draws.x.min(axis=-1), runs.draws.params[:, 0]], axis=-1)
    return there, np.log(games[there]), known[there]


def law(readme):
    start, slope, lost = only(r"T = (\d\.\d+) \+ (\d\.\d+)\\, x_\{\\min\} - (\d\.\d+)\\, w_0", readme)
    return np.array([float(start), float(slope), -float(lost)])


def test_law_of_arrival(readme, prose, strong_8000, strong_unseen, strong_8000_elsewhere, strong_2000):
    """Fitted on seeds 0 to 99 that arrive within 8000 games; it holds for others."""
    _, games, known = arrivals(strong_8000)
    assert law(readme) == pytest.approx(np.linalg.lstsq(known, games, rcond=None)[0], abs=0.02)
    with_weight, without = only(r"this explains (\d+)% of the variance of \$\\log T\$, and some (\d+)% without", prose)
    for runs in (strong_unseen, strong_8000_elsewhere):
        there, games, known = arrivals(runs)
        assert there.sum() > 90
        for share, weights in ((with_weight, [1, 1, 1]), (without, [1, 1, 0])):
            explained = 1 - np.mean((games - known @ (law(readme) * weights)) ** 2) / games.var()
            assert rounds_to(share, 100 * explained, units=1.5)
    says, took = map(int, only(r"For seed 0 it says some (\d+) games; the run above took (\d+)\.", prose))
    _, _, known = arrivals(strong_2000)
    assert says == round(np.exp(known @ law(readme)).item(), -2)
    assert took == pytest.approx(strong_2000.arrivals().item(), rel=0.02)
    table = re.findall(r"^\| (?:arrived by game|law|seeds 100 to 199) \| (.*) \|$", readme, re.MULTILINE)
    games, expected, measured = ([int(cell.rstrip("%")) for cell in row.split(" | ")] for row in table)
    start, slope, _ = law(readme)
    for game, by_law, share in zip(games, expected, measured):
        assert abs(by_law - 100 * (1 - TARGET.sf((np.log(game) - start) / slope) ** 10)) < 1
        assert share_is(share, strong_unseen.arrivals() <= game)
        for runs in (strong_unseen, strong_8000_elsewhere):  # within twice the error of 100 seeds
            assert abs(100 * np.mean(runs.arrivals() <= game) - by_law) < 8


def test_why_the_samples_are_too_narrow(readme, normal, normal_other):
    text = section(readme, "Why the samples are too narrow")
    w, b, mean, std = only(r"met at \$\(w, b\) = \((\d), (\d)\)\$ if \$m = (\d)\$: a std of (\d\.\d+)\.", text)
    assert (int(w) - int(b) / 2, int(b) + int(w) / 2) == (0, int(mean))
    assert rounds_to(std, int(w) / 12**0.5)
    printed = re.findall(r"\d\.\d+", only(r"leaves a std of (.*?) \(medians", text))
    for runs, left, sign in zip((normal, normal_other), printed, (1, -1)):
        kept = runs.history.params[..., 0] - runs.history.params[..., 1] / 2
        resting = 2 / 5 * (runs.draws.x.mean(axis=-1) + 2 * kept[-1])  # the w of the line with the kept w - b / 2
        assert rounds_to(left, np.median(resting) / 12**0.5, units=1)
        assert (sign * (kept[-1] - kept[0]) > 0).all()  # wider, or narrower
        assert np.median(np.abs(kept[-1] - kept[0])) < 0.1 * 5  # "nearly kept", while b grows by some 4
    games, stds = only(r"after (.*?) games its median is (.*?)\. ", text)
    for game, std in zip(re.findall(r"\d+", games), re.findall(r"\d\.\d+", stds), strict=True):
        assert rounds_to(std, typical(plots.generated_std(normal.history.params[int(game) - 1])), units=1)
    assert rounds_to(only(r"ten samples \(median (\d\.\d+)\)", text), typical(normal.draws.x.std(axis=-1)))
    kept = np.subtract(*(normal.end * [1, 0.5, 0, 0]).T[:2])
    assert abs(stats.spearmanr(kept, normal.draws.x.std(axis=-1))[0]) < 0.3  # "has nothing to do with"


@pytest.mark.parametrize(("loss", "sign"), [("saturating", 1), ("non-saturating", -1)])
def test_what_a_step_changes_of_the_width(readme, loss, sign):
    """To leading order in a small slope, as the README's formula says: noise spread evenly, D at 0.3 in the middle."""
    assert "\\pm \\frac{\\eta}{12}\\, w\\, w'^2\\, D (1 - D)" in readme
    w, b, slope, even = 2.0, 4.0, 0.01, (np.arange(1000) + 0.5) / 1000
    discr = tf.constant([slope, np.log(0.3 / 0.7) - slope * (w / 2 + b)], tf.float64)
    model = gan.GAN(1, 1, 1, gen_loss=loss)
    step = -0.1 * model.gen_slope(tf.constant([w, b], tf.float64), discr, model.draw(0), even).numpy()
    assert step[0] - step[1] / 2 == pytest.approx(sign * 0.1 / 12 * w * slope**2 * 0.3 * 0.7, rel=0.02)
