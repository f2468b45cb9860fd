"""Draw the tutorial's pictures: arrays in, figures and files out, no TensorFlow.

`draw_...(ax, ...)` draws on an Axes, and returns a `Moving` where something moves with the games;
`..._figure(...)` composes a Figure; `png` and `gif` give a file's bytes, `save` writes them, whole or not
at all. Blue is what the players make (samples, paths; darker, D), green is the data, red is theory.

    python plots.py                                      the picture of theory, which no run enters

params (..., 4) are w, b, w', b'; target is a frozen scipy.stats.norm; low and high (...), in either order or
equal, are the ends of the interval on which G(z) is uniform. Functions of these give an array (...,).
"""

import argparse
import contextlib
import errno
import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # not a word about where it keeps its fonts
BACKEND = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)  # it may name one that is missing

import matplotlib.style
import numpy as np
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image
from scipy import ndimage, optimize, special, stats

if BACKEND:  # only windows need it
    os.environ["MPLBACKEND"] = BACKEND
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = BACKEND

IMAGES = Path(__file__).resolve().parent / "img"
DRAW = -2 * np.log(2)  # V where D = 1/2 everywhere: Goodfellow et al. 2014, Theorem 1
BLUE, ORANGE, GREEN, RED, PURPLE, *_ = sns.color_palette("deep")
NAVY = sns.color_palette("dark")[0]
BLACK, GRAY, ARROW, GRID = (0.15,) * 3, (0.45,) * 3, (0.7,) * 3, (0.8,) * 3
PALE_BLUE, PALE_GREEN, PALE_RED = (tuple(0.6 + 0.4 * np.array(ink)) for ink in (BLUE, GREEN, RED))
GAME_COLORS = sns.blend_palette([(0.5, 0.7, 0.9), NAVY], as_cmap=True)
DOT = {"marker": "o", "linestyle": "none", "markeredgecolor": "white", "markeredgewidth": 0.7, "zorder": 4}
STILL_DPI, MOVING_DPI = 180, 100  # of figures, shown at half their size, and of the animation
FRAME_EVERY, MOST_FRAMES = 25, 100  # games between frames of the animation, and how many it may have
FIRST_FRAMES = *range(1, 6), *range(6, 20, 2), *range(20, 50, 5), *range(50, 100, 10)  # shown, too: all starts fast
FEW = 10  # games that a line alone would hardly show
MOST_SHOWN, MOST_SEEDS, MOST_POINTS = 20, 30, 3000  # samples in a frame, thin lines of seeds, points of a path
PLANE_ARROWS = (17, 13)  # arrows across and up the phase plane
NOISE_HEIGHT, SAMPLES_HEIGHT, SEEN_HEIGHT, ARROW_GAP = -0.65, -0.25, 0.07, 0.04  # of a frame, where D is 0 to 1
PEAK = 0.4  # of the target's density beside D, whatever its standard deviation
D_TICKS = {0: "D = 0:\ngenerated", 0.5: "D = 1/2", 1: "D = 1:\nreal"}
NODES, REACH = 64, 8  # of the quadrature over the target, and the standard deviations that it covers
BISECTIONS = 25  # of an interval that holds a crossing: the distance feels the square of what is left


def generated_ends(params):
    """Compute the ends of G(z)'s interval, in ascending order: two arrays (...,)."""
    return np.sort([params[..., 1], params[..., 0] + params[..., 1]], axis=0)


def generated_mean(params):
    """Compute the mean of G(z), uniform on [b, b + w]."""
    return params[..., 1] + params[..., 0] / 2


def generated_std(params):
    """Compute the standard deviation of G(z), |w| / sqrt(12)."""
    return np.abs(params[..., 0]) / np.sqrt(12)


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def accuracies(params, target):
    """Compute the shares of real and of generated samples that D gets right: two arrays (...,).

    The logit of G(z) is linear in z: negative on one side of its zero in [0, 1].
    """
    w, b, slope, bias = np.moveaxis(params, -1, 0)
    real = stats.norm.cdf((slope * target.mean() + bias) / (np.abs(slope) * target.std()))
    low, high = np.sort([slope * b + bias, slope * (w + b) + bias], axis=0)
    return real, np.clip(-low / np.maximum(high - low, np.finfo(float).tiny), 0, 1)


def jensen_shannon(target, low, high):
    """Compute the Jensen-Shannon divergence of the target p from the uniform q on [low, high], in nats.

    JSD = KL(p, (p + q) / 2) / 2 + KL(q, (p + q) / 2) / 2: Goodfellow et al. 2014, proof of Theorem 1.
    With r = p / q it is log 2 - 1/2 * the mean under q of (1 + r) log(1 + r) - r log r, which vanishes
    with r: log 2 is what no overlap leaves.
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
    """
    low, high = np.minimum(low, high), np.maximum(low, high)
    mean, std, width = target.mean(), target.std(), high - low
    above = lambda x: x > low + width * target.cdf(x)

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
    """Compute KL(q, p) of the uniform q on [low, high], not a point, from the target p, in nats; KL(p, q) is infinite.

    It is the mean under q of log q - log p, whose square has the mean of its middle's plus width^2 / 12.
    """
    width = np.abs(np.subtract(high, low))
    return width**2 / (24 * target.var()) - target.logpdf(np.add(low, high) / 2) - np.log(width)


