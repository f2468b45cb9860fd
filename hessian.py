"""All that is computed of the game: curvature, distances, equilibria, where runs end, and the words of reports.

    >>> definiteness(np.linalg.eigvalsh(hessian(lambda p: p[..., 0] ** 2 - 3 * p[..., 1] ** 2, [0.0, 0.0])))
    'indefinite'

params (..., 4) are w, b, a, c; axes before the last are games, seeds or places. target is a frozen distribution of
scipy.stats. All numbers are float64.
"""

import contextlib
import functools
import math
import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
from scipy import special, stats

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
LISTENER = "import sys; words = sys.stdin.read(); words.endswith('\\0') or sys.stderr.write(words)"


@contextlib.contextmanager
def quiet():
    """Hide what TensorFlow's library writes to stderr, below Python's own, unless it ends the process by it.

    Another process listens until a last word. All is shown if the environment says TF_CPP_MIN_LOG_LEVEL=0.
    """
    with contextlib.ExitStack() as end:
        if os.environ["TF_CPP_MIN_LOG_LEVEL"] != "0":
            with contextlib.suppress(OSError, ValueError):  # there is no stderr, or no Python to listen
                stderr = os.dup(2)
                end.callback(os.close, stderr)
                command = [sys.executable, "-SEc", LISTENER]
                listener = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
                end.callback(listener.communicate, b"\0")
                end.callback(os.dup2, stderr, 2)
                os.dup2(listener.stdin.fileno(), 2)
        yield


with quiet():
    import tensorflow as tf


@functools.cache
def compile_first():
    """Compile something, quietly: the first compilation writes log lines."""
    with quiet():
        tf.function(lambda: 0, jit_compile=True, autograph=False)()


LOSSES = {"saturating": 1, "middle": 1 / 2, "non-saturating": 0}  # share of the saturating loss in what G descends
V_DRAW = -2 * np.log(2)  # V where D = 1/2 everywhere: Goodfellow et al. 2014, Theorem 1
NODES = 64  # of the quadrature of the Jensen-Shannon divergence
BLOCK = 10_000_000  # samples handled at once: some ten numbers of memory each
ZERO = 1e-4  # an eigenvalue at most this large, beside the largest, counts as zero
GROWS = 1 + 1e-9  # a factor from which on a deviation grows, beyond rounding
VISIBLE = 0.1  # a swing of which half a turn leaves less cannot be seen to turn
LEVELS = 200  # of noise, for the density and the moments of what the generator makes
PLANE = 17, 13  # places across and up the phase plane


# ---------------------------------------------------------------- curvature

def hessian(objective, params):
    """Compute the matrix of second derivatives H_ij = d2 objective / d params_i d params_j: (..., n, n) in float64.

    objective maps a tensor (..., n) to one (...,), each value of its own n parameters; params is an array (..., n).
    """
    with tf.device("CPU"):
        params = tf.convert_to_tensor(params, tf.float64)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(params)
            with tf.GradientTape() as inner:
                inner.watch(params)
                value = objective(params)
            gradient = tf.unstack(inner.gradient(value, params, unconnected_gradients="zero"), axis=-1)
        rows = [tape.gradient(part, params, unconnected_gradients="zero") for part in gradient]
    return np.stack(rows, axis=-2)


def definiteness(eigenvalues):
    """Name the signs of a Hessian's eigenvalues (n,): 'indefinite' has both, '... semidefinite' one and zeros.

    One counts as zero if its magnitude is at most ZERO times the largest. Where one is not finite, 'unknown'.
    """
    if not np.isfinite(eigenvalues).all():
        return "unknown"
    size = np.abs(eigenvalues)
    signs = {*np.sign(np.where(size > ZERO * size.max(), eigenvalues, 0))}
    if signs == {0}:
        return "zero"
    if {-1, 1} <= signs:
        return "indefinite"
    return ("positive " if 1 in signs else "negative ") + ("semidefinite" if 0 in signs else "definite")


# ---------------------------------------------------------------- the generated samples, exactly

