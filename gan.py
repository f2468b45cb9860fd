"""Train a generative adversarial network (GAN) in one dimension and draw how it goes.

python gan.py                                        what the constants below say
python gan.py --games 500 --discr-update 50          strong discriminator

z ~ U(0, 1)                           noise
x ~ N(5, 1)                           real samples, drawn once
G(z) = w z + b                        generator: an artist who never sees the data
D(x) = sigmoid(w' x + b')             discriminator: the chance that it gives x of being real
V    = mean log D(x) + mean log(1 - D(G(z)))          objective: D climbs it, G descends it
"""

GAMES = 1500  # games (rounds) in a run
DISCR_UPDATE = 1  # steps of the discriminator in each game
GEN_UPDATE = 1  # steps of the generator in each game
SEED = 0  # of the one stream that all randomness of a run comes from
NUM_SAMPLES = 10  # real samples in all, and noise samples in a batch
LEARNING_RATE = 0.1  # of both players' gradient steps
INIT_STD = 0.1  # standard deviation of both weights before the first game; both biases start at 0
GEN_LOSS = "saturating"  # what G descends: mean log(1 - D(G(z))); or "non-saturating": mean -log D(G(z))
TARGET_MEAN = 5.0  # mean of the normal distribution that the real samples come from
TARGET_STD = 1.0  # its standard deviation

import argparse
import contextlib
import dataclasses
import re
import signal
import sys
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__" and not hasattr(sys, "ps1"):  # in a script, not at a prompt, Ctrl-C ends all at once
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)

import numpy as np
from scipy import stats

import hessian  # before TensorFlow, which it imports without its log lines
import plots
import tensorflow as tf


class Draws(NamedTuple):
    """All randomness of a run, drawn before it starts. Many seeds at once: an axis of seeds before the last."""

    params: np.ndarray  # (4,) w, b of the generator, w', b' of the discriminator, before the first game
    x: np.ndarray  # (N,) real samples
    z_discr: np.ndarray  # (games, N) noise of each game's discriminator steps
    z_gen: np.ndarray  # (games, gen_update, N) noise of each generator step


class History(NamedTuple):
    """What a run recorded, game by game. Many seeds at once: an axis of seeds after the games."""

    params: np.ndarray  # (games, 4) after each game
    objective: np.ndarray  # (games,) V as the game's last discriminator step meets it
    gen_loss: np.ndarray  # (games,) what G descends, after its last step of the game
    discr_gradient: np.ndarray  # (games,) norm of D's gradient of V, after D's last step of the game
    gen_gradient: np.ndarray  # (games,) norm of G's gradient of its loss, after G's last step of the game


def generator(gen, z):
    """Compute G(z) = w z + b. gen (..., 2) holds w and b; z (..., N) gives (..., N)."""
    w, b = tf.split(gen, 2, axis=-1)
    return w * z + b


def logits(discr, *samples):
    """Compute w' x + b', the log-odds that D gives to x of being real: a list, by samples (..., N); discr (..., 2)."""
    w, b = tf.split(discr, 2, axis=-1)  # once for all x: the compiled loop takes 0.6 of the time
    return [w * x + b for x in samples]


def discriminator(discr, x):
    """Compute D(x) = sigmoid(w' x + b') as a NumPy array; shapes as in `logits`."""
    return tf.sigmoid(logits(discr, x)[0]).numpy()


def mean_log_d(logit):
    """Compute mean log D from D's logit, since the log of a sigmoid that has rounded to 0 would be infinite."""
    return tf.reduce_mean(tf.math.log_sigmoid(logit), axis=-1)


def mean_log_1_minus_d(logit):
    """Compute mean log(1 - D), where 1 - sigmoid(t) = sigmoid(-t)."""
    return mean_log_d(-logit)


