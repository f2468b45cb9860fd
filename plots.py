"""Draw the tutorial's pictures: arrays in, figures and files out, no TensorFlow.

`draw_...(ax, ...)` draws on an Axes; `..._figure(...)` composes a Figure; `png` and `gif` turn figures
into the bytes of a file, and `save` writes them, whole or not at all. Blue is what the players make
(generated samples, the discriminator), green is the data, red is a constant of theory.

    python plots.py                                      the picture of theory, which no run enters
"""

import signal

if __name__ == "__main__":  # as in gan.py
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import contextlib
import io
import os
import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib.style
import numpy as np
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from scipy import ndimage, special, stats

BLUE, ORANGE, GREEN, RED, PURPLE, *_ = sns.color_palette("deep")
BLACK, GRID, ARROW = (0.15,) * 3, (0.8,) * 3, (0.6,) * 3
DPI = 100
FRAME_INCHES = (8, 5.5)
GAME_COLORS = sns.color_palette("flare", as_cmap=True)
MOST_POINTS = 1500  # of the games in the complex plane
FRAME_MILLISECONDS = 170
NOISE_HEIGHT = -0.45  # of the line of noise, where D and the density count from 0
DOT = {"markeredgecolor": "white", "markeredgewidth": 0.7, "zorder": 3}
ARROW_GAP = 0.04  # between an arrow's tip and the line of samples, on the same scale
NODES, REACH = 64, 8  # of the quadrature over the target, and the standard deviations that it covers
BISECTIONS = 25  # of an interval that holds a crossing: the distance feels the square of what is left


class Scene(NamedTuple):
    """What the frames of an animation show: F frames, K samples of each kind, M points of the axis."""

    games: np.ndarray  # (F,) games played
    objective: np.ndarray  # (F,)
    noise: np.ndarray  # (K,) z, the same in every frame
    samples: np.ndarray  # (F, K) G(z)
    real: np.ndarray  # (K,) x
    grid: np.ndarray  # (M,) points of the axis
    density: np.ndarray  # (M,) target density there
    discriminator: np.ndarray  # (F, M) D there


@contextlib.contextmanager
def style():
    """Draw the same everywhere, whatever a machine's or a folder's own Matplotlib settings are."""
    ours = {
        "font.sans-serif": ["DejaVu Sans"],
        "axes.titlesize": "medium",
        "agg.path.chunksize": 10_000,
        "lines.linewidth": 1.3,
        "text.hinting": "no_hinting",
        "legend.frameon": False,
        "legend.fontsize": "small",
    }
    with matplotlib.style.context(["default", sns.axes_style("whitegrid"), ours]):
        yield


