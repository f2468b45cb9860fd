"""Train a generative adversarial network (GAN) in one dimension and draw how it goes.

    python gan.py --games 500 --discr-update 50          each of the constants below has a flag

z ~ U(0, 1)                           noise
x ~ N(5, 1)                           real samples, drawn once
G(z) = w z + b                        generator: an artist who never sees the data
D(x) = sigmoid(w' x + b')             discriminator: how probable it holds that x is real
V    = mean log D(x) + mean log(1 - D(G(z)))          objective: D climbs it, G descends it

In the code gen is (w, b), discr is (w', b'), params are all four; a batch is what the players see in one game.
"""

GAMES = 1500  # games (rounds) in a run
DISCR_UPDATE = 1  # steps of the discriminator in each game
GEN_UPDATE = 1  # steps of the generator in each game
SEED = 0  # of the one stream that all randomness of a run comes from
NUM_SAMPLES = 10  # real samples in all, and noise samples in a batch
LEARNING_RATE = 0.1  # of both players' gradient steps
INIT_STD = 0.1  # standard deviation of both weights before the first game; both biases start at 0
GEN_LOSS = "saturating"  # what G descends; or "non-saturating", or "middle", the mean of the two
TARGET_MEAN = 5.0  # mean of the normal distribution that the real samples come from
TARGET_STD = 1.0  # its standard deviation

import argparse
import copy
import dataclasses
import functools
import gc
import math
import sys
from typing import NamedTuple

import numpy as np
from scipy import stats

import hessian  # first: it imports TensorFlow without its log lines
import plots
import tensorflow as tf


class Draws(NamedTuple):
    """All randomness of a run, drawn before it starts. Many seeds at once: an axis of seeds before the last."""
    params: np.ndarray  # (4,) before the first game
    x: np.ndarray  # (N,) real samples
    z_discr: np.ndarray  # (games, N) noise of each game's discriminator steps
    z_gen: np.ndarray  # (games, gen_update, N) noise of each generator step


class History(NamedTuple):
    """What a run recorded, game by game. Many seeds at once: an axis of seeds after the games."""
    params: np.ndarray  # (games, 4) after each game
    objective: np.ndarray  # (games,) V before the game's last discriminator step
    gen_loss: np.ndarray  # (games,) what G descends, after its last step of the game
    discr_gradient: np.ndarray  # (games,) norm of D's gradient of V, after D's last step of the game
    gen_gradient: np.ndarray  # (games,) norm of G's gradient of its loss, after G's last step of the game


def mean_log_d(logit):
    """Compute mean log D from D's logit, since the log of a sigmoid that has rounded to 0 would be infinite."""
    return tf.reduce_mean(tf.math.log_sigmoid(logit), axis=-1)


def mean_log_1_minus_d(logit):
    """Compute mean log(1 - D), where 1 - sigmoid(t) = sigmoid(-t)."""
    return mean_log_d(-logit)


def gradient(function, at):
    """Differentiate a function of each row of the tensor `at` (..., n) by that row: many seeds at once."""
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = function(at)
    return tape.gradient(value, at, unconnected_gradients="zero")