def generated_mean(params):
    """Compute the mean of G(z), uniform between b and b + w."""
    return params[..., 1] + params[..., 0] / 2


def generated_std(params):
    """Compute the standard deviation of G(z), |w| / sqrt(12)."""
    return np.abs(params[..., 0]) / np.sqrt(12)


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def accuracies(params, target):
    """Compute the shares of real and of generated samples that D gets right, more than 1/2 or less: two arrays (...,).

    D is 1/2 at -c / a. Real samples on one side of it, of a share that the target's distribution function gives, are
    right; G(z) is uniform between its ends.
    """
    w, b, a, c = np.moveaxis(params, -1, 0)
    half = -c / a
    real = np.select([a > 0, a < 0], [target.sf(half), target.cdf(half)], c > 0)
    ends = a * b + c, a * (w + b) + c  # of G(z)'s logit, linear in z
    low, high = np.minimum(*ends), np.maximum(*ends)
    return real, np.clip(-low / np.maximum(high - low, np.finfo(float).tiny), 0, 1)


def jensen_shannon(target, params):
    """Compute the Jensen-Shannon divergence of the target p, of smooth density, from the uniform q of G(z), in nats.

    JSD = KL(p, (p + q) / 2) / 2 + KL(q, (p + q) / 2) / 2: Goodfellow et al. 2014, proof of Theorem 1. With r = p / q
    it is log 2 - 1/2 * the mean under q of (1 + r) log(1 + r) - r log r: log 2 is what no overlap leaves.
    """
    ends = params[..., 1], params[..., 0] + params[..., 1]
    low, high = np.minimum(*ends), np.maximum(*ends)
    width = high - low
    reach = target.ppf([1e-15, 1 - 1e-15])
    start, stop = np.clip(low, *reach), np.clip(high, *reach)
    total = 0
    for node, weight in zip(*special.roots_legendre(NODES)):  # a node at a time: memory for any number of games
        ratio = width * target.pdf((start + stop + node * (stop - start)) / 2)
        total += weight / 2 * (special.entr(ratio) - special.entr(1 + ratio))  # entr(r) = -r log r, and 0 at 0
    covered = (stop - start) / np.maximum(width, np.finfo(float).tiny)  # the share of q's mass; 0 if it is a point
    return np.log(2) - covered * total / 2


def best_objective(target, params):
    """Compute V* = -log 4 + 2 JSD, what the best D of all makes of V: Goodfellow et al. 2014, Theorem 1."""
    return 2 * jensen_shannon(target, params) - np.log(4)


def wasserstein(target, params):
    """Compute the Wasserstein-1 distance of the target from the uniform distribution of G(z), in units of x.

    It is the mean distance of the quantiles of the two, here of a thousand (Arjovsky et al. 2017, arXiv:1701.07875).
    """
    levels = (np.arange(1000) + 1 / 2) / 1000
    width = np.abs(params[..., 0])
    low = generated_mean(params) - width / 2
    return sum(np.abs(quantile - low - level * width) for level, quantile in zip(levels, target.ppf(levels))) / 1000


# ---------------------------------------------------------------- where a game leads, without chance

def force(share, logit):
    """Compute a loss's push on a sample, over a: share D + (1 - share) (1 - D), of D's logit there.

    share: of the saturating loss in G's, as in LOSSES. It is what is left of 1 - D or D, or 1/2.
    """
    return share * special.expit(logit) + (1 - share) * special.expit(-logit)


def phase_point(params):
    """Project params (..., 4) onto the phase plane: generated mean and D's slope a, (..., 2)."""
    return np.stack([generated_mean(params), params[..., 2]], axis=-1)


