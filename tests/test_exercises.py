"""The README's exercises: each block as it is printed, and every number of each answer, measured again."""

import functools
import hashlib
import re
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats
from trained import code_blocks, draw, play, read_command, train, unit

import gan
import hessian
import plots

pytest_plugins = ["seeds"]
COMMANDS, BLOCKS = (1, 2), (3, 4, 5, 6, 7, 8, 9)
TARGET = stats.norm(5, 1)


class Exercise(NamedTuple):
    task: str
    answer: str

    def block(self, language):
        """Return what stands in the task's only block of a language."""
        (text,) = code_blocks(self.task, language)
        return text

    def paragraphs(self):
        return self.answer.strip().split("\n\n")


class Chaotic(float):
    """A number that another processor's rounding may move by 3 percent."""


@pytest.fixture(scope="module")
def texts(readme):
    """The exercises by their numbers."""
    section = re.split(r"^## ", readme.partition("\n## Part 4: exercises\n")[2], flags=re.MULTILINE)[0]
    _, *parts = re.split(r"^### (\d+)\. ", section, flags=re.MULTILINE)
    whole = re.compile(r"(.*)<details><summary>Answer</summary>(.*)</details>\s*", re.DOTALL)
    return {int(number): Exercise(*whole.fullmatch(part).groups()) for number, part in zip(parts[::2], parts[1::2])}


@pytest.fixture(scope="module")
def memory():
    """Train nothing twice, and some games at once: settings, operations and draws say what a training gives."""
    known = {}

    def recall(self, draws):
        digest = hashlib.sha256(gan.list_operations(self, draws)[-1])
        for values in draws:
            digest.update(np.ascontiguousarray(values))
        key = repr(self), digest.digest()
        if key not in known:
            known[key] = play(self, draws, 1500)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan.GAN, "train", recall)
        patch.setattr(gan, "MOST_COMPILED", 10)  # of some 20 MB each with their buffers
        yield


def run_block(text, variables):
    """Run a block in a namespace, as a notebook does: the numbers that it prints."""
    printed = []
    variables["print"] = lambda *values: printed.extend(value for value in values if not isinstance(value, str))
    exec(text, variables)
    return printed


@pytest.fixture(scope="module")
def results(texts, memory):
    """Run an exercise's block once, by itself: the numbers that it prints, and its variables."""

    @functools.cache
    def run(number):
        variables = {}
        return run_block(texts[number].block("python"), variables), variables

    return run


def trained_by_commands(exercise):
    """Train what the commands of an exercise say: Runs."""
    commands = [read_command(line) for line in exercise.block("sh").splitlines()]
    assert {command.seed for command in commands} == {0}
    return [train((command.model, range(command.seeds))) for command in commands]


def numbers(text):
    return re.findall(r"-?\b\d+(?:\.\d+)?", re.sub(r"\]\([^)]*\)|(?<=\d),(?=\d{3})", "", text))


def agrees(printed, value):
    """Say whether a printed number is a value: a setting as it is, a share of seeds (two may differ), or rounded."""
    if isinstance(value, np.ndarray):
        return abs(float(printed) - 100 * value.mean()) <= 200 / len(value) + 0.5
    if isinstance(value, (int, str)):
        return printed == str(value)
    return abs(float(printed) - value) <= max(unit(printed), 0.03 * abs(value) if isinstance(value, Chaotic) else 0)


def check(text, *values):
    """Compare all numbers in a text, in order."""
    printed = numbers(text)
    assert len(printed) == len(values), printed
    assert [(one, value) for one, value in zip(printed, values) if not agrees(one, value)] == []


def some(share, seeds=40):
    """Return an array of which so many percent are True."""
    return np.arange(seeds) < share * seeds / 100


def equilibrium(runs):
    return hessian.equilibrium(runs.model, runs.draws.x, runs.end)


def turns_over(steps):
    """Say where steps (n, S) along D's weight change their sign."""
    return steps[1:] * steps[:-1] < 0


def test_exercises_are_these_and_agrees_can_fail(texts):
    assert tuple(texts) == COMMANDS + BLOCKS
    assert all(len(text) > 200 for exercise in texts.values() for text in exercise)
    assert agrees("0.31", 0.3051)
    wrong = ("0.31", 0.33), ("5", 4), ("10", np.repeat([True, False], [14, 86])), ("1.8", Chaotic(2))
    assert not any(agrees(*case) for case in wrong)


def test_1_how_strong(texts):
    runs = trained_by_commands(texts[1])
    assert [(run.model.discr_update, run.model.games) for run in runs] == [(k, 500) for k in (1, 5, 10, 20, 50)]

    def belief(run, game=20):
        params = run.history.params[game - 1]
        fake = gan.generator(params[:, :2], run.draws.z_gen[game - 1, -1])
        return np.median(run.model.discriminator(params[:, 2:], fake).mean(axis=-1))

    stalled = [(run.outcomes.end == "stalled") for run in runs]
    check(
        texts[1].answer, len(runs[0].end), *stalled, *[run.at_draw() for run in runs], 500, 20, belief(runs[0]), 1,
        belief(runs[2]), 10, belief(runs[4]), 50,
    )  # fmt: skip
    assert not (runs[0].outcomes.end == "settled").any()  # "500 games are too few for that to die down"


