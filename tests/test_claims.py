"""Every number and outcome that README.md reports before its exercises is measured again, over the seeds it names."""

import re

import numpy as np
import pytest
from scipy import integrate, stats
from trained import NUMBER, code_blocks, read_command, rounds_to, share_is, unit

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
    return np.quantile(values, 0.5, method="nearest")


@pytest.fixture(scope="module")
def cells(readme):
    """The third column of the table of 100 seeds, by the number of its row."""
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", readme, re.MULTILINE)
    return {int(number): columns.split(" | ")[1] for number, columns in rows}


def check_shares(cell, *whiches):
    """Compare the shares of a cell, each '94% [88%, 97%]', and that each interval is Wilson's of its share."""
    printed = [list(map(float, share)) for share in re.findall(r"(\d+)% \[(\d+)%, (\d+)%\]", cell)]
    assert len(printed) == len(whiches)
    for (share, *interval), which in zip(printed, whiches):
        assert share_is(share, which)
        count = round(share * len(which) / 100)
        wilson = stats.binomtest(count, len(which)).proportion_ci(method="wilson")
        assert interval == [round(100 * end) for end in wilson]


def from_game(runs):
    return typical(runs.outcomes.settled[runs.outcomes.optimal])


# ---------------------------------------------------------------- the table of 100 seeds


def test_table_has_all_rows(cells):
    assert list(cells) == list(range(1, 13))


def test_definitions_above_the_table(prose):
    words = only(r"mean objective of the last (\d+) games is within (\d+\.\d+) of .* it is above (-\d+\.\d+); ", prose)
    assert [float(word) for word in words] == [hessian.LAST_GAMES, hessian.NEAR, hessian.STALL]


def test_1_normal_setting_converges(cells, normal):
    here, low, high = normal.outcomes, *map(float, re.search(r"game (\d+).*below (\d+\.\d+)", cells[1]).groups())
    check_shares(cells[1], here.optimal)
    assert from_game(normal) == pytest.approx(low, rel=0.03)
    late = ~here.optimal
    assert late.sum() >= 4
    assert set(np.flatnonzero(late)) == set(np.argsort(here.edge)[: late.sum()])  # "the smallest"
    assert here.edge[late].max() < high < here.edge[late].max() + 0.001


def test_2_discriminator_is_nearly_half(cells, normal):
    gap, (median, most) = normal.outcomes.gap, re.search(r"median (\d+\.\d+), .* below (\d+\.\d+)", cells[2]).groups()
    assert rounds_to(median, typical(gap), units=1)
    assert rounds_to(most, np.quantile(gap, 0.95, method="nearest"), units=5)


def test_3_hessian_is_indefinite(cells, normal):
    check_shares(cells[3], normal.outcomes.definiteness == "indefinite")


def test_4_strong_discriminator_stalls(cells, strong):
    check_shares(cells[4], strong.outcomes.stalled, strong.outcomes.optimal)


def test_5_not_in_a_maximum(cells, strong):
    check_shares(cells[5], strong.outcomes.definiteness == "negative definite")


def test_6_slow_rather_than_converged(cells, strong_8000):
    games = [int(number) for number in re.findall(r"\d+(?=,| games)", cells[6].split(":")[0])]
    assert games == hessian.halvings(8000)
    check_shares(cells[6], *(hessian.near_optimum(strong_8000.history.objective[:number]) for number in games))


def test_7_strong_generator_is_faster(cells, generators, normal):
    check_shares(cells[7], generators[0].outcomes.optimal)
    early, late = re.search(r"from game (\d+) on; (\d+) in the normal", cells[7]).groups()
    assert from_game(generators[0]) == int(early)
    assert from_game(normal) == pytest.approx(int(late), rel=0.03)


def test_8_bad_initialization(cells, generators):
    assert f"init std {', '.join(f'{runs.model.init_std:g}' for runs in generators)}:" in cells[8]
    check_shares(cells[8], *(~runs.outcomes.optimal for runs in generators))


def test_9_noise_helps(cells, noisy, strong):
    check_shares(cells[9], noisy.outcomes.optimal)
    game, without = re.search(r"game (\d+) on; without noise (\d+)%", cells[9]).groups()
    assert from_game(noisy) == pytest.approx(int(game), rel=0.03)
    assert share_is(without, strong.outcomes.optimal)


