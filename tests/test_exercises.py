"""The README's exercises: each block as it is printed, and every number of each answer, measured again."""

import functools
import hashlib
import re
import runpy
from typing import NamedTuple

import numpy as np
import pytest
from scipy import special, stats
from trained import README, code_blocks, read_command, train, unit

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


@pytest.fixture(scope="session")
def texts(readme):
    """The exercises by their numbers."""
    section = re.split(r"^## ", readme.partition("\n## Part 4: exercises\n")[2], flags=re.MULTILINE)[0]
    _, *parts = re.split(r"^### (\d+)\. ", section, flags=re.MULTILINE)
    whole = re.compile(r"(.*)<details><summary>Answer</summary>(.*)</details>\s*", re.DOTALL)
    return {int(number): Exercise(*whole.fullmatch(part).groups()) for number, part in zip(parts[::2], parts[1::2])}


@pytest.fixture(scope="session")
def memory():
    """Let nothing be trained twice: what a training gives depends on the settings, the operations and the draws."""
    play, known = gan.GAN.train, {}

    def recall(self, draws, *rest):
        digest = hashlib.sha256(gan.list_operations(self, draws)[1])
        for values in draws:
            digest.update(np.ascontiguousarray(values))
        key = repr(self), digest.digest()
        if key not in known:
            known[key] = play(self, draws, *rest)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan.GAN, "train", recall)
        yield


def in_namespace(text, variables):
    """Run a block in a namespace, as a notebook does: the numbers that it prints."""
    printed = []
    variables["print"] = lambda *values: printed.extend(value for value in values if not isinstance(value, str))
    exec(text, variables)
    return printed


@pytest.fixture(scope="session")
def results(texts, memory, tmp_path_factory):
    """Run an exercise's block once, as a script of its own: the numbers that it prints, and its variables."""
    file = tmp_path_factory.mktemp("exercises") / "exercise.py"

    @functools.cache
    def run(number):
        printed = []
        file.write_text(texts[number].block("python"))
        collect = lambda *values: printed.extend(value for value in values if not isinstance(value, str))
        return printed, runpy.run_path(str(file), {"print": collect}, "__main__")

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


def at_draw(runs):
    return hessian.at_draw(runs.history.objective)


def equilibrium(runs):
    return hessian.equilibrium(runs.model, runs.draws.x, runs.end)


def end_so(runs, word):
    return hessian.endings(runs.history, runs.draws.x, equilibrium(runs).period) == word


def turns_over(steps):
    """Say where steps (n, S) along D's weight change their sign."""
    return steps[1:] * steps[:-1] < 0


def test_exercises_are_these(texts):
    assert tuple(texts) == COMMANDS + BLOCKS
    assert all(len(text) > 200 for exercise in texts.values() for text in exercise)


def test_agrees_can_fail():
    assert agrees("0.31", 0.3051)
    assert not agrees("0.31", 0.33)
    assert not agrees("5", 4)
    assert not agrees("10", np.repeat([True, False], [14, 86]))
    assert not agrees("1.8", Chaotic(2))


def test_1_how_strong(texts):
    runs = trained_by_commands(texts[1])
    assert [(run.model.discr_update, run.model.games) for run in runs] == [(k, 500) for k in (1, 5, 10, 20, 50)]

    def belief(run, game=20):
        params = run.history.params[game - 1]
        fake = gan.generator(params[:, :2], run.draws.z_gen[game - 1, -1])
        return np.median(run.model.discriminator(params[:, 2:], fake).mean(axis=-1))

    stalled = [end_so(run, "stalled") for run in runs]
    check(
        texts[1].answer, len(runs[0].end), *stalled, *map(at_draw, runs), 500, 20, belief(runs[0]), 1,
        belief(runs[2]), 10, belief(runs[4]), 50,
    )  # fmt: skip
    ends = hessian.endings(runs[0].history, runs[0].draws.x, equilibrium(runs[0]).period)
    print(np.unique(ends, return_counts=True))
    assert 0


def test_2_edge(texts, normal, memory):
    runs = trained_by_commands(texts[2])
    assert [(run.model.learning_rate, len(run.end)) for run in runs] == [(rate, 100) for rate in (0.1, 0.13, 0.16, 0.2)]
    assert runs[0].model == normal.model
    there = equilibrium(runs[0])

    def stay(edges):
        """Start all seeds at their equilibrium, each with its own rate, and say which stay at the draw."""
        model = gan.GAN(1500, 1, 1)
        object.__setattr__(model, "learning_rate", edges * there.edge[:, None])
        return hessian.at_draw(gan.GAN.train(model, runs[0].draws._replace(params=there.params)).objective)

    first, second, third, fourth = texts[2].paragraphs()
    check(
        first, -1, 4, np.median(there.edge), 90, *np.quantile(there.edge, [0.05, 0.95]), stay(0.98), 100, 0.98,
        stay(1.02), 1.02, *map(at_draw, runs),
    )  # fmt: skip
    last = slice(-500, None)
    gradients = [Chaotic(np.median(run.history.discr_gradient[last].mean(axis=0))) for run in runs]
    objectives = [Chaotic(np.median(run.history.objective[last].mean(axis=0))) for run in runs]
    check(second, 500, *np.delete(gradients, 1), *np.delete(objectives, 1))
    for run in runs[2:]:
        assert end_so(run, "flipping").mean() > 0.8
        steps = np.diff(run.history.params[last, :, 2], axis=0)
        print(np.median(turns_over(steps).mean(axis=0)), np.abs(run.history.params).max(), end_so(run, "flipping").mean())
    steps = np.diff(normal.history.params[50:, :, 2], axis=0)
    flips = turns_over(steps) & (np.abs(steps[1:]) > 0.1)
    check(third, "0.1", flips.any(axis=0))
    means = plots.generated_mean(normal.history.params[51:-1])
    print(np.quantile(means[flips], 0.05), flips[-100:, at_draw(normal)].any(axis=0).mean(), (~at_draw(runs[1]) & (there.edge > 0.13)).sum())
    assert 0