@dataclasses.dataclass(frozen=True)
class GAN:
    """The game between G and D. gen (..., 2) and discr (..., 2) hold a player's weight and bias."""

    games: int
    discr_update: int
    gen_update: int
    num_samples: int = NUM_SAMPLES
    learning_rate: float = LEARNING_RATE
    init_std: float = INIT_STD
    gen_loss: str = GEN_LOSS
    target_mean: float = TARGET_MEAN
    target_std: float = TARGET_STD

    def seen(self, batch, fake):
        """Return the real and the generated samples as D sees them: here, as they are."""
        return batch.x, fake

    def objective(self, gen, discr, batch, z):
        """Compute V(D, G) = mean log D(x) + mean log(1 - D(G(z))): Goodfellow et al. 2014, arXiv:1406.2661, eq. 1."""
        real, fake = logits(discr, *self.seen(batch, generator(gen, z)))
        return mean_log_d(real) + mean_log_1_minus_d(fake)

    def generator_loss(self, gen, discr, batch, z):
        """Compute what G descends: mean log(1 - D(G(z))), as in Algorithm 1 there, or mean -log D(G(z)), sec. 3."""
        _, fake = logits(discr, *self.seen(batch, generator(gen, z)))
        return mean_log_1_minus_d(fake) if self.gen_loss == "saturating" else -mean_log_d(fake)

    def discr_slope(self, gen, discr, batch, z):
        """Differentiate V by D's weight and bias."""
        return hessian.gradient(lambda discr: self.objective(gen, discr, batch, z), discr)

    def gen_slope(self, gen, discr, batch, z):
        """Differentiate G's loss by G's weight and bias: through D, down to what G made."""
        return hessian.gradient(lambda gen: self.generator_loss(gen, discr, batch, z), gen)

    def play(self, params, batch):
        """Play one game, a variant of Algorithm 1: params as D's last step met them, and after the game."""
        gen, discr = params[..., :2], params[..., 2:]
        for _ in tf.range(self.discr_update):  # D climbs V: all its steps on one batch of noise
            met, discr = discr, discr + self.learning_rate * self.discr_slope(gen, discr, batch, batch.z_discr)
        met = tf.concat([gen, met], axis=-1)
        for z in batch.z_gen:  # G descends its loss: each step on fresh noise
            gen -= self.learning_rate * self.gen_slope(gen, discr, batch, z)
        return met, tf.concat([gen, discr], axis=-1)

    @tf.function(jit_compile=True)  # AutoGraph and XLA make one compiled loop of this and the loops of `play`
    def play_games(self, params, batches):
        """Play a game on each of several batches and stack what `play` returns."""
        columns = [tf.TensorArray(tf.float64, len(batches.z_discr)) for _ in range(2)]
        for game in tf.range(len(batches.z_discr)):
            met, params = self.play(params, self.deal(batches, game))
            columns = [column.write(game, value) for column, value in zip(columns, (met, params))]
        return [column.stack() for column in columns]

    def record(self, batches, met, params):
        """Compute the History of several games, all at once, from what `play` returned."""
        gen, discr, z = params[..., :2], params[..., 2:], batches.z_gen[:, -1]
        return History(
            params=params,
            objective=self.objective(met[..., :2], met[..., 2:], batches, batches.z_discr),
            gen_loss=self.generator_loss(gen, discr, batches, z),
            discr_gradient=tf.norm(self.discr_slope(met[..., :2], discr, batches, batches.z_discr), axis=-1),
            gen_gradient=tf.norm(self.gen_slope(gen, discr, batches, z), axis=-1),
        )

    def train(self, draws, report=lambda first, part: None):
        """Play all games on the given draws, of one seed or many, and return the History: a function of them alone.

        report(first, part) is called now and then with a part of the History. ValueError if the draws do not fit.
        """
        if np.shape(draws.z_gen)[:2] != (self.games, self.gen_update):
            raise ValueError(f"draws must be {(self.games, self.gen_update)} games, steps, not {np.shape(draws.z_gen)}")
        draws, parts = type(draws)(*(np.asarray(values, np.float64) for values in draws)), []
        for games in hessian.split(self.games, (self.discr_update + self.gen_update) * np.size(draws.x)):
            batches, params = self.deal(draws, games), parts[-1].params[-1] if parts else draws.params
            history = self.record(batches, *self.play_games(params, batches))
            parts.append(History(*(column.numpy()[: self.games - games[0]] for column in history)))
            report(games[0], parts[-1])
        return History(*map(np.concatenate, zip(*parts)))

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

    def deal(self, draws, game):
        """Pick the batch of one game, by its index, or of several; all games share params and x."""
        params, x, *by_game = draws
        return type(draws)(params, x, *(values[game] for values in by_game))