def test_10_non_saturating_loss_helps(cells, strong_other):
    check_shares(cells[10], strong_other.outcomes.optimal)
    assert from_game(strong_other) == pytest.approx(int(re.search(r"game (\d+)", cells[10])[1]), abs=2)


def best(runs):
    return plots.best_objective(TARGET, *plots.generated_ends(runs.end))


def test_11_objective_does_not_certify(cells, normal):
    std, objective = re.search(r"median (\d+\.\d+), target 1; .* = (-\d+\.\d+)", cells[11]).groups()
    assert rounds_to(std, typical(plots.generated_std(normal.end)))
    assert rounds_to(objective, typical(best(normal)))


def test_12_theory_predicts_the_wave(cells, normal):
    here = normal.outcomes
    seen = np.isfinite(here.measured)
    exact, closed = (np.abs(here.measured / theory - 1)[seen] for theory in (here.period, here.closed_form))
    check_shares(cells[12], exact < 0.02, closed < 0.02)
    assert abs(int(re.search(r"of the (\d+) seeds", cells[12])[1]) - seen.sum()) <= 2
    assert "turn within 2% of" in cells[12]
    assert "within 5% all" in cells[12]
    assert exact.max() < 0.05
    measured, theory = re.search(r"leaves (\d+)%, by theory (\d+)%", cells[12]).groups()
    kept = np.isfinite(here.measured_kept)
    assert rounds_to(measured, 100 * typical(here.measured_kept[kept]), units=1)
    assert rounds_to(theory, 100 * typical(here.kept[np.isfinite(here.kept)]))


def test_letters_name_the_commands_that_were_trained(readme, normal, strong, generators, noisy, strong_8000):
    named = dict(re.findall(r"\b([A-D]): `(python .*?)`", readme))
    for letter, runs in zip("ABCD", (normal, strong, generators[0], noisy)):
        command = read_command(named[letter])
        assert (command.model, command.seed, command.seeds) == (runs.model, 0, len(runs.end))
    assert read_command(named["B"] + " --games 8000").model == strong_8000.model
    assert read_command(named["C"] + " --init-std 5").model == generators[3].model


def test_default_seed_is_typical(prose, normal, strong, generators, noisy):
    """Seed 0 does what the share of seeds does that the README names for each setting."""
    assert gan.SEED == 0
    does = [normal.outcomes.optimal, strong.outcomes.stalled, generators[0].outcomes.optimal, noisy.outcomes.optimal]
    assert all(which[0] for which in does)
    printed = only(r"what it does, (\d+)%, (\d+)%, (\d+)% and (\d+)% of the seeds do", prose)
    assert all(map(share_is, printed, does))


def test_findings_on_the_first_screen(readme, cells, generators, strong_8000, noisy, strong_other, strong):
    """They repeat rows of the other table, which are measured; what they add is measured here."""
    findings = readme.partition("| people say")[2].partition("\n\n")[0]
    late = only(r"(\d+)% of the seeds arrive in 500 games, (\d+)% in 8000", findings)
    assert late == tuple(re.findall(r"(\d+)% \[", cells[6]))[:: len(hessian.halvings(8000)) - 1]
    assert only(r"within 2% in (\d+)% of the runs", findings) == re.findall(r"(\d+)% \[", cells[12])[0]
    assert only(r"Its spread is (\d+\.\d+)", findings) == re.search(r"median (\d+\.\d+)", cells[11])[1]
    both, without = only(r"\[both do\]\(#two-cures\), in (\d+)% of the seeds; (\d+)% without", findings)
    assert all(share_is(both, runs.outcomes.optimal) for runs in (noisy, strong_other))
    assert share_is(without, strong.outcomes.optimal)
    assert only(r"game (\d+) instead of (\d+)", findings) == re.search(r"game (\d+) on; (\d+)", cells[7]).groups()
    assert share_is(only(r"wild first weights (\d+)% are not there", findings), ~generators[3].outcomes.optimal)


# ---------------------------------------------------------------- the closing reports

