"""The numbers that README.md prints as results, measured again.

There a number carries its name in a comment that does not render, with no blank before it, so that it costs no word:
18% [16-21%]<!--B.draw-->. Where none can stand, as in a formula, one near it holds both: <!--fit.x=1.56-->.
A is the normal setting, B has the strong D, C the strong G, D noise; a name of seed 0 begins with 0.
"""

import dataclasses
import functools
import io
import math
import re
from collections import namedtuple
from functools import partial
from pathlib import Path
from unittest import mock

import matplotlib
import numpy as np
import PIL
from PIL import Image, ImageSequence
from scipy import optimize, special, stats

import gan
import hessian
import noisy_gan

README = Path(__file__).resolve().parents[1].joinpath("README.md")
SIGMAS = 2.6  # within so many standard deviations lie 99%
NUMBER = r"(\bsome\s)?(-?\d[\d,]*(?:\.\d+)?)%?(?: \[([\d.]+)\u2013([\d.]+)%\])?"
NAMES = re.compile(NUMBER + r"((?:<!--[^\s=]+?-->)+)|<!--(\S+?)=(-?[\d.]+)-->")
WORDS = {"0": "none", "100": "all"}
Printed = namedtuple("Printed", "name some number low high", defaults=("", ""))  # digits, and an interval's ends


def read_names(text):
    """List a text's named numbers. One that a comment holds must stand within 300 characters, or as a word."""
    found = []
    for match in NAMES.finditer(text):
        some, number, low, high, names, name, value = match.groups("")
        for one in re.findall(r"<!--(.+?)-->", names):
            found.append(Printed(one, bool(some), number.replace(",", ""), low, high))
        if name:
            around = re.sub("<!--.*?-->", "", text[max(0, match.start() - 300) : match.start() + 300])
            assert re.search(rf"(?<![\d.]){WORDS.get(value, value)}(?![\d.]*\d)", around), match[0]
            found.append(Printed(name, False, value))
    return found


def rounds_to(number, low, high, percent=False):
    """Say whether a printed number is one of those between two, rounded. The last digit of 1570 only fills."""
    whole, _, decimals = number.partition(".")
    fills = not decimals and len(whole) > 2 and whole[-1] == "0" and not percent
    unit, times = 10.0 ** (fills - len(decimals)), 100 if percent else 1
    return times * low - 0.501 * unit <= float(number) <= times * high + 0.501 * unit


@dataclasses.dataclass
class Sample:
    """Values of seeds: of truths the README prints the share, of numbers the median.

    If exact, they are of its own seeds, 0 to 999: but for two that another processor's rounding may move, it prints
    just that. Else it may be off by SIGMAS deviations of the difference between this sample and its own. An interval
    must be Wilson's of a share that is allowed.
    """

    values: np.ndarray
    exact: bool = False

    def fits(self, printed):
        values = self.values[~np.isnan(self.values)]
        both, seeds, number = math.sqrt(1 / len(values) + 1 / 1000), len(values) if self.exact else 1000, printed.number
        if values.dtype != bool:
            slack = 0.002 if self.exact else SIGMAS / 2 * both
            return rounds_to(number, *np.quantile(values, [0.5 - slack, 0.5 + slack]))
        share, smooth = values.mean(), (values.sum() + 1) / (len(values) + 2)
        slack = 2 / seeds if self.exact else SIGMAS * math.sqrt(smooth * (1 - smooth)) * both
        low, high = max(0, share - slack), min(1, share + slack)
        if not printed.low:
            return rounds_to(number, low, high, percent=True)
        counts = range(math.ceil(seeds * low - 1e-9), math.floor(seeds * high + 1e-9) + 1)
        is_share = lambda number, value: rounds_to(number, value, value, percent=True)
        interval = lambda count: stats.binomtest(count, seeds).proportion_ci(method="wilson")
        fits = lambda count: is_share(number, count / seeds) and all(map(is_share, printed[3:], interval(count)))
        return any(map(fits, counts))


