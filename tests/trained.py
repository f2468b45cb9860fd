"""What the README reports: its text, its commands, the runs of many seeds. The fixtures are in seeds.py."""

import copy
import re
import shlex
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np

import gan
import hessian
import noisy_gan
import plots

README = Path(__file__).resolve().parents[1].joinpath("README.md")
SEEDS, ELSEWHERE = range(100), range(1000, 1100)  # those that the README names, and those it was not written from
PART = 500  # games that are trained at once, so that what is compiled for one setting serves all
MOST_KEPT = 3_000_000  # numbers of noise of a setting


class Command(NamedTuple):
    model: gan.GAN
    seed: int
    seeds: int | None


def read_command(line):
    """Find what a command of the README would train, by the script's own reading of its flags."""
    python, script, *flags = shlex.split(line)
    assert python == "python", line
    found = []
    run, run_seeds = lambda *setting: found.append((*setting, None)) or {}, lambda *setting: found.append(setting) or {}
    with mock.patch.multiple(gan, run=run, run_seeds=run_seeds), mock.patch.object(plots, "prepare_images"):
        gan.main({"gan.py": gan.GAN, "noisy_gan.py": noisy_gan.NoisyGAN}[script], flags)
    return Command(*found[0])


class Runs:
    """The runs of some seeds."""

    def __init__(self, model, draws, history):
        self.model, self.draws, self.history = model, draws, history

    def select(self, seeds):
        """Return the runs at some places, or the one at a place."""
        draws = type(self.draws)(*(values[..., seeds, :] for values in self.draws))
        return Runs(self.model, draws, gan.History(*(values[:, seeds] for values in self.history)))

    @property
    def end(self):
        return self.history.params[-1]

    @cached_property
    def miss(self):
        """How far the generated mean is off, by game and seed, with its sign."""
        return plots.generated_mean(self.history.params) - self.draws.x.mean(axis=-1)

    @cached_property
    def outcomes(self):
        return hessian.judge(self.model, self.draws, self.history)

    def at_draw(self, games=None):
        return hessian.at_draw(self.history.objective[:games])

    def arrivals(self):
        """Find the first game with V below -0.5: (S,), inf where there is none."""
        arrived = self.history.objective < -0.5
        return np.where(arrived.any(axis=0), arrived.argmax(axis=0) + 1, np.inf)

    @cached_property
    def kept(self):
        """What half a turn left of D's slope, sqrt(rms in the last turn / rms in the turn before), and by theory."""
        there, slope = hessian.equilibrium(self.model, self.draws.x, self.end), self.history.params[..., 2].T
        rms = lambda values: np.sqrt(np.mean(values**2))
        turns = [(run, round(turn)) for run, turn in zip(slope, there.period) if turn <= len(run) / 2]
        return np.array([np.sqrt(rms(run[-turn:]) / rms(run[-2 * turn : -turn])) for run, turn in turns]), there.kept

    def within(self, distance):
        """Find the game from which on the generated mean stays within a distance, if it strayed: (S,), or inf."""
        away = np.abs(self.miss) > distance
        return np.where(away[-1], np.inf, len(away) - away[::-1].argmax(axis=0) + 1)


def draw(model, seeds):
    """Draw for many seeds, as `gan.stack_seeds` would stack them, in half of its memory."""
    first = model.draw(seeds[0])
    draws = type(first)(*(np.empty((*values.shape[:-1], len(seeds), values.shape[-1])) for values in first))
    for place, seed in enumerate(seeds):
        for whole, values in zip(draws, model.draw(seed)):
            whole[..., place, :] = values
    return draws


def play(model, draws, at_once=PART, train=gan.GAN.train):
    """Train some games at once."""
    parts = []
    for first in range(0, model.games, at_once):
        part = model.deal(draws, slice(first, first + at_once))
        some = copy.copy(model)  # unchecked: exercise 2 gives each seed a rate of its own
        object.__setattr__(some, "games", len(part.z_gen))
        parts.append(train(some, part._replace(params=parts[-1].params[-1] if parts else draws.params)))
    return gan.History(*map(np.concatenate, zip(*parts)))