REPORTS = {
    "gan.py": "normal",
    "gan.py --games 500 --discr-update 50": "strong",
    "noisy_gan.py": "noisy",
    "gan.py --games 500 --discr-update 50 --gen-loss non-saturating": "strong_other",
    "gan.py --games 500 --gen-update 50": "generators",
}


@pytest.fixture(scope="module")
def alone(normal, strong, noisy, strong_other, generators):
    """The run of seed 0 of each setting."""
    names = dict.fromkeys(REPORTS.values())
    return {name: runs.select(0) for name, runs in zip(names, (normal, strong, noisy, strong_other, generators[0]))}


@pytest.fixture(scope="module")
def near(alone):
    """The equilibrium nearest to each of those runs."""
    return {name: hessian.equilibrium(run.model, run.draws.x, run.end) for name, run in alone.items()}


def test_every_console_block_is_checked(readme):
    blocks = code_blocks(readme, "console")
    assert [block.splitlines()[:2] for block in blocks] == [[f"$ python {command}", "..."] for command in REPORTS]


@pytest.mark.parametrize("command", REPORTS)
def test_closing_reports(readme, alone, near, command):
    """The words of a closing report are the README's, and so are its numbers, to one in the last digit."""
    run, equilibrium = alone[REPORTS[command]], near[REPORTS[command]]
    assert read_command(f"python {command}")[1:] == (run.model, 0, None)
    eigenvalues = np.linalg.eigvalsh(hessian.run_hessians(run.model, run.draws, run.history, last=1))
    lines = gan.closing_report(run.model, run.draws, run.history, eigenvalues, equilibrium)
    (block,) = (block for block in code_blocks(readme, "console") if block.startswith(f"$ python {command}\n"))
    printed = block.partition("...\n")[2].rstrip("\n")
    assert re.sub(NUMBER, "#", printed) == re.sub(NUMBER, "#", "\n".join(lines))
    for there, now in zip(re.findall(NUMBER, printed), re.findall(NUMBER, "\n".join(lines))):
        assert float(there) == pytest.approx(float(now), abs=1.001 * max(unit(there), unit(now))), printed


# ---------------------------------------------------------------- the prose


def test_constants_in_the_text(readme):
    blocks = [dict(re.findall(r"^([A-Z_]+) = (\d+)$", block, re.MULTILINE)) for block in code_blocks(readme, "python")]
    settings = [tuple(map(int, block.values())) for block in blocks if "GAMES" in block]
    assert settings == [(1500, 1, 1), (500, 50, 1), (500, 1, 50)]
    assert settings[0] == (gan.GAMES, gan.DISCR_UPDATE, gan.GEN_UPDATE)
    assert "`noisy_gan.py` has five constants of its own" in readme
    assert sum(re.fullmatch("[A-Z_]+", name) is not None for name in vars(noisy_gan)) == 5
    assert [*plots.frame_games(1500)[:8], plots.frame_games(1500)[-1]] == [1, 2, 3, 5, 8, 13, 20, 40, 1500]
    assert "games 1, 2, 3, 5, 8 and 13, the others every 20th" in " ".join(readme.split())


def test_normal_setting(readme, alone, near):
    text, run, mean = section(readme, "Normal setting"), alone["normal"], plots.generated_mean
    assert rounds_to(only(r"samples got from 0 to (\d+\.\d+)", text), mean(run.end))
    assert abs(mean(run.draws.params)) < 0.05
    assert rounds_to(only(r"a measure of spread, is (\d+\.\d+)", text), plots.generated_std(run.end))
    assert rounds_to(only(r"mean is still off by (\d+\.\d+)\.", text), abs(mean(run.end) - run.draws.x.mean()))
    weights, period = run.history.params[:, 2], near["normal"].period
    turns, misses = hessian.flat_games(weights, period), re.findall(r"\d+", only(r"dots by (.*?) games", text))
    assert "only their position is set, by the fourth dot" in text
    off = np.abs(turns[3] - period / 2 * np.arange(3, -1, -1) - turns)
    assert list(map(int, misses)) == pytest.approx(off, abs=1.5)
    assert np.abs(weights[turns - 1]).max() < 0.1 * np.abs(weights).max()  # "a game in which D was flat"


