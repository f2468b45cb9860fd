"""The README's exercises: each change as the text shows it, and every number that its answer prints."""

import re
import shlex
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
from scripts import ROOT

import gan
import plots

COUNT = 7
SETTINGS = {name.lower(): getattr(gan, name) for name in ("GAMES", "DISCR_UPDATE", "GEN_UPDATE")}


class Exercise(NamedTuple):
    task: str
    answer: str

    def block(self, language):
        """Return what stands in the task's only block of a language."""
        (text,) = re.findall(rf"^```{language}\n(.*?)^```", self.task, re.MULTILINE | re.DOTALL)
        return text


class Run(NamedTuple):
    model: gan.GAN
    draws: gan.Draws
    history: gan.History

    @property
    def end(self):
        return self.history.params[-1]

    @property
    def near(self):
        return gan.near_optimum(self.history.objective)

    @property
    def stalled(self):
        return self.history.objective[-gan.LAST_GAMES :].mean(axis=0) > gan.STALL

    @property
    def best(self):
        return plots.best_objective(gan.TARGET, *gan.generated_ends(self.end))


class Chaotic(float):
    """A number that another processor's rounding may move by 3 percent."""


def read_exercises():
    """Read the README's section: a list of exercises, of which number 0 is empty."""
    text = (ROOT / "README.md").read_text()
    section = re.split(r"^## ", text.partition("\n## Exercises\n")[2], flags=re.MULTILINE)[0]
    _, *parts = re.split(r"^### (\d+)\. ", section, flags=re.MULTILINE)
    assert parts[::2] == [str(number + 1) for number in range(COUNT)]
    whole = re.compile(r"(.*)<details><summary>Answer</summary>(.*)</details>\s*", re.DOTALL)
    return [Exercise("", ""), *(Exercise(*whole.fullmatch(part).groups()) for part in parts[1::2])]


def play(line, module=gan):
    """Train what a command of the README trains, with the code of a module."""
    python, script, *flags = shlex.split(line)
    assert (python, script) == ("python", "gan.py")
    chosen = module.read_settings(module.GAN, SETTINGS, flags)
    seed, seeds = chosen.pop("seed"), chosen.pop("seeds") or 1
    model = module.GAN(**chosen)
    draws = module.stack_seeds([model.draw(number) for number in range(seed, seed + seeds)])
    return Run(model, draws, model.train(draws))


def execute(snippet):
    """Run a snippet of the README: the numbers that it prints, and its variables."""
    printed = []

    def collect(*values):
        printed.extend(value for value in values if isinstance(value, float))

    variables = {"__name__": "snippet", "print": collect}
    exec(snippet, variables)
    return printed, variables


def changed(diff):
    """Import gan.py with lines replaced as a diff says."""
    text = (ROOT / "gan.py").read_text()
    for old, new in re.findall(r"^-(.*\n)\+(.*\n)", diff, re.MULTILINE):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    module = types.ModuleType("gan_with_another_discriminator")
    module.__file__ = str(ROOT / "gan.py")
    sys.modules[module.__name__] = module  # where dataclasses look
    exec(compile(text, module.__name__, "exec"), module.__dict__)
    return module


@pytest.fixture(scope="module")
def texts():
    return read_exercises()


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(2) as executor:
        yield executor
        executor.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def jobs(request, texts, pool):
    """All training that the tests of this run ask for, two at a time: lists of futures, by exercise."""
    wanted = {int(item.name.split("_")[1]) for item in request.session.items if "jobs" in item.fixturenames}
    result = {}
    for number in sorted(wanted):
        if number in (5, 6, 7):
            snippets = [texts[number].block("python")]
            for line in re.findall(r"`(model = .*?)`", texts[number].task):  # to replace the second line with
                first, _, *rest = snippets[0].splitlines()
                snippets.append("\n".join([first, line, *rest]))
            result[number] = [pool.submit(execute, snippet) for snippet in snippets]
        else:
            lines = texts[number].block("sh").splitlines()
            modules = [gan, changed(texts[number].block("diff"))] if number == 4 else [gan]
            result[number] = [pool.submit(play, line, module) for module in modules for line in lines]
    return result


@pytest.fixture
def results(jobs):
    return lambda number: [job.result() for job in jobs[number]]


def numbers(text):
    return re.findall(r"-?\b\d+(?:\.\d+)?", text)


def agrees(printed, value):
    """Say whether a printed number is a value: a setting as it is, a share of seeds (two may differ), or rounded."""
    if isinstance(value, np.ndarray):
        return abs(float(printed) - 100 * value.mean()) <= 200 / len(value) + 0.5
    if isinstance(value, (int, str)):
        return printed == str(value)
    unit = 10.0 ** -len(printed.partition(".")[2])
    return abs(float(printed) - value) <= max(unit, 0.03 * abs(value) if isinstance(value, Chaotic) else 0)


def check(text, *values):
    """Compare all numbers in a text, in order."""
    printed = numbers(text)
    assert len(printed) == len(values), printed
    wrong = [(one, value) for one, value in zip(printed, values) if not agrees(one, value)]
    assert not wrong


def test_every_exercise_has_a_task_and_an_answer(texts):
    assert len(texts) == COUNT + 1
    assert all(len(exercise.task) > 200 and len(exercise.answer) > 200 for exercise in texts[1:])


def test_agrees_can_fail():
    assert agrees("0.31", 0.3051)
    assert not agrees("0.31", 0.33)
    assert not agrees("5", 4)
    assert not agrees("10", np.repeat([True, False], [14, 86]))
    assert not agrees("1.8", Chaotic(2))