def phase_field(run):
    """Lay places over what a run visits of the phase plane: mean, D's slope a, and what a game adds to each there.

    w is the run's last, and c is where D's steep direction (m, 1) has come to rest: m dV/da + dV/dc = 0, or dV/dc = 0
    where that cannot be. Derivatives are means over evenly spread z and noise. Four arrays (rows, columns).
    """
    model, x, w = run.model, run.draws.x, run.history.params[-1, 0]
    visited = np.vstack([run.path, phase_point(run.equilibrium.params)])
    pad = np.maximum(0.06 * np.ptp(visited, axis=0), 1e-3)
    ends = zip(visited.min(axis=0) - pad, visited.max(axis=0) + pad, PLANE)
    mean, slope = np.meshgrid(*(np.linspace(*end) for end in ends))

    levels = (np.arange(10) + 1 / 2) / 10
    if len(x) > 100:
        x = np.quantile(x, (np.arange(100) + 1 / 2) / 100)
    noise = np.unique(getattr(model, "noise_std", 0) * special.ndtri(levels))  # one number if there is none
    real = np.add.outer(x, noise).ravel()
    z, fake_noise = np.reshape(np.meshgrid(levels, noise), (2, -1))
    fake = mean[..., None] + w * (z - 1 / 2) + fake_noise
    a = slope[..., None]

    lever = np.where(x.mean() * mean > -1, x.mean(), 0)  # m, or 0 where the sum would not fall in c
    high = 50 + np.abs(a * fake).max(axis=-1) + np.abs(a * real).max(axis=-1)
    low = -high
    for _ in range(50):  # bisection: the sum falls in c
        c = (low + high) / 2
        missed = special.expit(-(a * real + c[..., None]))
        fooled = special.expit(a * fake + c[..., None])
        by_slope = (missed * real).mean(axis=-1) - (fooled * fake).mean(axis=-1)
        rises = lever * by_slope + missed.mean(axis=-1) - fooled.mean(axis=-1) > 0
        low = np.where(rises, c, low)
        high = np.where(rises, high, c)
    push = a * force(LOSSES[model.gen_loss], a * fake + c[..., None])
    gen_rate = model.learning_rate * model.gen_update
    discr_rate = model.learning_rate * model.discr_update
    return mean, slope, gen_rate * (push * (1 + z / 2)).mean(axis=-1), discr_rate * by_slope


def distance_course(shares, games=500, discr_update=50, rate=0.1):
    """Compute rho^2, the squared distance from the line of equilibria, game by game (games, n), without chance.

    rho^2 = 4/5 e^2 + (a^2 + c^2) / discr_update, with means over ten evenly spread x and z: README.md, part 2. shares
    (n,): of the saturating loss in G's.
    """
    z = (np.arange(10) + 1 / 2) / 10
    x = 5 + special.ndtri(z)
    is_real = np.repeat([1, 0], 10)
    shares = np.reshape(shares, (-1, 1))  # a row for each; the columns are samples
    w, b, a, c = np.reshape([0.1, 0, 0.1, 0], (4, 1, 1)) + 0 * shares
    course = []
    for _ in range(games):
        seen = np.hstack([np.tile(x, (len(shares), 1)), w * z + b])
        for _ in range(discr_update):
            wrong = is_real - special.expit(a * seen + c)  # 1 - D(x), -D(G(z))
            a = a + rate * (wrong * seen).sum(axis=-1, keepdims=True) / 10
            c = c + rate * wrong.sum(axis=-1, keepdims=True) / 10
        push = a * force(shares, a * seen[:, 10:] + c)
        w = w + rate * (push * z).mean(axis=-1, keepdims=True)
        b = b + rate * push.mean(axis=-1, keepdims=True)
        course.append(4 / 5 * (x.mean() - b - w / 2) ** 2 + (a**2 + c**2) / discr_update)
    return np.hstack(course).T


# ---------------------------------------------------------------- the equilibria of the game, exactly

class Equilibrium(NamedTuple):
    """A point where D = 1/2 and w / 2 + b = m, the mean of x: no others are equilibria. There V = -2 log 2."""
    params: np.ndarray  # (4,)
    hessian: np.ndarray  # (4, 4) of V, expected over z; the signs of its eigenvalues are -, -, 0, +
    jacobian: np.ndarray  # (4, 4) of what a game adds to the params, over the learning rate, for small steps
    linear_map: np.ndarray  # (4, 4) what a game makes of a deviation of the params
    period: float  # games in a full turn; nan if none can be seen
    half_turn_leaves: float  # share of a swing that half a turn leaves; nan with the period
    edge: float  # the learning rate from which on deviations grow


