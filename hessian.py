"""Curvature of a function of many parameters, a run's record, equilibria of the game, and all that judges a run.

    >>> definiteness(np.linalg.eigvalsh(hessian(lambda p: p[..., 0] ** 2 - 3 * p[..., 1] ** 2, [0.0, 0.0])))
    'indefinite'

The last axis of a point holds its parameters; axes before it are points, or seeds. All is float64.
"""

import contextlib
import functools
import math
import os
from typing import NamedTuple

import numpy as np
from scipy import stats

import plots


@contextlib.contextmanager
def quiet():
    """Hide what TensorFlow's library writes to stderr, below Python's own, as it is loaded and compiles first."""
    with contextlib.ExitStack() as end, open(os.devnull, "w") as nowhere:
        with contextlib.suppress(OSError):  # there is no stderr, as under pythonw
            stderr = os.dup(2)
            end.callback(os.close, stderr)
            end.callback(os.dup2, stderr, 2)
            os.dup2(nowhere.fileno(), 2)
        yield


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with quiet():
    import tensorflow as tf
compile_first = tf.function(lambda: 0, jit_compile=True, autograph=False)  # the first compilation writes log lines, too

BLOCK = 10_000_000  # samples handled at once: some ten numbers of memory each
ZERO = 1e-4  # an eigenvalue at most this large, beside the largest, counts as zero
VISIBLE = 0.1  # a swing of which half a turn leaves less cannot be seen to turn
LEVELS = 200  # of noise, for the density and the moments of what the generator makes


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

    One counts as zero if its magnitude is at most ZERO times the largest.
    """
    size = np.abs(eigenvalues)
    signs = {*np.sign(np.where(size > ZERO * size.max(), eigenvalues, 0))}
    if signs == {0}:
        return "zero"
    kind = "semidefinite" if 0 in signs else "definite"
    return "indefinite" if {-1, 1} <= signs else f"{'positive' if 1 in signs else 'negative'} {kind}"


# ---------------------------------------------------------------- one run

class Run:
    """A run of one seed, and what words and pictures ask of it. model: a gan.GAN; draws: its own; history: of these.

    Equilibrium, flat games, path and end are there if its class itself says `theory = True`, and no number overflowed.
    """

    def __init__(self, model, draws, history):
        self.model, self.draws, self.history = model, draws, history
        self.target = stats.norm(model.target_mean, model.target_std)
        finite = np.isfinite(np.column_stack(history)).all(axis=1)
        self.lost = 0 if finite.all() else finite.argmin() + 1  # the first game in which a number overflowed
        self.theory = vars(type(model)).get("theory", False) and not self.lost
        if self.theory:
            self.equilibrium = equilibrium(model, draws.x, history.params[-1])  # the one nearest to the run's end
            self.flat_games = flat_games(history.params[:, 2], self.equilibrium.period)
            self.path = plots.phase_point(np.vstack([draws.params, history.params]))  # (games + 1, 2), from the start
            self.end = ending(history.objective, history.params, draws.x, self.equilibrium.period)

    @functools.cached_property
    def levels(self):
        """Quantiles of the noise, evenly spread (LEVELS,): those of U(0, 1), or where it is another, of the run's."""
        even, noise = np.linspace(0, 1, LEVELS), self.draws.z_gen.ravel()[-10_000:]
        return even if stats.kstest(noise, "uniform").pvalue > 1e-6 else np.quantile(noise, even)

    @functools.cached_property
    @np.errstate(all="ignore")  # of a run that is lost
    def moments(self):
        """Mean and standard deviation of the generated samples after each game: two arrays (games,)."""
        if self.theory:
            return plots.generated_mean(self.history.params), plots.generated_std(self.history.params)
        made = np.asarray(self.model.generator(self.model.players(self.history.params)[0], self.levels))
        made = (made[:, 1:] + made[:, :-1]) / 2  # as many samples lie between any two levels
        return made.mean(axis=-1), made.std(axis=-1)

    def batch(self, games):
        """Pick the batch of one game, by its index, or of several; all games share params and x."""
        params, x, *by_game = self.draws
        return type(self.draws)(params, x, *(values[games] for values in by_game))

    def scene(self, game, grid):
        """Compute what the stage shows after a game, numbered from 1, with N samples of each kind and a grid of M x.

        Returns generated samples, always of the run's last noise (N,); real and generated ones as D sees them (a
        list); the push on each (N,); D on the grid (M,); the density of G(z) between neighbours on it (M - 1,).
        """
        gen, discr = self.model.players(self.history.params[game - 1])
        fake = np.asarray(self.model.generator(gen, self.draws.z_gen[-1, -1]))
        seen = [np.asarray(samples) for samples in self.model.seen(self.batch(game - 1), fake)]
        made = np.sort(self.model.generator(gen, self.levels))
        below = np.interp(grid, made, np.linspace(0, 1, LEVELS), left=0, right=1)
        push = self.model.push(discr, tf.constant(seen[1])).numpy()
        return fake, seen, push, np.asarray(self.model.discriminator(discr, grid)), np.diff(below) / np.diff(grid)

    def hessians(self, games):
        """Compute the Hessians of V by all n parameters after some games, by index, at their last noise: (G, n, n)."""
        batch = self.batch(games)

        def objective(params):
            gen, discr = self.model.players(params)
            return self.model.objective(discr, *self.model.seen(batch, self.model.generator(gen, batch.z_gen[:, -1])))

        return hessian(objective, self.history.params[games])

    @functools.cached_property
    def eigenvalues(self):
        """Eigenvalues of the Hessian of V after each game, in ascending order: (games, n)."""
        games = np.arange(len(self.history.params))
        parts = np.array_split(games, 1 + 50 * games.size * self.draws.x.size // BLOCK)  # tapes keep intermediates
        return np.linalg.eigvalsh(np.concatenate([self.hessians(part) for part in parts]))

    @functools.cached_property
    def predicted(self):
        """What the equilibrium's linear map makes of the params after the second flat game: (P, 4), or None."""
        if len(self.flat_games) < 2:
            return None
        game, there = self.flat_games[1], self.equilibrium
        away = [self.history.params[game - 1] - there.params]
        for _ in range(min(len(self.history.params) - game, round(4 * there.period))):
            away.append(there.linear_map @ away[-1])
        return there.params + away

    @property
    def fate(self):
        """In words, what becomes of a small swing about the equilibrium."""
        there, largest = self.equilibrium, largest_factor(self.equilibrium.linear_map)
        if largest > 1 + 1e-9:
            return "grows: steps overshoot"
        if np.isnan(there.period):
            return f"dies out without turning: a game leaves {largest:.3g} of it"
        return f"turns once in {there.period:.0f} games; half a turn leaves {there.half_turn_leaves:.0%}"

    @property
    def outcome(self):
        """What a report of many seeds says of the run, by name: words, whether something holds, numbers."""
        objective, params = self.history.objective, self.history.params[-1]
        names = "objective V", "generated mean", "generated std"
        numbers = dict(zip(names, (objective[-1], *(values[-1] for values in self.moments))))
        if not self.theory:
            return {"ends": "lost"} if self.lost else numbers
        turns, theirs = np.diff(self.flat_games[1::2]), self.equilibrium.period  # what is first starts far off
        turn = turns.mean() if turns.size else np.nan
        halves = sorted({max(1, len(objective) >> times) for times in range(HALVINGS)})
        return {
            "ends": self.end,
            **{f"V at the draw after {games}": at_draw(objective[:games]) for games in halves},
            "Hessian": definiteness(np.linalg.eigvalsh(self.hessians([-1])[0])),
            "turn within 2% of theory": abs(turn / theirs - 1) < 0.02 if turns.size else None,
            **numbers,
            "best D's objective V*": plots.best_objective(self.target, params),
            "largest |D - 1/2| on data": np.max(np.abs(self.model.discriminator(params[2:], self.draws.x) - 1 / 2)),
            "largest learning rate": self.equilibrium.edge,
            "V at the draw from game": at_draw_from(objective),
            "games in a turn": turn,
            "games in a turn by theory": theirs,
        }


# ---------------------------------------------------------------- the equilibria of the game, exactly

class Equilibrium(NamedTuple):
    """A point where D = 1/2 and w / 2 + b = m, the mean of x: no others are equilibria. There V = -2 log 2."""
    params: np.ndarray  # (4,)
    hessian: np.ndarray  # (4, 4) of V, expected over z; the signs of its eigenvalues are -, -, 0, +
    linear_map: np.ndarray  # (4, 4) what a game makes of a deviation of the params
    period: float  # games in a full turn; nan if none can be seen
    half_turn_leaves: float  # share of a swing that half a turn leaves; nan with the period
    edge: float  # the learning rate from which on deviations grow


@np.errstate(all="ignore")  # what overflows has overshot
def equilibrium(model, x, params):
    """Compute the Equilibrium nearest to the params (4,) of a run on real samples x (N,).

    It is the foot of the perpendicular on the line of equilibria, w = 2/5 (m + 2 w - b), and keeps w - b / 2. D sees
    the spread s^2 = (Var x + w^2 / 12) / 2 + noise_std^2. All losses of G have the same derivatives there.
    """
    m, (w, b) = x.mean(), params[:2]
    w = 2 / 5 * (m + 2 * w - b)
    spread = (x.var() + w**2 / 12) / 2 + getattr(model, "noise_std", 0) ** 2
    expected = -np.array([[0, 0, 1, 0], [0, 0, 2, 0], [1, 2, 2 * (m**2 + spread), 2 * m], [0, 0, 2 * m, 2]]) / 4
    steps = model.discr_update, model.gen_update
    linear_map = game_map(expected, model.learning_rate, *steps)
    there = np.array([w, m - w / 2, 0, 0])
    return Equilibrium(there, expected, linear_map, *rotation(linear_map), largest_rate(expected, *steps))


def largest_rate(expected, discr_update, gen_update):
    """Compute the smallest learning rate from which on a deviation grows, near an equilibrium.

    expected: its Hessian of V (4, 4). None is stable beyond 2 over D's steepest curvature, some 4 / K with
    K = 1 + m^2 + s^2; below it stability may come and go, so that a grid of rates finds the first loss.
    """
    low, high = np.array([5e-4, 1.01]) * -2 / np.linalg.eigvalsh(expected[2:, 2:])[0]
    for _ in range(3):  # each grid lies within a step of the one before
        rates = np.geomspace(low, high, 30)
        grows = [largest_factor(game_map(expected, rate, discr_update, gen_update)) > 1 + 1e-9 for rate in rates]
        first = max(1, np.argmax(grows))
        low, high = rates[first - 1 : first + 1]
    return high


def largest_factor(linear_map):
    """Compute the largest factor by which a game (4, 4) multiplies a deviation; along the line it keeps all."""
    along = np.array([1, -1 / 2, 0, 0]) / np.sqrt(5 / 4)
    return np.abs(np.linalg.eigvals(linear_map - np.outer(along, along))).max()


def game_map(hessian, learning_rate, discr_update, gen_update):
    """Compute the linear map of a game, (I + rate J_G)^gen_update (I + rate J_D)^discr_update: (4, 4).

    J_G and J_D hold the players' rows of the Jacobian of the game's vector field (-grad_G V, +grad_D V): of V's
    Hessian (4, 4) with the generator's rows negated (Mescheder et al. 2017, arXiv:1705.10461, sec. 3).
    """
    gen_step, discr_step = np.eye(4), np.eye(4)
    gen_step[:2] -= learning_rate * hessian[:2]
    discr_step[2:] += learning_rate * hessian[2:]
    steps = np.linalg.matrix_power(gen_step, gen_update) @ np.linalg.matrix_power(discr_step, discr_update)
    return np.nan_to_num(steps, nan=1e100, posinf=1e100, neginf=-1e100)


def rotation(linear_map):
    """Compute the full turn in games, and the share of a swing that half a turn leaves, of the slowest visible wave.

    An eigenvalue mu of the map (4, 4) turns by arg(mu) a game: T = 2 pi / arg(mu), and half a turn leaves |mu|^(T / 2):
    visible above VISIBLE. A negative real part is a step that overshoots, no turn. Without a wave nan twice.
    """
    factors = np.linalg.eigvals(linear_map)
    turning = factors[(factors.imag > 1e-9) & (factors.real > 0)]
    waves = [(2 * np.pi / np.angle(factor), np.abs(factor) ** (np.pi / np.angle(factor))) for factor in turning]
    return max((wave for wave in waves if VISIBLE < wave[1] < 1 + 1e-9), default=(np.nan, np.nan))


# ---------------------------------------------------------------- where runs end

NEAR, STALL = 0.05, -0.1  # a mean V so near to -2 log 2 is at the draw; above STALL D tells real from generated
LAST_GAMES = 50  # whose mean objective says where a run ended; of a run of fewer than 200, the last quarter
HALVINGS = 5  # times at which it is asked how many seeds are at the draw: the end, half way, a quarter, ...


def flat_games(slope, period):
    """Find the games in which D's slope (games,), averaged over a quarter of the predicted period, changes its sign.

    Half a turn is done there. A half-turn whose swing is below VISIBLE of the largest is lost in noise, and the last.
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
    return np.abs(objective[-LAST_GAMES:].mean(axis=0) - plots.V_DRAW) < NEAR


@np.errstate(all="ignore")
def ending(objective, params, x, period):
    """Say in a word where a run on real samples x (N,) ended: the first that fits. period: games in a turn, or nan.

    Lost: numbers overflow, |V| is 100, or the mean 100 farther from m than 0 is. Stalled: D tells real from generated.
    Flipping: over the last turn V is worse than a draw, and goes to and fro: D overshoots. Settled: at a draw, and
    near m for half a turn. Circling: the mean has gone past m. On the way: none of these. A turn, and half of one, is
    at least the last games. Near is a twentieth of the mean's largest error, or of the samples' std if that is more.
    """
    last = min(LAST_GAMES, math.ceil(len(objective) / 4))
    turn, half = round(np.fmax(last, period)), round(np.fmax(last, period / 2))
    miss, level = plots.generated_mean(params) - x.mean(), objective[-last:].mean()
    near, jumps = max(*np.abs(miss), x.std()) / 20, np.diff(objective, prepend=objective[0])[-turn:]
    side = np.sign(miss)[np.abs(miss) > near]
    if not max(*np.abs(objective[-last:]), *np.abs(miss[-last:]) - abs(x.mean())) < 100:
        return "lost"
    if level > STALL:
        return "stalled"
    to_and_fro = np.sum(jumps[1:] * jumps[:-1] < 0) > len(jumps) / 2 and np.median(np.abs(jumps)) > NEAR
    if to_and_fro and np.median(objective[-turn:]) < plots.V_DRAW - NEAR:
        return "flipping"
    if abs(level - plots.V_DRAW) < NEAR and np.abs(miss[-half:]).max() <= near:
        return "settled"
    return "circling" if (side[1:] != side[:-1]).any() else "on the way"


def at_draw_from(objective):
    """Find the game from which on ten games' mean objective (games,) stays at the draw, or nan."""
    means = np.convolve(objective, np.full(10, 1 / 10), "valid") if len(objective) > 10 else objective
    away = np.flatnonzero(np.abs(means - plots.V_DRAW) >= NEAR)
    return next(iter(away[::-1] + 2), 1) if len(means) - 1 not in away else np.nan  # after the last that is away


# ---------------------------------------------------------------- in words

def closing_report(run):
    """List the lines that say where a run ended, and what theory says of the equilibrium nearest to that."""
    model, history, (_, discr) = run.model, run.history, run.model.players(run.history.params[-1])
    real, fake = (np.mean(model.discriminator(discr, samples)) for samples in run.scene(model.games, np.arange(2.0))[1])
    mean, std = (values[-1] for values in run.moments)
    yield f"After {model.games} games" + (f": {run.end}" if run.theory else "")
    draw = f", a draw is -2 log 2 = {plots.V_DRAW:.5g}" * run.theory
    yield f"  objective V                 {history.objective[-1]:.5g}{draw}"
    yield f"  generated mean, std         {mean:.4g}, {std:.4g}"
    yield f"  real samples' mean, std     {run.draws.x.mean():.4g}, {run.draws.x.std():.4g}"
    yield f"  D on real, on generated     {real:.3f}, {fake:.3f}"
    yield f"  gradient norms of D, G      {history.discr_gradient[-1]:.2g}, {history.gen_gradient[-1]:.2g}"
    if not run.theory:
        yield f"Left out: theory, monitor, phase plane. {type(model).__name__} does not say that its theory is known"
    elif run.end != "lost":
        there, values = run.equilibrium, ", ".join(f"{value:.2g}" for value in run.eigenvalues[-1])
        w, b = there.params[:2]
        yield "Theory (README.md, part 2):"
        yield f"  Hessian's eigenvalues       {values}: {definiteness(run.eigenvalues[-1])}"
        yield f"  nearest equilibrium         w = {w:.4g}, b = {b:.4g}: std {plots.generated_std(there.params):.4g}"
        yield f"  a small swing               {run.fate}"
        yield f"  largest learning rate       {there.edge:.3g}"


def share(count, seeds):
    """Write the share of seeds for which something holds, with its 95% interval (Wilson 1927)."""
    low, high = stats.binomtest(int(count), seeds).proportion_ci(method="wilson")
    return f"{count / seeds:6.1%}  [{low:.1%}, {high:.1%}]"


def seeds_report(games, outcomes):
    """List the lines that say where the runs of many seeds ended, from each run's `Run.outcome`."""
    names = dict.fromkeys(name for outcome in outcomes for name in outcome if outcome[name] is not None)
    yield f"Of {len(outcomes)} seeds after {games} games      share  [95% interval], or median  [range of 90%]"
    for name in names:
        values = [outcome[name] for outcome in outcomes if outcome.get(name) is not None]
        if isinstance(values[0], str):
            for word in sorted({*values}):
                yield f"  {f'{name} {word}':<30} {share(values.count(word), len(outcomes))}"
        elif isinstance(values[0], (bool, np.bool_)):
            few = "" if len(values) == len(outcomes) else f" of {len(values)}"
            yield f"  {name:<30} {share(sum(values), len(values))}{few}"
        elif values := [value for value in values if np.isfinite(value)]:
            low, median, high = np.quantile(values, [0.05, 0.5, 0.95], method="nearest")  # each is a seed's value
            yield f"  {name:<30} {median:.4g}  [{low:.4g}, {high:.4g}]"