def test_lowest_objective(prose, alone):
    lowest = only(r"V can fall lower: to (-\d+\.\d+) in the run above", prose)
    assert rounds_to(lowest, alone["normal"].history.objective.min())


def test_strong_discriminator(readme, alone, near, strong, normal):
    text, run = section(readme, "Strong discriminator"), alone["strong"]
    scores = [gan.discriminator(run.end[2:], sample).mean() for sample in
              (run.draws.x, gan.generator(run.end[:2], run.draws.z_gen[-1, -1]))]  # fmt: skip
    assert all(map(rounds_to, only(r"It gives (\d+\.\d+) to real samples and (\d+\.\d+) to generated", text), scores))
    assert -0.01 < run.history.objective[-1] < 0
    first, *_, last = run.history.gen_gradient
    assert rounds_to(only(r"gradient falls to (\d+)% of what it was in the first game", text), 100 * last / first)
    here, there = only(r"after 20 games (\d+\.\d+) here and (\d+\.\d+) there", text)
    assert rounds_to(here, np.median(strong.trust(20)), units=1)
    assert rounds_to(there, np.median(normal.trust(20)), units=1)
    assert (np.linalg.eigvalsh(hessian.run_hessians(run.model, run.draws, run.history, last=1)) < 0).all()

    def follow(_, place):
        return np.ravel(hessian.phase_field(run.model, run.draws.x, run.end[0], *np.reshape(place, (2, 1))))

    course = integrate.solve_ivp(follow, (0, 4000), plots.phase_point(run.end), "LSODA", rtol=0.1, atol=0.03).y
    assert course[:, -1] == pytest.approx([run.draws.x.mean(), 0], abs=0.05)  # "lead round to the red point"
    assert course[0].max() > run.draws.x.mean() + 0.3
    assert plots.phase_point(near["strong"].params) == pytest.approx([run.draws.x.mean(), 0])


def longest(which):
    """Find the longest stretch of True: its slice."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], which, [0]])))
    first, last = max(zip(edges[::2], edges[1::2]), key=lambda ends: ends[1] - ends[0])
    return slice(first, last)


def test_accuracy_does_not_stop_the_generator(prose, normal):
    percent, games = map(int, only(r"right about (\d+)% and more of both kinds of samples for some (\d+) games", prose))
    sure = np.min(plots.accuracies(normal.history.params, TARGET), axis=0) >= percent / 100
    stretches = [longest(which) for which in sure.T]
    assert np.median([part.stop - part.start for part in stretches]) == pytest.approx(games, abs=5)
    rises = [np.diff(mean[part]).min() for mean, part in zip(plots.generated_mean(normal.history.params).T, stretches)]
    assert min(rises) > 0  # "in every one of them", of every seed


def test_plateau_in_the_monitor(prose, alone):
    assert "D is right about every sample, and JSD lies flat on $\\log 2$. Wasserstein-1 falls all the while" in prose
    params = alone["strong"].history.params[5:]
    assert np.min(plots.accuracies(params, TARGET)) > 0.99
    ends = plots.generated_ends(params)
    assert np.abs(plots.jensen_shannon(TARGET, *ends) - np.log(2)).max() < 0.005
    assert (np.diff(plots.wasserstein(TARGET, *ends)) < 0).all()


def test_step_of_the_strong_discriminator(prose, strong):
    """In the seeds that stall, D is 1/2 in the middle between G's foremost sample and the nearest real one."""
    assert "D puts its step half-way to the smallest of the ten real samples" in prose
    _, _, slope, bias = strong.end.T
    foremost, smallest = plots.generated_ends(strong.end)[1], strong.draws.x.min(axis=-1)
    share = ((-bias / slope - foremost) / (smallest - foremost))[strong.outcomes.stalled]
    assert np.quantile(share, [0.05, 0.5, 0.95]) == pytest.approx([0.5, 0.5, 0.5], abs=0.05)


def law(readme):
    return tuple(map(float, only(r"\\log T = (\d+\.\d+) \+ (\d+\.\d+)\\ x_\{\\min\}", readme)))