def best_objective(target, low, high):
    """Compute V* = -log 4 + 2 JSD, what the best D of all makes of V: Goodfellow et al. 2014, Theorem 1."""
    return 2 * jensen_shannon(target, low, high) - np.log(4)


def best_discriminator(target, low, high, grid):
    """Compute the best D of all, p / (p + q), on a grid (M,): Goodfellow et al. 2014, Proposition 1."""
    low, high = min(low, high), max(low, high)
    ratio = (high - low) * target.pdf(grid)  # p / q on q's interval; elsewhere q is 0
    return np.where((low <= grid) & (grid <= high), ratio / (1 + ratio), 1.0)


class Portrait(NamedTuple):
    """What the pictures of a run of one seed show: F frames, K samples of each kind."""

    draws: tuple  # a record with x (N,) and z_gen (games, steps, N)
    history: tuple  # a record with params (games, 4), objective, gen_loss, discr_gradient and gen_gradient (games,)
    target: object
    games: np.ndarray  # (F,) games played in each frame
    seen: tuple  # two arrays (F, K), real and generated samples as D sees them; empty if as they are
    path: np.ndarray  # (games + 1, 2) `phase_point` before the first game and after each
    equilibrium: tuple  # a record with params (4,) and period, a full turn in games, or nan
    turns: np.ndarray  # games in which D was flat: half-turns
    field: tuple  # four 2-D arrays: mean and slope of places in the phase plane, and what a game adds to both
    predicted: np.ndarray | None  # (P, 4) params of the run that theory predicts, if it predicts one


class Moving(NamedTuple):
    """What changes on an Axes from game to game, or stands before what does."""

    show: Callable  # moves the artists to where a game left them: show(game)
    artists: tuple


def phase_point(params):
    """Project onto the phase plane: params (..., 4) give (generated mean, D's slope w'), (..., 2)."""
    return np.stack([generated_mean(params), params[..., 2]], axis=-1)


def phase_grid(path, equilibrium):
    """Lay places for arrows over what a path (M, 2) visits of the phase plane: two 2-D arrays, mean and slope."""
    visited = np.vstack([path, phase_point(equilibrium.params)])
    low, high, pad = visited.min(axis=0), visited.max(axis=0), np.maximum(0.06 * np.ptp(visited, axis=0), 1e-3)
    return np.meshgrid(*(np.linspace(*ends) for ends in zip(low - pad, high + pad, PLANE_ARROWS)))