@np.errstate(all="ignore")  # what overflows has overshot
def equilibrium(model, x, params):
    """Compute the Equilibrium nearest to the params (4,) of a run on real samples x (N,).

    It is the foot of the perpendicular on the line of equilibria, w = 2/5 (m + 2 w - b), and keeps w - b / 2. D sees
    the spread s^2 = (Var x + w^2 / 12) / 2 + noise_std^2. All losses of G have the same derivatives there. In the
    Jacobian of the game's vector field (-grad_G V, +grad_D V), V's Hessian with the generator's rows negated (Mescheder
    et al. 2017, arXiv:1705.10461, sec. 3), each player's rows are multiplied by its steps in a game.
    """
    m = x.mean()
    w = 2 / 5 * (m + 2 * params[0] - params[1])
    spread = (x.var() + w**2 / 12) / 2 + getattr(model, "noise_std", 0) ** 2
    expected = -np.array([[0, 0, 1, 0], [0, 0, 2, 0], [1, 2, 2 * (m**2 + spread), 2 * m], [0, 0, 2 * m, 2]]) / 4
    steps = model.discr_update, model.gen_update
    linear_map = game_map(expected, model.learning_rate, *steps)
    period, left = rotation(linear_map)
    return Equilibrium(
        params=np.array([w, m - w / 2, 0, 0]),
        hessian=expected,
        jacobian=np.repeat([-model.gen_update, model.discr_update], 2)[:, None] * expected,
        linear_map=linear_map,
        period=period,
        half_turn_leaves=left,
        edge=largest_rate(expected, *steps),
    )


def game_map(hessian, learning_rate, discr_update, gen_update):
    """Compute the linear map of a game, (I + rate J_G)^gen_update (I + rate J_D)^discr_update: (..., 4, 4).

    J_G and J_D hold the players' rows of the Jacobian: of V's Hessian (4, 4), the generator's negated. Rates (...,).
    """
    rate = np.expand_dims(learning_rate, (-2, -1))
    of_gen = np.array([[1], [1], [0], [0]])
    gen_step = np.eye(4) - rate * of_gen * hessian
    discr_step = np.eye(4) + rate * (1 - of_gen) * hessian
    steps = np.linalg.matrix_power(gen_step, gen_update) @ np.linalg.matrix_power(discr_step, discr_update)
    return np.nan_to_num(steps, nan=1e100, posinf=1e100, neginf=-1e100)


def largest_factor(linear_map):
    """Compute the largest factor by which a game (..., 4, 4) multiplies a deviation; along the line it keeps all."""
    along = np.array([1, -1 / 2, 0, 0]) / np.sqrt(5 / 4)
    return np.abs(np.linalg.eigvals(linear_map - np.outer(along, along))).max(axis=-1)


def largest_rate(expected, discr_update, gen_update):
    """Compute the smallest learning rate from which on a deviation grows, near an equilibrium.

    expected: its Hessian of V (4, 4). None is stable beyond 2 over D's steepest curvature, some 4 / K with
    K = 1 + m^2 + s^2; below it stability may come and go, so that a grid of rates finds the first loss.
    """
    low, high = np.array([5e-4, 1.01]) * -2 / np.linalg.eigvalsh(expected[2:, 2:])[0]
    for _ in range(3):  # each grid lies within a step of the one before
        rates = np.geomspace(low, high, 30)
        grows = largest_factor(game_map(expected, rates, discr_update, gen_update)) > GROWS
        first = max(1, np.argmax(grows))
        low, high = rates[first - 1 : first + 1]
    return high


