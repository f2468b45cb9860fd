"""Train a generative adversarial network (GAN) in one dimension and draw how it goes.

    python gan.py --games 500 --discr-update 50          each of the constants below has a flag

z ~ U(0, 1)                           noise
x ~ N(5, 1)                           real samples, drawn once
G(z) = w z + b                        generator: an artist who never sees the data
D(x) = sigmoid(a x + c)               discriminator: how probable it holds that x is real
V    = mean log D(x) + mean log(1 - D(G(z)))          objective: D climbs it; G descends its second term, or GEN_LOSS

In the code gen is (w, b), discr is (a, c), params are all four. A game is what others call an iteration.
"""

GAMES = 1500  # games (rounds) in a run
DISCR_UPDATE = 1  # steps of the discriminator in each game
GEN_UPDATE = 1  # steps of the generator in each game
SEED = 0  # of all random numbers
NUM_SAMPLES = 10  # real samples, and noise samples in a batch
LEARNING_RATE = 0.1  # of both players' gradient steps
INIT_STD = 0.1  # standard deviation of both weights before the first game; both biases start at 0
GEN_LOSS = "saturating"  # what G descends; or "non-saturating", or "middle", the mean of the two
TARGET_MEAN = 5.0  # mean of the normal distribution that the real samples come from
TARGET_STD = 1.0  # its standard deviation

import argparse
import dataclasses
import functools
import gc
import sys
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from scipy import stats

import plots  # first: it sets a notebook's backend aside, and TensorFlow's log lines
import hessian
import tensorflow as tf
from hessian import LOSSES  # name to the share of the saturating loss in it


class Draws(NamedTuple):
    """All random numbers of a run; without the axis of games, of one: a batch. Many seeds: an axis before the last."""
    params: np.ndarray  # (4,) before the first game
    x: np.ndarray  # (N,) real samples
    z_discr: np.ndarray  # (games, N) noise of each game's discriminator steps
    z_gen: np.ndarray  # (games, gen_update, N) noise of each generator step


class History(NamedTuple):
    """What a run recorded of each game. Many seeds at once: an axis of seeds after that of the games."""
    params: np.ndarray  # (games, 4) after the game
    objective: np.ndarray  # (games,) V after D's last step, before G's first
    gen_loss: np.ndarray  # (games,) what G descends, after its last step
    discr_gradient: np.ndarray  # (games,) norm of D's gradient of V, after D's last step
    gen_gradient: np.ndarray  # (games,) norm of G's gradient of its loss, after its last step


def gradient(function, at):
    """Differentiate a function that gives one value for each row of the tensor `at` (..., n), each by its own row."""
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = function(at)
    if value is None:
        raise ValueError("objective and generator_loss must return one value for each seed, not None")
    return tape.gradient(value, at, unconnected_gradients="zero")  # zero where the function ignores a number


def mean_log(*logits):
    """Compute mean log D from D's logit, since D may round to 0; of several, the sum. Of -logit: mean log(1 - D)."""
    logs = tf.math.log_sigmoid(tf.concat(logits, axis=-1))  # all at once: several times as fast for many seeds
    parts = tf.split(logs, [logit.shape[-1] for logit in logits], axis=-1)
    return sum(tf.reduce_mean(part, axis=-1) for part in parts)