def frame_games(games):
    """List the games to show: denser at first, then every 25th or, in a long run, fewer, and the last."""
    step = FRAME_EVERY * -(-games // (FRAME_EVERY * MOST_FRAMES))
    return np.unique(np.minimum([*FIRST_FRAMES, *range(max(100, step), games, step), games], games))


STYLING = threading.RLock()  # settings belong to the process, not to a thread


@contextlib.contextmanager
def style():
    """Draw the same everywhere, whatever a machine's or a folder's own Matplotlib settings are."""
    ours = {
        "font.sans-serif": ["DejaVu Sans"], "text.hinting": "no_hinting", "lines.linewidth": 1.3,
        "axes.titlesize": "medium", "axes.titley": 1,  # a fixed height: to look for one that is free takes time
        "agg.path.chunksize": 10_000, "legend.frameon": False, "legend.fontsize": "small",
    }  # fmt: skip
    with STYLING, matplotlib.style.context(["default", sns.axes_style("whitegrid"), ours]):
        yield


def _figure(inches, dpi=STILL_DPI, layout="constrained"):
    figure = Figure(figsize=inches, dpi=dpi, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def _image(figure, colors=None):
    """Copy a drawn figure to an image in the nearest of `colors` (n, 3), 256 at most, or in those that suit it."""
    size, pixels = figure.canvas.get_width_height(), figure.canvas.buffer_rgba()
    image, palette = Image.frombuffer("RGBA", size, pixels).convert("RGB"), Image.new("P", (1, 1))
    if colors is None:
        some = image.resize((size[0] // 3, size[1] // 3), Image.Resampling.NEAREST)  # a ninth is quick and enough
        colors = np.reshape(some.quantize(256, Image.Quantize.MEDIANCUT).getpalette(), (-1, 3))
        colors[colors.min(axis=1) > 245] = 255  # paper is white, not a mean of whites
    palette.putpalette(np.round(colors).astype(np.uint8).tobytes())
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _legend(ax):
    """Put an Axes' legend below it, where it covers nothing."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.2, ncols=2, columnspacing=1)


def _label_ends(ax, labels):
    """Write (height, text, color) at the right of an Axes, as near to the heights as they can stand apart."""
    heights, texts, colors = zip(*sorted(labels, key=lambda label: label[0]))
    ax.autoscale_view()  # or the scale would be that of an empty Axes
    scale = ax.transData + ax.transAxes.inverted()
    wanted = np.clip(scale.transform([(1, height) for height in heights])[:, 1], 0, 1)
    line = 11 / 72 * ax.figure.dpi / ax.get_window_extent().height
    sizes = line * np.array([1 + text.count("\n") for text in texts])
    stacked = np.cumsum(sizes) - sizes / 2
    places = optimize.isotonic_regression(wanted - stacked).x + stacked
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center"}
    for height, text, color in zip(places, texts, colors):
        ax.annotate(text, (1, height), (4, 0), color=color, fontsize="small", linespacing=1.1, **place)


def draw_lines(ax, lines, constants=(), **settings):
    """Draw what a run recorded against games, and constants, each named at its end.

    lines: (values (games,), name or "", color, linewidth); constants: (height, name, color).
    """
    games = np.arange(1, len(lines[0][0]) + 1)
    few, shown = len(games) < FEW, slice(None, None, -(-len(games) // 100_000))  # a million would cost a gigabyte
    for values, _, color, width in lines:
        ax.plot(games[shown], values[shown], color=color, linewidth=width, marker="." * few, clip_on=not few)
    for height, _, color in constants:
        ax.axhline(height, color=color, linewidth=0.9, linestyle="--", zorder=3)
    ax.set(**{"xlabel": "game", "xlim": (0, games[-1])} | settings)
    ax.locator_params("x", nbins=4, steps=(1, 2.5, 5, 10), integer=True)  # room for the numbers of a long run
    if ax.get_yscale() == "linear":
        ax.locator_params("y", nbins=5)
    ends = [(np.median(values[-(len(games) // 20 + 1) :]), name, color) for values, name, color, _ in lines if name]
    _label_ends(ax, [*ends, *constants])


def draw_frame(ax, portrait):
    """Draw the stage: noise below, the samples it becomes beside the data, then the density and D. Gives a Moving."""
    history, target, games = portrait.history, portrait.target, portrait.games
    noise, real = portrait.draws.z_gen[-1, -1, :MOST_SHOWN], portrait.draws.x[:MOST_SHOWN]
    made = history.params[games - 1, :1] * noise + history.params[games - 1, 1:2]
    low, high = min(0, target.mean() - 2.5 * target.std()), max(1, target.mean() + 2.5 * target.std())
    far = 1.5 * (high - low)  # beyond noise and data, which stay in sight whatever the samples do
    views = [values[:, :MOST_SHOWN] for values in portrait.seen]
    visited = np.clip(np.concatenate([made, *views], axis=None), low - far, high + far)
    grid = np.linspace(min(low, visited.min()) - 0.5, max(high, visited.max()) + 0.5, 300)
    for height in (NOISE_HEIGHT, SAMPLES_HEIGHT):
        ax.axhline(height, color=BLACK, linewidth=0.8, zorder=1)
    ax.axhline(0.5, color=PALE_RED, linewidth=0.9, zorder=1)
    still = np.zeros_like(noise)
    ax.plot(noise, still + NOISE_HEIGHT, "o", color=GRAY, markerfacecolor="white", zorder=4, label="noise z")
    arrows = ax.quiver(
        noise, still + NOISE_HEIGHT, still, still, color=ARROW,
        angles="xy", scale_units="xy", scale=1, width=0.0015, headwidth=6, headlength=8, headaxislength=7,
    )  # fmt: skip
    ax.plot(grid, PEAK * (target.pdf(grid) / target.pdf(target.mean())), color=GREEN, label="target density, scaled")
    ax.plot(real, np.full_like(real, SAMPLES_HEIGHT), color=GREEN, label="real samples x", **DOT)
    kinds = zip(views, ("x as D sees them", "G(z) as D sees them"), (PALE_GREEN, PALE_BLUE))
    seen = [ax.plot([], [], "o", color=color, markersize=4, label=label)[0] for _, label, color in kinds]
    (samples,) = ax.plot(still, still + SAMPLES_HEIGHT, color=BLUE, label="generated samples G(z)", **DOT)
    (curve,) = ax.plot(grid, 0 * grid, color=NAVY, linewidth=1.8, label="discriminator D(x)")
    title = ax.set_title("Game")
    ax.set(xlim=grid[[0, -1]], ylim=(NOISE_HEIGHT - 0.1, 1.05), xlabel="z, G(z), x")
    ticks = {NOISE_HEIGHT: "noise", SAMPLES_HEIGHT: "samples"} | D_TICKS
    ax.set_yticks([*ticks], ticks.values(), fontsize="small")

    def show(game):
        frame = np.searchsorted(games, game, "right") - 1  # the last one that is not ahead of the game
        samples.set_xdata(made[frame])
        arrows.set_UVC(made[frame] - noise, still + SAMPLES_HEIGHT - ARROW_GAP - NOISE_HEIGHT)
        slope, bias = history.params[games[frame] - 1, 2:]
        curve.set_ydata(special.expit(slope * grid + bias))
        title.set_text(f"Game {games[frame]}: objective {history.objective[games[frame] - 1]:.3f}")
        for row, (dots, values) in enumerate(zip(seen, views), 1):
            dots.set_data(values[frame], np.full(values.shape[1], SAMPLES_HEIGHT + row * SEEN_HEIGHT))

    show(games[-1])
    return Moving(show, (arrows, *seen, samples, curve, title))


def draw_phase(ax, portrait):
    """Draw a run's path in the plane of the generated mean and D's slope w', coloured by game. Gives a Moving."""
    path, (mean, slope, *step) = portrait.path, portrait.field
    size = np.hypot(*step) + np.finfo(float).tiny
    ax.quiver(
        mean, slope, *(part / size for part in step), color=ARROW, pivot="mid", angles="xy", scale_units="width",
        scale=2 * PLANE_ARROWS[0], width=0.003, headwidth=4, headlength=4, headaxislength=3.5, zorder=1,
    )  # fmt: skip
    ax.plot([], [], color=GRAY, marker=r"$\rightarrow$", linestyle="none", markersize=11, label="a game's direction")
    stride = -(-len(path) // MOST_POINTS)
    trail = LineCollection([], cmap=GAME_COLORS, clim=(0, len(path) - 1), linewidth=1.3, zorder=2)
    ax.add_collection(trail, autolim=False)
    if portrait.predicted is not None:
        halo = [withStroke(linewidth=2.6, foreground="white")]
        ax.plot(*phase_point(portrait.predicted).T, ":", color=RED, path_effects=halo, zorder=3, label="predicted")
    goal = phase_point(portrait.equilibrium.params)
    ax.axvline(goal[0], color=PALE_RED, linewidth=0.9, zorder=1)
    ax.axhline(goal[1], color=PALE_RED, linewidth=0.9, zorder=1)
    (ring,) = ax.plot(*goal, "o", color=RED, mfc="none", markersize=9, mew=1.6, zorder=4, label="equilibrium")
    ax.plot(*path[0], "s", color=BLACK, markersize=5, zorder=3, label="start")
    (dot,) = ax.plot([], [], color=BLACK, markersize=5.5, label="now", **DOT)
    ax.set(xlim=(mean.min(), mean.max()), ylim=(slope.min(), slope.max()))
    ax.set(xlabel="generated mean", ylabel="slope w' of D (above 0 the mean grows)")
    ax.set_title("Phase plane: the run as a path")
    cuts = frame_games(len(path) - 1)

    def show(game):
        ends = [0, *cuts[cuts < game], game]
        pieces = [np.vstack([path[first:last:stride], path[last]]) for first, last in pairwise(ends)]
        trail.set_segments(pieces)
        trail.set_array(np.add(ends[1:], ends[:-1]) / 2)
        dot.set_data(*path[[game]].T)

    show(len(path) - 1)
    return Moving(show, (trail, ring, dot))


def draw_objective(ax, objective):
    """Draw V (games,) against games, and on which side of -2 log 2 which player is ahead. Gives a Moving."""
    ax.margins(y=0.15)  # room for the words above and below
    draw = DRAW, "↑ D wins\n-2 log 2\n↓ D is wrong", RED
    draw_lines(ax, [(objective, "", BLACK, 0.8)], [draw], ylabel="V", title="Objective")
    (dot,) = ax.plot([], [], color=BLACK, markersize=5.5, **DOT)

    def show(game):
        ax.lines[0].set_data(np.arange(1, game + 1), objective[:game])
        dot.set_data([game], objective[[game - 1]])

    return Moving(show, (ax.lines[0], dot))


@style()
def gif(portrait):
    """Draw stage and path so far, over one background, and return the bytes of a looping GIF. portrait: a Portrait."""
    figure = _figure((10, 4.7), MOVING_DPI, layout=None)  # of known words: to measure them takes a fifth of the time
    stage, plane = figure.subplots(1, 2, width_ratios=(1.3, 1))
    figure.subplots_adjust(left=0.09, right=0.985, bottom=0.22, top=0.94, wspace=0.2)
    moving = draw_frame(stage, portrait), draw_phase(plane, portrait._replace(predicted=None))
    figure.legend(loc="lower center", ncols=6, columnspacing=1.2, handletextpad=0.4)
    for artist in (artist for part in moving for artist in part.artists):
        artist.set_animated(True)  # left out of the background
    figure.canvas.draw()
    background = figure.canvas.copy_from_bbox(figure.bbox)
    inks = np.vstack([BLACK, GRID, ARROW, GRAY, BLUE, NAVY, GREEN, RED, GAME_COLORS(np.linspace(0, 1, 8))[:, :3]])
    tints = [1 - step * (1 - inks) for step in (1, 0.67, 0.33)]  # for smooth edges
    colors, frames = 255 * np.vstack([(1, 1, 1), PALE_BLUE, PALE_GREEN, PALE_RED, *tints]), []
    for game in portrait.games:
        figure.canvas.restore_region(background)
        for part in moving:
            part.show(game)
            for artist in part.artists:
                artist.axes.draw_artist(artist)
        frames.append(_image(figure, colors))
    times = [340 if game < 20 else 200 for game in portrait.games[:-1]] + [2000]  # milliseconds
    buffer, first, *others = io.BytesIO(), *frames
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=times, loop=0, optimize=True)
    return buffer.getvalue()


def draw_turns(ax, objective, turns, period):
    """Mark on V (games,) the games in which D was flat, half a turn apart, beside those that theory predicts."""
    if len(turns) < 2 or not np.isfinite(period):
        return
    ax.plot(turns, objective[np.subtract(turns, 1)], color=NAVY, label="D flat: half a turn done", **DOT)
    half, first = period / 2, turns[0] - period / 4  # the phase is the fourth dot's
    predicted = np.arange(turns[:4][-1] % half, min(turns[-1] + half / 2, len(objective)), half)
    predicted = predicted[predicted > first]
    label, whole = f"predicted spacing: {half:.0f} games", ax.get_xaxis_transform()
    ax.vlines(predicted, 0, 1, color=RED, linestyle=":", label=label, transform=whole)
    _legend(ax)


def draw_moments(ax, params, target):
    """Draw mean and standard deviation of G(z), of params (games, 4), beside the target's."""
    moments = [(generated_mean(params), "mean", BLUE, 1.5), (generated_std(params), "std", BLUE, 1.5)]
    goals = (target.mean(), "target mean", GREEN), (target.std(), "target std", GREEN)
    draw_lines(ax, moments, goals, ylabel="mean, std", title="Mean and std of the generated samples")


@style()
def summary_figure(portrait):
    """Compose the last frame of a Portrait, the objective with its wave, the samples' moments, both gradients."""
    figure, history = _figure((9, 7)), portrait.history
    (stage, objective), (moments, gradients) = figure.subplots(2, 2)
    draw_frame(stage, portrait)
    _legend(stage)
    draw_objective(objective, history.objective)
    draw_turns(objective, history.objective, portrait.turns, portrait.equilibrium.period)
    draw_moments(moments, history.params, portrait.target)
    norms = [(history.discr_gradient, "D", NAVY, 0.8), (history.gen_gradient, "G", ORANGE, 0.8)]
    gradients.set_yscale("log" if np.any(norms[0][0] + norms[1][0]) else "linear")
    draw_lines(gradients, norms, ylabel="norm, log scale", title="Gradients of the players")
    gradients.minorticks_off()
    gradients.yaxis.set_major_formatter("{x:g}")
    return figure


def draw_eigenvalues(ax, eigenvalues):
    """Draw the sorted eigenvalues (games, 4) of the Hessian, so that the sign of each can be read.

    They have names if they end as at equilibria: two below zero, one above, one of no size beside them.
    """
    size, last = np.abs(eigenvalues), np.median(eigenvalues[-50:], axis=0)
    if last[1] < 0 < last[3] and abs(last[2]) < 0.1 * min(-last[1], last[3]):
        names = "D's steep\ndirection", "saddle: falls", "line of\nequilibria", "saddle: rises"
        title = "Hessian of V: saddle, line of equilibria"
    else:
        names, title = ("lowest", "second", "third", "highest"), f"Hessian of V: {np.sum(last < 0)} of 4 end below 0"
    small = max(np.median(size.min(axis=1)), 1e-6 * size.max(), 1e-300)  # the axis is linear below its decade
    ax.set_yscale("symlog", linthresh=10.0 ** np.floor(np.log10(small)))
    ax.axhline(0, color=BLACK, linewidth=1)
    lines = zip(eigenvalues.T, names, (NAVY, PURPLE, GRAY, ORANGE), np.ones(4))
    draw_lines(ax, list(lines), ylabel="eigenvalue", title=title)
    ax.yaxis.set_major_formatter("{x:g}")


@style()
def hessian_figure(portrait, eigenvalues):
    """Compose a Portrait's path in the phase plane and the eigenvalues (games, 4) of the Hessian of V."""
    figure = _figure((9, 4.4))
    left, right = figure.subplots(1, 2)
    trail, _, dot = draw_phase(left, portrait).artists
    dot.set_label("end")
    figure.colorbar(trail, ax=left, pad=0.02).ax.set_title("game")
    draw_eigenvalues(right, eigenvalues)
    figure.legend(loc="outside lower center", ncols=5, columnspacing=1.5)
    return figure


@style()
def seeds_figure(games, objective, params, optimal, target):
    """Compose objective (F, S), generated mean and std of many seeds against games (F,), by their outcome.

    params (F, S, 4); optimal (S,): whether V of a seed ended at the draw.
    """
    figure, thin = _figure((9, 3.6)), np.arange(len(optimal)) < MOST_SEEDS
    panels = (
        ("Objective V", objective, DRAW, "-2 log 2", RED),
        ("Generated mean", generated_mean(params), target.mean(), "target", GREEN),
        ("Generated std", generated_std(params), target.std(), "target", GREEN),
    )
    few = {"marker": ".", "clip_on": False} if len(games) < FEW else {}
    for ax, (name, values, *goal) in zip(figure.subplots(1, 3), panels):
        for outcome, ink, seeds in (("at the draw", BLUE, optimal), ("elsewhere", ORANGE, ~optimal)):
            ax.plot(games, values[:, seeds & thin], color=ink, linewidth=0.6, alpha=0.5, **few)
            if seeds.any():
                label = f"{seeds.sum()} of {len(seeds)} seeds {outcome} after game {games[-1]}: median"
                ax.plot(games, np.median(values[:, seeds], axis=1), color=ink, linewidth=2.2, label=label, **few)
        ax.axhline(goal[0], color=goal[2], zorder=3)
        ax.set(xlabel="game", xlim=(0, games[-1]), title=name)
        ax.locator_params("x", nbins=4, steps=(1, 2.5, 5, 10), integer=True)
        _label_ends(ax, [goal])
    ax.plot([], [], color=GRAY, linewidth=0.6, label=f"the first {thin.sum()} seeds, one by one")
    figure.legend(handles=ax.get_legend_handles_labels()[0], loc="outside lower center", ncols=2)
    return figure


@style()
def monitor_figure(history, target, saturating):
    """Compose losses, running means of D's accuracies, moments and distances from the target, against games.

    history: as in a Portrait; saturating: whether gen_loss is log(1 - D(G(z))).
    """
    figure, params, ends = _figure((9, 6.6)), history.params, generated_ends(history.params)
    axes = figure.subplot_mosaic([["losses", [["kinds"], ["all"]]], ["moments", [["divergence"], ["distance"]]]])
    losses = [(-history.objective, "D's loss, -V", NAVY, 0.8), (history.gen_loss, "G's loss", ORANGE, 0.8)]
    rest = (DRAW / 2 if saturating else -DRAW / 2), "D = 1/2", RED
    draw_lines(axes["losses"], losses, [(-DRAW, "D = 1/2", RED), rest], ylabel="loss", title="Losses")
    draw_moments(axes["moments"], params, target)
    window = -(-len(params) // 25)
    real, fake = 100 * ndimage.uniform_filter1d(accuracies(params, target), window, output=float)
    settings = {"title": f"Accuracy of D (%), {window}-game mean", "ylim": (-6, 106)}
    draw_lines(axes["kinds"], [(real, "real", GREEN, 2.2), (fake, "generated", BLUE, 1.3)], **settings)
    draw_lines(axes["all"], [((real + fake) / 2, "all", NAVY, 1.5)], [(50, "guessing", RED)], ylim=(-6, 106))
    divergence = jensen_shannon(target, *ends), "JSD (nats)", PURPLE, 1.8
    distance = wasserstein(target, *ends), "Wasserstein-1\n(units of x)", ORANGE, 1.8
    settings = {"title": "Distances from the target", "ylim": (0, 0.8)}
    draw_lines(axes["divergence"], [divergence], [(np.log(2), "no overlap:\nlog 2", RED)], **settings)
    draw_lines(axes["distance"], [distance], ylim=(0, 1.1 * distance[0].max()))
    for upper in ("kinds", "divergence"):
        axes[upper].label_outer()
    return figure


def draw_slopes(ax):
    """Draw against D(G(z)) how much either loss of G changes with its logit: Goodfellow et al. 2014, section 3."""
    fooled = np.linspace(0, 1, 101)
    ax.plot(fooled, fooled, color=BLUE, label="saturating, log(1 - D): slope D")
    ax.plot(fooled, 1 - fooled, color=ORANGE, label="non-saturating, -log D: slope 1 - D")
    ax.axvline(0.5, color=RED, label="equilibrium: D = 1/2")
    ax.set(xlabel="D(G(z)): 0 if found out, 1 if D is fooled", xlim=(0, 1), ylabel="|d loss / d logit|", ylim=(0, 1))
    ax.set_title("(a) When D is sure (left), only -log D pushes G")
    _legend(ax)


def draw_rotation(ax, steps=126, rate=0.1):
    """Draw two ways to play V(x, y) = x y by gradient steps from (1, 0): on a spiral outwards and round an ellipse.

    x' = x - rate y and y' = y + rate x if both step at once; y' = y + rate x' if they take turns.
    """
    for game, color, label in (
        ([[1, -rate], [rate, 1]], ORANGE, "simultaneous steps: a spiral"),
        ([[1, -rate], [rate, 1 - rate**2]], BLUE, "alternating steps: an ellipse"),
    ):
        path = [np.linalg.matrix_power(game, step)[:, 0] for step in range(steps + 1)]
        ax.plot(*np.transpose(path), ".-", color=color, linewidth=0.8, markersize=4, label=label)
    ax.plot(1, 0, color=BLACK, label="start", **DOT)
    ax.plot(0, 0, color=RED, label="equilibrium", **DOT)
    ax.set(title="(b) V(x, y) = x y: neither way gets to the equilibrium", ylabel="y, climbs V")
    ax.set(xlabel=f"x, descends V; {steps} steps of rate {rate}", aspect="equal", adjustable="datalim")
    _legend(ax)


def draw_slide(ax, target):
    """Draw three distances of data and generator as the generator slides towards the target's mean."""
    mean, width = target.mean(), 2.4 * target.std()
    middle = np.linspace(mean - 10 * target.std(), mean, 400)
    ends = middle - width / 2, middle + width / 2
    ax.plot(middle, jensen_shannon(target, *ends), color=PURPLE, linewidth=2.5, label="JSD (nats)")
    ax.plot(middle, kullback_leibler(target, *ends), color=GRAY, label="KL(generated, data) (nats)")
    ax.plot(middle, wasserstein(target, *ends), color=ORANGE, label="Wasserstein-1 (units of x)")
    ax.axhline(np.log(2), color=RED, linestyle="--", label="log 2: JSD without overlap")
    why = "KL(generated, data) is finite, but huge far off."
    why += "\nKL(data, generated) is infinite: G never\nmakes some of what the data have."
    ax.text(0.02, 0.03, why, color=GRAY, fontsize="small", transform=ax.transAxes)
    ax.set(xlabel=f"middle of the generated samples; the data's is {mean:g}", ylabel="distance: nats, or units of x")
    ax.set(xlim=middle[[0, -1]], ylim=(0.06, 100), yscale="log", title="(c) JSD is flat where it should pull")
    ax.yaxis.set_major_formatter("{x:g}")
    _legend(ax)


def draw_best_discriminator(ax, target, middle, width, words):
    """Draw the target's density and D* against a uniform generator; words, with V*, are the title."""
    low, high = middle - width / 2, middle + width / 2
    grid = np.linspace(target.mean() - 6 * target.std(), target.mean() + 4 * target.std(), 2001)
    ax.axvspan(low, high, color=BLUE, alpha=0.2, linewidth=0, label="generated samples G(z)")
    ax.plot(grid, target.pdf(grid), color=GREEN, label="target density")
    ax.plot(grid, best_discriminator(target, low, high, grid), color=NAVY, label="best discriminator D*")
    ax.axhline(0.5, color=RED, label="equilibrium: D = 1/2")
    ax.set(xlim=grid[[0, -1]], ylim=(0, 1.06))
    ax.set_yticks([*D_TICKS], D_TICKS.values(), fontsize="small")
    ax.set_title(f"{words}: V* = {best_objective(target, low, high):.4f}", fontsize="small")


@style()
def theory_figure(target):
    """Compose what theory says of these games: G's slope, rotation, distances, best D."""
    figure = _figure((9, 7.6))
    axes = figure.subplot_mosaic([["slopes", "rotation"], ["slide", [["stalled"], ["narrow"]]]])
    draw_slopes(axes["slopes"])
    draw_rotation(axes["rotation"])
    draw_slide(axes["slide"], target)
    mean, std = target.mean(), target.std()
    far, narrow = "(d) Far off, D* is sure and flat under G", "Right mean, too narrow"
    draw_best_discriminator(axes["stalled"], target, mean - 4.1 * std, 0.4 * std, far)
    draw_best_discriminator(axes["narrow"], target, mean, 2.4 * std, narrow)
    axes["stalled"].tick_params(labelbottom=False)
    axes["narrow"].set_xlabel("x, G(z)")
    _legend(axes["narrow"])
    return figure


class Explorer:
    """A window on one run: stage, phase plane and V, a slider for the game, and knobs that train it again.

    figure: an empty Figure. train: a function of the settings that gives a Portrait and a line in words; it raises
    ValueError if they do not go together, FloatingPointError if the run overflows. knobs: the name of each setting
    that can change, and a tuple of its values.
    """

    @style()
    def __init__(self, figure, train, settings, knobs):
        from matplotlib.widgets import Button, RadioButtons, Slider

        self.figure, self.train, self.settings, self.sliders, self.moving = figure, train, dict(settings), {}, []
        figure.set_facecolor("white")
        boxes = (0.085, 0.495, 0.435, 0.46), (0.58, 0.495, 0.405, 0.46), (0.085, 0.16, 0.36, 0.165)
        self.axes, self.verdict = [figure.add_axes(box) for box in boxes], figure.text(0.012, 0.025, "")
        for row, name in enumerate(name for name in knobs if name != "gen_loss"):
            values = sorted({*knobs[name], settings[name]})
            box, place = figure.add_axes((0.635, 0.28 - 0.045 * row, 0.14, 0.035)), values.index(settings[name])
            slider = Slider(box, name.replace("_", " "), 0, len(values) - 1, valinit=place, valstep=1, color=GRAY)
            slider.on_changed(lambda place, name=name, values=values: self.turn(name, values[int(place)]))
            slider.label.set_x(-0.06)
            self.sliders[name] = slider
        losses, box = knobs["gen_loss"], figure.add_axes((0.865, 0.195, 0.12, 0.12))
        self.loss = RadioButtons(box, losses, losses.index(settings["gen_loss"]))
        self.loss.on_clicked(lambda loss: self.turn("gen_loss", loss))
        for knob in (self.loss, *self.sliders.values()):
            knob.drawon = False  # a knob is drawn with the run that it makes
        self.back = Button(figure.add_axes((0.865, 0.065, 0.12, 0.07)), "put all back")
        self.back.on_clicked(self.put_back)
        box, last = figure.add_axes((0.085, 0.075, 0.36, 0.035)), settings["games"]
        self.scrubber = Slider(box, "game", 0, last, valinit=last, valstep=np.arange(1, last + 1), color=GRAY)
        self.scrubber.on_changed(self.scrub)  # and asks for a drawing itself
        self.timer = figure.canvas.new_timer(1)  # milliseconds
        self.timer.single_shot = True
        self.timer.add_callback(self.retrain)
        self.retrain()

    def turn(self, name, value):
        """Take the value of a knob, and train soon: the events that are waiting come first, and count together."""
        self.settings[name] = value
        if not self.stale:
            self.stale = True
            self.timer.start()

    def put_back(self, _):
        """Put all knobs back to where they were at first."""
        for slider in self.sliders.values():
            slider.reset()
        self.loss.clear()

    @style()
    def retrain(self):
        """Train with the settings as they are and draw the whole window."""
        self.stale, self.moving, toolbar = False, [], self.figure.canvas.toolbar
        try:
            run, words = self.train(**self.settings)
        except (ValueError, FloatingPointError) as error:  # it fits, but not with the others; or the run overflows
            run, words = None, str(error)
        self.verdict.set_text(words)
        for name, slider in self.sliders.items():
            slider.valtext.set_text(f"{self.settings[name]:.10g}")
        self.figure.legends.clear()
        for ax in self.axes:
            ax.set_visible(run is not None)
            for artist in [*ax.lines, *ax.collections, *ax.texts]:  # ax.clear() would take 15 ms more
                artist.remove()
            ax.relim()
            ax.autoscale()
        if run:
            stage, phase, objective = self.axes
            self.moving = [
                draw_frame(stage, run),
                draw_phase(phase, run),
                draw_objective(objective, run.history.objective),
            ]
            objective.set_xlabel("")  # the slider below says so
            self.figure.legend(loc="center", bbox_to_anchor=(0.5, 0.39), ncols=6)
            self.scrub(self.scrubber.val)
        if toolbar:
            toolbar.update()  # forget the limits of earlier runs, which Home and Back would show
        self.figure.canvas.draw()  # at once: the style ends here

    def scrub(self, game):
        """Move everything to a game."""
        for part in self.moving:
            part.show(int(game))


@style()  # for all that is drawn while the window is open
def explore(train, settings, knobs):
    """Open an `Explorer` and wait until it is closed. Where none opens, return its picture, {file's name: bytes}."""
    size = 12.8, 6.4  # inches: with its title and toolbar it fits 768 pixels
    try:
        from matplotlib import pyplot
        from matplotlib.backend_bases import FigureManagerBase
        from matplotlib.rcsetup import validate_backend

        validate_backend(os.environ.get("MPLBACKEND") or "agg")  # ValueError: there is none of this name
        figure = pyplot.figure(figsize=size)
        if type(figure.canvas.manager) is FigureManagerBase:  # of a backend that writes files
            pyplot.close(figure)
            raise OSError(f"backend {matplotlib.get_backend()} writes files; is there a display, and a toolkit?")
    except Exception as error:  # each toolkit has its own
        say(" ".join(f"No window, but its picture: {error}".split()))
        figure = _figure(size, layout=None)
        Explorer(figure, train, settings, knobs)
        return {"explore_{}.png": png(figure)}
    figure.explorer = Explorer(figure, train, settings, knobs)  # lives as long as the figure
    pyplot.show()
    return {}


@style()
def png(figure):
    """Return the bytes of a figure's PNG file. (Figure.savefig would lay out and draw everything twice.)"""
    figure.canvas.draw()
    buffer = io.BytesIO()
    _image(figure).save(buffer, "PNG")
    return buffer.getvalue()


def prepare_images():
    """Make the folder of pictures. OSError if it cannot be written."""
    IMAGES.mkdir(exist_ok=True)
    if not os.access(IMAGES, os.W_OK | os.X_OK):
        raise PermissionError(f"{IMAGES} cannot be written: no run without a place for its pictures")


def save(files):
    """Save files, name to bytes, in IMAGES: all written beside their places, then moved. OSError names the file."""
    drafts = {IMAGES / name: IMAGES / f".{name}.{os.getpid()}" for name in files}
    try:
        for path, content in zip(drafts, files.values()):
            drafts[path].write_bytes(content)
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "a folder is in the picture's place")
        for path, draft in drafts.items():
            draft.replace(path)
    except OSError as error:  # a full disk does not say for which file
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    say(f"Saved in {IMAGES}: {', '.join(files) or 'nothing'}")


def say(*lines):
    """Print lines at once, with a question mark for what the terminal's encoding lacks."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print("\n".join(lines).encode(encoding, "replace").decode(encoding), end="\n" * bool(lines), flush=True)


@contextlib.contextmanager
def command(name):
    """Run a command: a reader who leaves, a full disk, too little memory and Ctrl-C end it in one line or none."""
    try:
        yield
        say()
    except BrokenPipeError:  # as after | head
        sys.stdout = None
    except KeyboardInterrupt:
        sys.exit(f"{name}: stopped")
    except (OSError, MemoryError, FloatingPointError) as error:
        sys.exit(f"{name}: {error or 'not enough memory'}")


def main(arguments=()):
    """Draw the picture of theory beside those of the runs."""
    parser = argparse.ArgumentParser(description="Draw img/theory.png.")
    with command(parser.prog):
        parser.parse_args(arguments)
        prepare_images()
        save({"theory.png": png(theory_figure(stats.norm(5, 1)))})


if __name__ == "__main__":
    main(sys.argv[1:])