@dataclasses.dataclass(frozen=True)
class GAN:
    """The game between G and D. A variant is a subclass with a method of its own."""

    games: int  # the numbers of README.md; the constants above are for the command alone
    discr_update: int
    gen_update: int
    num_samples: int = 10
    learning_rate: float = 0.1
    init_std: float = 0.1
    gen_loss: str = "saturating"
    target_mean: float = 5.0
    target_std: float = 1.0
    constants = globals()  # the script's settings, which `main` reads
    theory = True  # hessian.py's formulas hold for this class; a subclass must say so itself

    def players(self, params):
        """Split params (..., n) into the generator's and the discriminator's."""
        return params[..., :2], params[..., 2:]

    def generator(self, gen, z):
        """Compute G(z) = w z + b of noise z (..., N)."""
        w, b = tf.split(gen, 2, axis=-1)
        return w * z + b

    def logit(self, discr, x):
        """Compute w' x + b', the log-odds that D gives to samples x (..., N) of being real."""
        slope, bias = tf.split(discr, 2, axis=-1)
        return slope * x + bias

    def discriminator(self, discr, x):
        """Compute D(x), the sigmoid of its logit."""
        return tf.sigmoid(self.logit(discr, x))

    def seen(self, batch, fake):
        """Return the real and the generated samples as D sees them: here, as they are."""
        return batch.x, fake

    def objective(self, discr, real, fake):
        """Compute V(D, G) = mean log D(x) + mean log(1 - D(G(z))): Goodfellow et al. 2014, arXiv:1406.2661, eq. 1."""
        return mean_log_d(self.logit(discr, real)) + mean_log_1_minus_d(self.logit(discr, fake))

    def generator_loss(self, discr, fake):
        """Compute what G descends: mean log(1 - D(G(z))), Algorithm 1 there, mean -log D(G(z)), sec. 3, or their mean.

        The mean of the two is minus half the mean logit (Soenderby et al. 2016, arXiv:1610.04490, climb the same).
        """
        logit = self.logit(discr, fake)
        if self.gen_loss == "middle":
            return -tf.reduce_mean(logit, axis=-1) / 2
        return mean_log_1_minus_d(logit) if self.gen_loss == "saturating" else -mean_log_d(logit)

    def discr_gradient(self, discr, real, fake):
        """Differentiate V by D's parameters."""
        return gradient(lambda discr: self.objective(discr, real, fake), discr)

    def gen_gradient(self, gen, discr, batch, z):
        """Differentiate G's loss by G's parameters: through D, down to what G made."""
        return gradient(lambda gen: self.generator_loss(discr, self.seen(batch, self.generator(gen, z))[1]), gen)

    def push(self, discr, fake):
        """Compute minus N times the derivative of G's loss by each of N samples: w' D(G(z)) if it is saturating."""
        return -fake.shape[-1] * gradient(lambda fake: self.generator_loss(discr, fake), fake)

    def play(self, params, batch):
        """Play one game, a variant of Algorithm 1, and return its line of the History."""
        gen, discr = self.players(params)
        real, fake = self.seen(batch, self.generator(gen, batch.z_discr))

        def climb(left, before, discr):
            return left - 1, discr, discr + self.learning_rate * self.discr_gradient(discr, real, fake)

        # D climbs V: all its steps on one batch of noise
        _, discr_before, discr = tf.while_loop(lambda left, *_: left > 0, climb, (self.discr_update, discr, discr))

        # G descends its loss: each step on fresh noise
        descend = lambda gen, z: gen - self.learning_rate * self.gen_gradient(gen, discr, batch, z)
        gen = tf.foldl(descend, batch.z_gen, gen)
        last = batch.z_gen[-1]
        return History(
            params=tf.concat([gen, discr], axis=-1),
            objective=self.objective(discr_before, real, fake),
            gen_loss=self.generator_loss(discr, self.seen(batch, self.generator(gen, last))[1]),
            discr_gradient=tf.norm(self.discr_gradient(discr, real, fake), axis=-1),
            gen_gradient=tf.norm(self.gen_gradient(gen, discr, batch, last), axis=-1),
        )

    def train(self, draws):
        """Play all games on the draws of one seed or many: their History, a function of the draws alone."""
        # fractions and D's steps are inputs of the compiled loop: models that are equal but for these share it
        inputs = {name: np.array(value) for name, value in vars(self).items() if isinstance(value, float)}
        inputs["discr_update"] = np.array(self.discr_update)
        kind = copy.copy(self)
        vars(kind).update(dict.fromkeys(inputs))
        with tf.device("CPU"):  # thousands of tiny steps: a GPU would take longer
            return History(*(values.numpy() for values in compile_games(kind)(draws, inputs)))

    def target_density(self, x):
        """Compute the density of the distribution that the real samples come from."""
        return stats.norm.pdf(x, self.target_mean, self.target_std)

    def draw(self, seed):
        """Draw all randomness of a run. seed: a whole number, or a numpy.random.Generator to draw from."""
        rng = np.random.default_rng(seed)
        gen_weight, discr_weight = rng.normal(0, self.init_std, size=2)
        return Draws(
            params=np.array([gen_weight, 0, discr_weight, 0]),
            x=rng.normal(self.target_mean, self.target_std, self.num_samples),
            z_discr=rng.random((self.games, self.num_samples)),
            z_gen=rng.random((self.games, self.gen_update, self.num_samples)),
        )

    def __post_init__(self):
        require_allowed(vars(self))


