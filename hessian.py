"""Curvature of a function of many parameters, the equilibria of the game, and where its runs end.

    >>> bowl = hessian(lambda p: p[..., 0] ** 2 - 3 * p[..., 1] ** 2, [0.0, 0.0])
    >>> np.linalg.eigvalsh(bowl)
    array([-6.,  2.])
    >>> definiteness(np.linalg.eigvalsh(bowl))
    'indefinite'

The last axis of a point holds its parameters; axes before it are points, or seeds. All is float64.
"""

import contextlib
import gc
import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
from scipy import special, stats

import plots


@contextlib.contextmanager
def _quiet():
    """Keep to itself what TensorFlow writes below Python's stderr, unless it dies of it: then another process tells."""
    try:
        stderr = os.dup(2)
    except OSError:  # there is none, as under pythonw
        yield
        return
    tell = [sys.executable, "-c", "import sys; sys.stderr.write(sys.stdin.read())"]
    with subprocess.Popen(tell, stdin=subprocess.PIPE) as teller:
        os.dup2(teller.stdin.fileno(), 2)
        try:
            yield
            teller.kill()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _quiet():
    import tensorflow as tf
tf.get_logger().setLevel("ERROR")  # no warnings that a process with many models compiles many times


def own_process():
    """Make a script's process quick, small and quiet. At a prompt or in a notebook the process is not the script's."""
    if not hasattr(sys, "ps1"):
        gc.freeze()  # what is imported stays: not to look through it again saves a tenth of a run
        with contextlib.suppress(RuntimeError):  # a second run in one process, under a debugger
            tf.config.set_visible_devices([], "GPU")  # not even its memory is taken
        with _quiet():
            tf.function(lambda: 0, jit_compile=True)()  # the first compilation has words of its own
    gc.enable()


BLOCK = 10_000_000  # samples handled at once: a fraction of a second of work, some ten numbers of memory each
ZERO = 1e-4  # an eigenvalue at most this large, beside the largest, counts as zero