def train_some(model, seeds, kept):
    """Train some seeds: their draws, of whose noise some games' are kept, and the History."""
    draws = draw(model, seeds)
    last = {name: getattr(draws, name)[kept].copy() for name in ("z_discr", "z_gen")}
    return draws._replace(**last), play(model, draws)


def train(*parts):
    """Train models, each on its seeds: one Runs, or a list. Of much noise the last game's is kept, for all games."""
    runs = []
    for model, seeds in parts:
        at_once = 100 if model.gen_update == 1 else 20
        kept = slice(-1 if gan.count_numbers(model) * len(seeds) > MOST_KEPT else None, None)
        pieces = np.split(seeds, range(0, len(seeds), at_once)[1:])
        join = lambda axis, records: type(records[0])(*(np.concatenate(values, axis) for values in zip(*records)))
        draws, history = map(join, (-2, 1), zip(*(train_some(model, some, kept) for some in pieces)))
        z = [np.broadcast_to(noise, (model.games, *noise.shape[1:])) for noise in (draws.z_discr, draws.z_gen)]
        runs.append(Runs(model, draws._replace(z_discr=z[0], z_gen=z[1]), history))
    return runs if len(runs) > 1 else runs[0]


NORMAL, STRONG = partial(gan.GAN, discr_update=1, gen_update=1), partial(gan.GAN, discr_update=50, gen_update=1)
NOISY, GENERATOR = partial(noisy_gan.NoisyGAN, 500, 50, 1), partial(gan.GAN, discr_update=1, gen_update=50)
OTHER, STRENGTHS = "non-saturating", (0.1, 0.3, 0.5, 0.7, 1.0)


class OneNoise(noisy_gan.NoisyGAN):
    def seen(self, batch, fake):
        return batch.x + batch.noise_real, fake + batch.noise_real


class R1(gan.GAN):
    def objective(self, gen, discr, batch, z):
        return super().objective(gen, discr, batch, z) - 0.5 / 2 * discr[..., 0] ** 2


CHIEF = NORMAL(1500), STRONG(500), GENERATOR(500), NOISY(), STRONG(500, gen_loss=OTHER)
SETTINGS = {
    "wild_generator": [(GENERATOR(4000, init_std=5), SEEDS)],
    "strong_8000": [(STRONG(8000), SEEDS)],
    "strong_8000_elsewhere": [(STRONG(8000), ELSEWHERE)],
    "elsewhere": [(model, ELSEWHERE) for model in CHIEF],
    "thousand": [(STRONG(500), range(1000))],
    "wild_generator_elsewhere": [(GENERATOR(4000, init_std=5), ELSEWHERE[:60])],
    "strong_unseen": [(STRONG(4000), range(100, 200))],
    "wild": [(NORMAL(4000, init_std=5), SEEDS)],
    "normal_4000": [(NORMAL(4000), SEEDS)],
    "noises": [(NOISY(noise_std=strength), SEEDS) for strength in STRENGTHS],
    "normal": [(NORMAL(1500), SEEDS)],
    "normal_other": [(NORMAL(1500, gen_loss=OTHER), SEEDS)],
    "generator": [(GENERATOR(500), SEEDS)],
    "strong_other": [(STRONG(500, gen_loss=OTHER), SEEDS)],
    "one_noise": [(OneNoise(500, 50, 1), SEEDS)],
    "r1": [(R1(500, 50, 1), SEEDS)],
    "strong_2000": [(STRONG(2000), range(1))],
}
NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?"


def unit(printed):
    """Return the value of a number's last digit: 0.01 of '2.35', 1e-7 of '-3.1e-06', 1 of '84'."""
    digits, _, power = printed.partition("e")
    return 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


def rounds_to(printed, value, units=0.5):
    """Say whether a number as it is printed is a value, rounded: to half a unit of the last digit, or so many units."""
    return abs(float(printed) - value) <= units * unit(printed) * (1 + 1e-9)


def share_is(printed, which, others=2):
    """Say whether a printed percentage is the share of seeds, but for two that another processor may move."""
    return abs(float(printed) - 100 * np.mean(which)) <= 100 * others / len(which) + 0.5


def code_blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