@dataclasses.dataclass(frozen=True)
class GAN:
    """The game between G and D. A variant is a subclass with a method of its own."""

    games: int
    discr_update: int
    gen_update: int
    num_samples: int = 10  # defaults are README.md's numbers, whatever you edit above
    learning_rate: float = 0.1
    init_std: float = 0.1
    gen_loss: str = "saturating"
    target_mean: float = 5.0
    target_std: float = 1.0
    theory = True  # hessian.py's formulas hold for this class; a subclass must say so itself

    def __post_init__(self):
        require_allowed(fields_of(self))

    # ---------------- what there is
    @property
    def target(self):
        """The distribution that the real samples come from."""
        return stats.norm(self.target_mean, self.target_std)

    def target_density(self, x):
        """Compute the density of that distribution."""
        return self.target.pdf(x)

    def draw(self, seed):
        """Draw all random numbers of a run; more games begin with the same. seed: or a numpy.random.Generator."""
        rng = np.random.default_rng(seed)
        gen_weight, discr_weight = self.init_std * rng.standard_normal(2)
        x = self.target.rvs(self.num_samples, random_state=rng)
        z = rng.random((self.games, 1 + self.gen_update, self.num_samples))
        return Draws(np.array([gen_weight, 0, discr_weight, 0]), x, z_discr=z[:, 0], z_gen=z[:, 1:])

    def players(self, params):
        """Split params (..., n) into the generator's and the discriminator's."""
        return params[..., :2], params[..., 2:]

    def generator(self, gen, z):
        """Compute G(z) = w z + b of noise z (..., N)."""
        w, b = tf.split(gen, 2, axis=-1)
        return w * z + b

    def logit(self, discr, x):
        """Compute a x + c, the log-odds that D gives to samples x (..., N) of being real."""
        a, c = tf.split(discr, 2, axis=-1)
        return a * x + c

    def discriminator(self, discr, x):
        """Compute D(x), the sigmoid of its logit."""
        return tf.sigmoid(self.logit(discr, x))

    def seen(self, batch, fake):
        """Return the real and the generated samples as D sees them: here, as they are."""
        return batch.x, fake

    # ---------------- what they want
    def objective(self, discr, real, fake):
        """Compute V(D, G) = mean log D(x) + mean log(1 - D(G(z))): Goodfellow et al. 2014, arXiv:1406.2661, eq. 1."""
        return mean_log(self.logit(discr, real), -self.logit(discr, fake))

    def generator_loss(self, discr, fake):
        """Compute what G descends: mean log(1 - D(G(z))), mean -log D(G(z)) (Goodfellow's sec. 3), or between."""
        logit = self.logit(discr, fake)
        share = LOSSES[self.gen_loss]
        terms = (share, -logit), (share - 1, logit)
        return sum(weight * mean_log(some) for weight, some in terms if weight)  # one of 0 would take as long

    def gen_loss_of(self, gen, discr, batch, z):
        """Compute G's loss on what it makes of noise z (..., N)."""
        _, fake = self.seen(batch, self.generator(gen, z))
        return self.generator_loss(discr, fake)

    def discr_gradient(self, discr, real, fake):
        """Differentiate V by D's parameters."""
        return gradient(lambda at: self.objective(at, real, fake), discr)

    def gen_gradient(self, gen, discr, batch, z):
        """Differentiate G's loss by G's parameters: through D, down to what G made."""
        return gradient(lambda at: self.gen_loss_of(at, discr, batch, z), gen)

    def push(self, discr, fake):
        """Compute minus N times the derivative of G's loss by each of N samples: a D(G(z)) if it is saturating."""
        return -fake.shape[-1] * gradient(lambda at: self.generator_loss(discr, at), fake)

    # ---------------- how they learn
    def play(self, params, batch):
        """Play one game (Goodfellow's Algorithm 1, but D keeps its noise) and return its line of the History."""
        gen, discr = self.players(params)
        real, fake = self.seen(batch, self.generator(gen, batch.z_discr))

        def climb(steps_left, discr):
            return steps_left - 1, discr + self.learning_rate * self.discr_gradient(discr, real, fake)

        def descend(gen, z):
            return gen - self.learning_rate * self.gen_gradient(gen, discr, batch, z)

        # for each of D's steps: climb V; for each of G's steps, on fresh noise: descend its loss
        _, discr = tf.while_loop(lambda steps_left, _: steps_left > 0, climb, (self.discr_update, discr))
        gen = tf.foldl(descend, batch.z_gen, gen)

        last_z = batch.z_gen[-1]
        return History(
            params=tf.concat([gen, discr], axis=-1),
            objective=self.objective(discr, real, fake),
            gen_loss=self.gen_loss_of(gen, discr, batch, last_z),
            discr_gradient=tf.norm(self.discr_gradient(discr, real, fake), axis=-1),
            gen_gradient=tf.norm(self.gen_gradient(gen, discr, batch, last_z), axis=-1),
        )

    def train(self, draws):
        """Play all games on the draws of one seed or many, in `compile_games`: their History."""
        require_draws(self, draws)
        # models that are equal but for fractions and D's steps share a compiled loop, whose inputs these are
        fixed = fields_of(self)
        with tf.device("CPU"):  # thousands of tiny steps: a GPU would take longer
            inputs = {"discr_update": tf.constant(fixed.pop("discr_update"))}
            for field in dataclasses.fields(self):
                if field.type in (float, "float"):
                    inputs[field.name] = tf.constant(fixed.pop(field.name), tf.float64)
            loop = compile_games(type(self), tuple(np.shape(values) for values in draws), **fixed)
            return History(*(values.numpy() for values in loop(draws, inputs)))