def rotation(linear_map):
    """Compute the full turn in games, and the share of a swing that half a turn leaves, of the slowest visible wave.

    An eigenvalue mu of the map (4, 4) turns by arg(mu) a game: T = 2 pi / arg(mu), and half a turn leaves |mu|^(T / 2):
    visible above VISIBLE. A negative real part is a step that overshoots, no turn. Without a wave nan twice.

    >>> period, left = rotation(0.9 * np.array([[0.8, -0.6], [0.6, 0.8]]))  # a game turns by 0.64, and leaves 0.9
    >>> print(f"{period:.3g} games, {left:.3g}")
    9.76 games, 0.598
    """
    factors = np.linalg.eigvals(linear_map)
    turning = factors[(factors.imag > 1e-9) & (factors.real > 0)]
    half_turns = np.pi / np.angle(turning)
    waves = zip((2 * half_turns).tolist(), (np.abs(turning) ** half_turns).tolist())
    return max((wave for wave in waves if VISIBLE < wave[1] < GROWS), default=(np.nan, np.nan))


# ---------------------------------------------------------------- where runs end

NEAR = 0.05  # a mean V so near to -2 log 2 is at the draw
STALL = -0.1  # above a mean V of this D tells real from generated
LAST_GAMES = 50  # whose mean objective says where a run ended; of a run of fewer than 200, the last quarter
HALVINGS = 5  # times at which it is asked how many seeds are at the draw: the end, half way, a quarter, ...


def flat_games(slope, period):
    """Find the games in which D's slope (games,), averaged over a quarter of the predicted period, changes its sign.

    Half a turn is done there. A half-turn whose swing is below VISIBLE of the largest is lost in noise, and the last.

    >>> flat_games(np.sin(np.arange(500) * np.pi / 50 + 0.1), period=100)  # its zeros are 50 games apart
    array([ 49,  99, 149, 199, 249, 299, 349, 399, 449])
    """
    if not 4 <= period <= 2 * len(slope):  # or nan
        return np.array([], int)
    window = round(period / 4)
    total = np.cumsum([0, *slope])
    smooth = (total[window:] - total[:-window]) / window
    changes = np.flatnonzero(np.diff(np.sign(smooth))) + 1
    swings = np.array([np.abs(half_turn).max() for half_turn in np.split(smooth, changes)])
    visible = np.logical_and.accumulate(swings > VISIBLE * swings.max())
    return changes[visible[:-1]] + window // 2


def at_draw(objective):
    """Say whether the mean objective of the last games (games, ...) is near -2 log 2: gives (...,)."""
    return np.abs(objective[-LAST_GAMES:].mean(axis=0) - V_DRAW) < NEAR


def at_draw_from(objective):
    """Find the game from which on ten games' mean objective (games,) stays at the draw, or nan."""
    means = objective
    if len(objective) > 10:
        means = np.convolve(objective, np.full(10, 1 / 10), "valid")
    away = np.flatnonzero(np.abs(means - V_DRAW) >= NEAR)
    if away.size == 0:
        return 1
    return np.nan if away[-1] == len(means) - 1 else away[-1] + 2


@np.errstate(all="ignore")
def ending(objective, params, x, period):
    """Say in a word where a run on real samples x (N,) ended: the first that fits. period: games in a turn, or nan.

    Lost: numbers overflow, |V| is 100, or the mean 100 farther from m than 0 is. Stalled: D tells real from generated.
    Flipping: over the last turn V is worse than a draw, and goes to and fro: D overshoots. Settled: at a draw, and
    near m for half a turn. Circling: the mean has gone past m. On the way: none of these. A turn, and half of one, is
    at least the last games. Near is a twentieth of the mean's largest error, or of the samples' std if that is more.
    """
    last = min(LAST_GAMES, math.ceil(len(objective) / 4))
    turn = round(np.fmax(last, period))
    half = round(np.fmax(last, period / 2))
    level = objective[-last:].mean()
    miss = generated_mean(params) - x.mean()
    near = max(*np.abs(miss), x.std()) / 20
    if not max(*np.abs(objective[-last:]), *np.abs(miss[-last:]) - abs(x.mean())) < 100:
        return "lost"
    if level > STALL:
        return "stalled"
    jumps = np.diff(objective, prepend=objective[0])[-turn:]
    to_and_fro = np.sum(jumps[1:] * jumps[:-1] < 0) > len(jumps) / 2 and np.median(np.abs(jumps)) > NEAR
    if to_and_fro and np.median(objective[-turn:]) < V_DRAW - NEAR:
        return "flipping"
    if abs(level - V_DRAW) < NEAR and np.abs(miss[-half:]).max() <= near:
        return "settled"
    side = np.sign(miss)[np.abs(miss) > near]
    return "circling" if (side[1:] != side[:-1]).any() else "on the way"