def split(games, samples, steps=1):
    """Split games into slices of BLOCK samples at most, at `samples` a game, or fewer if D has many steps on them.

    All are of one length where that can be had: what is compiled for one serves all.
    """
    least = int(-(-games * samples * max(1, steps / 16) // BLOCK))
    parts = next((parts for parts in range(least, 2 * least) if games % parts == 0), least)
    length = -(-games // parts)
    return [slice(first, min(first + length, games)) for first in range(0, games, length)]


@tf.autograph.experimental.do_not_convert  # it has no loops: AutoGraph would only cost time
def gradient(function, params):
    """Differentiate a scalar TensorFlow function of a parameter vector.

    function maps a tensor (..., n) to one (...,), each value depending on its own n parameters only;
    params is a tensor (..., n). Returns the tensor (..., n) of partial derivatives.
    """
    with tf.GradientTape() as tape:
        tape.watch(params)
        value = function(params)
    return tape.gradient(value, params, unconnected_gradients="zero")


def hessian(objective, params):
    """Compute the matrix of second derivatives H_ij = d2 objective / d params_i d params_j.

    objective is as in `gradient`; params is an array (..., n). Returns the array (..., n, n) in float64,
    or a tensor while a tf.function is traced.
    """
    with tf.device("CPU"):
        params = tf.cast(params, tf.float64)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(params)
            slopes = tf.unstack(gradient(objective, params), axis=-1)
        rows = [tape.gradient(slope, params, unconnected_gradients="zero") for slope in slopes]
        matrix = tf.stack(rows, axis=-2)
    return matrix.numpy() if tf.executing_eagerly() else matrix


def definiteness(eigenvalues, tolerance=ZERO):
    """Name the sign pattern of a Hessian's eigenvalues (n,).

    'indefinite' has both signs; 'positive definite' and 'negative definite' one; 'positive
    semidefinite' and 'negative semidefinite' one and zeros; 'zero' none. An eigenvalue counts as
    zero if its magnitude is at most tolerance times the largest.
    """
    size = np.abs(eigenvalues)
    signs = np.sign(np.where(size > tolerance * size.max(), eigenvalues, 0))
    if signs.min() < 0 < signs.max():
        return "indefinite"
    if not signs.any():
        return "zero"
    return f"{'negative' if signs.min() < 0 else 'positive'} {'definite' if signs.all() else 'semidefinite'}"


def run_hessians(model, draws, history, last=None):
    """Compute the Hessian of V over all four parameters after each game of a run, at the game's last noise batch.

    Returns an array (games, 4, 4), of the last so many games if last is given; with S seeds, an axis
    S follows the axis of games. model: a gan.GAN.
    """
    first = model.games - min(last or model.games, model.games)
    parts, pieces = split(model.games - first, 50 * np.size(draws.x)), []  # tapes keep intermediates

    def curvature(params, batch):
        play = lambda params: model.objective(params[..., :2], params[..., 2:], batch, batch.z_gen[:, -1])
        return hessian(play, params)

    if len(parts) > 1:
        curvature = tf.function(curvature, autograph=False)  # in a fifth of the time, once it is traced
    for part in parts:
        games = slice(first + part.start, first + part.stop)
        pieces.append(np.asarray(curvature(history.params[games], model.deal(draws, games))))
    return np.concatenate(pieces)


# ---------------------------------------------------------------- the equilibria of the game, exactly

SEEN = 0.1  # a swing of which half a turn leaves less cannot be seen to turn
LINE = np.array([1, -1 / 2, 0, 0]) / np.sqrt(5 / 4)  # the direction of the line of equilibria, which a game keeps


class Equilibrium(NamedTuple):
    """A point where D = 1/2 and w / 2 + b = m, the mean of x: no others are equilibria. There V = -2 log 2."""

    params: np.ndarray  # (..., 4)
    hessian: np.ndarray  # (..., 4, 4) of V, expected over z; its signs are -, -, 0, +
    linear_map: np.ndarray  # (..., 4, 4) what a game makes of a deviation of the params
    period: np.ndarray  # (...,) games in a full turn; nan if none can be seen
    kept: np.ndarray  # (...,) share of a swing that half a turn leaves; nan with the period
    edge: np.ndarray  # (...,) the learning rate from which on deviations grow


def equilibrium(model, x, params):
    """Compute the Equilibrium nearest to the params (..., 4) of a run on real samples x (..., N).

    It is the foot of the perpendicular on the line of equilibria, w = 2/5 (m + 2 w - b), and keeps w - b / 2, as the
    motion does to first order. Near it both losses of G have the same derivatives. D sees the spread
    s^2 = (Var x + w^2 / 12) / 2 + noise_std^2. What another subclass changes of the game is not known here.
    """
    mean = x.mean(axis=-1)
    w = 2 / 5 * (mean + 2 * params[..., 0] - params[..., 1])
    expected, rate, steps = np.zeros((*w.shape, 4, 4)), model.learning_rate, (model.discr_update, model.gen_update)
    expected[..., 0, 2] = expected[..., 2, 0] = -1 / 4
    expected[..., 1, 2] = expected[..., 2, 1] = expected[..., 3, 3] = -1 / 2
    expected[..., 2, 3] = expected[..., 3, 2] = -mean / 2
    expected[..., 2, 2] = -(mean**2 + (x.var(axis=-1) + w**2 / 12) / 2 + getattr(model, "noise_std", 0) ** 2) / 2
    there, edge = np.stack([w, mean - w / 2, 0 * w, 0 * w], axis=-1), largest_rate(expected, *steps)
    safe = np.maximum(rate, edge / 1000)  # of smaller rates the digits are lost; turns are just so much longer
    period, kept = rotation(game_map(expected * safe[..., None, None], 1, *steps))
    return Equilibrium(there, expected, game_map(expected, rate, *steps), period * (safe / rate), kept, edge)


def largest_rate(expected, discr_update, gen_update):
    """Compute the smallest learning rate from which on a deviation grows, near equilibria (..., 4, 4): (...,).

    expected: Hessians of V. With one step of G, and m^2 well above 1, it is D's own limit, 4 / K with
    K = 1 + m^2 + s^2. No rate beyond 2 over D's steepest curvature is stable; below it stability may come and go,
    so that a grid looks for the first loss.
    """

    def grows(rates):
        maps = game_map(expected[..., None, :, :] * rates[..., None, None], 1, discr_update, gen_update)
        return spectral_radius(maps) > 1 + 1e-9

    grid = np.geomspace(5e-4, 1.01, 60)
    rates = grid * -2 / np.linalg.eigvalsh(expected[..., 2:, 2:])[..., :1]
    high = np.take_along_axis(rates, grows(rates).argmax(axis=-1)[..., None], axis=-1)
    low = high * grid[0] / grid[1]
    for _ in range(9):
        middle = np.sqrt(low * high)
        low, high = np.where(grows(middle), [low, middle], [middle, high])
    return high[..., 0]


def spectral_radius(linear_map):
    """Compute the largest factor by which a game (..., 4, 4) multiplies a deviation; along the line it keeps all."""
    return np.abs(np.linalg.eigvals(linear_map - np.outer(LINE, LINE))).max(axis=-1)


def game_map(hessians, learning_rate, discr_update, gen_update):
    """Compute the linear map of a game, (I + rate J_G)^gen_update (I + rate J_D)^discr_update: (..., n, n).

    J_G and J_D hold the generator's and the discriminator's rows of the Jacobian of the game's vector
    field v = (-grad_G V, +grad_D V): of the Hessian of V (..., n, n) with the generator's rows, the
    first half, negated (Mescheder et al. 2017, arXiv:1705.10461, sec. 3).
    """
    is_gen = (np.arange(hessians.shape[-1]) < hessians.shape[-1] // 2)[:, None]
    rows = np.where(is_gen, -hessians, 0), np.where(is_gen, 0, hessians)
    gen_step, discr_step = (np.eye(len(is_gen)) + learning_rate * player for player in rows)
    gen_map, discr_map = np.linalg.matrix_power(gen_step, gen_update), np.linalg.matrix_power(discr_step, discr_update)
    return np.nan_to_num(gen_map @ discr_map, nan=1e100, posinf=1e100, neginf=-1e100)  # what overflows has overshot


@np.errstate(over="ignore")  # a share that overflows grows
def rotation(linear_map):
    """Compute the full turn in games, and the share of a swing that half a turn leaves, of the slowest visible wave.

    An eigenvalue mu of the map (..., n, n) turns by arg(mu) a game and keeps |mu|: T = 2 pi / arg(mu), and
    half a turn leaves |mu|^(T / 2). Visible is what leaves more than SEEN and does not grow; a negative
    real part is a step that overshoots, no turn. Returns two arrays (...,), nan where no wave can be seen.
    """
    factors = np.linalg.eigvals(linear_map).astype(complex)
    turns = (factors.imag > 1e-9) & (factors.real > 0)
    period = 2 * np.pi / np.angle(np.where(turns, factors, 1j))
    kept = np.where(turns, np.abs(factors), 0) ** (period / 2)
    seen = (kept > SEEN) & (kept < 1 + 1e-9)
    slowest = np.where(seen, period, 0).argmax(axis=-1, keepdims=True)
    return [np.take_along_axis(np.where(seen, values, np.nan), slowest, -1)[..., 0] for values in (period, kept)]


def predict(equilibrium, params, game):
    """Follow the linear map of an equilibrium from where a run (games, 4) is after a game, for four turns at most."""
    away = [params[game - 1] - equilibrium.params]
    for _ in range(min(len(params) - game, round(4 * equilibrium.period))):
        away.append(equilibrium.linear_map @ away[-1])
    return equilibrium.params + away


def phase_field(model, x, w, mean, slope):
    """Compute what a game adds to the generated mean and to D's slope w', at places (...,) of their plane.

    w is held, and b' is where D's steep direction (m, 1) of (w', b') has come to rest, as it does within
    some games: m dV/dw' + dV/db' = 0, or dV/db' = 0 where the former cannot be. The derivatives, by
    hand, are means over evenly spread z and noise that D sees. x (N,) are real samples; mean and slope
    (...,) give two arrays (...,).
    """
    levels, x = (np.arange(10) + 1 / 2) / 10, np.quantile(x, (np.arange(100) + 1 / 2) / 100) if len(x) > 100 else x
    noise = np.unique(getattr(model, "noise_std", 0) * special.ndtri(levels))  # one number if there is none
    real, (z, fake_noise) = np.add.outer(x, noise).ravel(), np.reshape(np.meshgrid(levels, noise), (2, -1))
    a, fake = slope[..., None], mean[..., None] + w * (z - 1 / 2) + fake_noise
    lever = np.where(x.mean() * mean > -1, x.mean(), 0)
    high = 50 + np.abs(a * fake).max(axis=-1) + np.abs(a * real).max(axis=-1)
    low = -high
    for _ in range(50):  # bisection: the sum falls in b'
        bias = (low + high) / 2
        missed, fooled = special.expit(-(a * real + bias[..., None])), special.expit(a * fake + bias[..., None])
        by_slope = (missed * real).mean(axis=-1) - (fooled * fake).mean(axis=-1)
        rises = lever * by_slope + missed.mean(axis=-1) - fooled.mean(axis=-1) > 0
        low, high = np.where(rises, bias, low), np.where(rises, high, bias)
    force = fooled if model.gen_loss == "saturating" else 1 - fooled
    by_mean = slope * (force * (1 + z / 2)).mean(axis=-1)
    return model.learning_rate * model.gen_update * by_mean, model.learning_rate * model.discr_update * by_slope


def fate(equilibrium):
    """Say in words what becomes of a small swing about an equilibrium."""
    largest = spectral_radius(equilibrium.linear_map)
    if largest > 1 + 1e-9:
        return "grows: steps overshoot"
    if np.isnan(equilibrium.period):
        return f"dies out without a turn to be seen, times {largest:.3f} a game"
    return f"turns once in {np.round(equilibrium.period):.6g} games; half a turn leaves {equilibrium.kept:.0%}"


# ---------------------------------------------------------------- where runs end

NEAR = 0.05  # a mean objective this close to -2 log 2 is at the draw
STALL = -0.1  # an objective above this says that D tells real from generated: the generator is stuck
MISS = 0.25  # a generated mean this close to the data's, for half a turn, has settled
LAST_GAMES = 50  # games whose mean objective says where a run ended
ENDS = "lost", "stalled", "flipping", "settled", "circling", "passing", "on the way"
HALVINGS = 5  # times at which it is asked how many seeds are at the draw: the end, half way, a quarter, ...


def flat_games(discr_weight, period):
    """Find the games in which D's weight w', averaged over a quarter of the period, changes its sign.

    D is flat there, and the players change roles: half a turn is done. A half-turn whose swing is
    below SEEN of the largest is lost in noise, and ends the search. discr_weight (games,) of a run;
    period, the predicted full turn in games, or nan: then there is nothing to find.
    """
    if not 4 <= period <= 2 * len(discr_weight):
        return np.array([], int)
    window = round(period / 4)
    total = np.cumsum([0, *discr_weight])
    smooth = (total[window:] - total[:-window]) / window
    changes = np.flatnonzero(np.diff(np.sign(smooth))) + 1
    swings = np.array([np.abs(half_turn).max() for half_turn in np.split(smooth, changes)])
    seen = np.logical_and.accumulate(swings > SEEN * swings.max())
    return changes[seen[:-1]] + window // 2


def measured_period(turns):
    """Measure the full turn in games from `flat_games`: the mean of whole turns, from the second flat game on.

    What comes before starts far from the equilibrium, and the halves of a turn differ. nan without a whole turn.
    """
    whole = np.diff(turns[1::2])
    return whole.mean() if whole.size else np.nan


def finite_seeds(draws, history):
    """Leave out the seeds whose runs left the finite numbers: draws and history of the others."""
    finite = np.all([np.isfinite(values).all(axis=(0, *range(2, values.ndim))) for values in history], axis=0)
    draws = type(draws)(*(np.compress(finite, values, axis=-2) for values in draws))
    return draws, type(history)(*(values[:, finite] for values in history))


def at_draw(objective):
    """Say whether the mean objective of the last games (games, ...) is near -2 log 2: gives (...,)."""
    return np.abs(objective[-LAST_GAMES:].mean(axis=0) - plots.DRAW) < NEAR


@np.errstate(all="ignore")
def ending(history, x, period):
    """Say in a word of ENDS where a run with real samples x (N,) ended, and a predicted turn of so many games, or nan.

    Lost: the numbers overflow. Stalled: D tells real from generated. Flipping: over the last turn V is worse than a
    draw, and jumps: D oversteps. Settled: V is at the draw and the mean near the data's for half a turn. Circling:
    the mean has passed the data's, and come back. Passing: V is at the draw while the mean goes past, for the first
    time. On the way: none of these. A turn that is short or cannot be seen counts as LAST_GAMES.
    """
    objective = history.objective
    turn, half = (slice(-round(np.fmax(games, LAST_GAMES)), None) for games in (period, period / 2))
    miss = plots.generated_mean(history.params) - x.mean()
    passed, jumps = np.sum(miss[1:] * miss[:-1] < 0), np.abs(np.diff(objective, prepend=objective[0]))
    if not (np.isfinite(objective).all() and np.isfinite(history.params).all()):
        return "lost"
    if objective[-LAST_GAMES:].mean() > STALL:
        return "stalled"
    if np.median(objective[turn]) < plots.DRAW - NEAR and np.median(jumps[turn]) > NEAR:
        return "flipping"
    if at_draw(objective) and np.abs(miss[half]).max() < MISS:
        return "settled"
    if passed > 1:
        return "circling"
    return "passing" if at_draw(objective) and passed else "on the way"


def halvings(games):
    """List the numbers of games at which a run is a 16th, an 8th, a quarter, half and all over."""
    return sorted({max(1, games >> halving) for halving in range(HALVINGS)})


def at_draw_from(objective):
    """Find the game from which on ten games' mean objective stays at the draw: (games, S) give (S,), nan if none."""
    means = np.lib.stride_tricks.sliding_window_view(objective, min(10, len(objective)), axis=0).mean(axis=-1)
    away = ~(np.abs(means - plots.DRAW) < NEAR)
    last_away = np.where(away.any(axis=0), len(away) - np.argmax(away[::-1], axis=0), 0)
    return np.where(last_away < len(away), last_away + 1, np.nan)


class Outcomes(NamedTuple):
    """Where the runs of S seeds ended: arrays (S,)."""

    end: np.ndarray  # `ending`
    params: np.ndarray  # (S, 4)
    halvings: np.ndarray  # (S, HALVINGS at most) `at_draw` after a 16th, 8th, 4th, half, all of the run
    draw_from: np.ndarray  # `at_draw_from`
    gap: np.ndarray  # largest |D - 1/2| on the real samples
    definiteness: np.ndarray  # of the last game's Hessian
    edge: np.ndarray  # the largest learning rate at the equilibrium
    period: np.ndarray  # games in a full turn there; nan if none can be seen
    measured: np.ndarray  # `measured_period`


def judge(model, draws, history):
    """Judge the runs of several seeds that were trained together and stayed finite: their Outcomes."""
    params, there = history.params[-1], equilibrium(model, draws.x, history.params[-1])
    (last,), turns = run_hessians(model, draws, history, last=1), zip(history.params[..., 2].T, there.period)
    runs = [type(history)(*run) for run in zip(*(np.moveaxis(values, 1, 0) for values in history))]
    return Outcomes(
        end=np.array([ending(*run) for run in zip(runs, draws.x, there.period)]),
        params=params,
        halvings=np.stack([at_draw(history.objective[:games]) for games in halvings(model.games)], axis=-1),
        draw_from=at_draw_from(history.objective),
        gap=np.abs(model.discriminator(params[:, 2:], draws.x) - 1 / 2).max(axis=-1),
        definiteness=np.array([definiteness(values) for values in np.linalg.eigvalsh(last)]),
        edge=there.edge,
        period=there.period,
        measured=np.array([measured_period(flat_games(*turn)) for turn in turns]),
    )


# ---------------------------------------------------------------- in words


def require_finite(arrays, first=0):
    """Raise FloatingPointError, naming the game, if a value of arrays (games, ...) from game `first` on overflowed."""
    lost = np.any([~np.isfinite(values).reshape(len(values), -1).all(axis=1) for values in arrays], axis=0)
    if lost.any():
        words = "lower LEARNING_RATE, INIT_STD or NOISE_STD; no picture was changed"
        raise FloatingPointError(f"lost at game {first + lost.argmax() + 1}, where numbers overflow: {words}")


def closing_report(model, draws, history, eigenvalues, equilibrium):
    """List the lines that say where a run ended, and what theory says of the equilibrium nearest to that."""
    params = history.params[-1]
    samples = draws.x, params[0] * draws.z_gen[-1, -1] + params[1]
    real, fake = (model.discriminator(params[2:], sample).mean() for sample in samples)
    values, there = ", ".join(f"{value:.2g}" for value in eigenvalues[-1]), equilibrium.params
    return [
        f"After {model.games} games: {ending(history, draws.x, equilibrium.period)}",
        f"  objective V                 {history.objective[-1]:.5g}, a draw is -2 log 2 = {plots.DRAW:.5g}",
        f"  generated mean, std         {plots.generated_mean(params):.4g}, {plots.generated_std(params):.4g}",
        f"  real samples' mean, std     {draws.x.mean():.4g}, {draws.x.std():.4g}",
        f"  D on real, on generated     {real:.3f}, {fake:.3f}",
        f"  gradient norms of D, G      {history.discr_gradient[-1]:.2g}, {history.gen_gradient[-1]:.2g}",
        "Theory (README.md, part 2):",
        f"  Hessian's eigenvalues       {values}: {definiteness(eigenvalues[-1])}",
        f"  nearest equilibrium         w = {there[0]:.4g}, b = {there[1]:.4g}: std {plots.generated_std(there):.4g}",
        f"  a small swing               {fate(equilibrium)}",
        f"  largest learning rate       {equilibrium.edge:.3g}",
    ]


def share(which, seeds):
    """Write the share of seeds for which something holds, with its 95% interval (Wilson 1927)."""
    low, high = stats.binomtest(int(np.sum(which)), seeds).proportion_ci(method="wilson")
    return f"{np.sum(which) / seeds:6.1%}  [{low:.1%}, {high:.1%}]"


def middle(values):
    """Write the median of some seeds' values, but nan, and the range of 90%; each is a seed's value. Or "none"."""
    if np.isnan(values).all():
        return "none"
    low, median, high = np.quantile(values[~np.isnan(values)], [0.05, 0.5, 0.95], method="nearest")
    return f"{median:.4g}  [{low:.4g}, {high:.4g}]"


def seeds_report(model, seeds, ends, target):
    """List the lines that say where the runs of many seeds ended, from the finite ones' Outcomes."""
    yield f"Of {seeds} seeds after {model.games} games    share  [95% interval]"
    end = np.append(ends.end, ["lost"] * (seeds - len(ends.end)))
    for word in sorted({*end}, key=ENDS.index):
        yield f"  {word:<29} {share(end == word, seeds)}"
    for games, there in zip(halvings(model.games), ends.halvings.T):
        yield f"  {f'V at the draw after {games}':<29} {share(there, seeds)}"
    for word in np.unique(ends.definiteness):
        yield f"  {'Hessian ' + word:<29} {share(ends.definiteness == word, seeds)}"
    yield "Of the finite ones              median  [range of 90%]"
    yield f"  generated mean                {middle(plots.generated_mean(ends.params))}, target {target.mean():g}"
    yield f"  generated std                 {middle(plots.generated_std(ends.params))}, target {target.std():g}"
    yield f"  best D's objective V*         {middle(plots.best_objective(target, *plots.generated_ends(ends.params)))}"
    yield f"  largest |D - 1/2| on data     {middle(ends.gap)}"
    yield f"  largest learning rate         {middle(ends.edge)}"
    if np.isfinite(ends.draw_from).any():
        yield f"  V at the draw from game       {middle(ends.draw_from)}, where it stays there"
    if (seen := np.isfinite(ends.measured)).any():
        errors = np.abs(ends.measured / ends.period - 1)[seen]
        yield f"  games in a turn               {middle(ends.measured)}, theory {middle(ends.period[seen])}"
        yield f"  within 2% of theory          {share(errors < 0.02, len(errors))} of {len(errors)} with a turn"