def stack_seeds(records):
    """Make one record of draws out of many seeds': an axis of seeds before the last of every field."""
    return type(records[0])(*(np.stack(values, axis=-2) for values in zip(*records)))


# ---------------------------------------------------------------- one run: its words and its pictures


def require_finite(arrays, first=0):
    """Raise FloatingPointError, naming the game, if a value of arrays (games, ...) from game `first` on overflowed."""
    for values in arrays:
        lost = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if lost.any():
            words = "lower LEARNING_RATE, INIT_STD or NOISE_STD; no picture was changed"
            raise FloatingPointError(f"overflow at game {first + lost.argmax() + 1}: {words}")


def closing_report(model, draws, history, eigenvalues, equilibrium):
    """List the lines that say where a run ended, and what theory says of the equilibrium nearest to that."""
    params = history.params[-1]
    fake = generator(params[:2], draws.z_gen[-1, -1])
    scores = [discriminator(params[2:], sample).mean() for sample in (draws.x, fake)]
    values = ", ".join(f"{value:.2g}" for value in eigenvalues[-1])
    return [
        f"After {model.games} games:",
        f"  objective                   {history.objective[-1]:.5g}, at D = 1/2: -2 log 2 = {hessian.OPTIMUM:.5g}",
        f"  generated mean, std         {plots.generated_mean(params):.4g}, {plots.generated_std(params):.4g}",
        f"  real samples' mean, std     {draws.x.mean():.4g}, {draws.x.std():.4g}",
        f"  D on real, on generated     {scores[0]:.3f}, {scores[1]:.3f}",
        f"  gradient norms of D, G      {history.discr_gradient[-1]:.2g}, {history.gen_gradient[-1]:.2g}",
        f"  Hessian's eigenvalues       {values}: {hessian.definiteness(eigenvalues[-1])}",
        "The nearest equilibrium:",
        f"  w, b, w', b'                {', '.join(f'{value:.4g}' for value in equilibrium.params)}",
        f"  a deviation                 {hessian.fate(equilibrium)}",
        f"  largest learning rate       {equilibrium.edge:.3g}",
    ]


def portrait(model, draws, history, shown):
    """Compute what the pictures of a run show, in the shown games: a plots.Portrait."""
    equilibrium = hessian.equilibrium(model, draws.x, history.params[-1])
    fake = generator(history.params[shown - 1, :2], draws.z_gen[-1, -1]).numpy()
    seen = model.seen(model.deal(draws, shown - 1), fake)
    changing = seen if np.ndim(seen[0]) > 1 else None  # D sees something else in each game
    scene = plots.scene(draws, history, stats.norm(model.target_mean, model.target_std), shown, changing)
    turns = hessian.flat_games(history.params[:, 2], equilibrium.period)
    grid = plots.phase_grid(scene, equilibrium)
    field = (*grid, *hessian.phase_field(model, draws.x, history.params[-1, 0], *grid))
    predicted = hessian.predict(equilibrium, history.params, turns[1]) if len(turns) > 1 else None
    return plots.Portrait(scene, history, equilibrium, turns, field, predicted)