def fields_of(model):
    """Return a model's settings, name to value: its fields alone, whatever else it keeps."""
    return {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}


def require_draws(model, draws):
    """Raise a ValueError that says in a sentence why a model cannot train on these draws."""
    steps = model.games, model.gen_update
    known = getattr(draws, "_fields", ())[: len(Draws._fields)] == Draws._fields  # a variant's record may hold more
    fits = known and np.shape(draws.z_gen)[:2] == steps
    if not fits or any(len(values) != model.games for values in draws[2:]):
        raise ValueError("draws must be a record of {} games with {} steps of G, as by model.draw".format(*steps))
    for name, values in zip(draws._fields, draws):
        if np.size(values) == 0 or not np.isfinite(np.asarray(values, float)).all():
            raise ValueError(f"{name} of the draws must hold finite numbers alone")


@functools.lru_cache(maxsize=32)
def compile_games(kind, shapes, **fixed):
    """Compile the loop over games, once for a class, shapes of draws, and some fields; the others are its inputs."""
    hessian.compile_first()

    def play_games(draws, inputs):
        model = kind(**fixed, **inputs)
        params, x, *noise = (tf.cast(values, tf.float64) for values in draws)

        def next_line(before, noise):
            line = model.play(before.params, type(draws)(params, x, *noise))
            for name, value, wanted in zip(History._fields, line, before):
                if (value.shape, value.dtype) != (wanted.shape, wanted.dtype):
                    raise ValueError(f"a game's {name} must be {describe(wanted)}, not {describe(value)}")
            return line

        # for each game: line = next_line(line, its noise); only the params of the first matter
        zeros = tf.zeros_like(params[..., 0])
        return tf.scan(next_line, tuple(noise), History(params, zeros, zeros, zeros, zeros))

    # a partial of its own: TensorFlow warns of a function that is traced often, and counts by a function's code
    return tf.function(functools.partial(play_games), jit_compile=True, autograph=False)


def describe(tensor):
    """Say of which kind a tensor is."""
    return f"{tensor.dtype.name} of shape {tensor.shape}"


def stack_seeds(records):
    """Make one record of draws out of many seeds': an axis of seeds before the last of every field.

    >>> model = GAN(games=7, discr_update=1, gen_update=2)
    >>> stack_seeds(model.draw(seed) for seed in range(3)).z_gen.shape
    (7, 2, 3, 10)
    """
    records = [*records]
    return type(records[0])(*(np.stack(values, axis=-2) for values in zip(*records)))


# ---------------------------------------------------------------- one run, and many seeds: their words and pictures

def run_seed(model, seed):
    """Train one run: a hessian.Run. FloatingPointError if its numbers overflow."""
    draws = model.draw(seed)
    run = hessian.Run(model, draws, model.train(draws))
    if run.lost:
        raise FloatingPointError(f"numbers overflow in game {run.lost}: lower LEARNING_RATE or INIT_STD")
    return run