def changed(name, fresh):
    """Say whether a picture in img/ differs from a fresh one; other versions move letters by pixels."""
    held = README.with_name("img").joinpath(name).read_bytes()
    if held == fresh:
        return False
    same = (matplotlib.__version__, PIL.__version__) == ("3.11.2", "13.0.0") and not name.startswith("seeds")
    block, most = (1, 1e-4) if same else (6, 0.03)
    images = [Image.open(io.BytesIO(content)) for content in (held, fresh)]
    one, two = ([frame.convert("RGB").reduce(block) for frame in ImageSequence.Iterator(image)] for image in images)
    pairs = zip(one, two, strict=True)
    return np.mean([np.abs(np.subtract(*pair, dtype=int)).max(axis=-1) > 32 for pair in pairs]) > most


# trainings

A, B = partial(gan.GAN, discr_update=1, gen_update=1), partial(gan.GAN, discr_update=50, gen_update=1)
C, D = partial(gan.GAN, discr_update=1, gen_update=50), partial(noisy_gan.NoisyGAN, 500, 50, 1)
THOUSAND, ELSEWHERE, SOME = range(1000), range(5000, 5250), range(5000, 5060)
OTHERS = "middle", "non-saturating"


def one_noise(draws):
    return draws._replace(noise_fake=draws.noise_real)


def start_near(draws):  # a quarter below m
    m = draws.x.mean(axis=-1)
    return draws._replace(params=np.stack([0.4 * m, 0.8 * m - 0.25, 0 * m, 0 * m], axis=-1))


@dataclasses.dataclass(frozen=True)
class Penalised(noisy_gan.NoisyGAN):  # by R1
    gamma: float = 0.0

    def objective(self, discr, real, fake):
        return super().objective(discr, real, fake) - self.gamma / 2 * discr[..., 0] ** 2


