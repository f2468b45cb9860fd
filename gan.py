"""Train a generative adversarial network (GAN) in one dimension and draw how it goes.

    python gan.py                                        1500 games, one step of each player a game
    python gan.py --games 500 --discr-update 50          strong discriminator
    python gan.py --games 500 --gen-update 50            strong generator

Edit the first three constants instead of passing flags, if you like: the flags default to them.

    z ~ U(0, 1)                           noise
    x ~ N(5, 1)                           real samples, drawn once
    G(z) = w z + b                        generator: an artist who never sees the data
    D(x) = sigmoid(w' x + b')             discriminator: the chance that it gives x of being real
    V    = mean log D(x) + mean log(1 - D(G(z)))          objective: D climbs it, G descends it
    params = (w, b, w', b')               all there is to learn

Equation numbers refer to Goodfellow et al. 2014, Generative Adversarial Nets, arXiv:1406.2661.
"""

GAMES = 1500  # games in a run
DISCR_UPDATE = 1  # steps of the discriminator in each game
GEN_UPDATE = 1  # steps of the generator in each game
SEED = 0  # of the one stream that all randomness of a run comes from
NUM_SAMPLES = 10  # real samples in all, noise samples in a batch
LEARNING_RATE = 0.1  # of the gradient steps of both players
INIT_STD = 0.1  # standard deviation of both weights before the first game; both biases start at 0

import signal

if __name__ == "__main__":  # the imports below take seconds: Ctrl-C ends them without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import dataclasses
import os
import sys
import time
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

import hessian  # before TensorFlow, which it imports without its log lines
import plots
import tensorflow as tf
from hessian import gradient

IMAGES = Path(__file__).resolve().parent / "img"
TARGET = stats.norm(5, 1)  # the distribution of real samples
OPTIMUM = -2 * np.log(2)  # V where D = 1/2 everywhere: Theorem 1
LIMITS = {  # of each setting: kind, smallest, largest
    "games": (int, 1, 1_000_000),
    "discr_update": (int, 1, 1_000),
    "gen_update": (int, 1, 1_000),
    "seed": (int, 0, 2**32 - 1),
    "num_samples": (int, 1, 100_000),
    "learning_rate": (float, 1e-300, 1e300),
    "init_std": (float, 0, 1e300),
    "noise_std": (float, 0, 1e300),
}
MOST_NOISE = 300_000_000  # noise samples in a run's record: 2.4 GB
CHUNK = 2_000_000  # samples that the players see between reports: a fraction of a second of work
LARGE = 5_000_000  # samples from which on the diagnostics are compiled, too
MEANING = {  # of the Hessian's definiteness, for V
    "indefinite": "a saddle of V",
    "negative definite": "V bends down in every direction",
    "negative semidefinite": "V bends down, or is flat",
    "positive definite": "V bends up in every direction",
    "positive semidefinite": "V bends up, or is flat",
    "zero": "V is flat",
}
FRAME_EVERY, MOST_FRAMES = 20, 100  # games between frames of the animation, and how many it may have
MOST_SHOWN = 50  # samples in a frame


class Draws(NamedTuple):
    """All randomness of a run of `games` games with N samples, drawn before it starts.

    The runs of S seeds make one record too: every shape has an axis S before its last.
    """

    params: np.ndarray  # (4,) initial w, b of the generator, then w, b of the discriminator
    x: np.ndarray  # (N,) real samples
    z_discr: np.ndarray  # (games, N) noise of each game's discriminator steps
    z_gen: np.ndarray  # (games, gen_update, N) noise of each generator step


class History(NamedTuple):
    """What a run recorded, game by game. With S seeds, an axis S follows the axis of games."""

    params: np.ndarray  # (games, 4) after each game
    objective: np.ndarray  # (games,) V as the game's last discriminator step meets it
    discr_gradient: np.ndarray  # (games,) norm of D's gradient of V after its last step of the game
    gen_gradient: np.ndarray  # (games,) norm of G's gradient of its loss after its last step


def generator(params, z):
    """Compute G(z) = w z + b. params (..., 4) and z (..., N) give (..., N), NumPy or TensorFlow."""
    return params[..., 0, None] * z + params[..., 1, None]


def logit(params, sample):
    """Compute w' sample + b', the log-odds that D gives to being real; shapes as in `generator`.

    D(sample) is its sigmoid. Work with log D = log_sigmoid(logit) and log(1 - D) =
    log_sigmoid(-logit): the logarithm of a sigmoid that has rounded to 0 would be infinite.
    """
    return params[..., 2, None] * sample + params[..., 3, None]