def test_1_learning_rate(texts, results):
    runs = results(1)
    gentle = runs[0]
    hessians = gentle.model.hessians(gentle.draws, gentle.history)
    smallest = np.linalg.eigvalsh(hessians)[..., 0]
    discr = np.linalg.eigvalsh(hessians[-gan.LAST_GAMES :, :, 2:, 2:])[..., 0]
    edge, steepest = np.median(smallest[-gan.LAST_GAMES :]), np.median(smallest.min(axis=0))
    assert np.median(discr) == pytest.approx(edge, rel=0.01)  # the direction is D's
    assert agrees(*re.findall(r"about (-\d+)", texts[1].task), Chaotic(edge))
    assert [run.model.learning_rate for run in runs] == [0.1, 0.13, 0.16, 0.2]
    gradients = [Chaotic(np.median(run.history.discr_gradient[-500:].mean(axis=0))) for run in runs]
    objectives = [Chaotic(np.median(run.history.objective[-500:].mean(axis=0))) for run in runs]
    first, second = texts[1].answer.split("\n\nMany seeds")
    check(
        first, -1, 2, 14, -2 / edge, 100, *(run.near for run in runs), 500, *gradients, *objectives,
        gan.OPTIMUM, 1, 2,
    )  # fmt: skip
    check(second, "0.13", Chaotic(steepest), 2, round(-steepest), Chaotic(-2 / steepest), "0.1", "0.13")
    for run in runs[2:]:  # "flips from one side to the other": the slope along D's weight changes its sign
        steps = np.diff(run.history.params[-500:, :, 2], axis=0)
        assert np.median((steps[1:] * steps[:-1] < 0).mean(axis=0)) > 0.8


def test_2_strong_discriminator(texts, results):
    runs = results(2)
    assert [run.model.discr_update for run in runs] == [1, 5, 10, 20, 50]

    def trust(run, game=20):
        params = run.history.params[game - 1]
        return np.median(gan.discriminator(params, gan.generator(params, run.draws.z_gen[game - 1, -1])).mean(axis=-1))

    check(
        texts[2].answer, 50, *(run.stalled for run in runs), *(run.near for run in runs),
        500, 20, trust(runs[0]), 1, trust(runs[2]), 10, trust(runs[4]), 50,
    )  # fmt: skip


def test_3_more_data(texts, results):
    (run,) = results(3)
    assert (run.model.games, run.model.num_samples) == (4000, 1000)
    (w, b), (x,) = run.end[0, :2], run.draws.x
    objective = run.history.objective[-gan.LAST_GAMES :].mean()
    first, second = texts[3].answer.split("\n\nThe width")
    mean, std = gan.generated_mean(run.end)[0], gan.generated_std(run.end)[0]
    check(first, 0, mean, x.mean(), std, x.std(), objective, run.best[0])
    check(second, 1, 2, 0, 2, 5, 2, 4, 2 / 12**0.5, w, b)


def test_4_quadratic_discriminator(texts, results):
    before, after = results(4)[:2], results(4)[2:]
    assert [run.model.gen_loss for run in before] == ["saturating", "non-saturating"]
    assert [run.end.shape[-1] for run in (*before, *after)] == [4, 4, 5, 5]
    widths = np.linspace(2, 6, 4001)
    best = plots.best_objective(gan.TARGET, 5 - widths / 2, 5 + widths / 2)
    first, second = texts[4].answer.split("\n\nThe non-saturating")
    check(first, before[0].stalled, 40, after[0].stalled, 0, 5, 2, 25, 50)
    check(
        second, *(np.median(gan.generated_std(run.end)) for run in (before[1], after[1])), 10,
        np.median(after[1].draws.x.std(axis=-1)), *(np.median(run.best) for run in (before[1], after[1])),
        best.min(), widths[best.argmin()] / 12**0.5,
    )  # fmt: skip
    off = [np.abs(gan.generated_std(run.end) - run.draws.x.std(axis=-1)) for run in (before[1], after[1])]
    assert np.median(off[1]) < 0.1 * np.median(off[0])  # "G copies the variance of its samples"


def test_5_fresh_data(texts, results):
    (((fixed_early, fixed_late, fresh_early, fresh_late), variables),) = results(5)
    assert len(variables["history"].params[-1]) == 40
    check(texts[5].answer, 1500, 5, fixed_early, fresh_early, 40, 4000, fixed_late, fresh_late, 5)


def test_6_fading_noise(texts, results):
    (((constant, near, fading, near_fading), variables),) = results(6)
    objective = variables["history"].objective
    exceptions = np.flatnonzero(objective[-gan.LAST_GAMES :].mean(axis=0) > gan.STALL)
    far = gan.generated_mean(variables["history"].params[-1]) < 3
    np.testing.assert_array_equal(np.flatnonzero(far), exceptions)
    shares = [np.arange(40) < share * 40 / 100 for share in (near, near_fading)]
    check(texts[6].answer, 50, constant, fading, 40, *shares, 2, len(exceptions))


def test_7_averaging(texts, results):
    (printed, variables), (printed_slow, variables_slow) = results(7)
    run = Run(*(variables[name] for name in ("model", "draws", "history")))
    slow = variables_slow["model"]
    period = np.nanmedian(gan.judge(*run).predicted)
    assert (run.model.learning_rate / slow.learning_rate, slow.games // 2) == (pytest.approx(5), 750)
    check(texts[7].answer, 1, 2, *printed, 40, *printed_slow, Chaotic(period), "0.1", "0.02", 750)
