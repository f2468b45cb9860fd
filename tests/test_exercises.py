"""The README's exercises: each change as the text shows it, and every number that its answer prints."""

import builtins
import importlib.util
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from scipy import special, stats
from trained import README, Runs, code_blocks, read_command, train, unit

import gan
import hessian
import plots

pytest_plugins = ["seeds"]
COUNT = 9
TARGET = stats.norm(5, 1)
SNIPPETS = (9, 8, 4, 5, 6, 7)  # the longest first


class Exercise(NamedTuple):
    task: str
    answer: str

    def block(self, language):
        """Return what stands in the task's only block of a language."""
        (text,) = code_blocks(self.task, language)
        return text


class Chaotic(float):
    """A number that another processor's rounding may move by 3 percent."""


def read_exercises():
    """Read the README's section: a list of exercises, of which number 0 is empty."""
    section = re.split(r"^## ", README.read_text().partition("\n## Exercises\n")[2], flags=re.MULTILINE)[0]
    _, *parts = re.split(r"^### (\d+)\. ", section, flags=re.MULTILINE)
    assert parts[::2] == [str(number + 1) for number in range(COUNT)]
    whole = re.compile(r"(.*)<details><summary>Answer</summary>(.*)</details>\s*", re.DOTALL)
    return [Exercise("", ""), *(Exercise(*whole.fullmatch(part).groups()) for part in parts[1::2])]


def load(path, name):
    """Import a copy of gan.py under another name."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # where dataclasses look
    spec.loader.exec_module(module)
    return module


def execute(snippet, file, module=gan):
    """Run a snippet of the README, saved as a file, with a module for gan: its printed floats, and its variables."""
    printed = []

    def collect(*values):
        printed.extend(value for value in values if isinstance(value, float))

    def bring(name, *rest):
        return module if name == "gan" else __import__(name, *rest)

    file.write_text(snippet)
    variables = {"__name__": "snippet", "__builtins__": vars(builtins) | {"print": collect, "__import__": bring}}
    exec(compile(snippet, file, "exec"), variables)
    return printed, variables


class PacedDraws(NamedTuple):
    params: np.ndarray
    x: np.ndarray
    z_discr: np.ndarray
    z_gen: np.ndarray
    rate: np.ndarray  # (games, S, 1) a learning rate for each seed


class PacedGAN(gan.GAN):
    """The normal setting with a learning rate for each seed: many rates in one training."""

    def discr_slope(self, gen, discr, batch, z):
        return batch.rate * gan.GAN.discr_slope(self, gen, discr, batch, z)

    def gen_slope(self, gen, discr, batch, z):
        return batch.rate * gan.GAN.gen_slope(self, gen, discr, batch, z)


def pace(models, normal):
    """Train seeds 0 to 99 at each model's rate from their usual start, and close to their own edges from equilibrium.

    Returns the Runs of each model, those at 0.98 and at 1.02 edges, and a check: one seed at the usual rate.
    """
    there = hessian.equilibrium(normal.model, normal.draws.x, normal.end)
    at_rest = normal.draws._replace(params=there.params)
    parts = [(normal.draws, np.full(100, model.learning_rate)) for model in models]
    parts += [(at_rest, 0.98 * there.edge), (at_rest, 1.02 * there.edge)]
    parts.append((normal.select(slice(1)).draws, np.array([gan.LEARNING_RATE])))
    rates = np.concatenate([rate for _, rate in parts])
    draws = PacedDraws(
        *(np.concatenate(values, axis=-2) for values in zip(*(draws for draws, _ in parts))),
        rate=np.broadcast_to(rates[:, None], (normal.model.games, len(rates), 1)),
    )
    runs, first, result = Runs(None, draws, PacedGAN(1500, 1, 1, learning_rate=1.0).train(draws)), 0, []
    for _, rate in parts:
        result.append(runs.select(slice(first, first + len(rate))))
        first += len(rate)
    return result


@pytest.fixture(scope="session")
def texts():
    return read_exercises()


@pytest.fixture(scope="session")
def changed(texts, tmp_path_factory):
    """gan.py with the change of exercise 3, applied as the text says; taken back again, it is gan.py."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    folder = tmp_path_factory.mktemp("width")
    original = README.with_name("gan.py").read_text()
    (folder / "gan.py").write_text(original)
    (folder / "width.diff").write_text(texts[3].block("diff"))
    (apply,) = set(re.findall(r"`(git apply width\.diff)`", texts[3].task))
    (back,) = re.findall(r"`(git apply -R width\.diff)`", texts[3].task)
    for line in (apply, back, apply):
        assert ((folder / "gan.py").read_text() == original) == (line == apply)
        subprocess.run(line.split(), cwd=folder, check=True)
    return load(folder / "gan.py", "gan_with_another_discriminator")