def discriminator(params, sample):
    """Compute D(sample) = sigmoid(w' sample + b') as a NumPy array; shapes as in `generator`."""
    return tf.sigmoid(logit(params, sample)).numpy()


def mean_log_sigmoid(logits):
    """Average log sigmoid over the samples: a tensor (..., N) gives (...,)."""
    return tf.reduce_mean(tf.math.log_sigmoid(logits), axis=-1)


def check(setting, value):
    """Return the value of a setting if LIMITS allows it, else raise ValueError: one line for people."""
    kind, smallest, largest = LIMITS[setting]
    is_number = isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    if not (is_number and smallest <= value <= largest):
        kind_name = "whole number" if kind is int else "number"
        raise ValueError(
            f"{setting.upper()} ({flag(setting)}) must be a {kind_name} from {smallest} to {largest}, not {value!r}"
        )
    return kind(value)


def flag(setting):
    """Name the command line's flag of a setting."""
    return "--" + setting.replace("_", "-")


@dataclasses.dataclass(frozen=True)
class GAN:
    """The game between G and D, with the settings of a run. ValueError if LIMITS forbids one."""

    games: int
    discr_update: int
    gen_update: int
    num_samples: int = NUM_SAMPLES
    learning_rate: float = LEARNING_RATE
    init_std: float = INIT_STD
    file_prefix = ""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            check(field.name, getattr(self, field.name))
        noise = self.games * self.num_samples * (1 + self.gen_update)
        if noise > MOST_NOISE:
            raise ValueError(
                f"GAMES * NUM_SAMPLES * (1 + GEN_UPDATE) must be at most {MOST_NOISE}, not {noise}: "
                "it is the number of noise samples to hold in memory"
            )

    def draw(self, seed):
        """Draw all randomness of a run. seed: a whole number, or a numpy.random.Generator to draw from."""
        rng = np.random.default_rng(seed)
        weights = rng.normal(0, self.init_std, size=2)
        return Draws(
            params=np.array([weights[0], 0, weights[1], 0]),
            x=TARGET.rvs(self.num_samples, random_state=rng),
            z_discr=rng.random((self.games, self.num_samples)),
            z_gen=rng.random((self.games, self.gen_update, self.num_samples)),
        )

    def deal(self, draws, game):
        """Pick from the record what belongs to one game, or to several: game is an index or many."""
        once = ("params", "x")
        return draws._replace(
            **{name: tf.gather(getattr(draws, name), game) for name in draws._fields if name not in once}
        )

    def seen(self, dealt, fake):
        """Return the real and the generated samples as D sees them: here, as they are."""
        return dealt.x, fake

    def objective(self, params, dealt, z):
        """Compute V(D, G) = mean log D(x) + mean log(1 - D(G(z))): eq. 1, as means over samples.

        params (..., 4) and z (..., N) give (...,); dealt is the draws of these games.
        """
        real, fake = self.seen(dealt, generator(params, z))
        return mean_log_sigmoid(logit(params, real)) + mean_log_sigmoid(-logit(params, fake))

    def gen_loss(self, params, dealt, z):
        """Compute what G descends, mean log(1 - D(G(z))): the saturating loss of Algorithm 1."""
        _, fake = self.seen(dealt, generator(params, z))
        return mean_log_sigmoid(-logit(params, fake))

    def play(self, params, dealt):
        """Play one game, Algorithm 1: `discr_update` steps of D on one batch, then the steps of G.

        Returns params as D's last step met them, and params after the game.
        """

        def discr_step(steps, _):
            params = steps[-1]
            slope = gradient(lambda p: self.objective(p, dealt, dealt.z_discr), params)
            gen, discr = params[..., :2], params[..., 2:] + self.learning_rate * slope[..., 2:]
            return params, tf.concat([gen, discr], -1)

        def gen_step(params, z):
            slope = gradient(lambda p: self.gen_loss(p, dealt, z), params)
            gen, discr = params[..., :2] - self.learning_rate * slope[..., :2], params[..., 2:]
            return tf.concat([gen, discr], -1)

        met, params = tf.foldl(discr_step, tf.range(self.discr_update), initializer=(params, params))
        return met, tf.foldl(gen_step, dealt.z_gen, initializer=params)

    @tf.function(jit_compile=True, autograph=False)
    def _play_on(self, params, draws, first, count):
        """Play `count` games from game `first` on, in one compiled loop; `play`'s results, stacked."""
        games = tf.minimum(first + tf.range(count), self.games - 1)  # past the end: played, not used
        return tf.scan(lambda last, game: self.play(last[-1], self.deal(draws, game)), games, (params, params))

    def train(self, draws, report=None):
        """Play all games on the given draws, of one seed or several: a function of them alone.

        Returns the History. report, if given, is called now and then with the number of games
        played before and the objective of those played since. Values that overflow become inf or
        nan: finding them is the caller's business.
        """
        draws, pieces = as_tensors(draws), []
        params = draws.params
        record = compiled_if_large(self._record, draws.z_discr)
        parts = split_games(self.games, (self.discr_update + self.gen_update) * int(tf.size(draws.x)))
        for games in parts:
            met, after = self._play_on(params, draws, tf.constant(games.start), len(parts[0]))
            met, after = met[: len(games)], after[: len(games)]
            pieces.append(History(*map(np.asarray, record(self.deal(draws, games), met, after))))
            params = after[-1]
            if report:
                report(games.start, pieces[-1].objective)
        return History(*map(np.concatenate, zip(*pieces)))

    def _record(self, dealt, met, params):
        """Measure several games, from params as their last D step met them and after the game."""
        discr_last = tf.concat([met[..., :2], params[..., 2:]], -1)  # D has moved, G not yet
        discr_slope = gradient(lambda p: self.objective(p, dealt, dealt.z_discr), discr_last)
        gen_slope = gradient(lambda p: self.gen_loss(p, dealt, dealt.z_gen[:, -1]), params)
        return History(
            params=params,
            objective=self.objective(met, dealt, dealt.z_discr),
            discr_gradient=tf.norm(discr_slope[..., 2:], axis=-1),
            gen_gradient=tf.norm(gen_slope[..., :2], axis=-1),
        )

    def hessians(self, draws, history):
        """Compute the Hessian of V over all four parameters after each game, at its last noise batch.

        Returns an array (games, 4, 4).
        """

        def second_derivatives(params, dealt):
            return hessian.second_derivatives(lambda p: self.objective(p, dealt, dealt.z_gen[:, -1]), params)

        draws, params = as_tensors(draws), tf.constant(history.params)
        compute = compiled_if_large(second_derivatives, draws.z_discr)
        parts = split_games(self.games, 10 * int(tf.size(draws.x)))  # the tapes keep every intermediate
        return np.concatenate([compute(params[g.start : g.stop], self.deal(draws, g)) for g in parts])