def show_run(run):
    """Report a run, and list its pictures: the file's name, with a place for the settings, to what draws it."""
    for game in plots.frame_games(run.model.games):
        plots.say(f"game {game:>7}   objective {run.history.objective[game - 1]:10.5g}")
    plots.say(*hessian.closing_report(run))
    pictures = {"img_{}.gif": lambda: plots.gif(run), "summary_{}.png": lambda: plots.png(plots.summary_figure(run))}
    if run.theory:
        pictures["hessian_{}.png"] = lambda: plots.png(plots.hessian_figure(run))
        pictures["monitor_{}.png"] = lambda: plots.png(plots.monitor_figure(run))
    return pictures


def show_seeds(model, first, seeds):
    """Train so many seeds, some at a time, and report where they end; list the picture as `show_run` does."""
    of_each = max(model.draw(first).z_gen.size, 8 * model.games)  # numbers of its noise, or of its History
    at_once = max(1, min(100, MOST_NUMBERS // of_each))
    shown = plots.frame_games(model.games)
    found, courses, drawn, data = {}, [], [], []
    for start in range(first, first + seeds, at_once):
        stop = min(start + at_once, first + seeds)
        draws = stack_seeds(model.draw(seed) for seed in range(start, stop))
        judged, values = hessian.judge_seeds(model, draws, model.train(draws))
        for name, more in judged.items():
            found.setdefault(name, []).extend(more)
        data.append(draws.x)
        courses.append(values[:, shown - 1])
        drawn.extend(hessian.at_draw(values[0]))
        plots.say(f"seeds {start} to {stop - 1}: {model.games} games")
    plots.say(*hessian.seeds_report(model.games, seeds, found))
    data, courses = np.concatenate(data), np.concatenate(courses, axis=-1)
    return {"seeds_{}.png": lambda: plots.png(plots.seeds_figure(model, data, courses, drawn))}


# ---------------------------------------------------------------- settings and the command

MOST_NUMBERS = 10_000_000  # of noise in memory at once: 80 MB, and some ten times that while a run is judged
LIMITS = {  # least and greatest of each number, and what it is
    "games": (1, 100_000, "games (rounds) in a run"),
    "discr_update": (1, 1000, "steps of the discriminator in each game"),
    "gen_update": (1, 1000, "steps of the generator in each game"),
    "num_samples": (1, 10_000, "real samples in all, and noise samples in a batch"),
    "learning_rate": (1e-6, 10.0, "size of both players' gradient steps"),
    "init_std": (0.0, 100.0, "standard deviation of both weights before the first game"),
    "target_mean": (-100.0, 100.0, "mean of the distribution of the real samples"),
    "target_std": (0.01, 100.0, "standard deviation of that distribution"),
    "noise_std": (0.0, 100.0, "standard deviation of the noise on what the discriminator sees"),
    "seed": (0, 2**32 - 1, "number that all randomness of a run is drawn from"),
    "seeds": (0, 1000, "if above 0, train so many runs, and say where they end"),
}


def require_allowed(settings):
    """Raise a ValueError that says in a sentence which of the settings, name to value, is not allowed."""
    for name, value in settings.items():
        if tf.is_tensor(value):  # of a model inside the compiled loop, whose values were allowed before
            continue
        if name in LIMITS:
            least, greatest, _ = LIMITS[name]
            word = "whole number" if isinstance(least, int) else "number"
            kinds = (int, np.integer) if isinstance(least, int) else (int, float, np.integer, np.floating)
            if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= greatest:
                raise ValueError(f"{name.upper()} must be a {word} from {least:.10g} to {greatest:.10g}, not {value!r}")
        elif name == "gen_loss" and not (isinstance(value, str) and value in LOSSES):
            raise ValueError(f"GEN_LOSS must be {' or '.join(LOSSES)}, not {value!r}")
        elif not isinstance(value, Hashable):
            raise ValueError(f"{name.upper()} must be a number, a word or a tuple, not {value!r}")
    if settings["games"] * settings["num_samples"] * (settings["gen_update"] + 1) > MOST_NUMBERS:
        raise ValueError(f"GAMES * NUM_SAMPLES * (GEN_UPDATE + 1) must be at most {MOST_NUMBERS}")


def file_name(model, seed, seeds):
    """Name a run's files by its class and settings: games and steps, then whatever differs from the README's.

    >>> file_name(GAN(500, 1, 50, init_std=2.0), seed=3, seeds=0)
    '500_1_50_init-std2_seed3'
    """
    words = [type(model).__name__.removesuffix("GAN").lower()]
    words += [str(steps) for steps in (model.games, model.discr_update, model.gen_update)]
    usual = {field.name: field.default for field in dataclasses.fields(model)[3:]} | {"seed": 0, "seeds": 1000}
    settings = fields_of(model) | {"seed": seed, "seeds": seeds or 1000}
    for name, value in usual.items():
        if value is not dataclasses.MISSING and settings[name] != value:
            word = str(settings[name]).removesuffix(".0")
            words.append(word if name == "gen_loss" else name.replace("_", "-") + word)
    return "_".join(words).removeprefix("_")


def main(arguments=(), kind=GAN, constants=None):
    """Run a script: its constants, and flags over them, as ["--games", 500], train a model of a kind.

    constants: settings by their names in capitals, over those above; by default of the file in which the class stands.
    """
    if constants is None:
        constants = vars(sys.modules[kind.__module__])
    constants = globals() | constants
    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.description = constants["__doc__"]
    parser.add_argument("--explore", action="store_true", help="open a window with a knob for each setting")
    fields = [field for field in dataclasses.fields(kind) if field.default_factory is dataclasses.MISSING]
    settings = {field.name: None if field.default is dataclasses.MISSING else field.default for field in fields}
    if taken := {"help", "explore", "seed", "seeds"} & {field.name for field in dataclasses.fields(kind)}:
        parser.error(f"{kind.__name__} must not have a field named {taken.pop()!r}")
    settings |= {"seed": 0, "seeds": 0}
    settings = {name: constants.get(name.upper(), default) for name, default in settings.items()}
    for name, value in settings.items():
        flag = {"type": type(value), "help": None}
        if name in LIMITS:
            least, greatest, words = LIMITS[name]
            flag = {"type": type(least), "help": f"{words}: from {least:.10g} to {greatest:.10g}"}
        elif name == "gen_loss":
            flag = {"type": str, "help": f"what G descends: {' or '.join(LOSSES)}"}
        if flag["type"] in (int, float, str):
            parser.add_argument("--" + name.replace("_", "-"), metavar="", **flag)
    settings = vars(parser.parse_args([str(word) for word in arguments], argparse.Namespace(**settings)))
    explore = settings.pop("explore")
    try:
        require_allowed(settings)
        if explore and settings["seeds"]:
            raise ValueError("--explore shows one run, not as many as --seeds says")
    except ValueError as error:
        parser.error(" ".join(str(error).split()))

    seed = settings.pop("seed")
    seeds = settings.pop("seeds")
    model = kind(**settings)
    try:
        with tf.device("CPU"):
            if explore:
                pictures = plots.explore(lambda seed, **knobs: run_seed(kind(**knobs), seed), settings | {"seed": seed})
            elif seeds:
                pictures = show_seeds(model, seed, seeds)
            else:
                pictures = show_run(run_seed(model, seed))
            plots.save({name.format(file_name(model, seed, seeds)): draw for name, draw in pictures.items()})
    except (FloatingPointError, OSError) as error:
        parser.error(error)


if __name__ == "__main__":
    gc.freeze()  # else the garbage collector searches all that is imported: a sixth of a run
    main(sys.argv[1:], GAN, globals())