def _figure(inches):
    figure = Figure(figsize=inches, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


class _Players:
    """The part of a frame that moves: arrows, samples, D's curve and the title."""

    def __init__(self, ax, scene, animated=False):
        self.scene = scene
        still = np.zeros_like(scene.noise)
        self.arrows = ax.quiver(
            scene.noise, still + NOISE_HEIGHT, still, still, color=ARROW, animated=animated,
            angles="xy", scale_units="xy", scale=1, width=0.0015, headwidth=6, headlength=8, headaxislength=7,
        )  # fmt: skip
        (self.samples,) = ax.plot(
            still, still, "o", color=BLUE, label="generated samples G(z)", animated=animated, **DOT
        )
        (self.curve,) = ax.plot(scene.grid, 0 * scene.grid, color=BLUE, label="discriminator D(x)", animated=animated)
        self.title = ax.set_title("Game", animated=animated)
        self.artists = self.arrows, self.samples, self.curve, self.title

    def show(self, frame):
        scene = self.scene
        rise = np.full_like(scene.noise, -NOISE_HEIGHT - ARROW_GAP)
        self.arrows.set_UVC(scene.samples[frame] - scene.noise, rise)
        self.samples.set_xdata(scene.samples[frame])
        self.curve.set_ydata(scene.discriminator[frame])
        self.title.set_text(f"Game {scene.games[frame]}: objective {scene.objective[frame]:.3f}")


def _draw_stage(ax, scene):
    """Draw the part of a frame that stays."""
    for height in (NOISE_HEIGHT, 0):
        ax.axhline(height, color=BLACK, linewidth=0.8, zorder=1)
    still = np.zeros_like(scene.noise)
    ax.plot(scene.noise, still + NOISE_HEIGHT, "o", color=BLUE, markerfacecolor="white", zorder=3, label="noise z")
    ax.plot(scene.real, np.zeros_like(scene.real), "o", color=GREEN, label="real samples x", **DOT)
    ax.plot(scene.grid, scene.density, color=GREEN, label="target density")
    ax.set(xlim=scene.grid[[0, -1]], ylim=(NOISE_HEIGHT - 0.1, 1.05), xlabel="z, G(z), x", ylabel="D(x), density")
    ax.set_yticks([NOISE_HEIGHT, 0, 0.5, 1], ["noise", "0", "0.5", "1"])


def draw_frame(ax, scene, frame=-1):
    """Draw one frame: noise below, the samples it becomes above, the data, its density, and D."""
    _draw_stage(ax, scene)
    _Players(ax, scene).show(frame)


@style()
def gif(scene):
    """Draw every frame over one background, in one palette, and return the bytes of a looping GIF."""
    figure = _figure(FRAME_INCHES)
    ax = figure.subplots()
    _draw_stage(ax, scene)
    players = _Players(ax, scene, animated=True)
    figure.legend(loc="outside lower center", ncols=5, columnspacing=1.2, handletextpad=0.4)
    figure.canvas.draw()
    background = figure.canvas.copy_from_bbox(figure.bbox)
    palette, frames = _palette(), []
    for frame in range(len(scene.games)):
        players.show(frame)
        figure.canvas.restore_region(background)
        for artist in players.artists:
            ax.draw_artist(artist)
        frames.append(_image(figure).quantize(palette=palette, dither=Image.Dither.NONE))
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=FRAME_MILLISECONDS, loop=0, optimize=True
    )
    return buffer.getvalue()


def _palette():
    """Build the palette of all frames: white, every ink, and steps between for smooth edges."""
    steps = {BLACK: (1, 0.67, 0.33), GRID: (1, 0.5), ARROW: (1, 0.5), BLUE: (1, 0.5), GREEN: (1, 0.5)}
    tints = [1 - step * (1 - np.array(ink)) for ink, some in steps.items() for step in some]
    colors = np.vstack([[1, 1, 1], *tints])
    image = Image.new("P", (1, 1))
    image.putpalette(np.round(255 * colors).astype(np.uint8).tobytes())
    return image


def _games_axis(ax, values):
    """Count the games of a run from 1 along the axis of `values`, and label it."""
    ax.set(xlabel="game", xlim=(0, len(values)))
    return np.arange(1, len(values) + 1)


def draw_objective(ax, objective, optimum, turns, period):
    """Draw V against games with its value at the optimum, and its wave beside the predicted one.

    turns are the games in which D was flat, half a turn apart; period is the predicted full turn in
    games, or nan. The prediction is laid through the last of the first four turns.
    """
    ax.plot(_games_axis(ax, objective), objective, color=BLACK, linewidth=0.8, label="objective V")
    ax.axhline(optimum, color=RED, zorder=1, label="-2 log 2: D = 1/2 everywhere")
    if len(turns) > 1 and np.isfinite(period):
        ax.plot(turns, np.full(len(turns), optimum), "o", color=BLUE, label="D flat: half a turn done", **DOT)
        predicted = np.arange(turns[:4][-1] % (period / 2), min(turns[-1] + period / 4, len(objective)), period / 2)
        bottom, top = ax.get_ylim()
        ax.vlines(predicted, bottom, top, color=RED, linestyle=":", label=f"predicted, every {period / 2:.0f} games")
        ax.set_ylim(bottom, top)
    ax.set(ylabel="V", title="Objective")


def draw_gradient(ax, gradient, player, symbol):
    """Draw the norm of a player's whole gradient, weight and bias, against games."""
    ax.plot(_games_axis(ax, gradient), gradient, color=PURPLE, linewidth=0.8, label="gradient norm")
    ax.set(ylabel=f"norm of {symbol}'s gradient", ylim=(0, None), title=f"Gradient magnitude: {player}")