@pytest.fixture(scope="session")
def known(normal, normal_other, normal_4000, strong, noisy):
    return [normal, normal_other, normal_4000, strong, noisy]


@pytest.fixture(scope="session")
def recall(known):
    """Let the snippets find what is trained already: the first of 100 seeds."""
    play = gan.GAN.train

    def recalled(self, draws, *rest):
        for runs in known:
            if self == runs.model and np.ndim(draws.x) == 2:
                first = runs.select(slice(len(draws.x)))
                if all(map(np.array_equal, draws, first.draws)):
                    return first.history
        return play(self, draws, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan.GAN, "train", recalled)
        yield


@pytest.fixture(scope="session")
def jobs(request, texts, changed, pool, known, recall, tmp_path_factory):
    """All training that the tests of this session ask for, two at a time: futures, by exercise."""
    folder, result = tmp_path_factory.mktemp("snippets"), {}
    wanted = {int(item.name.split("_")[1]) for item in request.session.items if "results" in item.fixturenames}
    normal, *_ = known

    def play(command, kind):
        model = kind(**vars(command.model))
        if model in [runs.model for runs in known]:
            return known[[runs.model for runs in known].index(model)].select(slice(command.seeds))
        return train((model, range(command.seeds)))

    for number in SNIPPETS:
        if number in wanted:
            snippets = [texts[number].block("python")]
            for line in re.findall(r"`(model = .*?)`", texts[number].task):  # to replace the second line with
                first, _, *rest = snippets[0].splitlines()
                snippets.append("\n".join([first, line, *rest]))
            module = load(README.with_name("gan.py"), "gan_to_be_changed") if number == 9 else gan
            files = [folder / f"{number}_{place}.py" for place in range(len(snippets))]
            result[number] = [pool.submit(execute, *pair, module) for pair in zip(snippets, files)]
    for number in wanted & {1, 2, 3}:
        commands = [read_command(line) for line in texts[number].block("sh").splitlines()]
        assert {command.seed for command in commands} == {0}
        if number == 1:
            assert [command.seeds for command in commands] == [100] * 4
            assert commands[0].model == normal.model
            result[1] = [pool.submit(pace, [command.model for command in commands[1:]], normal)]
        else:
            kinds = [gan.GAN, changed.GAN] if number == 3 else [gan.GAN]
            result[number] = [pool.submit(play, command, kind) for kind in kinds for command in commands]
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
    return abs(float(printed) - value) <= max(unit(printed), 0.03 * abs(value) if isinstance(value, Chaotic) else 0)


def check(text, *values):
    """Compare all numbers in a text, in order."""
    printed = numbers(text)
    assert len(printed) == len(values), printed
    wrong = [(one, value) for one, value in zip(printed, values) if not agrees(one, value)]
    assert not wrong


def near(runs):
    return hessian.near_optimum(runs.history.objective)


def stalled(runs):
    return hessian.stalled(runs.history.objective)


def best(runs):
    return plots.best_objective(TARGET, *plots.generated_ends(runs.end))


def some(share, seeds=40):
    """Return an array of which so many percent are True."""
    return np.arange(seeds) < share * seeds / 100


def test_every_exercise_has_a_task_and_an_answer(texts):
    assert len(texts) == COUNT + 1
    assert all(len(exercise.task) > 200 and len(exercise.answer) > 200 for exercise in texts[1:])


def test_agrees_can_fail():
    assert agrees("0.31", 0.3051)
    assert not agrees("0.31", 0.33)
    assert not agrees("5", 4)
    assert not agrees("10", np.repeat([True, False], [14, 86]))
    assert not agrees("1.8", Chaotic(2))