LOSSES = "saturating", "non-saturating", "middle"
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
    """Hold settings, by name, to their limits, and make each number the int or float that it must be: or a Refusal."""
    for name in (name for name in LIMITS if name in settings):
        value, (least, greatest, _) = settings[name], LIMITS[name]
        kind = type(least)
        if not (isinstance(value, (int, float, np.number)) and least <= value <= greatest and kind(value) == value):
            what = f"a {'whole ' * (kind is int)}number from {least:.10g} to {greatest:.10g}"
            raise plots.Refusal(f"{name.upper()} must be {what}, not {value!r}")
        settings[name] = kind(value)
    if settings["gen_loss"] not in LOSSES:
        raise plots.Refusal(f"GEN_LOSS must be {' or '.join(LOSSES)}, not {settings['gen_loss']!r}")
    if settings["games"] * settings["num_samples"] * (settings["gen_update"] + 1) > MOST_NUMBERS:
        raise plots.Refusal(f"GAMES * NUM_SAMPLES * (GEN_UPDATE + 1) must be at most {MOST_NUMBERS}")


@functools.lru_cache(maxsize=32)  # of some 4 MB each
def compile_games(model):
    """Compile a loop over the games of a model, once."""
    return tf.function(functools.partial(play_games, model), jit_compile=True, autograph=False)


def play_games(model, draws, inputs):
    """Play a game on each batch of the draws: their History. inputs: tensors in place of fields of the model."""
    model = copy.copy(model)
    vars(model).update(inputs)
    params, x, *by_game = (tf.cast(values, tf.float64) for values in draws)
    batch = lambda params, noise: type(draws)(params, x, *noise)
    require_shapes(model, draws, batch(params, [values[0] for values in by_game]))
    play = lambda last, noise: model.play(last.params, batch(last.params, noise))
    nothing = tf.zeros_like(params[..., 0])
    return tf.scan(play, tuple(by_game), History(params, nothing, nothing, nothing, nothing))


def require_shapes(model, draws, batch):
    """Say in a sentence what is wrong with draws, or a method of a variant, with which no game can be played."""
    if draws.z_gen.shape[:2] != (model.games, model.gen_update):
        raise ValueError(f"draws must be of {model.games} games with {model.gen_update} steps of G, as by model.draw")
    gen, discr = model.players(batch.params)
    real, fake = model.seen(batch, model.generator(gen, batch.z_discr))
    for method, samples in {"objective": (real, fake), "generator_loss": (fake,)}.items():
        shape = getattr(getattr(model, method)(discr, *samples), "shape", "nothing")
        if shape != gen.shape[:-1]:
            raise ValueError(f"{method} must return one value for each seed, of shape {gen.shape[:-1]}, not {shape}")


def stack_seeds(records):
    """Make one record of draws out of many seeds': an axis of seeds before the last of every field."""
    first, *others = records
    return type(first)(*(np.stack(values, axis=-2) for values in zip(first, *others)))


# ---------------------------------------------------------------- one run, and many seeds: their words and pictures

def run(model, seed):
    """Train one run: a hessian.Run. FloatingPointError if its numbers overflow."""
    draws = model.draw(seed)
    found = hessian.Run(model, draws, model.train(draws))
    if found.lost:
        raise FloatingPointError(f"numbers overflow in game {found.lost}: lower LEARNING_RATE or INIT_STD")
    return found


def show_run(run):
    """Report and draw a run: its pictures, a pattern of the file's name to bytes."""
    for game in plots.frame_games(run.model.games):
        print(f"game {game:>7}   objective {run.history.objective[game - 1]:10.5g}")
    print(*hessian.closing_report(run), sep="\n", flush=True)
    pictures = {"img_{}.gif": plots.gif(run), "summary_{}.png": plots.png(plots.summary_figure(run))}
    if run.theory:
        pictures["hessian_{}.png"] = plots.png(plots.hessian_figure(run))
        pictures["monitor_{}.png"] = plots.png(plots.monitor_figure(run))
    return pictures


