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
import functools
import gc
import linecache
import sys
from typing import Annotated, NamedTuple

if __name__ == "__main__":
    gc.disable()  # until all is imported: to look for garbage in it takes a tenth of a run

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


def mean_log_d(logit):
    """Compute mean log D from D's logit, since the log of a sigmoid that has rounded to 0 would be infinite."""
    return tf.reduce_mean(tf.math.log_sigmoid(logit), axis=-1)


def mean_log_1_minus_d(logit):
    """Compute mean log(1 - D), where 1 - sigmoid(t) = sigmoid(-t)."""
    return mean_log_d(-logit)


@dataclasses.dataclass(frozen=True)
class GAN:
    """The game between G and D. gen (..., 2) and discr (..., 2) hold a player's weight and bias.

    The annotations of the settings hold what is allowed, from least to greatest, and what the window offers.
    """

    games: Annotated[int, 1, 1_000_000]
    discr_update: Annotated[int, 1, 1_000, (1, 2, 3, 5, 10, 20, 50, 100)]
    gen_update: Annotated[int, 1, 1_000, (1, 2, 3, 5, 10, 20, 50, 100)]
    num_samples: Annotated[int, 1, 100_000] = 10
    learning_rate: Annotated[float, 1e-300, 1e300, (0.01, 0.02, 0.05, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.5, 1)] = 0.1
    init_std: Annotated[float, 0, 1e300, (0, 0.01, 0.1, 0.5, 1, 2, 5)] = 0.1
    gen_loss: Annotated[str, ("saturating", "non-saturating")] = "saturating"
    target_mean: Annotated[float, -1e6, 1e6] = 5.0
    target_std: Annotated[float, 1e-6, 1e6] = 1.0

    def logits(self, discr, *samples):
        """Compute w' x + b', the log-odds that D gives to x of being real: a list, by samples (..., N)."""
        w, b = tf.split(discr, 2, axis=-1)  # once for all samples: the compiled loop takes 0.6 of the time
        return [w * x + b for x in samples]

    def discriminator(self, discr, x):
        """Compute D(x), the sigmoid of its logit, as a NumPy array; shapes as in `logits`."""
        return tf.sigmoid(self.logits(discr, x)[0]).numpy()

    def seen(self, batch, fake):
        """Return the real and the generated samples as D sees them: here, as they are."""
        return batch.x, fake

    def objective(self, gen, discr, batch, z):
        """Compute V(D, G) = mean log D(x) + mean log(1 - D(G(z))): Goodfellow et al. 2014, arXiv:1406.2661, eq. 1."""
        real, fake = self.logits(discr, *self.seen(batch, generator(gen, z)))
        return mean_log_d(real) + mean_log_1_minus_d(fake)

    def generator_loss(self, gen, discr, batch, z):
        """Compute what G descends: mean log(1 - D(G(z))), as in Algorithm 1 there, or mean -log D(G(z)), sec. 3."""
        _, fake = self.logits(discr, *self.seen(batch, generator(gen, z)))
        return mean_log_1_minus_d(fake) if self.gen_loss == "saturating" else -mean_log_d(fake)

    def discr_slope(self, gen, discr, batch, z):
        """Differentiate V by D's weight and bias."""
        return hessian.gradient(lambda discr: self.objective(gen, discr, batch, z), discr)

    def gen_slope(self, gen, discr, batch, z):
        """Differentiate G's loss by G's weight and bias: through D, down to what G made."""
        return hessian.gradient(lambda gen: self.generator_loss(gen, discr, batch, z), gen)

    def play(self, params, batch, discr_update, learning_rate):
        """Play one game, a variant of Algorithm 1: params as D's last step met them, and after the game."""
        gen, discr = params[..., :2], params[..., 2:]
        met, step = discr, 0
        while step < discr_update:  # D climbs V: all its steps on one batch of noise
            met, discr = discr, discr + learning_rate * self.discr_slope(gen, discr, batch, batch.z_discr)
            step += 1
        met = tf.concat([gen, met], axis=-1)
        for z in batch.z_gen:  # G descends its loss: each step on fresh noise
            gen -= learning_rate * self.gen_slope(gen, discr, batch, z)
        return met, tf.concat([gen, discr], axis=-1)

    def train(self, draws, report=lambda first, part: None):
        """Play all games on the given draws, of one seed or many, and return the History: a function of them alone.

        report(first, part) is called now and then with a part of the History. ValueError if the draws are not of
        this model's games and steps of G.
        """
        if np.shape(draws.z_gen)[:2] != (self.games, self.gen_update):
            raise ValueError(f"draws must be {(self.games, self.gen_update)} games, steps, not {np.shape(draws.z_gen)}")
        draws, parts = type(draws)(*(np.asarray(values, np.float64) for values in draws)), []
        for games in hessian.split(self.games, (self.gen_update + 1) * np.size(draws.x), self.discr_update):
            params = parts[-1].params[-1] if parts else draws.params
            batches = self.deal(draws, games)._replace(params=params)
            parts.append(History(*map(np.asarray, play_compiled(self, batches))))
            report(games.start, parts[-1])
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

    def __post_init__(self):
        for name, kind in kinds(self).items():
            try:
                object.__setattr__(self, name, read(kind, getattr(self, name)))
            except argparse.ArgumentTypeError as refusal:
                raise ValueError(f"{name} {refusal}") from None
        if count_numbers(self) > MOST_NUMBERS:
            raise ValueError(f"games * num_samples * (gen_update + 1) must be at most {MOST_NUMBERS}")

    def deal(self, draws, games):
        """Pick the batch of one game, by its index, or of several; all games share params and x."""
        params, x, *by_game = draws
        return type(draws)(params, x, *(values[games] for values in by_game))