def as_tensors(draws):
    """Convert a record of draws to float64 tensors."""
    return type(draws)(*(tf.constant(values, tf.float64) for values in draws))


def split_games(games, samples):
    """Split range(games) into equal parts, but for the last, of CHUNK samples at `samples` a game."""
    length = -(-games // -(-games * samples // CHUNK))
    return [range(first, min(first + length, games)) for first in range(0, games, length)]


def compiled_if_large(function, samples):
    """Compile a function of tensors if so many samples await it that this pays: it takes a second."""
    return tf.function(function, jit_compile=True, autograph=False) if tf.size(samples) > LARGE else function


def generated_mean(params):
    """Compute the mean of G(z), uniform on [b, b + w]: params (..., 4) give (...,)."""
    return params[..., 1] + params[..., 0] / 2


def generated_std(params):
    """Compute the standard deviation of G(z), |w| / sqrt(12): params (..., 4) give (...,)."""
    return np.abs(params[..., 0]) / np.sqrt(12)


def frame_games(games):
    """List the games that the terminal and the animation show: every 20th, fewer in a long run, and the last."""
    step = FRAME_EVERY * -(-games // (FRAME_EVERY * MOST_FRAMES))
    return np.unique([*range(step, games + 1, step), games])


def scene(draws, history):
    """Compute what the frames of the animation show. The noise is one batch, the same in every frame."""
    games = frame_games(len(history.objective))
    params = history.params[games - 1]
    noise = draws.z_gen[-1, -1, :MOST_SHOWN]
    samples = generator(params, noise)
    low, high = np.clip([samples.min(), samples.max()], -10, 20)
    grid = np.linspace(min(low, 0) - 0.5, max(high, 7.5) + 0.5, 300)
    return plots.Scene(
        games=games,
        objective=history.objective[games - 1],
        noise=noise,
        samples=samples,
        real=draws.x[:MOST_SHOWN],
        grid=grid,
        density=TARGET.pdf(grid),
        discriminator=discriminator(params, grid),
    )


def closing_report(model, draws, history, eigenvalues):
    """List the lines that say where a run ended."""
    params = history.params[-1]
    fake = generator(params, draws.z_gen[-1, -1])
    meaning = hessian.definiteness(eigenvalues[-1])
    return [
        f"After {model.games} games:",
        f"  objective                  {history.objective[-1]:.4f}, target -2 log 2 = {OPTIMUM:.4f}",
        f"  generated samples          mean {generated_mean(params):.3f}, std {generated_std(params):.3f}",
        f"  target                     mean {TARGET.mean():.3f}, std {TARGET.std():.3f}",
        f"  D on real, on generated    {discriminator(params, draws.x).mean():.3f}, {discriminator(params, fake).mean():.3f}",
        f"  gradient norm of D, of G   {history.discr_gradient[-1]:.2g}, {history.gen_gradient[-1]:.2g}",
        f"  eigenvalues of the Hessian {', '.join(f'{value:.2g}' for value in eigenvalues[-1])}",
        f"  so V is there              {meaning}: {MEANING[meaning]}",
    ]


def read_settings(model, constants, arguments):
    """Read flags over constants: a dict of settings. Ends the script if it meets an unknown flag."""
    names = [*(field.name for field in dataclasses.fields(model)), "seed"]
    defaults = {field.name: field.default for field in dataclasses.fields(model)} | {"seed": SEED} | constants
    parser = argparse.ArgumentParser(description=f"Train a {model.__name__} and draw how it goes.")
    parser.error = lambda message: fail(message + "; --help lists the flags", 2)
    for name in names:
        kind, smallest, largest = LIMITS[name]
        parser.add_argument(
            flag(name),
            metavar="N" if kind is int else "X",
            help=f"from {smallest} to {largest}; without it, {name.upper()} = {defaults[name]!r}",
        )
    given = {name: text for name, text in vars(parser.parse_args(arguments)).items() if text is not None}
    return defaults | {name: number(text, LIMITS[name][0]) for name, text in given.items()}


def number(text, kind):
    """Convert a flag's text to a number where it is one; what it may be is for `check` to say."""
    try:
        return kind(text)
    except ValueError:
        return text


def fail(message, status):
    """End the script with one line on standard error."""
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(status)


def require_finite(values, first_game=1):
    """Raise ArithmeticError, naming the game, if any of the values (games, ...) is inf or nan."""
    lost = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if lost.any():
        raise ArithmeticError(
            f"the run left the range of finite numbers at game {first_game + lost.argmax()}: "
            "lower LEARNING_RATE or INIT_STD; no picture was changed"
        )


def run(model, seed):
    """Train, draw, save and report one run."""
    start = time.perf_counter()
    IMAGES.mkdir(exist_ok=True)
    if not os.access(IMAGES, os.W_OK | os.X_OK):
        raise PermissionError(f"{IMAGES} cannot be written: no run without a place for its pictures")
    shown = frame_games(model.games)

    def report(played, objective):
        require_finite(objective, played + 1)
        for game in shown[(shown > played) & (shown <= played + len(objective))]:
            print(f"game {game:>7}   objective {objective[game - played - 1]:8.4f}   target {OPTIMUM:.4f}")

    draws = model.draw(seed)
    history = model.train(draws, report)
    for values in history:
        require_finite(values)
    hessians = model.hessians(draws, history)
    require_finite(hessians)
    eigenvalues = hessian.eigenvalues(hessians)
    print("\n".join(closing_report(model, draws, history, eigenvalues)))

    pictures = scene(draws, history)
    name = f"{model.file_prefix}{model.games}_{model.discr_update}_{model.gen_update}"
    summary = plots.summary_figure(pictures, history.objective, history.discr_gradient, history.gen_gradient, OPTIMUM)
    files = {
        f"img_{name}.gif": plots.gif(pictures),
        f"summary_{name}.png": plots.png(summary),
        f"hessian_{name}.png": plots.png(plots.hessian_figure(eigenvalues)),
    }
    for file, content in files.items():
        plots.save(IMAGES / file, content)
    print(f"Saved in {IMAGES.name}/: {', '.join(files)} ({time.perf_counter() - start:.1f} s)")


def main(model=GAN, **constants):
    """Run a script. constants: the settings that differ from the ones above."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout.reconfigure(line_buffering=True)
    try:
        chosen = read_settings(model, constants, sys.argv[1:])
        seed = check("seed", chosen.pop("seed"))
        game = model(**chosen)
    except ValueError as error:
        fail(error, 2)
    try:
        run(game, seed)
    except (ArithmeticError, MemoryError, OSError) as error:
        fail(error, 1)
    except KeyboardInterrupt:
        fail("interrupted", 130)


if __name__ == "__main__":
    main(GAN, games=GAMES, discr_update=DISCR_UPDATE, gen_update=GEN_UPDATE)