def test_law_of_arrival_is_the_fit(readme, strong_8000):
    """Fitted on seeds 0 to 99 that arrive within 8000 games."""
    games = strong_8000.arrivals()
    there = np.isfinite(games)
    slope, start = np.polyfit(strong_8000.draws.x.min(axis=-1)[there], np.log(games[there]), 1)
    assert law(readme) == pytest.approx((start, slope), abs=0.02)


def test_law_of_arrival_holds_for_seeds_that_it_has_not_seen(readme, strong_unseen):
    start, slope = law(readme)
    table = re.findall(r"^\| (?:arrived by game|law|seeds 100 to 199) \| (.*) \|$", readme, re.MULTILINE)
    games, expected, measured = ([int(cell.rstrip("%")) for cell in row.split(" | ")] for row in table)
    arrived = strong_unseen.arrivals()
    for game, by_law, share in zip(games, expected, measured):
        assert abs(by_law - 100 * (1 - TARGET.sf((np.log(game) - start) / slope) ** 10)) < 1
        assert share_is(share, arrived <= game)
        assert abs(share - by_law) < 8  # the law's test: the share lies within twice the error of 100 seeds
    there = np.isfinite(arrived)
    assert there.sum() > 90
    errors = np.log(arrived[there]) - start - slope * strong_unseen.draws.x.min(axis=-1)[there]
    explained = 1 - np.mean(errors**2) / np.log(arrived[there]).var()
    assert rounds_to(only(r"law explains (\d+)% of the variance", " ".join(readme.split())), 100 * explained, units=1.5)


def test_two_cures(readme, alone, noisy, strong_other, strong):
    text = section(readme, "Two cures")
    assert "Same constants, same seed, same first weights and same data" in text
    for runs in (noisy, strong_other):
        np.testing.assert_array_equal(runs.draws.params, strong.draws.params)
        np.testing.assert_array_equal(runs.draws.x, strong.draws.x)
    assert "Both arrive, as do all 100 seeds" in text
    assert min(noisy.outcomes.optimal.sum(), strong_other.outcomes.optimal.sum()) >= 98
    noise, other = only(r"half of them by game (\d+) with noise and by game (\d+) with the other loss", text)
    assert np.median(noisy.outcomes.settled) == pytest.approx(int(noise), rel=0.03)
    assert np.median(strong_other.outcomes.settled) == pytest.approx(int(other), abs=2)
    assert "V shakes around its target to the end" in text
    shaking = [np.median(runs.history.objective[-50:].std(axis=0)) for runs in (noisy, strong_other)]
    assert shaking[0] > 3 * shaking[1]


def test_strong_generator(readme, alone, near, generators):
    text = section(readme, "Strong generator")
    assert np.median(generators[0].outcomes.settled) == int(only(r"stays there from game (\d+) on", text))
    assert "The mean overshoots meanwhile and needs some fifty games to settle" in text
    means, target = plots.generated_mean(generators[0].history.params), generators[0].draws.x.mean(axis=-1)
    assert np.median(means.max(axis=0) - target) > 0.5
    settled = [np.flatnonzero(off >= 0.3).max() + 2 for off in np.abs(means - target).T]
    assert np.median(settled) == pytest.approx(50, abs=10)
    factors = np.linalg.eigvals(near["generators"].linear_map)
    (factor,) = factors[(factors.imag > 1e-9) & (factors.real > 0)]
    half, kept = only(r"half a turn would take some (\d+) games, and would leave (\d+)% of a swing", text)
    assert np.pi / np.angle(factor) == pytest.approx(int(half), abs=5)
    assert rounds_to(kept, 100 * np.abs(factor) ** (np.pi / np.angle(factor)))
    assert np.isnan(near["generators"].period)
    times, lost = only(r"first weights (\w+) times larger, (\d+)% of the seeds are not at the", text)
    wild = generators[3]
    assert (times, wild.model.init_std / gan.INIT_STD) == ("fifty", 50)
    assert share_is(lost, ~wild.outcomes.optimal)
    ends = list(map(float, only(r"of 90% of the seeds lie between (-\d+) and (\d+)\.", text)))
    assert np.quantile(plots.generated_mean(wild.end), [0.05, 0.95], method="nearest") == pytest.approx(ends, rel=0.05)


