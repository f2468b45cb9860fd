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

The file runs from the model to the command: players, game, one run and its pictures, many seeds,
settings. Whoever wants the GAN alone can stop after the class of that name.
"""

GAMES = 1500  # games in a run
DISCR_UPDATE = 1  # steps of the discriminator in each game
GEN_UPDATE = 1  # steps of the generator in each game
SEED = 0  # of the one stream that all randomness of a run comes from
NUM_SAMPLES = 10  # real samples in all, noise samples in a batch
LEARNING_RATE = 0.1  # of the gradient steps of both players
INIT_STD = 0.1  # standard deviation of both weights before the first game; both biases start at 0
GEN_LOSS = "saturating"  # what G descends: mean log(1 - D(G(z))); or "non-saturating": mean -log D(G(z))

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
LIMITS = {  # of each setting: kind, smallest, largest; or the words to choose from
    "games": (int, 1, 1_000_000),
    "discr_update": (int, 1, 1_000),
    "gen_update": (int, 1, 1_000),
    "seed": (int, 0, 2**32 - 1),
    "seeds": (int, 1, 10_000),
    "num_samples": (int, 1, 100_000),
    "learning_rate": (float, 1e-300, 1e300),
    "init_std": (float, 0, 1e300),
    "noise_std": (float, 0, 1e300),
    "gen_loss": ("saturating", "non-saturating"),
}
MOST_NOISE = 100_000_000  # noise samples in a run's record: 0.8 GB, and some five times that while it runs
CHUNK = 2_000_000  # samples that the players see between reports: a fraction of a second of work
LARGE = 5_000_000  # samples from which on the diagnostics are compiled, too
NEAR = 0.05  # an objective this close to -2 log 2 counts as at the optimum
STALL = -0.1  # an objective above this says that D tells real from generated: the generator is stuck
HALVINGS = 5  # times at which the report says how many seeds have got there: the end, half way, a quarter, ...
SEEDS_AT_ONCE = 100  # seeds trained in one loop
LAST_GAMES = 50  # games whose mean says where a run ended
MANY, MANY_SAMPLES = 1000, 1_000_000  # batches, and samples in them, whose mean gradient stands for the expected one
FRAME_EVERY, MOST_FRAMES = 20, 100  # games between frames of the animation, and how many it may have
MOST_SHOWN = 20  # samples in a frame


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


@dataclasses.dataclass(frozen=True)
class GAN:
    """The game between G and D, with the settings of a run. ValueError if LIMITS forbids one."""

    games: int
    discr_update: int
    gen_update: int
    num_samples: int = NUM_SAMPLES
    learning_rate: float = LEARNING_RATE
    init_std: float = INIT_STD
    gen_loss: str = GEN_LOSS
    file_prefix = ""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            check(field.name, getattr(self, field.name))
        if self.noise_count > MOST_NOISE:
            raise ValueError(
                f"GAMES * NUM_SAMPLES * (1 + GEN_UPDATE) must be at most {MOST_NOISE}, not {self.noise_count}: "
                "it is the number of noise samples to hold in memory"
            )

    @property
    def noise_count(self):
        """The number of noise samples in a run's record."""
        return self.games * self.num_samples * (1 + self.gen_update)

    @property
    def file_name(self):
        """The part of its pictures' names that tells the run's settings."""
        suffix = "" if self.gen_loss == "saturating" else "_nonsaturating"
        return f"{self.file_prefix}{self.games}_{self.discr_update}_{self.gen_update}{suffix}"

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

    def generator_loss(self, params, dealt, z):
        """Compute what G descends: mean log(1 - D(G(z))), as in Algorithm 1, or mean -log D(G(z)), sec. 3."""
        _, fake = self.seen(dealt, generator(params, z))
        if self.gen_loss == "saturating":
            return mean_log_sigmoid(-logit(params, fake))
        return -mean_log_sigmoid(logit(params, fake))

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
            slope = gradient(lambda p: self.generator_loss(p, dealt, z), params)
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
        gen_slope = gradient(lambda p: self.generator_loss(p, dealt, dealt.z_gen[:, -1]), params)
        return History(
            params=params,
            objective=self.objective(met, dealt, dealt.z_discr),
            discr_gradient=tf.norm(discr_slope[..., 2:], axis=-1),
            gen_gradient=tf.norm(gen_slope[..., :2], axis=-1),
        )

    def over_games(self, function, draws, history, last=None):
        """Compute function(params, dealt), a tensor (games, ...), after each of the last so many games, or of all.

        It is called with the params and the draws of many games at once, but not of too many for memory.
        """
        first = self.games - min(last or self.games, self.games)
        draws, params = as_tensors(draws), tf.constant(history.params)
        compute = compiled_if_large(function, draws.z_discr[first:])
        pieces = []
        for part in split_games(self.games - first, 10 * int(tf.size(draws.x))):  # tapes keep intermediates
            games = range(first + part.start, first + part.stop)
            pieces.append(compute(params[games.start : games.stop], self.deal(draws, games)))
        return np.concatenate(pieces)

    def hessians(self, draws, history, last=None, function=None):
        """Compute the Hessian of V over all four parameters after each game, at its last noise batch.

        Returns an array (games, 4, 4), of the last so many games if last is given; with S seeds,
        an axis S follows the axis of games. function: another one of the signature of `objective`.
        """
        function = function or self.objective

        def second_derivatives(params, dealt):
            return hessian.second_derivatives(lambda p: function(p, dealt, dealt.z_gen[:, -1]), params)

        return self.over_games(second_derivatives, draws, history, last)

    def jacobians(self, draws, history, hessians):
        """Compute the game's Jacobian after each of the last len(hessians) games: `hessian.game_jacobian`."""
        if self.gen_loss == "saturating":  # then V is the generator's loss, up to what it cannot change
            return hessian.game_jacobian(hessians)
        return hessian.game_jacobian(hessians, self.hessians(draws, history, len(hessians), self.generator_loss))

    def last_gradients(self, draws, history):
        """Compute the norms of D's gradient of V and of G's gradient of its loss where a run ends.

        They are averaged over MANY of the run's batches, one of which would hide a point at rest in
        its noise. Returns an array (2,), or (2, S).
        """
        many = min(MANY, max(1, MANY_SAMPLES // np.size(draws.x)))
        dealt = self.deal(draws, range(max(0, self.games - many), self.games))
        z = dealt.z_gen[:, -1]
        params = tf.constant(np.broadcast_to(history.params[-1], (len(z), *history.params.shape[1:])))
        discr_slope = gradient(lambda p: self.objective(p, dealt, z), params)[..., 2:]
        gen_slope = gradient(lambda p: self.generator_loss(p, dealt, z), params)[..., :2]
        return np.stack([np.linalg.norm(np.mean(slope, axis=0), axis=-1) for slope in (discr_slope, gen_slope)])

    def multipliers(self, jacobians):
        """Compute `hessian.game_multipliers` where a run ends: at the mean of its last games' Jacobians."""
        last = jacobians[-LAST_GAMES:].mean(axis=0)
        return hessian.game_multipliers(last, self.learning_rate, self.discr_update, self.gen_update)


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


def accuracy_on_real(params):
    """Compute the share of the target that D takes for real, P(w' x + b' > 0): (..., 4) give (...,)."""
    weight, bias = params[..., 2], params[..., 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        return stats.norm.cdf((weight * TARGET.mean() + bias) / (np.abs(weight) * TARGET.std()))


def accuracy_on_generated(params):
    """Compute the share of the generator's samples that D takes for generated: (..., 4) give (...,).

    The logit of G(z) is linear in z, so it is negative on one side of its zero in [0, 1].
    """
    at_0, at_1 = (logit(params, generator(params, np.array([z])))[..., 0] for z in (0.0, 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        zero = np.clip(at_0 / (at_0 - at_1), 0, 1)
    return np.where(at_0 == at_1, at_0 < 0, np.where(at_0 < at_1, zero, 1 - zero))


def generated_ends(params):
    """Compute the ends of G(z)'s interval, in ascending order: (..., 4) give two arrays (...,)."""
    return np.sort([params[..., 1], params[..., 0] + params[..., 1]], axis=0)


def generated_mean(params):
    """Compute the mean of G(z), uniform on [b, b + w]: params (..., 4) give (...,)."""
    return params[..., 1] + params[..., 0] / 2


def generated_std(params):
    """Compute the standard deviation of G(z), |w| / sqrt(12): params (..., 4) give (...,)."""
    return np.abs(params[..., 0]) / np.sqrt(12)


def flat_games(discr_weight, period):
    """Find the games in which D's weight, averaged over a sixth of the period, changes its sign.

    D is flat there, and the players change roles: half a turn is done. A half-turn whose swing is
    below hessian.SEEN of the largest is lost in noise, and ends the search. discr_weight (games,) of
    a run; period, the predicted full turn in games, or nan: then there is nothing to find.
    """
    window = round(period / 6) if np.isfinite(period) else len(discr_weight)
    if not 0 < window < len(discr_weight):
        return np.array([], int)
    smooth = np.convolve(discr_weight, np.full(window, 1 / window), "valid")
    changes = np.flatnonzero(np.diff(np.sign(smooth))) + 1
    swings = np.array([np.abs(half_turn).max() for half_turn in np.split(smooth, changes)])
    seen = np.logical_and.accumulate(swings > hessian.SEEN * swings.max())
    return changes[seen[:-1]] + window // 2


def monitor(model, draws, history):
    """Compute what `plots.monitor_figure` shows of a run: the losses on its batches, the rest exactly."""
    params = history.params
    ends = generated_ends(params)
    return {
        "discr_loss": -history.objective,
        "gen_loss": model.over_games(
            lambda p, dealt: model.generator_loss(p, dealt, dealt.z_gen[:, -1]), draws, history
        ),
        "accuracy_real": accuracy_on_real(params),
        "accuracy_fake": accuracy_on_generated(params),
        "mean": generated_mean(params),
        "std": generated_std(params),
        "target": TARGET,
        "divergence": plots.jensen_shannon(TARGET, *ends),
        "wasserstein": plots.wasserstein(TARGET, *ends),
    }


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


def closing_report(model, draws, history, hessians, multipliers):
    """List the lines that say where a run ended."""
    params = history.params[-1]
    fake = generator(params, draws.z_gen[-1, -1])
    scores = [discriminator(params, sample).mean() for sample in (draws.x, fake)]
    gradients = model.last_gradients(draws, history)
    eigenvalues = hessian.eigenvalues(hessians[-1])
    return [
        f"After {model.games} games:",
        f"  objective                   {history.objective[-1]:.4f}, target -2 log 2 = {OPTIMUM:.4f}",
        f"  generated mean, std         {generated_mean(params):.3f}, {generated_std(params):.3f}",
        f"  target mean, std            {TARGET.mean():.3f}, {TARGET.std():.3f}",
        f"  D on real, on generated     {scores[0]:.3f}, {scores[1]:.3f}",
        f"  gradient norms of D, G      {history.discr_gradient[-1]:.2g}, {history.gen_gradient[-1]:.2g}",
        f"  averaged over batches       {gradients[0]:.2g}, {gradients[1]:.2g}",
        f"  Hessian's eigenvalues       {', '.join(f'{value:.2g}' for value in eigenvalues)}",
        f"  the point is                {hessian.verdict(eigenvalues, gradients)}",
        f"  the game there              {hessian.stability(multipliers)}",
    ]


def check(setting, value):
    """Return the value of a setting if LIMITS allows it, else raise ValueError: one line for people."""
    kind, *limits = LIMITS[setting]
    if isinstance(kind, str):
        allowed, fits = " or ".join(LIMITS[setting]), value in LIMITS[setting]
    else:
        smallest, largest = limits
        allowed = f"a {'whole number' if kind is int else 'number'} from {smallest} to {largest}"
        is_number = isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
        fits = is_number and smallest <= value <= largest
    if not fits:
        raise ValueError(f"{setting.upper()} ({flag(setting)}) must be {allowed}, not {value!r}")
    return value


def flag(setting):
    """Name the command line's flag of a setting."""
    return "--" + setting.replace("_", "-")


def read_settings(model, constants, arguments):
    """Read flags over constants: a dict of settings. Ends the script if it meets an unknown flag."""
    fields = dataclasses.fields(model)
    defaults = {field.name: field.default for field in fields} | {"seed": SEED, "seeds": None} | constants
    parser = argparse.ArgumentParser(description=f"Train a {model.__name__} and draw how it goes.")
    parser.error = lambda message: fail(message + "; --help lists the flags", 2)
    for name, default in defaults.items():
        allowed = LIMITS[name][-2:]
        limits = " to ".join(map(str, allowed)) if name != "gen_loss" else " or ".join(allowed)
        parser.add_argument(flag(name), metavar="VALUE", help=f"{limits}; default {default}")
    given = {name: text for name, text in vars(parser.parse_args(arguments)).items() if text is not None}
    return defaults | {name: convert(text, LIMITS[name][0]) for name, text in given.items()}


def convert(text, kind):
    """Convert a flag's text to a number where it should and can be; the rest is for `check` to say."""
    try:
        return text if isinstance(kind, str) else kind(text)
    except ValueError:
        return text


def fail(message, status):
    """End the script with one line on standard error."""
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(status)


def interrupt(*_):
    """End the script on Ctrl-C, at once: an exception raised inside TensorFlow can crash it."""
    os.write(2, f"{Path(sys.argv[0]).name}: interrupted\n".encode())
    os._exit(130)


def require_finite(values, first_game=1):
    """Raise ArithmeticError, naming the game, if any of the values (games, ...) is inf or nan."""
    lost = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if lost.any():
        raise ArithmeticError(
            f"the run left the range of finite numbers at game {first_game + lost.argmax()}: "
            "lower LEARNING_RATE or INIT_STD; no picture was changed"
        )


def prepare_images():
    """Make the folder of pictures. OSError if it cannot be written."""
    IMAGES.mkdir(exist_ok=True)
    if not os.access(IMAGES, os.W_OK | os.X_OK):
        raise PermissionError(f"{IMAGES} cannot be written: no run without a place for its pictures")


def save_pictures(files, start):
    """Save files, name to bytes, and say so with the seconds since `start`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for milliseconds: a draft would stay behind
    for file, content in files.items():
        plots.save(IMAGES / file, content)
    print(f"Saved in {IMAGES.name}/: {', '.join(files)} ({time.perf_counter() - start:.1f} s)")


def run(model, seed):
    """Train, draw, save and report one run."""
    start = time.perf_counter()
    prepare_images()
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
    jacobians = model.jacobians(draws, history, hessians)
    multipliers = model.multipliers(jacobians)
    print("\n".join(closing_report(model, draws, history, hessians, multipliers)))

    print("Drawing the animation and three figures")
    pictures = scene(draws, history)
    name = model.file_name
    rotations = np.linalg.eigvals(jacobians)
    period = hessian.rotation_period(multipliers)
    turns = flat_games(history.params[:, 2], period)
    files = {
        f"img_{name}.gif": plots.gif(pictures),
        f"summary_{name}.png": plots.png(plots.summary_figure(pictures, history, OPTIMUM, turns, period)),
        f"hessian_{name}.png": plots.png(plots.hessian_figure(eigenvalues, rotations)),
        f"monitor_{name}.png": plots.png(plots.monitor_figure(**monitor(model, draws, history))),
    }
    save_pictures(files, start)


class Outcomes(NamedTuple):
    """Where the runs of S seeds ended: arrays (S,)."""

    finite: np.ndarray  # whether all numbers of the run were
    optimal: np.ndarray  # whether the mean objective of the last games was near -2 log 2
    stalled: np.ndarray  # whether it was above STALL: the generator is stuck
    halvings: np.ndarray  # (S, HALVINGS at most) whether it was near after a 16th, 8th, 4th, half, all of the run
    settled: np.ndarray  # game from which on the objective stays near -2 log 2; inf if none
    gap: np.ndarray  # largest |D - 1/2| on the real samples
    mean: np.ndarray  # of the generated samples
    std: np.ndarray
    best: np.ndarray  # objective that the best of all discriminators would reach against them
    stationary: np.ndarray  # hessian.is_stationary
    definiteness: np.ndarray  # of the last game's Hessian
    attracts: np.ndarray  # whether the game does
    predicted: np.ndarray  # games in a full turn, from the game's Jacobian; nan without rotation
    measured: np.ndarray  # games in a full turn, as `measured_period` finds it; nan if too little can be seen


def stack_seeds(records):
    """Make one record of draws out of many seeds': an axis of seeds before the last of every field."""
    return type(records[0])(*(np.stack(values, axis=-2) for values in zip(*records)))


def measured_period(turns):
    """Measure the full turn in games from `flat_games`: twice the mean of the half-turns between them.

    The first, far from the end point, is left out. nan if fewer than three were seen.
    """
    half_turns = np.diff(turns)[1:]
    return 2 * half_turns.mean() if len(half_turns) >= 2 else np.nan


def judge(model, draws, history):
    """Judge the runs of several seeds that were trained together: their Outcomes."""
    last = model.hessians(draws, history, last=LAST_GAMES)
    finite = np.isfinite(last).all(axis=(0, 2, 3)) & np.isfinite(history.params).all(axis=(0, 2))
    finite &= np.logical_and.reduce([np.isfinite(values).all(axis=0) for values in history[1:]])
    last = np.where(finite[:, None, None], last, 0)
    params = history.params[-1]
    multipliers = model.multipliers(np.where(finite[:, None, None], model.jacobians(draws, history, last), 0))
    predicted = np.array([hessian.rotation_period(factors) for factors in multipliers])
    eigenvalues, gradients = hessian.eigenvalues(last[-1]), model.last_gradients(draws, history)
    definiteness = [hessian.definiteness(values) for values in eigenvalues]
    return Outcomes(
        finite=finite,
        optimal=near_optimum(history.objective),
        stalled=history.objective[-LAST_GAMES:].mean(axis=0) > STALL,
        halvings=np.stack([near_optimum(history.objective[:games]) for games in halvings(model.games)], axis=-1),
        settled=settled(history.objective),
        gap=np.abs(discriminator(params, draws.x) - 0.5).max(axis=-1),
        mean=generated_mean(params),
        std=generated_std(params),
        best=plots.best_objective(TARGET, *generated_ends(params)),
        stationary=np.array([hessian.is_stationary(*seed) for seed in zip(eigenvalues, gradients.T)]),
        definiteness=np.where(finite, definiteness, "not finite"),
        attracts=np.array([hessian.attracts(factors) for factors in multipliers]),
        predicted=predicted,
        measured=np.array([measured_period(flat_games(*run)) for run in zip(history.params[..., 2].T, predicted)]),
    )


def near_optimum(objective):
    """Say whether the mean objective of the last games (games, ...) is near -2 log 2: gives (...,)."""
    return np.abs(objective[-LAST_GAMES:].mean(axis=0) - OPTIMUM) < NEAR


def halvings(games):
    """List the numbers of games at which a run is a 16th, an 8th, a quarter, half and all over."""
    return sorted({max(1, games >> halving) for halving in range(HALVINGS)})


def settled(objective):
    """Find the game from which on ten games' mean objective stays near -2 log 2: (games, S) give (S,)."""
    window = min(10, len(objective))
    means = np.lib.stride_tricks.sliding_window_view(objective, window, axis=0).mean(axis=-1)
    far = ~(np.abs(means - OPTIMUM) < NEAR)
    last_far = np.where(far.any(axis=0), len(far) - np.argmax(far[::-1], axis=0), 0)
    return np.where(last_far < len(far), last_far + 1, np.inf)


def share(which):
    """Write the share of seeds for which something holds, with its 95% interval (Wilson 1927)."""
    low, high = stats.binomtest(int(np.sum(which)), len(which)).proportion_ci(method="wilson")
    return f"{np.mean(which):6.1%}  [{low:.1%}, {high:.1%}]"


def middle(values):
    """Write the median of some seeds' values and the range of 90% of them."""
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    return f"{median:.4g}  [{low:.4g}, {high:.4g}]"


def seeds_report(model, result):
    """List the lines that say where the runs of many seeds ended."""
    yield f"Of {len(result.finite)} seeds after {model.games} games    share  [95% interval]"
    for games, there in zip(halvings(model.games), result.halvings.T):
        yield f"  {f'at the optimum after {games}':<29} {share(there)}"
    yield f"  stalled                       {share(result.stalled)}"
    for word in np.unique(result.definiteness):
        yield f"  {'Hessian ' + word:<29} {share(result.definiteness == word)}"
    yield f"  stationary                    {share(result.stationary)}"
    yield f"  the game attracts             {share(result.attracts)}"
    yield f"  left the finite numbers       {share(~result.finite)}"
    turned = result.finite & np.isfinite(result.measured) & np.isfinite(result.predicted)
    if turned.any():
        close = np.abs(result.measured / result.predicted - 1)[turned] < 0.1
        yield f"  period within 10%             {share(close)} of {turned.sum()} with a wave to measure"
    finite = Outcomes(*(values[result.finite] for values in result))
    if finite.finite.any():
        yield "Of the finite ones              median  [range of 90%]"
        yield f"  generated mean                {middle(finite.mean)}, target {TARGET.mean()}"
        yield f"  generated std                 {middle(finite.std)}, target {TARGET.std()}"
        yield f"  best D's objective V*         {middle(finite.best)}"
        yield f"  largest |D - 1/2| on data     {middle(finite.gap)}"
    if finite.optimal.any():
        yield f"  V near -2 log 2 from game     {middle(finite.settled[finite.optimal])}, where it ends there"


def run_seeds(model, first_seed, count):
    """Train many seeds, some at a time, and draw, save and report where they end."""
    start = last_report = time.perf_counter()
    prepare_images()
    games, results, frames = frame_games(model.games), [], []
    at_once = max(1, min(SEEDS_AT_ONCE, MOST_NOISE // 2 // model.noise_count))

    def report(played, objective):
        nonlocal last_report
        if time.perf_counter() - last_report > 1:
            last_report = time.perf_counter()
            print(f"seeds {part[0]} to {part[-1]}: {played + len(objective)} of {model.games} games")

    for first in range(first_seed, first_seed + count, at_once):
        part = range(first, min(first + at_once, first_seed + count))
        draws = stack_seeds([model.draw(seed) for seed in part])
        history = model.train(draws, report)
        results.append(judge(model, draws, history))
        params = history.params[games - 1]
        frames.append([history.objective[games - 1], generated_mean(params), generated_std(params)])

    result = Outcomes(*map(np.concatenate, zip(*results)))
    print(*seeds_report(model, result), sep="\n")
    if not result.finite.any():
        raise ArithmeticError("no run stayed finite: lower LEARNING_RATE or INIT_STD; no picture was changed")
    bands = np.concatenate(frames, axis=-1)[..., result.finite]
    picture = plots.png(plots.seeds_figure(games, *bands, OPTIMUM, TARGET))
    save_pictures({f"seeds_{model.file_name}.png": picture}, start)


def main(model=GAN, **constants):
    """Run a script. constants: the settings that differ from the ones above."""
    signal.signal(signal.SIGINT, interrupt)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly if nobody reads on: python gan.py | head
    sys.stdout.reconfigure(line_buffering=True)
    try:
        chosen = read_settings(model, constants, sys.argv[1:])
        seed = check("seed", chosen.pop("seed"))
        seeds = chosen.pop("seeds")
        if seeds is not None:
            check("seeds", seeds)
        game = model(**chosen)
    except ValueError as error:
        fail(error, 2)
    try:
        with np.errstate(all="ignore"):  # what leaves the finite numbers is found by looking, and said once
            run(game, seed) if seeds is None else run_seeds(game, seed, seeds)
    except (ArithmeticError, MemoryError, OSError) as error:
        fail(error, 1)


if __name__ == "__main__":
    main(GAN, games=GAMES, discr_update=DISCR_UPDATE, gen_update=GEN_UPDATE)