def test_2_edge(texts, memory):
    normal, *_ = runs = trained_by_commands(texts[2])
    assert [(run.model.learning_rate, len(run.end)) for run in runs] == [(rate, 100) for rate in (0.1, 0.13, 0.16, 0.2)]
    assert normal.model == gan.GAN(1500, 1, 1)
    there = equilibrium(normal)

    def stay(edges):
        """Start all seeds at their equilibrium, each with its own rate, and say which stay at the draw."""
        model = gan.GAN(1500, 1, 1)
        object.__setattr__(model, "learning_rate", edges * there.edge[:, None])
        return hessian.at_draw(model.train(normal.draws._replace(params=there.params)).objective)

    first, second, third, fourth = texts[2].paragraphs()
    check(
        first, -1, 4, np.median(there.edge), 90, *np.quantile(there.edge, [0.05, 0.95]), stay(0.98), 100, 0.98,
        stay(1.02), 1.02, *[run.at_draw() for run in runs],
    )  # fmt: skip
    last = slice(-500, None)
    gradients = [Chaotic(np.median(run.history.discr_gradient[last].mean(axis=0))) for run in runs]
    objectives = [Chaotic(np.median(run.history.objective[last].mean(axis=0))) for run in runs]
    check(second, 500, *np.delete(gradients, 1), *np.delete(objectives, 1))
    for run in runs[2:]:  # "flips from one side to the other for ever, and does worse than a coin"
        assert np.median(turns_over(np.diff(run.history.params[last, :, 2], axis=0)).mean(axis=0)) > 0.8
        assert (run.outcomes.end == "flipping").mean() > 0.8
        assert np.abs(run.history.params).max() < 50  # "Nothing explodes"
    assert (~runs[1].at_draw() & (there.edge > 0.13)).sum() > 5  # "Many seeds fail below their edge"
    steps = np.diff(normal.history.params[50:, :, 2], axis=0)
    flips = turns_over(steps) & (np.abs(steps[1:]) > 0.1)
    check(third, "0.1", flips.any(axis=0))
    means = plots.generated_mean(normal.history.params[51:-1])
    assert np.quantile(means[flips], 0.05) > 6  # "While G swings past the data"
    assert flips[-100:, normal.at_draw()].any(axis=0).mean() < 0.1  # "recovers when the swing is over"
    edges, line = [], "python gan.py"
    for flags in re.findall(r"`(--[^`]*)`", fourth):
        line = f"{line} {flags}"
        one = train((read_command(line).model, range(1)))
        edges += [*equilibrium(one).edge, *hessian.largest_rate(equilibrium(one).hessian, 1, 1)]
    check(fourth, 0, 50, *edges[:2], 0, 0, *edges[2:])


def test_3_width(texts, results):
    printed, variables = results(3)
    (narrow, *_), (wide, *_), (_, std, best), (_, std_wide, best_wide) = np.reshape(printed, (4, 3))
    assert variables["params"].shape == (40, 5)
    spread = np.median([np.std(gan.GAN(1500, 1, 1).draw(seed).x) for seed in range(40)])
    widths = np.linspace(2, 6, 4001)
    optimum = plots.best_objective(TARGET, 5 - widths / 2, 5 + widths / 2)
    first, second = texts[3].paragraphs()
    check(first, some(narrow), 40, some(wide), 0, 5, 2, 25)
    check(second, std, std_wide, 10, spread, best, best_wide, optimum.min(), widths[optimum.argmin()] / 12**0.5)
    assert abs(std_wide - spread) < 0.1 * abs(std - spread)  # "G copies the variance of its samples"


def test_4_fresh_data(texts, results):
    printed, variables = results(4)
    assert variables["history"].params.shape == (4000, 40, 4)
    assert printed[::2] == [1500, 4000] * 2
    fixed_early, fixed_late, early, late = printed[1::2]
    own = stats.norm.ppf(3 / 4) / 10**0.5  # median distance of the mean of ten samples
    check(texts[4].answer, 1500, fixed_early, early, 40, 4000, fixed_late, late, 5, own)


def test_5_middle(texts, results):
    printed, variables = results(5)
    slow, draws, params = (variables[name] for name in ("model", "draws", "params"))
    assert (params.shape, printed[::2]) == ((1500, 40, 4), [0.1, 0.1, 0.02, 0.02])
    usual = gan.GAN(1500, 1, 1)
    period, slow_period = (np.median(hessian.equilibrium(model, draws.x, params[-1]).period) for model in (usual, slow))
    check(texts[5].answer, 1, 2, *printed[1::2], Chaotic(period), "0.1", "0.02", 750)
    assert slow_period / period == pytest.approx(5, rel=0.01)
    assert slow_period / 4 == pytest.approx(750, rel=0.03)  # "the last 750 games are a quarter of one"