def stack_seeds(records):
    """Make one record of draws out of many seeds': an axis of seeds before the last of every field."""
    return type(records[0])(*(np.stack(values, axis=-2) for values in zip(*records)))


# ---------------------------------------------------------------- the compiled loop: one for all games of a kind

COMPILED = {}  # loops, by what `list_operations` gives
MOST_COMPILED = 32  # of some 4 MB each


def list_operations(model, draws):
    """List what a game of two steps of each player computes: models that agree in it can share their compiled code.

    It holds whatever the methods read in two steps, wherever that stands, and the fields that a subclass adds; and it
    takes a fraction of the time of compiling.
    """
    empty = lambda values: tf.compat.v1.placeholder(tf.float64, np.shape(values))
    with tf.Graph().as_default() as graph:
        batch = model.deal(type(draws)(*map(empty, draws)), 0)
        model.play(batch.params, batch._replace(z_gen=tf.unstack(batch.z_gen[:2])), 2, empty(0))
        players = batch.params[..., :2], batch.params[..., 2:], batch
        model.objective(*players, batch.z_discr), model.generator_loss(*players, batch.z_gen[0])  # recorded at least
    own = {name: value for name, value in vars(model).items() if name not in kinds(model)}
    return type(model), repr(own), graph.as_graph_def().SerializeToString(deterministic=True)


def play_games(model, draws, *numbers):
    """Play a game on each batch of the draws: their History. XLA makes one compiled loop of this and of `GAN.play`.

    numbers: steps of D and learning rate, tensors, so that what is compiled serves all values of them.
    """
    params, x, *by_game = draws
    play = lambda last, batch: model.play(last[1], type(draws)(last[1], x, *batch), *numbers)
    met, params = tf.scan(play, tuple(by_game), (params, params))
    gen, discr, z = params[..., :2], params[..., 2:], draws.z_gen[:, -1]
    return History(  # what is recorded is computed of all games at once
        params=params,
        objective=model.objective(met[..., :2], met[..., 2:], draws, draws.z_discr),
        gen_loss=model.generator_loss(gen, discr, draws, z),
        discr_gradient=tf.norm(model.discr_slope(met[..., :2], discr, draws, draws.z_discr), axis=-1),
        gen_gradient=tf.norm(model.gen_slope(gen, discr, draws, z), axis=-1),
    )


def play_compiled(model, draws):
    """Compute `play_games`, compiled when games of this kind and shape are played for the first time."""
    loop = tf.function(functools.partial(play_games, model), jit_compile=True)
    compiled = COMPILED.setdefault(list_operations(model, draws), loop)
    if len(COMPILED) > MOST_COMPILED:
        COMPILED.clear()
    with tf.device("CPU"):  # thousands of tiny steps: a GPU would take longer
        return compiled(draws, tf.constant(model.discr_update), tf.constant(model.learning_rate, tf.float64))


# ---------------------------------------------------------------- one run, and many seeds: their words and pictures