@style()
def summary_figure(scene, history, optimum, turns, period):
    """Compose the last frame, the objective with its wave, and both players' gradients."""
    figure = _figure((10, 7.5))
    axes = figure.subplots(2, 2)
    draw_frame(axes[0, 0], scene)
    draw_objective(axes[0, 1], history.objective, optimum, turns, period)
    draw_gradient(axes[1, 0], history.discr_gradient, "discriminator", "D")
    draw_gradient(axes[1, 1], history.gen_gradient, "generator", "G")
    handles = [axes[row, column].get_legend_handles_labels() for row, column in ((0, 0), (0, 1), (1, 0))]
    figure.legend(*map(sum, zip(*handles), ([], [])), loc="outside lower center", ncols=5)
    return figure


def _linear_part(values):
    """Choose where a symlog axis is linear: below the decade in which the smallest of each row
    (games, n) usually lies, down to a millionth of the largest of all."""
    size = np.abs(values)
    return 10.0 ** np.floor(np.log10(max(np.median(size.min(axis=1)), 1e-6 * size.max(), 1e-300)))


def draw_eigenvalues(ax, eigenvalues):
    """Draw the sorted eigenvalues (games, 4) of the Hessian, so that the sign of each can be read."""
    ax.axhline(0, color=BLACK, linewidth=1, label="zero")
    games = _games_axis(ax, eigenvalues)
    for number, (values, color) in enumerate(zip(eigenvalues.T, (RED, ORANGE, GREEN, BLUE, PURPLE)), 1):
        ax.plot(games, values, color=color, linewidth=1, label=f"eigenvalue {number}")
    ax.set_yscale("symlog", linthresh=_linear_part(eigenvalues))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set(ylabel="eigenvalue", title="Hessian of V")