def test_snippets_can_be_saved_or_pasted(texts):
    """At the plain prompt a blank line ends a class or function: none has one inside, or the text says what to do."""
    assert "Save a Python block as a file" in README.read_text()
    for number in SNIPPETS:
        assert not re.search(r"\n[ \t]+\S.*\n\s*\n[ \t]+\S", texts[number].block("python")), number


def test_1_learning_rate(texts, results, normal, normal_4000):
    (((*rates, below, above, same),),) = [results(1)]
    np.testing.assert_allclose(same.history.params[:300], normal.history.params[:300, :1], rtol=1e-9)
    runs = [normal, *rates]
    edge = normal.outcomes.edge
    first, second, third = texts[1].answer.strip().split("\n\n")
    check(
        first, -1, 4, np.median(edge), 90, *np.quantile(edge, [0.05, 0.95]), near(below), 100, 0.98, near(above), 1.02,
        *map(near, runs),
    )  # fmt: skip
    paces = [1, *(run.draws.rate[0, 0, 0] for run in rates)]  # a paced run records its slopes times its rate
    gradients = [
        Chaotic(np.median(run.history.discr_gradient[-500:].mean(axis=0)) / pace) for run, pace in zip(runs, paces)
    ]
    objectives = [Chaotic(np.median(run.history.objective[-500:].mean(axis=0))) for run in runs]
    check(second, 500, *gradients, *objectives, hessian.OPTIMUM, 1, 2)
    for run in runs[2:]:  # "flips from one side to the other": the slope along D's weight changes its sign
        steps = np.diff(run.history.params[-500:, :, 2], axis=0)
        assert np.median((steps[1:] * steps[:-1] < 0).mean(axis=0)) > 0.8
        assert np.abs(run.history.params).max() < 50  # "nothing explodes"
    steps = np.diff(normal.history.params[50:, :, 2], axis=0)
    flips = (steps[1:] * steps[:-1] < 0) & (np.abs(steps[1:]) > 0.1)
    late = ~near(normal)
    check(third, "0.1", flips.any(axis=0), "0.1", int(late.sum()), 1500, edge[late].max(), 4000, near(normal_4000))
    means = plots.generated_mean(normal.history.params[51:-1])
    assert np.quantile(means[flips], 0.05) > 6  # "while G swings past the data"
    assert flips[-100:, ~late].any(axis=0).mean() < 0.1  # "recovers when the swing is over"
    assert set(np.flatnonzero(late)) == set(np.argsort(edge)[: late.sum()])
    failed = ~near(rates[0])
    assert (failed & (edge > rates[0].draws.rate[0, :, 0])).sum() > 5  # "many seeds fail below their edge"


def test_2_strong_discriminator(texts, results):
    runs = results(2)
    assert [run.model.discr_update for run in runs] == [1, 5, 10, 20, 50]
    trust = [np.median(run.trust(20)) for run in runs]
    check(
        texts[2].answer, 50, *map(stalled, runs), *map(near, runs), 500, 20, trust[0], 1, trust[2], 10, trust[4], 50
    )  # fmt: skip


def test_3_width(texts, results):
    before, after = results(3)[:2], results(3)[2:]
    assert [run.model.gen_loss for run in before] == ["saturating", "non-saturating"]
    assert [run.end.shape for run in (*before, *after)] == [(40, 4), (40, 4), (40, 5), (40, 5)]
    widths = np.linspace(2, 6, 4001)
    optimum = plots.best_objective(TARGET, 5 - widths / 2, 5 + widths / 2)
    stds = [plots.generated_std(run.end) for run in (before[1], after[1])]
    first, second = texts[3].answer.split("\n\nThe non-saturating")
    check(first, stalled(before[0]), 40, stalled(after[0]), 0, 5, 2, 25, 50)
    check(
        second, *map(np.median, stds), 10, np.median(after[1].draws.x.std(axis=-1)), np.median(best(before[1])),
        np.median(best(after[1])), optimum.min(), widths[optimum.argmin()] / 12**0.5,
    )  # fmt: skip
    off = [np.median(np.abs(std - after[1].draws.x.std(axis=-1))) for std in stds]
    assert off[1] < 0.1 * off[0]  # "G copies the variance of its samples"