def test_6_centred(texts, results):
    (settled, error, stalled, settled_centred, error_centred, stalled_centred), variables = results(6)
    draws, history = variables["draws"], variables["history"]
    usual = gan.GAN(3000, 1, 1)
    plain = usual.train(draws)
    there = hessian.equilibrium(usual, draws.x, plain.params[-1])
    centred = hessian.equilibrium(usual, draws.x - 5, history.params[-1] - [0, 5, 0, 0])
    steepness, steepness_centred = (4 / np.median(point.edge) for point in (there, centred))
    check(
        texts[6].answer, Chaotic(settled_centred), Chaotic(settled), error_centred, error, 0, steepness, 2,
        some(stalled_centred), 1500,
    )  # fmt: skip
    assert stalled == 0
    assert steepness_centred < 2
    assert np.nanmedian(there.period) > 3 * np.nanmedian(centred.period)  # "several times shorter"
    decays = [np.nanmedian(-np.log(point.kept) / point.period) for point in (there, centred)]
    assert decays[1] > 10 * decays[0]  # "dies much faster"
    mean, stuck = draws.x.mean(axis=-1), history.objective[-50:].mean(axis=0) > -0.1
    arrived = [(plots.generated_mean(one.params) >= mean).argmax(axis=0) for one in (plain, history)]
    assert np.median(arrived[1][~stuck]) > 1.5 * np.median(arrived[0])  # "G's way to the data takes longer"


def test_7_two_guises(texts, results):
    printed, _ = results(7)
    swings, centred = np.reshape(printed[:18], (3, 2, 3)), np.reshape(printed[18:], (3, 2))
    strengths, gammas = (0.5, 1, 1.5), (0, 0.8, 3.2)
    assert (*swings[:, 0, 0], *swings[:, 1, 0], *centred[:, 0]) == strengths * 2 + gammas
    spread = 0.6 + np.square(strengths)
    steepness, damping = 26 + spread, 4 * spread + 5  # the formulas of part 2, half a turn
    turns = 4 * np.pi / 0.1 * np.sqrt(steepness / 5) * (1 + damping**2 / (160 * steepness))
    kept = 100 * np.exp(-np.pi * damping / (4 * np.sqrt(5 * steepness)))
    (noisy, noisy_kept), (penalized, penalized_kept) = swings[:, 0, 1:].T, swings[:, 1, 1:].T
    first, second = texts[7].paragraphs()
    check(first, *turns, *kept, *noisy, *penalized, *100 * noisy_kept, *100 * penalized_kept)
    assert np.abs(100 * penalized_kept - kept).sum() < np.abs(100 * noisy_kept - kept).sum()  # "agree better"
    assert np.abs(penalized - turns).sum() < np.abs(noisy - turns).sum()
    check(second, *centred[:2, 1], 0.8, centred[2, 1], 3.2, 2, 2, 5, (5**0.5 - 0.6) / 2)


def test_8_critic(texts, results):
    (period, swing), variables = results(8)
    assert variables["history"].params.shape == (1500, 40, 4)
    theory = 2 * np.pi / (gan.LEARNING_RATE * (5 / 4) ** 0.5)
    assert period == pytest.approx(theory, abs=0.2)
    check(texts[8].answer, period, swing, 2, 5, 4, theory)


def test_9_mode_collapse(texts, results):
    printed, variables = results(9)
    rows = np.reshape(printed, (6, 3))
    assert variables["history"].params.shape[1:] == (40, 7)
    assert list(rows[:, 0]) == [0, 0, 1, 1, 3, 3]
    assert rows[4, 2] == pytest.approx(rows[5, 2], abs=0.002)
    assert rows[0, 1] == rows[1, 1]
    first, second = texts[9].paragraphs()
    fingerprint = np.log(1 / 3) / 2 + np.log(2 / 3)
    check(first, some(rows[0, 1]), 40, 2, *map(some, rows[2:, 1]), rows[4, 2], 1, 1, 3, 1, fingerprint)
    model, params = variables["model"], variables["history"].params[-1]
    on_humps = [np.median(model.discriminator(params[:, 2:], np.full((40, 1), hump))) for hump in (2.0, 8.0)]
    assert on_humps == pytest.approx([1 / 3, 1], abs=0.1)  # on the covered hump, and on the other
    check(second, 1, 15000)
    longer = variables["TwoHumps"](15000, 1, 1, gen_loss="non-saturating", terms=3)
    w, b = play(longer, draw(longer, range(40)), 1500).params[-1, :, :2].T
    both = np.abs(np.sort([b + 0.05 * w, b + 0.95 * w], axis=0) - [[2], [8]]).max(axis=0) < 1.5
    assert 0 <= 100 * both.mean() - rows[5, 1] <= 5  # "hardly another run has spread"


def test_blocks_run_twice_and_in_any_order_in_one_notebook(texts, results):
    first, notebook = {number: results(number)[0] for number in BLOCKS}, {}
    for number in (*reversed(BLOCKS), *BLOCKS):
        assert run_block(texts[number].block("python"), notebook) == first[number], number