def run(model, seed):
    """Train, report and draw one run: its pictures, a pattern of the file's name to bytes."""
    target, shown = stats.norm(model.target_mean, model.target_std), plots.frame_games(model.games)

    def report(first, part):
        require_finite(part, first)
        games = shown[(first < shown) & (shown <= first + len(part.objective))]
        plots.say(*(f"game {game:>7}   objective {part.objective[game - first - 1]:10.5g}" for game in games))

    draws = model.draw(seed)
    history = model.train(draws, report)
    curvature = hessian.run_hessians(model, draws, history)
    require_finite([curvature])
    eigenvalues = np.linalg.eigvalsh(curvature)
    picture = portrait(model, draws, history, shown)
    plots.say(*closing_report(model, draws, history, eigenvalues, picture.equilibrium), "Drawing")
    return {
        "img_{}.gif": plots.gif(picture),
        "summary_{}.png": plots.png(plots.summary_figure(picture)),
        "hessian_{}.png": plots.png(plots.hessian_figure(picture, eigenvalues)),
        "monitor_{}.png": plots.png(plots.monitor_figure(history, target, model.gen_loss == "saturating")),
    }


# ---------------------------------------------------------------- a run for the window, again and again


@tf.function(jit_compile=True)
def play_any(kind, gen_loss, draws, discr_update, learning_rate):
    """Play all games like `GAN.train`, traced once for all numbers of steps of D, and compiled once for all rates."""
    model = kind(0, discr_update, 0, learning_rate=learning_rate, gen_loss=gen_loss)
    return model.record(draws, *GAN.play_games.python_function(model, draws.params, draws))


def answer(model, settings):
    """Train with the settings of the window: what to draw, or None if the run overflows, and its end in words."""
    model = dataclasses.replace(model, **{name: value for name, value in settings.items() if name != "seed"})
    draws, rate = model.draw(settings["seed"]), tf.constant(model.learning_rate, tf.float64)
    parts = play_any(type(model), model.gen_loss, draws, tf.constant(model.discr_update), rate)
    history = History(*map(np.asarray, parts))
    if not all(np.isfinite(values).all() for values in history):
        return None, "Lost: the numbers of this run overflow."
    shown = np.arange(1, model.games + 1) if model.games <= 5000 else plots.frame_games(model.games)
    picture = portrait(model, draws, history, shown)
    end = "stalled" if hessian.stalled(history.objective) else "circling"
    end = "at the optimum" if hessian.near_optimum(history.objective) else end
    return picture, f"Ends {end}. A deviation {hessian.fate(picture.equilibrium)}."


# ---------------------------------------------------------------- many seeds: in which share of them something holds


def share(which, seeds):
    """Write the share of seeds for which something holds, with its 95% interval (Wilson 1927)."""
    low, high = stats.binomtest(int(np.sum(which)), seeds).proportion_ci(method="wilson")
    return f"{np.sum(which) / seeds:6.1%}  [{low:.1%}, {high:.1%}]"


def middle(values):
    """Write the median of some seeds' values, but nan, and the range of 90% of them; each is the value of a seed."""
    low, median, high = np.quantile(values[~np.isnan(values)], [0.05, 0.5, 0.95], method="nearest")
    return f"{median:.4g}  [{low:.4g}, {high:.4g}]"


def seeds_report(model, seeds, ends, params, target):
    """List the lines that say where the runs of many seeds ended, from the finite ones' hessian.Outcomes and params."""
    yield f"Of {seeds} seeds after {model.games} games    share  [95% interval]"
    for games, there in zip(hessian.halvings(model.games), ends.halvings.T):
        yield f"  {f'at the optimum after {games}':<29} {share(there, seeds)}"
    yield f"  stalled                       {share(ends.stalled, seeds)}"
    for word in np.unique(ends.definiteness):
        yield f"  {'Hessian ' + word:<29} {share(ends.definiteness == word, seeds)}"
    yield f"  left the finite numbers       {share(np.ones(seeds - len(ends.stalled)), seeds)}"
    off = abs(ends.measured / [ends.period, ends.closed_form] - 1)[:, np.isfinite(ends.measured)]
    if off.size:
        for theory, errors in zip(("theory   ", "(8 pi / rate) ..."), off):
            yield f"  turn within 2% of {theory:<11} {share(errors < 0.02, len(errors))} of {len(errors)} with a wave"
        yield f"  games in a turn               {middle(ends.measured)}"
        yield f"  half a turn leaves            {middle(ends.measured_kept)}, theory {middle(ends.kept)}"
    yield "Of the finite ones              median  [range of 90%]"
    yield f"  generated mean                {middle(plots.generated_mean(params))}, target {target.mean():g}"
    yield f"  generated std                 {middle(plots.generated_std(params))}, target {target.std():g}"
    yield f"  best D's objective V*         {middle(plots.best_objective(target, *plots.generated_ends(params)))}"
    yield f"  largest |D - 1/2| on data     {middle(ends.gap)}"
    yield f"  largest learning rate         {middle(ends.edge)}"
    if ends.optimal.any():
        yield f"  V near -2 log 2 from game     {middle(ends.settled[ends.optimal])}, where it ends there"