def test_4_fresh_data(texts, results):
    (((fixed_early, fixed_late, fresh_early, fresh_late), variables),) = results(4)
    assert len(variables["history"].params[-1]) == 40
    check(texts[4].answer, 1500, 5, fixed_early, fresh_early, 40, 4000, fixed_late, fresh_late, 5)


def test_5_fading_noise(texts, results):
    (((constant, share, fading, share_fading), variables),) = results(5)
    history = variables["history"]
    exceptions = np.flatnonzero(hessian.stalled(history.objective))
    np.testing.assert_array_equal(np.flatnonzero(plots.generated_mean(history.params[-1]) < 3), exceptions)
    check(texts[5].answer, 50, constant, fading, 40, some(share), some(share_fading), 2, len(exceptions))


def test_6_averaging(texts, results, normal):
    (printed, variables), (printed_slow, variables_slow) = results(6)
    model, slow = variables["model"], variables_slow["model"]
    assert len(variables["draws"].x) == 40
    assert (model.learning_rate / slow.learning_rate, slow.games // 2) == (pytest.approx(5), 750)
    period = Chaotic(np.median(normal.outcomes.period[:40]))
    check(texts[6].answer, 1, 2, *printed, 40, *printed_slow, period, "0.1", "0.02", 750)


def test_7_centred(texts, results, normal):
    ((((settled, error, _, settled_centred, error_centred, stall), variables)),) = results(7)
    draws, end = variables["draws"], variables["history"].params[-1]
    there = normal.outcomes
    centred = hessian.equilibrium(normal.model, draws.x - 5, end)
    steepness = [4 / np.median(edge) for edge in (there.edge[:40], centred.edge)]
    check(
        texts[7].answer, Chaotic(settled_centred), Chaotic(settled), error, error_centred, 40, 0,
        steepness[0], 2, some(stall),
    )  # fmt: skip
    assert steepness[1] < 2
    times = {"four": 4, "five": 5, "ten": 10, "twelve": 12}
    shorter, faster = re.search(r"a turn is (\w+) times shorter and dies (\w+) times", texts[7].answer).groups()
    periods = there.period[:40], centred.period
    decays = [np.nanmedian(-np.log(kept) / period) for kept, period in zip((there.kept[:40], centred.kept), periods)]
    assert np.nanmedian(periods[0]) / np.nanmedian(periods[1]) == pytest.approx(times[shorter], abs=0.5)
    assert decays[1] / decays[0] == pytest.approx(times[faster], rel=0.05)
    arrived = [
        np.median((plots.generated_mean(history.params) >= draws.x.mean(axis=-1)).argmax(axis=0)[~stuck])
        for history, stuck in ((normal.select(slice(40)).history, np.zeros(40, bool)),
                               (variables["history"], hessian.stalled(variables["history"].objective)))
    ]  # fmt: skip
    assert arrived[1] > 1.5 * arrived[0]  # "G's way to the data takes longer"


def test_8_critic(texts, results):
    (((period, swing), variables),) = results(8)
    assert len(variables["history"].params[-1]) == 40
    theory = 2 * np.pi / (gan.LEARNING_RATE * (5 / 4) ** 0.5)
    assert period == pytest.approx(theory, abs=0.2)
    check(texts[8].answer, period, 40, swing, 5, 4, 2, 5, 4, theory)


def test_9_mode_collapse(texts, results):
    ((printed, variables),) = results(9)
    assert variables["history"].params.shape[1:] == (40, 7)
    shares, objectives = printed[::2], printed[1::2]
    assert objectives[4] == pytest.approx(objectives[5], abs=0.002)
    assert shares[0] == shares[1]
    first, second = texts[9].answer.split("\n\nWhy")
    fingerprint = np.log(1 / 3) / 2 + np.log(2 / 3)
    check(
        first, some(shares[0]), 40, 2, *map(some, shares[2:]), objectives[4], 1, 1, 3, 1, fingerprint
    )  # fmt: skip
    assert not numbers(second)
    discr = variables["history"].params[-1, :, 2:]
    logits = [np.median(variables["logits"](discr, np.full((40, 1), hump))) for hump in (2.0, 8.0)]
    assert special.expit(logits) == pytest.approx([1 / 3, 1], abs=0.1)  # on the covered hump, and on the other