class Runs:  # of some seeds: what they drew, but for most of the noise, their History, and what is asked of them
    def __init__(self, model, seeds, at_once=250, change=lambda draws: draws):
        piece, found = dataclasses.replace(model, games=500), []  # played one after another: they share a loop
        for first in range(0, len(seeds), at_once):
            with mock.patch.object(gan.GAN, "target", stats.norm(5, 1)):  # made once
                draws = change(gan.stack_seeds(map(model.draw, seeds[first : first + at_once])))
            histories = []
            for games in np.split(np.arange(model.games), model.games // 500):
                noise = {name: getattr(draws, name)[games] for name in draws._fields[2:]}
                before = histories[-1].params[-1] if histories else draws.params
                histories.append(piece.train(draws._replace(params=before, **noise)))
            history = map(np.concatenate, zip(*histories))
            found.append((draws.params[None], draws.x[None], draws.z_gen[:, -1].copy(), *history))
        self.start, self.x, self.z, *history = (np.concatenate(values, axis=1) for values in zip(*found))
        self.start, self.x, self.model, self.history = self.start[0], self.x[0], model, gan.History(*history)
        self.V, self.params, self.m = self.history.objective, self.history.params, self.x.mean(axis=-1)
        self.end, self.miss, last = self.params[-1], hessian.generated_mean(self.params) - self.m, self.V[-50:]
        self.stalled, self.shaking = last.mean(axis=0) > hessian.STALL, last.std(axis=0)
        self.resting_std = np.abs(2 / 5 * (self.m + 2 * self.end[:, 0] - self.end[:, 1])) / 12**0.5

    def at_draw(self, games=None):
        return hessian.at_draw(self.V[:games])

    def near_first(self):
        return first_game(np.abs(self.miss) < 0.25)

    def near_from(self):
        away = np.abs(self.miss) > 0.25
        return np.where(away[-1], np.inf, len(away) - away[::-1].argmax(axis=0) + 1)

    @functools.cached_property
    def judged(self):
        """What a report says of them, by name; the Hessian as if no noise were on the samples."""
        still = np.broadcast_to(0.0, self.z.shape)
        draws = noisy_gan.NoisyDraws(self.start, self.x, self.z, self.z[:, None], still, still)
        found, _ = hessian.judge_seeds(self.model, draws, self.history)
        return {name: np.array(values) for name, values in found.items()}

    def logits(self, game):
        """Compute D's logits of real and of generated samples after a game."""
        w, b, a, c = np.moveaxis(self.params[game - 1, :, None], -1, 0)
        return a * self.x + c, a * (w * self.z[game - 1] + b) + c

    def belief(self, game):
        return special.expit(self.logits(game)[1]).mean(axis=-1)

    def left(self, game):
        """What is left of part 2's rho^2 after a game, in percent."""
        rho2 = lambda miss, params: 4 / 5 * miss**2 + np.square(params[:, 2:]).sum(axis=-1) / self.model.discr_update
        before = rho2(hessian.generated_mean(self.start) - self.m, self.start)
        return 100 * rho2(self.miss[game - 1], self.params[game - 1]) / before

    def terms(self, game):
        """Compute the three terms of part 2's identity, saturating, after a game: (3, S)."""
        (real, fake), slope = self.logits(game), self.params[game - 1, :, 2:3]
        behind = 4 / 5 * self.miss[game - 1, :, None] * slope * (1 + self.z[game - 1] / 2)
        pairs = (-real, real), (-fake, fake), (behind, fake)
        return np.mean([one * np.tanh(other / 2) for one, other in pairs], axis=-1)


def first_game(truths):
    """Find each run's first game that is true, or infinity."""
    return np.where(truths.any(axis=0), truths.argmax(axis=0) + 1, np.inf)


# formulas of part 2

def half_turn_leaves(m, s2):
    return 100 * np.exp(-np.pi * (4 * s2 + 5 * m**2 / (1 + m**2)) / (4 * np.sqrt(5 * (1 + m**2))))


def without_chance(seeds):
    """Find T if z lies evenly; of each seed thrice, with real samples shifted by -1/4, 0, 1/4."""
    even, draws = (np.arange(10) + 0.5) / 10, []
    for one in map(B(500).draw, seeds):
        still = one._replace(z_discr=0 * one.z_discr + even, z_gen=0 * one.z_gen + even)
        draws += [still._replace(x=one.x + shift) for shift in (-1 / 4, 0, 1 / 4)]
    times = np.full(len(draws), np.inf)
    for before in range(0, 8000, 500):
        late = np.flatnonzero(np.isinf(times))
        for first in range(0, len(late), 60):
            some = np.resize(late[first : first + 60], 60)  # of fewer, some twice
            history = B(500).train(gan.stack_seeds(draws[place] for place in some))
            times[some] = before + first_game(history.objective < -0.5)
            for place, params in zip(some, history.params[-1]):
                draws[place] = draws[place]._replace(params=params)
    return times


def stall(runs, seeds):
    """Compare T, the first game with V below -0.5, with the game without chance, and fit log T: a table."""
    times = np.log([first_game(runs.V < -0.5), *without_chance(seeds).reshape(-1, 3).T])
    kept = np.isfinite(times).all(axis=0)
    times, x, start = times[:, kept], np.sort(runs.x)[kept], runs.start[kept, 0]
    explained = 100 - 100 * np.mean((times[0] - times[2]) ** 2) / times[0].var()
    table = {"stall.R2": min(explained, 99.9)}  # "more than"
    inputs = np.stack([np.ones(len(x)), x[:, 0], start, x[:, 1] - x[:, 0]], axis=1)
    for name, some in (("fit.x", inputs[:, :3]), ("fit.x.gap", inputs)):
        found, (squares,), *_ = np.linalg.lstsq(some, times[0])
        slack = SIGMAS * np.sqrt(np.linalg.inv(some.T @ some)[1, 1] * squares * (1 / len(x) + 1 / 1000))
        table[name] = [found[1] - slack, found[1] + slack]
    return table, (times[3] - times[1]) / 0.5


# the table: by name, a number, a range or a Sample

def of_normal(runs):
    judged, turns = runs.judged, runs.judged["games in a turn by theory"].round().astype(int)
    power = lambda slope, turn: np.mean(slope[-2 * turn :][:turn] ** 2) / np.mean(slope[-turn:] ** 2)
    there = [hessian.equilibrium(runs.model, *one) for one in zip(runs.x, runs.end)]
    return {
        "A.draw": runs.at_draw(), "A.from": judged["V at the draw from game"], "A.width": runs.resting_std,
        "A.gap": judged["largest |D - 1/2| on data"], "A.indefinite": judged["Hessian"] == "indefinite",
        "A.turn": judged["turn within 2% of theory"],
        "A.half.theory": 100 * np.array([equilibrium.half_turn_leaves for equilibrium in there]),
        "A.half": 100 * np.array([power(*pair) for pair in zip(runs.params[..., 2].T, turns)]) ** (-1 / 4),
        "A.circling": judged["ends"] == "circling", "rate0.1.flipping": judged["ends"] == "flipping",
        "A.std": judged["generated std"], "A.samples": runs.x.std(axis=-1), "A.best": judged["best D's objective V*"],
    }


def of_strong(runs):
    return {
        "B.draw": runs.at_draw(), "B.stalled": runs.stalled, "B.left": runs.left(50),
        "B.negative": runs.judged["Hessian"] == "negative definite", "steps50.belief": runs.belief(20),
    }


@functools.cache
def trained(loss):
    """Train the normal setting and the strong D with a loss, on other seeds than README.md's."""
    return Runs(A(1500, gen_loss=loss), ELSEWHERE), Runs(B(500, gen_loss=loss), ELSEWHERE)


@functools.cache
def measure():
    normal, strong = Runs(A(1500), THOUSAND), Runs(B(500), THOUSAND)
    one = hessian.Run(normal.model, normal.model.draw(0), gan.History(*(values[:, 0] for values in normal.history)))
    m = normal.m
    edge = lambda runs: 4 / (1 + runs.m**2 + (runs.x.var(axis=-1) + runs.m**2 / 75) / 2)
    edges = edge(normal)
    uniform = lambda ends: hessian.best_objective(stats.norm(5, 1), np.array([*ends, 0, 0]))
    slow = Runs(B(8000), SOME)
    T, (table, slopes) = first_game(slow.V < -0.5), stall(slow, SOME)
    s2 = (normal.x[0].var() + one.equilibrium.params[0] ** 2 / 12) / 2
    table |= {
        "log4": math.log(4), "draw": -math.log(4), "log2": math.log(2), "width": 2 / 12**0.5,
        "collapsed": math.log(1 / 3) / 2 + math.log(2 / 3), "grows": math.tanh(3 / 2) - math.tanh(1 / 2),
        "uniform": optimize.minimize(uniform, [4, 3], method="Nelder-Mead").fun,
        "0.std": hessian.generated_std(normal.end[0]), "0.turn": np.diff(one.flat_games[1::2]).mean(),
        "0.turn.theory": one.equilibrium.period, "0.half.theory": 100 * one.equilibrium.half_turn_leaves,
        "0.turn.formula": 80 * np.pi * math.sqrt((1 + m[0] ** 2) / 5), "0.half.formula": half_turn_leaves(m[0], s2),
        "0.belief": strong.belief(0)[0], "0.gradient": 100 * np.divide(*strong.history.gen_gradient[[-1, 0], 0]),
        "0.negative": (gan.run_seed(B(2000), 0).eigenvalues < 0).all(axis=1).sum(),
        "A.rank": stats.spearmanr(normal.resting_std, m)[0],
    }
    exact = of_normal(normal) | of_strong(strong) | {"edge": edges}
    exact |= {f"rate{rate}.beyond": edges < rate for rate in (0.1, 0.13, 0.16, 0.2)}
    del normal, strong, one  # 400 MB

    some = {f"B.draw.{games}": slow.at_draw(games) for games in (1000, 2000, 4000, 8000)} | {"stall.slope": slopes}
    way, late = slow.m - hessian.generated_mean(slow.start), np.flatnonzero((T > 500) & np.isfinite(T))
    some["B.halfway"] = 100 + 100 * (slow.miss[(T[late] // 2 - 1).astype(int), late] / way[late])
    late, wild = (Runs(A(4000, init_std=std), SOME) for std in (0.1, 5.0))
    some |= {"A.near": late.near_from(), "A.steps": 2 * late.near_from(), "A.wild.4000": wild.at_draw()}
    arrives, far = Runs(C(500), SOME, at_once=10), Runs(C(4000, init_std=5.0), SOME[:40], at_once=10)
    some |= {"C.draw": arrives.at_draw(), "C.from": arrives.judged["V at the draw from game"]}
    some["C.settled"] = arrives.judged["ends"] == "settled"
    some |= {"C.near": arrives.near_from(), "C.steps": 51 * arrives.near_from(), "C.off": np.abs(arrives.miss[2])}
    some |= {f"C.wild.{games}": far.at_draw(games) for games in (500, 4000)}
    some["C.wild.stalled"] = far.V[450:500].mean(axis=0)[~far.at_draw(500)] > hessian.STALL
    for loss in OTHERS:
        weak, strong = trained(loss)
        some |= {f"A.width.{loss}": weak.resting_std, f"B.{loss}": strong.at_draw(), f"B.left.{loss}": strong.left(50)}
        some[f"C.wild.{loss}"] = Runs(C(500, init_std=5.0, gen_loss=loss), SOME, at_once=10).at_draw()
    some["B.R1"] = Runs(Penalised(500, 50, 1, noise_std=0.0, gamma=0.5), SOME).at_draw()
    some["D.shaking.same"] = Runs(D(), SOME, change=one_noise).shaking
    for strength in (0.1, 0.5, 1):
        runs = Runs(D(noise_std=strength), SOME)
        some[f"D.draw.{strength}"] = runs.at_draw()
    some |= {"D.shaking": runs.shaking, "D.settled": runs.judged["ends"] == "settled"}
    weak = Runs(noisy_gan.NoisyGAN(2000, 50, 1, noise_std=0.3), SOME)
    some |= {"D.draw.0.3": weak.at_draw(500), "D.draw.0.3.2000": weak.at_draw()}
    for steps in (1, 5, 10, 20):
        runs = Runs(gan.GAN(500, steps, 1), ELSEWHERE)
        found = {"stalled": runs.stalled, "draw": runs.at_draw(), "first": runs.near_first()}
        if steps in (1, 20):
            found["turn"] = runs.judged["games in a turn by theory"]
        some |= {f"steps{steps}.{name}": values for name, values in found.items()}
        some.setdefault("steps1.belief", runs.belief(20))
    for rate in (0.13, 0.16, 0.2):
        runs = Runs(A(1500, learning_rate=rate), ELSEWHERE)
        some |= {f"rate{rate}.draw": runs.at_draw(), f"rate{rate}.flipping": runs.judged["ends"] == "flipping"}
    some["rate0.2.V"] = runs.V[-500:].mean(axis=0)
    some["rate0.13.draw.6000"] = Runs(A(6000, learning_rate=0.13), SOME).at_draw()
    runs = Runs(A(1500, learning_rate=0.13), ELSEWHERE, change=start_near)
    some["rate0.13.near"] = runs.at_draw()[edge(runs) > 0.13]
    samples = {name: Sample(values, exact=True) for name, values in exact.items()}
    return table | samples | {name: Sample(values) for name, values in some.items()}