# ---------------------------------------------------------------- one run

class Scene(NamedTuple):
    """What the stage shows after a game; N samples of each kind."""
    fake: np.ndarray  # (N,) generated samples, always of the run's first noise
    seen: list  # real and generated samples as D sees them, (N,) each
    scores: list  # D on both, (N,) each
    push: np.ndarray  # (N,) on each generated sample
    curve: np.ndarray  # (M,) D on the grid
    edges: np.ndarray  # (LEVELS,) equal shares of all that G makes lie between neighbours
    density: np.ndarray  # (LEVELS - 1,) of G(z) there, and 0 in a gap


class Run:
    """A run of one seed, and what words and pictures ask of it. model: a gan.GAN; draws: its own; history: of these.

    Equilibrium, flat games, path and end are there if its theory is known, and no number overflowed.
    """

    def __init__(self, model, draws, history):
        self.model = model
        self.draws = type(draws)(*(np.asarray(values, float) for values in draws))
        self.history = history
        finite = np.isfinite(np.column_stack(history)).all(axis=1)
        self.lost = 0 if finite.all() else finite.argmin() + 1  # the first game in which a number overflowed
        self.theory = knows_theory(model) and not self.lost
        if self.theory:
            self.equilibrium = equilibrium(model, self.draws.x, history.params[-1])  # the one nearest to the run's end
            self.flat_games = flat_games(history.params[:, 2], self.equilibrium.period)
            self.path = phase_point(np.vstack([draws.params, history.params]))  # (games + 1, 2), from the start
            self.end = ending(history.objective, history.params, self.draws.x, self.equilibrium.period)

    @functools.cached_property
    def levels(self):
        """Quantiles of the noise, evenly spread (LEVELS,): those of U(0, 1), or where it is another, of the run's."""
        even = np.linspace(0, 1, LEVELS)
        noise = self.draws.z_gen.ravel()[-10_000:]
        return even if stats.kstest(noise, "uniform").pvalue > 1e-6 else np.quantile(noise, even)

    @functools.cached_property
    @np.errstate(all="ignore")  # of a run that is lost
    def moments(self):
        """Mean and standard deviation of the generated samples after each game: two arrays (games,)."""
        if self.theory:
            return generated_mean(self.history.params), generated_std(self.history.params)
        made = np.asarray(self.model.generator(self.model.players(self.history.params)[0], self.levels))
        made = (made[:, 1:] + made[:, :-1]) / 2  # as many samples lie between any two levels
        return made.mean(axis=-1), made.std(axis=-1)

    def batch(self, games):
        """Pick the batch of one game, by its index, or of several; all games share params and x."""
        params, x, *by_game = self.draws
        return type(self.draws)(params, x, *(values[games] for values in by_game))

    def scene(self, game, grid):
        """Compute the Scene after a game, numbered from 1, with D on a grid of x (M,)."""
        gen, discr = self.model.players(self.history.params[game - 1])
        fake = np.asarray(self.model.generator(gen, self.draws.z_gen[0, -1]))
        real, fake_seen = (np.asarray(samples) for samples in self.model.seen(self.batch(game - 1), fake))
        scores = np.asarray(self.model.discriminator(discr, np.concatenate([real, fake_seen, grid])))
        *scores, curve = np.split(scores, np.cumsum([len(real), len(fake_seen)]))
        edges = np.sort(self.model.generator(gen, self.levels))
        width = np.diff(edges)
        beside = np.pad(width, 1, "edge")
        gap = width > 50 * np.maximum(beside[2:], beside[:-2])
        with np.errstate(divide="ignore"):  # G may be a point
            density = np.where(gap, 0, 1 / width / len(width))
        return Scene(
            fake=fake,
            seen=[real, fake_seen],
            scores=scores,
            push=self.model.push(discr, tf.constant(fake_seen)).numpy(),
            curve=curve,
            edges=edges,
            density=density,
        )

    @functools.cached_property
    def eigenvalues(self):
        """Eigenvalues of the Hessian of V after each game, at its last noise, in ascending order: (games, n)."""
        games = np.arange(len(self.history.params))
        matrices = []
        for part in np.array_split(games, 1 + 50 * games.size * self.draws.x.size // BLOCK):  # for memory
            batch = self.batch(part)
            matrices.append(hessians(self.model, batch, batch.z_gen[:, -1], self.history.params[part]))
        return np.linalg.eigvalsh(np.concatenate(matrices))

    @functools.cached_property
    def predicted(self):
        """What the equilibrium's linear map makes of the params after the second flat game: (P, 4), or None.

        None, too, where a deviation grows: it would soon be beyond all that the run visits.
        """
        if len(self.flat_games) < 2 or largest_factor(self.equilibrium.linear_map) > GROWS:
            return None
        game, there = self.flat_games[1], self.equilibrium
        away = [self.history.params[game - 1] - there.params]
        for _ in range(min(len(self.history.params) - game, round(4 * there.period))):
            away.append(there.linear_map @ away[-1])
        return there.params + away

    @property
    def fate(self):
        """In words, what becomes of a small swing about the equilibrium."""
        there = self.equilibrium
        largest = largest_factor(there.linear_map)
        if largest > GROWS:
            return "grows: steps overshoot"
        if np.isnan(there.period):
            return f"dies out without turning: a game leaves {largest:.3g} of it"
        return f"turns once in {there.period:.0f} games; half a turn leaves {there.half_turn_leaves:.0%}"


def knows_theory(model):
    """Say whether a model's theory is known: its class itself says so, and has no density but its target's."""
    own = vars(type(model))
    return own.get("theory", False) and ("target" in own or "target_density" not in own)


def hessians(model, batch, z, params):
    """Compute the Hessians of V by params (..., n) where D sees a batch and what G makes of noise z: (..., n, n)."""

    def objective(params):
        gen, discr = model.players(params)
        return model.objective(discr, *model.seen(batch, model.generator(gen, z)))

    return hessian(objective, params)


def judge_seeds(model, draws, history):
    """Judge many seeds together, draws and history with their axis: what a report says, and courses (3, games, S).

    The first holds by name words, truths or numbers, of those seeds of which it can be said. The others are V and the
    generated samples' mean and standard deviation after each game.
    """
    runs = []
    for seed in range(draws.x.shape[-2]):
        own = type(draws)(*(values[..., seed, :] for values in draws))
        runs.append(Run(model, own, type(history)(*(values[:, seed] for values in history))))
    courses = np.array([history.objective, *np.transpose([run.moments for run in runs], (1, 2, 0))])
    kept = np.flatnonzero([not run.lost for run in runs])
    played = [runs[seed] for seed in kept]
    V, mean, std = courses[..., kept]
    numbers = {"objective V": V[-1], "generated mean": mean[-1], "generated std": std[-1]}
    if not knows_theory(model):
        return numbers, courses

    last = history.params[-1, kept]
    params, x, *by_game = draws
    batch = type(draws)(params[kept], x[kept], *(values[-1][..., kept, :] for values in by_game))
    doubts = np.abs(np.asarray(model.discriminator(last[:, 2:], batch.x)) - 1 / 2)
    signs = np.linalg.eigvalsh(hessians(model, batch, batch.z_gen[-1], last))
    turning = [run for run in played if len(run.flat_games) > 3]
    turns = np.array([np.diff(run.flat_games[1::2]).mean() for run in turning])  # what is first starts far off
    periods = np.array([run.equilibrium.period for run in turning])
    halves = sorted({max(1, len(V) >> times) for times in range(HALVINGS)})
    return {
        "ends": ["lost" if run.lost else run.end for run in runs],
        **{f"V at the draw after {games}": at_draw(V[:games]) for games in halves},
        "Hessian": [definiteness(values) for values in signs],
        "turn within 2% of theory": np.abs(turns / periods - 1) < 0.02,
        **numbers,
        "best D's objective V*": best_objective(model.target, last),
        "largest |D - 1/2| on data": doubts.max(axis=-1),
        "largest learning rate": [run.equilibrium.edge for run in played],
        "V at the draw from game": [at_draw_from(values) for values in V.T],
        "games in a turn": turns,
        "games in a turn by theory": [run.equilibrium.period for run in played],
    }, courses


# ---------------------------------------------------------------- in words

def write_eigenvalues(values):
    """Write the eigenvalues (n,) of a Jacobian, a pair of conjugates once; that of the line of equilibria is 0.

    >>> write_eigenvalues(np.array([-0.5 + 2j, -0.5 - 2j, -3, 1e-17]))
    '-3, -0.5 +- 2i, 0'
    """
    values = np.where(np.abs(values) == np.abs(values).min(), 0, values)
    upper = sorted((value for value in values if value.imag >= 0), key=np.real)
    return ", ".join(f"{value.real:.4g}" + (f" +- {value.imag:.4g}i" if value.imag else "") for value in upper)


def closing_report(run):
    """List the lines that say where a run ended, and what theory says of the equilibrium nearest to that."""
    history, x = run.history, run.draws.x
    real, fake = (np.mean(scores) for scores in run.scene(run.model.games, np.arange(2.0)).scores)
    mean, std = (values[-1] for values in run.moments)
    yield f"After {run.model.games} games" + (f": {run.end}" if run.theory else "")
    draw = f", a draw is -2 log 2 = {V_DRAW:.5g}" if run.theory else ""
    yield f"  objective V                 {history.objective[-1]:.5g}{draw}"
    yield f"  generated mean, std         {mean:.4g}, {std:.4g}"
    yield f"  real samples' mean, std     {x.mean():.4g}, {x.std():.4g}"
    yield f"  D on real, on generated     {real:.3f}, {fake:.3f}"
    yield f"  gradient norms of D, G      {history.discr_gradient[-1]:.2g}, {history.gen_gradient[-1]:.2g}"
    if not run.theory:
        yield f"Left out: theory, monitor, phase plane, as {type(run.model).__name__} does not say theory = True"
    elif run.end != "lost":
        there = run.equilibrium
        values = ", ".join(f"{value:.2g}" for value in run.eigenvalues[-1])
        yield "Theory (README.md, part 2):"
        yield f"  Hessian's eigenvalues       {values}: {definiteness(run.eigenvalues[-1])}"
        w, b, *_ = there.params
        yield f"  nearest equilibrium         w = {w:.4g}, b = {b:.4g}: std {generated_std(there.params):.4g}"
        yield f"  Jacobian's eigenvalues      {write_eigenvalues(np.linalg.eigvals(there.jacobian))}"
        yield f"  a small swing               {run.fate}"
        yield f"  largest learning rate       {there.edge:.3g}"


def share(count, seeds):
    """Write the share of seeds for which something holds, with its 95% interval (Wilson 1927)."""
    low, high = stats.binomtest(int(count), seeds).proportion_ci(method="wilson")
    return f"{count / seeds:6.1%}  [{low:.1%}, {high:.1%}]"


def seeds_report(games, seeds, found):
    """List the lines that say where the runs of so many seeds ended, from what `judge_seeds` found."""
    yield f"Of {seeds} seeds after {games} games      share  [95% interval], or median  [range of 90%]"
    for name, values in found.items():
        if values and isinstance(values[0], str):
            for word in sorted({*values}):
                yield f"  {f'{name} {word}':<30} {share(values.count(word), seeds)}"
        elif values and isinstance(values[0], np.bool_):
            few = "" if len(values) == seeds else f" of {len(values)}"
            yield f"  {name:<30} {share(sum(values), len(values))}{few}"
        elif values := [value for value in values if np.isfinite(value)]:
            low, median, high = np.quantile(values, [0.05, 0.5, 0.95], method="nearest")  # each is a seed's value
            yield f"  {name:<30} {median:.4g}  [{low:.4g}, {high:.4g}]"