def portrait(model, draws, history, games):
    """Compute what the pictures of a run show, in some of its games: a plots.Portrait."""
    equilibrium = hessian.equilibrium(model, draws.x, history.params[-1])
    fake = generator(history.params[games - 1, :2], draws.z_gen[-1, -1]).numpy()
    seen = model.seen(model.deal(draws, games - 1), fake)
    seen = seen if np.ndim(seen[0]) > 1 else ()  # D sees something else in each game
    path = plots.phase_point(np.vstack([draws.params, history.params]))
    turns = hessian.flat_games(history.params[:, 2], equilibrium.period)
    grid = plots.phase_grid(path, equilibrium)
    field = (*grid, *hessian.phase_field(model, draws.x, history.params[-1, 0], *grid))
    predicted = hessian.predict(equilibrium, history.params, turns[1]) if len(turns) > 1 else None
    target = stats.norm(model.target_mean, model.target_std)
    return plots.Portrait(draws, history, target, games, seen, path, equilibrium, turns, field, predicted)


def run(model, seed):
    """Train, report and draw one run: its pictures, a pattern of the file's name to bytes."""
    shown = plots.frame_games(model.games)

    def report(first, part):
        hessian.require_finite(part, first)
        games = shown[(first < shown) & (shown <= first + len(part.objective))]
        plots.say(*(f"game {game:>7}   objective {part.objective[game - first - 1]:10.5g}" for game in games))

    draws = model.draw(seed)
    history = model.train(draws, report)
    curvature = hessian.run_hessians(model, draws, history)
    hessian.require_finite([curvature])
    eigenvalues, picture = np.linalg.eigvalsh(curvature), portrait(model, draws, history, shown)
    plots.say(*hessian.closing_report(model, draws, history, eigenvalues, picture.equilibrium), "Drawing")
    monitor = plots.monitor_figure(history, picture.target, model.gen_loss == "saturating")
    return {
        "img_{}.gif": plots.gif(picture),
        "summary_{}.png": plots.png(plots.summary_figure(picture)),
        "hessian_{}.png": plots.png(plots.hessian_figure(picture, eigenvalues)),
        "monitor_{}.png": plots.png(monitor),
    }