def show_seeds(model, first, seeds):
    """Train so many seeds, some at a time, and report and draw where they end: the picture as in `show_run`."""
    shown, outcomes, courses = plots.frame_games(model.games), [], []
    at_once = max(1, MOST_NUMBERS // max(np.size(model.draw(first).z_gen), 8 * model.games))
    for some in np.array_split(np.arange(first, first + seeds), math.ceil(seeds / at_once)):
        draws = [model.draw(seed) for seed in some]
        history = model.train(stack_seeds(draws))
        for place, its in enumerate(draws):
            one = hessian.Run(model, its, History(*(values[:, place] for values in history)))
            outcomes.append(one.outcome)
            courses.append([values[shown - 1] for values in (one.history.objective, *one.moments)])
        print(f"seeds {some[0]} to {some[-1]}: {model.games} games", flush=True)
    print(*hessian.seeds_report(model.games, outcomes), sep="\n", flush=True)
    return {"seeds_{}.png": plots.png(plots.seeds_figure(one, shown, np.array(courses).T, outcomes))}


# ---------------------------------------------------------------- the command

def file_name(model, seed, seeds):
    """Name a run's files by its class and settings: games and steps, then whatever differs from the README's."""
    name = type(model).__name__.removesuffix("GAN").lower()
    name += f"{'_' * bool(name)}{model.games}_{model.discr_update}_{model.gen_update}"
    usual = {field.name: field.default for field in dataclasses.fields(model)} | {"seed": 0, "seeds": 1000}
    for key, value in (vars(model) | {"seed": seed, "seeds": seeds or 1000}).items():
        if value != usual[key] and usual[key] is not dataclasses.MISSING:
            name += f"_{value}" if isinstance(value, str) else f"_{key.replace('_', '-')}{value}".removesuffix(".0")
    return name


def main(arguments=(), model=GAN):
    """Run a script, flags over its constants: ["--games", 500]. Notebooks show pictures, and raise what is wrong."""

    def refuse(message):
        raise plots.Refusal(message)

    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.description, parser.error = model.constants["__doc__"], refuse
    settings = {field.name: None if field.name in LIMITS else field.default for field in dataclasses.fields(model)}
    settings |= {"seed": None, "seeds": 0}
    settings |= {name: model.constants[name.upper()] for name in settings if name.upper() in model.constants}
    for name, value in settings.items():
        kind, words = type(value), f"what G descends: {' or '.join(LOSSES)}" if name == "gen_loss" else ""
        if name in LIMITS:
            least, greatest, words = LIMITS[name]
            kind, words = type(least), f"{words}: from {least:.10g} to {greatest:.10g}"
        parser.add_argument("--" + name.replace("_", "-"), type=kind, help=words, metavar="")
    parser.add_argument("--explore", action="store_true", help="open a window with a knob for each setting")
    notebook = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    try:
        settings = vars(parser.parse_args([str(word) for word in arguments], argparse.Namespace(**settings)))
        require_allowed(settings)
        window, seeds, seed = (settings.pop(name) for name in ("explore", "seeds", "seed"))
        game = model(**settings)
        with tf.device("CPU"):
            with hessian.quiet():
                hessian.compile_first()
            if window and seeds:
                refuse("--explore shows one run, not as many as --seeds says")
            elif window:
                files = plots.explore(lambda seed, **settings: run(model(**settings), seed), settings | {"seed": seed})
            else:
                files = show_seeds(game, seed, seeds) if seeds else show_run(run(game, seed))
        files = {pattern.format(file_name(game, seed, seeds)): files[pattern] for pattern in files}
        plots.save(files)
    except (plots.Refusal, FloatingPointError, OSError) as error:
        if notebook:
            raise
        parser.exit(2, f"{parser.prog}: {error}\n")
    if notebook:
        from IPython.display import Image, display

        display(*(Image(data=content) for content in [*files.values()][:2]))


if __name__ == "__main__":
    gc.freeze()  # else the garbage collector searches all that is imported: a sixth of a run
    main(sys.argv[1:])
