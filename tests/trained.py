"""What the README reports: its text, its commands, the runs of many seeds. The fixtures are in seeds.py."""

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
SEEDS = range(100)


class Command(NamedTuple):
    prefix: str
    model: gan.GAN
    seed: int
    seeds: int | None

    @property
    def name(self):
        return gan.file_name(*self)


def read_command(line):
    """Find what a command of the README would train, by the script's own reading of its flags."""
    python, script, *flags = shlex.split(line)
    assert python == "python", line
    kind, prefix = {"gan.py": (gan.GAN, ""), "noisy_gan.py": (noisy_gan.NoisyGAN, "noisy_")}[script]
    found = []
    with mock.patch.multiple(
        gan,
        run=lambda model, seed: found.append((model, seed, None)) or {},
        run_seeds=lambda *settings: found.append(settings) or {},
    ), mock.patch.object(plots, "prepare_images"):  # fmt: skip
        gan.main(kind, flags, prefix)
    return Command(prefix, *found[0])


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
    def outcomes(self):
        return hessian.judge(self.model, self.draws, self.history)

    def trust(self, game):
        """Compute the mean of D(G(z)) after a game: one number a seed."""
        params = self.history.params[game - 1]
        fake = gan.generator(params[:, :2], self.draws.z_gen[game - 1, -1])
        return gan.discriminator(params[:, 2:], fake).mean(axis=-1)

    def arrivals(self):
        """Find the first game with V below -0.5: (S,), inf where there is none."""
        arrived = self.history.objective < -0.5
        return np.where(arrived.any(axis=0), arrived.argmax(axis=0) + 1, np.inf)


def train(*parts):
    """Train models that differ in their draws alone, each on its seeds, together: one Runs, or a list of them."""
    draws = [gan.stack_seeds([model.draw(seed) for seed in seeds]) for model, seeds in parts]
    together = type(draws[0])(*(np.concatenate(values, axis=-2) for values in zip(*draws)))
    history, runs, first = parts[0][0].train(together), [], 0
    for (model, seeds), own in zip(parts, draws):
        runs.append(Runs(model, own, gan.History(*(values[:, first : first + len(seeds)] for values in history))))
        first += len(seeds)
    return runs if len(runs) > 1 else runs[0]


STRONG = partial(gan.GAN, discr_update=50, gen_update=1)
SETTINGS = {  # the longest first
    "strong_8000": [(STRONG(8000), SEEDS)],
    "strong_unseen": [(STRONG(4000), range(100, 200))],
    "normal": [(gan.GAN(1500, 1, 1), SEEDS)],
    "strong": [(STRONG(500), SEEDS)],
    "strong_other": [(STRONG(500, gen_loss="non-saturating"), SEEDS)],
    "noisy": [(noisy_gan.NoisyGAN(500, 50, 1), SEEDS)],
    "generators": [(gan.GAN(500, 1, 50, init_std=std), SEEDS) for std in (0.1, 1.0, 2.0, 5.0)],
    "normal_other": [(gan.GAN(1500, 1, 1, gen_loss="non-saturating"), SEEDS)],
    "normal_4000": [(gan.GAN(4000, 1, 1), SEEDS)],
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