def test_why_it_circles(readme, prose, alone, near, normal):
    assert "the mean moves by $\\eta \\frac{5}{8} w'$ a game" in prose
    params = normal.history.params[700:, normal.outcomes.optimal]
    moves, slopes = np.diff(plots.generated_mean(params), axis=0), params[:-1, :, 2]
    speed = (moves * slopes).sum(axis=0) / (slopes**2).sum(axis=0)
    assert np.median(speed) == pytest.approx(gan.LEARNING_RATE * 5 / 8, rel=0.04)
    fast = np.linalg.eigvals(near["normal"].linear_map - np.eye(4)).real.min() / gan.LEARNING_RATE
    assert rounds_to(only(r"One is fast, near \$-K/2 = (-\d+)\$", prose), fast, units=1)
    assert rounds_to(only(r"One is fast, near \$-K/2 = (-\d+)\$", prose), -2 / near["normal"].edge, units=1)
    predicted, shown = only(r"It gives (\d+) games for seed 0; the run shows (\d+)\.", prose)
    assert rounds_to(predicted, near["normal"].period)
    turns = hessian.flat_games(alone["normal"].history.params[:, 2], near["normal"].period)
    assert int(shown) == pytest.approx(hessian.measured_period(turns), abs=2)
    size, mean = alone["normal"].draws.x, near["normal"].params
    spread = (size.var() + mean[0] ** 2 / 12) / 2
    assert near["normal"].closed_form == pytest.approx(80 * np.pi * np.sqrt((1 + size.mean() ** 2 + spread) / 5))


def test_what_losses_hide(readme, alone, normal, normal_other):
    text, run = section(readme, "What losses hide"), alone["normal"]
    assert rounds_to(only(r"best D of all would still reach V\* = (-\d+\.\d+)", text), best(run))
    assert rounds_to(only(r"the std stays at (\d+\.\d+)", text), plots.generated_std(run.end))
    real, generated = plots.accuracies(run.history.params, TARGET)
    assert "the two curves swing in opposite directions" in text
    assert np.corrcoef(real[200:], generated[200:])[0, 1] < -0.8
    assert "JSD sits near $\\log 2$ while hardly anything overlaps; Wasserstein-1 shrinks from the first game" in text
    ends = plots.generated_ends(run.history.params)
    apart = slice(0, np.argmax(ends[1] > 2.5))  # until the foremost sample comes within 2.5 std of the data's mean
    assert np.abs(plots.jensen_shannon(TARGET, *ends)[apart] - np.log(2)).max() < 0.02
    assert (np.diff(plots.wasserstein(TARGET, *ends)[apart]) < 0).all()
    w, b, mean, std = only(r"leads to \$\(w, b\) = \((\d), (\d)\)\$ when the mean is (\d): a std of (\d+\.\d+)", text)
    w, b, mean = int(w), int(b), int(mean)
    assert (w - b / 2, b + w / 2) == (0, mean)
    assert rounds_to(std, w / 12**0.5)
    share, end, other_share, other_end = only(
        r"first arrival in (\d+)% of the seeds, and the std ends at (\d+\.\d+)\..*? most: (\d+)% and (\d+\.\d+)",
        text,
    )
    for runs, printed, last in ((normal, share, end), (normal_other, other_share, other_end)):
        params, target = runs.history.params, runs.draws.x.mean(axis=-1)
        kept = params[..., 0] - params[..., 1] / 2
        arrived = plots.generated_mean(params) >= target
        assert arrived.any(axis=0).all()
        assert share_is(printed, kept[-1] > kept[arrived.argmax(axis=0), range(len(target))])
        assert rounds_to(last, typical(plots.generated_std(runs.end)), units=1)
        assert np.median(np.abs(kept[-1] - kept[0])) < 0.1 * 5  # "hardly changes", while b grows by some 4


def test_losses_without_a_game(prose):
    assert rounds_to(only(r"\$2 \\log 2 = (\d+\.\d+)\$", prose), 2 * np.log(2))
    assert rounds_to(only(r"\$\\log 2 = (\d+\.\d+)\$ the size", prose), np.log(2))