def train_seeds(model, seeds):
    """Train the runs of a range of seeds together: draws and histories of those that stayed finite."""

    def report(first, part):
        played = first + len(part.objective)
        if 10 * first // model.games < 10 * played // model.games:
            plots.say(f"seeds {seeds[0]} to {seeds[-1]}: {played} of {model.games} games")

    draws = stack_seeds([model.draw(seed) for seed in seeds])
    return hessian.finite_seeds(draws, model.train(draws, report))


def run_seeds(model, first_seed, seeds):
    """Train many seeds, some at a time, and report and draw where they end: the picture as in `run`."""
    target, shown = stats.norm(model.target_mean, model.target_std), plots.frame_games(model.games)
    ends, courses = [], []
    at_once = max(1, min(100, MOST_NUMBERS // 2 // count_numbers(model)))
    for first in range(first_seed, first_seed + seeds, at_once):
        draws, history = train_seeds(model, range(first, min(first + at_once, first_seed + seeds)))
        if history.objective.size:
            ends.append(hessian.judge(model, draws, history))
            courses.append((history.objective[shown - 1], history.params[shown - 1]))
    if not ends:
        raise FloatingPointError("all runs overflowed: lower LEARNING_RATE or INIT_STD; no picture was changed")
    ends = hessian.Outcomes(*map(np.concatenate, zip(*ends)))
    objective, params = (np.concatenate(values, axis=1) for values in zip(*courses))
    plots.say(*seeds_report(model, seeds, ends, params[-1], target))
    return {"seeds_{}.png": plots.png(plots.seeds_figure(shown, objective, params, ends.optimal, target))}


# ---------------------------------------------------------------- the command

MOST_NUMBERS = 25 * hessian.BLOCK  # of a run's draws: 0.4 GB


def count_numbers(model):
    """Count the random numbers that a run draws for its games."""
    _, _, *by_game = dataclasses.replace(model, games=1, num_samples=1).draw(0)
    return model.games * model.num_samples * sum(map(np.size, by_game))


def reader(kind, fits, allowed):
    """Return a reader of a setting for argparse. allowed: the words for what `fits` the setting."""

    def read(text):
        with contextlib.suppress(ValueError):
            if fits(value := kind(text)):
                return value
        raise argparse.ArgumentTypeError(f"must be {allowed}, not {text[:40]!r}")

    read.__name__ = allowed  # for --help
    return read


def number(kind, low, high):
    """Return a reader of numbers from low to high; -0.0 becomes 0.0."""
    allowed = f"a {'whole ' if kind is int else ''}number from {low} to {high}"
    return reader(lambda text: kind(text) + 0, lambda value: low <= value <= high, allowed)


LOSSES = "saturating", "non-saturating"
KNOBS = {
    "discr_update": (1, 2, 3, 5, 10, 20, 50, 100),
    "gen_update": (1, 2, 3, 5, 10, 20, 50, 100),
    "learning_rate": (0.01, 0.02, 0.05, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.5, 1.0),
    "init_std": (0.0, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0),
    "noise_std": (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0),
    "gen_loss": LOSSES,
    "seed": tuple(range(100)),
}
SETTINGS = {  # how to read each, and its value in the README, which the names of files leave out
    "games": (number(int, 1, 1_000_000), None),
    "discr_update": (number(int, 1, 1_000), None),
    "gen_update": (number(int, 1, 1_000), None),
    "num_samples": (number(int, 1, 100_000), 10),
    "learning_rate": (number(float, 1e-300, 1e300), 0.1),
    "init_std": (number(float, 0, 1e300), 0.1),
    "gen_loss": (reader(str, LOSSES.__contains__, " or ".join(LOSSES)), LOSSES[0]),
    "target_mean": (number(float, -1e6, 1e6), 5),
    "target_std": (number(float, 1e-6, 1e6), 1),
    "noise_std": (number(float, 0, 1e300), 1),
    "seed": (number(int, 0, 2**32 - 1), 0),
    "seeds": (number(int, 1, 10_000), 100),
}


def file_name(prefix, model, seed, seeds):
    """Name a run's files by its settings: games and steps, then whatever differs from the README's."""
    name = f"{prefix}{model.games}_{model.discr_update}_{model.gen_update}"
    _, _, _, *others = (vars(model) | {"seed": seed, "seeds": seeds or 100}).items()
    for key, value in others:
        if value != SETTINGS[key][1]:
            name += "_nonsaturating" if key == "gen_loss" else f"_{key.replace('_', '-')}{value}".removesuffix(".0")
    return name


def main(model=GAN, arguments=(), prefix=""):
    """Run a script: its constants, or what the flags in `arguments` say instead. In a notebook, pass a list of them."""
    constants, meanings = {"SEEDS": None}, {"SEEDS": "of runs to train, from SEED on, to count where they end"}
    for module in dict.fromkeys(sys.modules[kind.__module__] for kind in reversed(model.__mro__[:-1])):
        constants |= vars(module)  # those of noisy_gan.py over those of gan.py
        if hasattr(module, "__file__"):
            meanings |= re.findall(r"^([A-Z_]+) = .*?  # (.*)$", Path(module.__file__).read_text("utf-8"), re.MULTILINE)
    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, description="Settings, over the script's constants:")
    for name in [*(field.name for field in dataclasses.fields(model)), "seed", "seeds"]:
        value, meaning = constants[name.upper()], meanings.get(name.upper(), name).replace("%", "%%")
        default = {} if name == "seeds" else {"default": str(value)}  # text, so that it is read as a flag would be
        meaning += f"; {SETTINGS[name][0].__name__}" + "; default %(default)s" * bool(default)
        parser.add_argument("--" + name.replace("_", "-"), type=SETTINGS[name][0], metavar="", help=meaning, **default)
    parser.add_argument("--explore", action="store_true", help="open a window with a knob for each setting")
    with plots.command(parser.prog, FloatingPointError), np.errstate(all="ignore"):  # overflow is told once, in words
        settings = vars(parser.parse_args(arguments))
        seed, seeds, window = (settings.pop(name) for name in ("seed", "seeds", "explore"))
        game = model(**settings)
        if count_numbers(game) > MOST_NUMBERS:
            parser.error(f"games * samples * steps of G would draw more than {MOST_NUMBERS} numbers: lower one of them")
        if seed + (seeds or 1) > 2**32:
            parser.error(f"argument --seeds: the last seed must be at most {2**32 - 1}, not {seed + seeds - 1}")
        plots.prepare_images()
        knobs = {name: values for name, values in KNOBS.items() if name in settings or name == "seed"}
        made = (
            plots.explore(lambda chosen: answer(game, chosen), settings | {"seed": seed}, knobs) if window
            else run_seeds(game, seed, seeds) if seeds else run(game, seed)
        )  # fmt: skip
        name = file_name(prefix, game, seed, seeds)
        plots.save({pattern.format(name): content for pattern, content in made.items()})


if __name__ == "__main__":
    try:
        main(GAN, sys.argv[1:])
    finally:
        hasattr(sys, "ps1") or signal.signal(signal.SIGINT, before)