def draw_rotations(ax, eigenvalues):
    """Draw the eigenvalues (games, 4) of the game's Jacobian in the complex plane, coloured by game."""
    games, count = np.indices(eigenvalues.shape)[0] + 1, len(eigenvalues)
    shown = slice(None, None, -(-count // MOST_POINTS))
    ax.axvspan(-1e6, 0, color=GREEN, alpha=0.12, linewidth=0, label="stable: Re < 0")
    ax.axvline(0, color=BLACK, linewidth=1)
    points = ax.scatter(
        *(part[shown].ravel() for part in (eigenvalues.real, eigenvalues.imag)),
        c=games[shown].ravel(),
        s=7,
        cmap=GAME_COLORS,
        zorder=3,
    )
    ax.set_xscale("symlog", linthresh=max(1e-3, _linear_part(eigenvalues.real)))
    ax.xaxis.get_major_locator().set_params(numticks=6)
    ax.xaxis.set_major_formatter("{x:g}")
    reach = max(0.05, 1.15 * np.abs(eigenvalues.imag).max())
    low, high = eigenvalues.real.min(), eigenvalues.real.max()
    ax.set(xlim=(2 * low, max(2 * high, 0.02)), ylim=(-reach, reach), xlabel="real part", ylabel="imaginary part")
    ax.set_title("Jacobian of the game")
    ax.tick_params(axis="x", labelsize="small")
    ax.figure.colorbar(points, ax=ax, label="game")


@style()
def hessian_figure(eigenvalues, rotations):
    """Compose the eigenvalues (games, 4) of the Hessian of V and, complex, of the game's Jacobian."""
    figure = _figure((10, 4.8))
    left, right = figure.subplots(1, 2)
    draw_eigenvalues(left, eigenvalues)
    draw_rotations(right, rotations)
    figure.legend(loc="outside lower center", ncols=6)
    return figure


def draw_band(ax, games, values, target, color, label):
    """Draw the median and the band of 90% of the seeds' values (games, S) against games, and a target's line."""
    seeds = np.shape(values)[1]
    sns.lineplot(
        x=np.repeat(games, seeds), y=np.ravel(values), ax=ax, color=BLUE, label="median of the seeds",
        estimator="median", errorbar=("pi", 90), err_kws={"label": "90% of the seeds"}, legend=False,
    )  # fmt: skip
    ax.axhline(target, color=color, zorder=1, label="-2 log 2" if color == RED else "target")
    ax.set(xlabel="game", xlim=(0, games[-1]), ylabel=label, title=label[0].upper() + label[1:])


@style()
def seeds_figure(games, objective, mean, std, optimum, target):
    """Compose objective, generated mean and generated std of many seeds (games, S), with their targets."""
    figure = _figure((10, 3.6))
    left, middle, right = figure.subplots(1, 3)
    draw_band(left, games, objective, optimum, RED, "objective V")
    draw_band(middle, games, mean, target.mean(), GREEN, "generated mean")
    draw_band(right, games, std, target.std(), GREEN, "generated std")
    handles = left.get_legend_handles_labels()[0] + right.lines[-1:]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def jensen_shannon(target, low, high):
    """Compute the Jensen-Shannon divergence of the target p from the uniform q on [low, high], in nats.

    JSD = KL(p, (p + q) / 2) / 2 + KL(q, (p + q) / 2) / 2: Goodfellow et al. 2014, proof of Theorem 1.
    With r = p / q it is log 2 - 1/2 * the mean under q of (1 + r) log(1 + r) - r log r, which vanishes
    with r: log 2 is what no overlap leaves. target: a frozen scipy.stats.norm. low, high (...), in
    either order or equal, give (...,).
    """
    low, high = np.minimum(low, high), np.maximum(low, high)
    mean, reach, width = target.mean(), REACH * target.std(), high - low
    start, stop = np.clip(low, mean - reach, mean + reach), np.clip(high, mean - reach, mean + reach)
    total = 0
    for node, weight in zip(*special.roots_legendre(NODES)):  # a node at a time: memory for any number of games
        ratio = width * target.pdf((start + stop + node * (stop - start)) / 2)
        total += weight / 2 * (special.entr(ratio) - special.entr(1 + ratio))  # entr(r) = -r log r, and 0 at 0
    covered = (stop - start) / np.maximum(width, np.finfo(float).tiny)  # the share of q's mass; 0 if it is a point
    return np.log(2) - covered * total / 2


@np.errstate(over="ignore")  # beyond 1e154 the square in a density overflows; the density is 0
def wasserstein(target, low, high):
    """Compute the Wasserstein-1 distance of the target from the uniform on [low, high], in units of x.

    W1 = integral of |x(t) - u(t)| dt over 0 < t < 1, between the quantiles of the two at t (Arjovsky
    et al. 2017, arXiv 1701.07875, for W1). Here u(t) = low + width t, and x(t) has the antiderivative
    mean t - std^2 pdf(x(t)), so it is exact once the crossings of x and u, three at most, are found.
    target: a frozen scipy.stats.norm. low, high (...), in either order or equal, give (...,).
    """
    low, high = np.minimum(low, high), np.maximum(low, high)
    mean, std, width = target.mean(), target.std(), high - low

    def above(x):
        return x > low + width * target.cdf(x)

    # The difference rises, falls between mean - turn and mean + turn, where width * pdf > 1, and rises
    # again, so each third has one crossing or none. Without one, bisection ends at its right: no harm.
    turn = std * np.sqrt(2 * np.log(np.maximum(width * target.pdf(mean), 1)))
    ends = np.stack([low, np.clip(mean - turn, low, high), np.clip(mean + turn, low, high), high])
    left, right = ends[:-1], ends[1:]
    before = above(left)
    for _ in range(BISECTIONS):
        middle = (left + right) / 2
        ahead = above(middle) == before
        left, right = np.where(ahead, middle, left), np.where(ahead, right, middle)
    t = target.cdf(right)
    area = (mean - low) * t - std**2 * target.pdf(right) - width * t**2 / 2
    whole = mean - low - width / 2
    return np.abs(np.diff(area, axis=0, prepend=0, append=whole[None])).sum(axis=0)


def kullback_leibler(target, low, high):
    """Compute KL(q, p) of the uniform q on [low, high] from the target p, in nats; KL(p, q) is infinite.

    KL(q, p) = mean under q of log q - log p = ((middle - mean)^2 + width^2 / 12) / (2 std^2)
    + log(std sqrt(2 pi) / width). target: a frozen scipy.stats.norm. low, high (...), in either order
    but not equal, give (...,).
    """
    width = np.abs(np.subtract(high, low))
    return width**2 / (24 * target.var()) - target.logpdf(np.add(low, high) / 2) - np.log(width)


def best_objective(target, low, high):
    """Compute V* = -log 4 + 2 JSD, what the best D of all makes of V: Goodfellow et al. 2014, Theorem 1.

    target: a frozen scipy.stats.norm. low, high (...) of the uniform generator give (...,).
    """
    return 2 * jensen_shannon(target, low, high) - np.log(4)


def best_discriminator(target, low, high, grid):
    """Compute D* = p / (p + q), the best D of all against the uniform q on [low, high], on a grid (M,).

    Goodfellow et al. 2014, Proposition 1. target: a frozen scipy.stats.norm. low and high, numbers in
    either order, give (M,).
    """
    low, high = min(low, high), max(low, high)
    ratio = (high - low) * target.pdf(grid)  # p / q on q's interval; elsewhere q is 0
    return np.where((low <= grid) & (grid <= high), ratio / (1 + ratio), 1.0)


def _legend(ax, handles=None):
    """Put an Axes' legend below it, where it covers nothing."""
    handles = handles or ax.get_legend_handles_labels()[0]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.5, ncols=2)


def draw_losses(ax, discr_loss, gen_loss):
    """Draw what each player descends against games, with its value where D = 1/2 everywhere."""
    games = _games_axis(ax, discr_loss)
    ax.plot(games, discr_loss, color=BLUE, linewidth=0.8, label="D's loss, -V")
    ax.plot(games, gen_loss, color=ORANGE, linewidth=0.8, label="G's loss")
    saturating = gen_loss.min() < 0  # log(1 - D) is never positive, -log D never negative
    ax.axhline(
        2 * np.log(2), color=RED, zorder=1, label=f"D = 1/2 everywhere: 2 log 2, {'-' if saturating else ''}log 2"
    )
    ax.axhline(-np.log(2) if saturating else np.log(2), color=RED)
    ax.set(ylabel="loss", title="Losses")
    _legend(ax)


def draw_accuracy(ax, accuracy_real, accuracy_fake):
    """Draw the share of samples of each kind that D gets right, as a running mean, against games.

    The share of a few samples jumps in steps: its mean over a fiftieth of the games shows where it goes.
    """
    games = _games_axis(ax, accuracy_real)
    window = -(-len(games) // 50)
    real, fake = 100 * ndimage.uniform_filter1d([accuracy_real, accuracy_fake], window, output=float)
    ax.plot(games, real, color=GREEN, linewidth=2.5, label="on real samples")
    ax.plot(games, fake, color=BLUE, label="on generated samples")
    ax.axhline(50, color=RED, label="50%: guessing")
    ax.set(ylabel=f"right (%), mean of {window} games", ylim=(-4, 104), title="Accuracy of D")
    _legend(ax)


def draw_moments(ax, mean, std, target):
    """Draw the generated mean and standard deviation, quality and diversity, against games."""
    games = _games_axis(ax, mean)
    ax.plot(games, mean, color=BLUE, label="generated mean")
    ax.plot(games, std, color=BLUE, linestyle="--", label="generated std")
    ax.axhline(target.mean(), color=GREEN, label="target mean")
    ax.axhline(target.std(), color=GREEN, linestyle="--", label="target std")
    ax.set(ylabel="mean, std", title="Quality and diversity")
    _legend(ax)


def draw_distances(ax, divergence, distance):
    """Draw JSD and, on an axis of its own at the right, Wasserstein-1 against games, both from 0."""
    games, right = _games_axis(ax, divergence), ax.twinx()
    lines = [
        *ax.plot(games, divergence, color=BLUE, linewidth=2.5, label="JSD"),
        ax.axhline(np.log(2), color=RED, linestyle="--", zorder=3, label="log 2: JSD without overlap"),
        *right.plot(games, distance, color=ORANGE, label="Wasserstein-1"),
    ]
    ax.set(ylim=(0, 0.75), title="Distance from the target")
    ax.set_ylabel("JSD (nats)", color=BLUE)
    right.set(ylim=(0, None))
    right.set_ylabel("Wasserstein-1 (units of x)", color=ORANGE)
    right.grid(False)
    _legend(ax, handles=lines)


@style()
def monitor_figure(discr_loss, gen_loss, accuracy_real, accuracy_fake, mean, std, target, divergence, wasserstein):
    """Compose losses, D's accuracies, generated moments and distances from the target, against games.

    All are arrays (games,), but target is a frozen scipy.stats.norm. discr_loss is -V and gen_loss what
    G descends; the accuracies are shares from 0 to 1; mean and std are those of G(z), divergence and
    wasserstein its distances from the target.
    """
    figure = _figure((10, 7.5))
    axes = figure.subplots(2, 2)
    draw_losses(axes[0, 0], discr_loss, gen_loss)
    draw_accuracy(axes[0, 1], accuracy_real, accuracy_fake)
    draw_moments(axes[1, 0], mean, std, target)
    draw_distances(axes[1, 1], divergence, wasserstein)
    for ax in axes.flat:
        ax.locator_params("x", nbins=6)  # room for the numbers of a long run
    return figure


def draw_slopes(ax):
    """Draw the slope that G receives from either loss, by the logit of D(G(z)), against D(G(z)).

    d log(1 - D) / d logit = -D and d (-log D) / d logit = D - 1: Goodfellow et al. 2014, section 3.
    """
    logit = np.linspace(-8, 8, 801)
    saturating = np.gradient(special.log_expit(-logit), logit)
    non_saturating = np.gradient(-special.log_expit(logit), logit)
    ax.plot(special.expit(logit), np.abs(saturating), color=BLUE, label="saturating, log(1 - D): slope D")
    ax.plot(special.expit(logit), np.abs(non_saturating), color=ORANGE, label="non-saturating, -log D: slope 1 - D")
    ax.axvline(0.5, color=RED, label="equilibrium: D = 1/2")
    ax.set(xlabel="D(G(z)): 0 if found out, 1 if D is fooled", xlim=(0, 1), ylabel="|d loss / d logit|", ylim=(0, 1))
    ax.set_title("(a) The slope that G receives from either loss")
    _legend(ax)


def rotate(steps, rate, alternating):
    """Play V(x, y) = x y by gradient steps from (1, 0): x descends it, y climbs it.

    x' = x - rate y and y' = y + rate x, or y + rate x' if alternating. Returns an array (steps + 1, 2).
    Simultaneous steps multiply x^2 + y^2 by 1 + rate^2; alternating ones keep x^2 + y^2 - rate x y.
    """
    path = [(1.0, 0.0)]
    for _ in range(steps):
        x, y = path[-1]
        moved = x - rate * y
        path.append((moved, y + rate * (moved if alternating else x)))
    return np.array(path)


def draw_rotation(ax, steps=126, rate=0.1):
    """Draw two ways to play V(x, y) = x y: simultaneous steps spiral outwards, alternating ones circle."""
    circle, spiral = rotate(steps, rate, alternating=True), rotate(steps, rate, alternating=False)
    ax.plot(*spiral.T, ".-", color=ORANGE, linewidth=0.8, markersize=4, label="simultaneous steps: a spiral")
    ax.plot(*circle.T, ".-", color=BLUE, linewidth=0.8, markersize=4, label="alternating steps: a circle")
    ax.plot(*circle[0], "o", color=BLACK, label="start", **DOT)
    ax.plot(0, 0, "o", color=RED, label="equilibrium", **DOT)
    ax.set(xlabel="x, descends V", ylabel="y, climbs V", title=f"(b) V(x, y) = x y: {steps} steps of rate {rate}")
    ax.set_aspect("equal", adjustable="datalim")
    _legend(ax)


def draw_slide(ax, target, width=2.4, start=-5):
    """Draw three distances of data and generator as the generator's middle slides from `start` to the target's."""
    middle = np.linspace(start, target.mean(), 400)
    ends = middle - width / 2, middle + width / 2
    ax.plot(middle, jensen_shannon(target, *ends), color=BLUE, linewidth=2.5, label="JSD (nats)")
    ax.plot(middle, kullback_leibler(target, *ends), color=PURPLE, label="KL(generated, data) (nats)")
    ax.plot(middle, wasserstein(target, *ends), color=ORANGE, label="Wasserstein-1 (units of x)")
    ax.axhline(np.log(2), color=RED, linestyle="--", label="log 2: JSD without overlap")
    ax.text(0.03, 0.1, "KL(data, generated) is infinite throughout", color=PURPLE, transform=ax.transAxes)
    ax.set(xlabel=f"middle of G(z), of width {width}; the data's is {target.mean():g}", ylabel="distance, log scale")
    ax.set(xlim=middle[[0, -1]], ylim=(0.06, 100), yscale="log", title="(c) JSD is flat where it should pull")
    ax.yaxis.set_major_formatter("{x:g}")
    _legend(ax)


def draw_best_discriminator(ax, target, middle, width):
    """Draw D* against a uniform generator, and the target's density, with V* in the title."""
    low, high = middle - width / 2, middle + width / 2
    grid = np.union1d(np.linspace(-1, 9, 1000), np.nextafter([low, low, high, high], [low, -np.inf, high, np.inf]))
    ax.axvspan(low, high, color=BLUE, alpha=0.2, linewidth=0, label="generated samples G(z)")
    ax.plot(grid, target.pdf(grid), color=GREEN, label="target density")
    ax.plot(grid, best_discriminator(target, low, high, grid), color=BLUE, label="best discriminator D*")
    ax.axhline(0.5, color=RED, label="equilibrium: D = 1/2")
    ax.set(xlim=(-1, 9), ylim=(0, 1.06), yticks=(0, 0.5, 1), ylabel="D*, density")
    ax.set_title(f"w = {width} around {middle:g}: V* = {best_objective(target, low, high):.4f}")


@style()
def theory_figure(target):
    """Compose what theory says of these games: G's slope, rotation, distances and the best D.

    target: a frozen scipy.stats.norm.
    """
    figure = _figure((10, 8.2))
    axes = figure.subplot_mosaic([["slopes", "rotation"], ["slide", [["stalled"], ["narrow"]]]])
    draw_slopes(axes["slopes"])
    draw_rotation(axes["rotation"])
    draw_slide(axes["slide"], target)
    draw_best_discriminator(axes["stalled"], target, 0.9, 0.4)
    draw_best_discriminator(axes["narrow"], target, 5, 2.4)
    axes["stalled"].set_title("(d) Stalled, " + axes["stalled"].get_title())
    axes["stalled"].tick_params(labelbottom=False)
    axes["narrow"].set(xlabel="x, G(z)", title="Right mean, too narrow, " + axes["narrow"].get_title())
    _legend(axes["narrow"])
    return figure


@style()
def png(figure):
    """Return the bytes of a figure's PNG file. (Figure.savefig would lay out and draw everything twice.)"""
    figure.canvas.draw()
    buffer = io.BytesIO()
    _image(figure).save(buffer, "PNG")
    return buffer.getvalue()


def _image(figure):
    """Copy a drawn figure to an image without transparency."""
    size, pixels = figure.canvas.get_width_height(), figure.canvas.buffer_rgba()
    return Image.frombuffer("RGBA", size, pixels).convert("RGB")


def save(path, content):
    """Write bytes to a file, whole or not at all: whoever looks finds the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def main():
    """Draw the picture of theory beside those of the runs."""
    argparse.ArgumentParser(description="Draw img/theory.png.").parse_args()
    images = Path(__file__).resolve().parent / "img"
    try:
        images.mkdir(exist_ok=True)
        save(images / "theory.png", png(theory_figure(stats.norm(5, 1))))
    except OSError as error:
        sys.exit(f"plots.py: {error}")
    print(f"Saved in {images.name}/: theory.png")


if __name__ == "__main__":
    main()