def run_seeds(model, first_seed, seeds):
    """Train many seeds, some at a time, and report and draw where they end: the picture as in `run`."""
    target, shown = stats.norm(model.target_mean, model.target_std), plots.frame_games(model.games)
    ends, courses, numbers = [], [], range(first_seed, first_seed + seeds)
    at_once = max(1, min(100, MOST_NUMBERS // 2 // count_numbers(model)))
    for some in (numbers[first : first + at_once] for first in range(0, seeds, at_once)):

        def report(first, part, some=some):
            plots.say(f"seeds {some[0]} to {some[-1]}: {first + len(part.objective)} of {model.games} games")

        draws = stack_seeds([model.draw(seed) for seed in some])
        draws, history = hessian.finite_seeds(draws, model.train(draws, report))
        if history.objective.size:
            ends.append(hessian.judge(model, draws, history))
            courses.append((history.objective[shown - 1], history.params[shown - 1]))
    if not ends:
        raise FloatingPointError("all runs overflowed: lower LEARNING_RATE or INIT_STD; no picture was changed")
    ends = hessian.Outcomes(*map(np.concatenate, zip(*ends)))
    objective, params = (np.concatenate(values, axis=1) for values in zip(*courses))
    plots.say(*hessian.seeds_report(model, seeds, ends, target))
    return {"seeds_{}.png": plots.png(plots.seeds_figure(shown, objective, params, ends.halvings[:, -1], target))}


def answer(model, seed, **settings):
    """Train with the settings of the window: a Portrait, and in words how the run ends. FloatingPointError if lost."""
    model = dataclasses.replace(model, **settings)
    draws = model.draw(seed)
    history = model.train(draws)
    hessian.require_finite(history)
    picture = portrait(model, draws, history, np.arange(1, model.games + 1, -(-model.games // 5000)))
    end = hessian.ending(history, draws.x, picture.equilibrium.period)
    return picture, f"Ends {end}. A small swing {hessian.fate(picture.equilibrium)}."


# ---------------------------------------------------------------- the command

MOST_NUMBERS = 50_000_000  # of a run's draws: 0.4 GB
SEED_KIND, SEEDS_KIND = Annotated[int, 0, 2**32 - 1, tuple(range(100))], Annotated[int, 1, 10_000]


def kinds(model):
    """List by name what each setting of a model may be, but for fields without a word on that."""
    return {field.name: field.type for field in dataclasses.fields(model) if hasattr(field.type, "__metadata__")}


def allowed(kind):
    """Say what a setting may be: Annotated[number, least, greatest, ...] or Annotated[str, choices]."""
    low, high, *_ = *kind.__metadata__, None
    return " or ".join(low) if high is None else f"a {'whole ' * (kind.__origin__ is int)}number from {low} to {high}"


def read(kind, value):
    """Read a setting of a kind from a number or a text, as people write it. ArgumentTypeError if it is not allowed."""
    text, (low, *others) = str(value).strip(), kind.__metadata__
    with contextlib.suppress(ValueError, OverflowError):
        number = kind.__origin__(float(text)) + 0 if others else text  # + 0: no -0.0
        if low <= number == float(text) <= others[0] if others else text in low:
            return number
    raise argparse.ArgumentTypeError(f"must be {allowed(kind)}, not {text[:40]!r}")


def count_numbers(model):
    """Count the noise that a run of a model draws."""
    return model.games * model.num_samples * (model.gen_update + 1)


def file_name(prefix, model, seed, seeds):
    """Name a run's files by its settings: games and steps, then whatever differs from the README's."""
    name = f"{prefix}{model.games}_{model.discr_update}_{model.gen_update}"
    usual = {field.name: field.default for field in dataclasses.fields(model)[3:]} | {"seed": 0, "seeds": 100}
    for key, value in (vars(model) | {"seed": seed, "seeds": seeds or 100}).items():
        if value != usual.get(key, value):
            name += "_nonsaturating" if key == "gen_loss" else f"_{key.replace('_', '-')}{value}".removesuffix(".0")
    return name


def main(model=GAN, arguments=(), prefix=None, constants=None):
    """Run a script: what its constants say, or the flags in `arguments`: in a notebook a list of flags and values.

    prefix: of the pictures' names, by default the name of a class other than GAN. constants: the script's, by name;
    by default those of the modules that the model's classes come from.
    """
    known = globals() | {"SEEDS": None}
    for kind in reversed(model.__mro__[:-1]):
        known |= vars(sys.modules[kind.__module__])  # those of noisy_gan.py over those of gan.py
    known |= constants or {}
    files = dict.fromkeys(names["__file__"] for names in (known, globals()) if "__file__" in names)
    heads = ["".join(linecache.getlines(file)).partition("\nimport ")[0] for file in files]
    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.description = "\n\nWhat is not set above, gan.py sets:\n\n".join(heads)
    choices = kinds(model) | {"seed": SEED_KIND, "seeds": SEEDS_KIND}
    for name, kind in choices.items():
        value, flag = known.get(name.upper(), "a missing constant"), "--" + name.replace("_", "-")
        default = {} if name == "seeds" and value is None else {"default": str(value)}  # text, to be read as a flag's
        parser.add_argument(flag, type=functools.partial(read, kind), metavar="", help=allowed(kind), **default)
    parser.add_argument("--explore", action="store_true", help="open a window with a knob for each setting")
    parser.add_argument("-f", "--f", help=argparse.SUPPRESS)  # what a notebook's kernel hands to a file run in a cell
    words = arguments.split() if isinstance(arguments, str) else map(str, arguments)
    words = [" " * (word[:1] == "-" and word[1:2] in "0123456789.") + word for word in words]  # -1e1 is no flag
    with plots.command(parser.prog), np.errstate(all="ignore"), tf.device("CPU"):  # overflow is told once, in words
        settings = vars(parser.parse_args(words))
        seed, seeds, window, _ = (settings.pop(name) for name in ("seed", "seeds", "explore", "f"))
        try:
            game = model(**settings)
        except ValueError as refusal:
            parser.error(str(refusal))
        if window and seeds:
            parser.error("argument --explore: the window shows one run, not as many as --seeds says")
        plots.prepare_images()
        if window:
            knobs = {name: kind.__metadata__[-1] for name, kind in choices.items() if np.ndim(kind.__metadata__[-1])}
            made = plots.explore(functools.partial(answer, game), settings | {"seed": seed}, knobs)
        else:
            made = run_seeds(game, seed, seeds) if seeds else run(game, seed)
        if prefix is None:
            prefix = "" if model is GAN else f"{model.__name__}_"
        name = file_name(prefix, game, seed, seeds)
        plots.save({pattern.format(name): content for pattern, content in made.items()})


if __name__ == "__main__":
    hessian.own_process()
    main(GAN, sys.argv[1:])
