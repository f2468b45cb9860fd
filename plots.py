"""Draw the tutorial's pictures: runs and arrays in, figures and files out, no TensorFlow.

`draw_...(ax, ...)` draws on an Axes; where something moves with the games it returns show(game), which moves it, and
what moves or stands before that. `..._figure(...)` composes a Figure, `png` and `gif` give a file's bytes, `save`
writes them. Blue is what the players make (samples, paths; darker, D), green the data, red theory, orange the pushes.

    python plots.py                                      the picture of theory, which no run enters

run is a hessian.Run; target is a frozen scipy.stats.norm; functions of params (..., 4), w, b, w', b', give (...,).
"""

import functools
import io
import math
import os
from itertools import pairwise
from pathlib import Path

if "inline" in os.environ.get("MPLBACKEND", ""):  # a notebook's, which this environment may lack
    del os.environ["MPLBACKEND"]

import matplotlib.style
import numpy as np
import seaborn as sns
from matplotlib import pyplot
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.widgets import Button, RadioButtons, Slider
from PIL import Image
from scipy import ndimage, optimize, special, stats

IMAGES = Path(__file__).resolve().parent / "img"
FRAME_TIME = 340, 200  # milliseconds, of the first frames and the others
V_DRAW = -2 * np.log(2)  # V where D = 1/2 everywhere: Goodfellow et al. 2014, Theorem 1
BLUE, ORANGE, GREEN, RED, PURPLE, *_ = sns.color_palette("deep")
NAVY = sns.color_palette("dark")[0]
BLACK, GRAY, ARROW, GRID = (0.15,) * 3, (0.45,) * 3, (0.7,) * 3, (0.8,) * 3
PALE_BLUE, PALE_GREEN, PALE_RED = (tuple(0.6 + 0.4 * np.array(ink)) for ink in (BLUE, GREEN, RED))
GAME_COLORS = sns.blend_palette([(0.5, 0.7, 0.9), NAVY], as_cmap=True)
DOT = {"marker": "o", "linestyle": "none", "markeredgecolor": "white", "markeredgewidth": 0.7, "zorder": 4}
LOSS_COLORS = {"saturating": BLUE, "non-saturating": ORANGE, "middle": PURPLE}
TRAINING, WINDOW = "training ...", (11, 5.8)  # inches; at 9 x 5 its words still stand apart
STILL_DPI, MOVING_DPI = 180, 100  # of figures, shown at half their size, and of the animation
FRAME_EVERY, MOST_FRAMES = 25, 100  # games between frames of the animation, and how many it may have
FIRST_FRAMES = *range(1, 6), *range(6, 20, 2), *range(20, 50, 5), *range(50, 100, 10)  # shown, too: all starts fast
FEW, MOST_SHOWN, MOST_SEEDS, MOST_POINTS = 10, 20, 30, 3000  # games of a dotted line; samples, seeds, points shown
PLANE_ARROWS = (17, 13)  # arrows across and up the phase plane
NOISE_HEIGHT, SAMPLES_HEIGHT, SEEN_HEIGHT, ARROW_GAP = -0.65, -0.25, 0.07, 0.04  # of a frame, where D is 0 to 1
PEAK, PUSH_HEIGHTS = 0.4, (0.03, 0.15)  # of the target's density, and of the pushes above the samples
PUSH = 4  # units of x that a small push of 1 would be long; a push p is 4 p / (1 + |p|) long
NODES, REACH = 64, 8  # of the quadrature over the target, and the standard deviations that it covers


def generated_mean(params):
    """Compute the mean of G(z), uniform on [b, b + w]."""
    return params[..., 1] + params[..., 0] / 2


def generated_std(params):
    """Compute the standard deviation of G(z), |w| / sqrt(12)."""
    return np.abs(params[..., 0]) / np.sqrt(12)


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def accuracies(params, target):
    """Compute the shares of real and of generated samples that D gets right: two arrays (...,)."""
    w, b, slope, bias = np.moveaxis(params, -1, 0)
    real = stats.norm.cdf((slope * target.mean() + bias) / (np.abs(slope) * target.std()))
    low, high = np.sort([slope * b + bias, slope * (w + b) + bias], axis=0)  # of G(z)'s logit, linear in z
    return real, np.clip(-low / np.maximum(high - low, np.finfo(float).tiny), 0, 1)


def jensen_shannon(target, params):
    """Compute the Jensen-Shannon divergence of the target p from the uniform q of G(z), in nats.

    JSD = KL(p, (p + q) / 2) / 2 + KL(q, (p + q) / 2) / 2: Goodfellow et al. 2014, proof of Theorem 1. With r = p / q
    it is log 2 - 1/2 * the mean under q of (1 + r) log(1 + r) - r log r: log 2 is what no overlap leaves.
    """
    low, high = np.sort([params[..., 1], params[..., 0] + params[..., 1]], axis=0)
    mean, reach, width = target.mean(), REACH * target.std(), high - low
    start, stop = np.clip(low, mean - reach, mean + reach), np.clip(high, mean - reach, mean + reach)
    total = 0
    for node, weight in zip(*special.roots_legendre(NODES)):  # a node at a time: memory for any number of games
        ratio = width * target.pdf((start + stop + node * (stop - start)) / 2)
        total += weight / 2 * (special.entr(ratio) - special.entr(1 + ratio))  # entr(r) = -r log r, and 0 at 0
    covered = (stop - start) / np.maximum(width, np.finfo(float).tiny)  # the share of q's mass; 0 if it is a point
    return np.log(2) - covered * total / 2


def wasserstein(target, params):
    """Compute the Wasserstein-1 distance of the target from the uniform distribution of G(z), in units of x.

    It is the mean distance of the quantiles of the two, here of a thousand (Arjovsky et al. 2017, arXiv:1701.07875).
    """
    width, levels = np.abs(params[..., 0]), (np.arange(1000) + 1 / 2) / 1000
    low = generated_mean(params) - width / 2
    return sum(np.abs(quantile - low - level * width) for level, quantile in zip(levels, target.ppf(levels))) / 1000


def best_objective(target, params):
    """Compute V* = -log 4 + 2 JSD, what the best D of all makes of V: Goodfellow et al. 2014, Theorem 1."""
    return 2 * jensen_shannon(target, params) - np.log(4)


class Refusal(ValueError):
    """A setting that is not allowed: it is told in a sentence, without a traceback."""


def phase_point(params):
    """Project onto the phase plane: params (..., 4) give (generated mean, D's slope w'), (..., 2)."""
    return np.stack([generated_mean(params), params[..., 2]], axis=-1)


def force(loss, logit):
    """Compute a loss of G's push on a sample, over w': (1 + mu tanh(logit / 2)) / 2, which is D, 1/2 or 1 - D."""
    mu = {"saturating": 1, "middle": 0, "non-saturating": -1}[loss]
    return (1 + mu * np.tanh(logit / 2)) / 2


def phase_field(run):
    """Lay places over what a run visits of the phase plane: mean, D's slope w', and what a game adds to each there.

    w is the run's last, and b' is where D's steep direction (m, 1) has come to rest: m dV/dw' + dV/db' = 0, or
    dV/db' = 0 where that cannot be. Derivatives are means over evenly spread z and noise. Four arrays (rows, columns).
    """
    model, x, w, visited = run.model, run.draws.x, run.history.params[-1, 0], run.path
    visited = np.vstack([visited, phase_point(run.equilibrium.params)])
    near, far, pad = visited.min(axis=0), visited.max(axis=0), np.maximum(0.06 * np.ptp(visited, axis=0), 1e-3)
    mean, slope = np.meshgrid(*(np.linspace(*ends) for ends in zip(near - pad, far + pad, PLANE_ARROWS)))
    levels, x = (np.arange(10) + 1 / 2) / 10, np.quantile(x, (np.arange(100) + 1 / 2) / 100) if len(x) > 100 else x
    noise = np.unique(getattr(model, "noise_std", 0) * special.ndtri(levels))  # one number if there is none
    real, (z, fake_noise) = np.add.outer(x, noise).ravel(), np.reshape(np.meshgrid(levels, noise), (2, -1))
    a, fake = slope[..., None], mean[..., None] + w * (z - 1 / 2) + fake_noise
    lever = np.where(x.mean() * mean > -1, x.mean(), 0)  # m, or 0 where the sum would not fall in b'
    high = 50 + np.abs(a * fake).max(axis=-1) + np.abs(a * real).max(axis=-1)
    low = -high
    for _ in range(50):  # bisection: the sum falls in b'
        bias = (low + high) / 2
        missed, fooled = special.expit(-(a * real + bias[..., None])), special.expit(a * fake + bias[..., None])
        by_slope = (missed * real).mean(axis=-1) - (fooled * fake).mean(axis=-1)
        rises = lever * by_slope + missed.mean(axis=-1) - fooled.mean(axis=-1) > 0
        low, high = np.where(rises, bias, low), np.where(rises, high, bias)
    by_mean = slope * (force(model.gen_loss, a * fake + bias[..., None]) * (1 + z / 2)).mean(axis=-1)
    gen_rate, discr_rate = model.learning_rate * np.array([model.gen_update, model.discr_update])
    return mean, slope, gen_rate * by_mean, discr_rate * by_slope


def frame_games(games):
    """List the games to show: denser at first, then every 25th or, in a long run, fewer, and the last."""
    step = FRAME_EVERY * math.ceil(games / (FRAME_EVERY * MOST_FRAMES))
    return np.unique(np.minimum([*FIRST_FRAMES, *range(max(100, step), games, step), games], games))


STYLE = "default", sns.axes_style("whitegrid"), {
    "font.sans-serif": ["DejaVu Sans"], "text.hinting": "no_hinting", "lines.linewidth": 1.3,
    "axes.titlesize": "medium", "axes.titley": 1,  # a fixed height: to look for one that is free takes time
    "agg.path.chunksize": 10_000, "legend.frameon": False, "legend.fontsize": "small",
    "keymap.xscale": [], "keymap.yscale": [],  # a stray key in the window would make an axis logarithmic
}  # fmt: skip
styled = functools.partial(matplotlib.style.context, STYLE)  # the same on every machine, whatever its own settings


def _figure(inches, dpi=STILL_DPI, layout="constrained"):
    return FigureCanvasAgg(Figure(figsize=inches, dpi=dpi, layout=layout)).figure


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


def _legend(ax, columns=2):
    """Put an Axes' legend below it, where it covers nothing."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.2, ncols=columns, columnspacing=1)


def _label_ends(ax, labels):
    """Write (height, text, color) at the right of an Axes, as near to the heights as they can stand apart."""
    wanted, texts, colors = zip(*sorted(labels, key=lambda label: label[0]))
    ax.autoscale_view()  # or the scale would be that of an empty Axes
    scale = ax.transData + ax.transAxes.inverted()
    wanted = np.clip(scale.transform([(1, height) for height in wanted])[:, 1], 0, 1)
    line = 11 / 72 * ax.figure.dpi / ax.get_window_extent().height
    sizes = line * np.array([1 + text.count("\n") for text in texts])
    stacked = np.cumsum(sizes) - sizes / 2
    heights = np.clip(optimize.isotonic_regression(wanted - stacked).x, 0, 1 - sizes.sum()) + stacked
    style = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center", "fontsize": "small"}
    for height, text, color in zip(heights, texts, colors):
        ax.annotate(text, (1, height), (4, 0), color=color, linespacing=1.1, **style)


def draw_lines(ax, lines, constants=(), games=None, **settings):
    """Draw what a run recorded against games (by default all), and constants, each named at its end.

    lines: (values (games,), name or "", color, linewidth); constants: (height, name, color).
    """
    games = np.arange(1, len(lines[0][0]) + 1) if games is None else games
    few = len(games) < FEW
    for values, _, color, width in lines:
        ax.plot(games, values, color=color, linewidth=width, marker="." * few, clip_on=not few)
    for height, _, color in constants:
        ax.axhline(height, color=color, linewidth=0.9, linestyle="--", zorder=3)
    ax.set(**{"xlabel": "game", "xlim": (0, games[-1])} | settings)
    ax.locator_params("x", nbins=4, steps=(1, 2.5, 5, 10), integer=True)  # room for the numbers of a long run
    if ax.get_yscale() == "linear":
        ax.locator_params("y", nbins=5)
    ends = [(np.median(values[-(len(games) // 20 + 1) :]), name, color) for values, name, color, _ in lines if name]
    if labels := [*ends, *constants]:
        _label_ends(ax, labels)


def draw_stage(ax, run):
    """Draw a run's stage: noise below, samples and pushes on them beside the data, densities and D."""
    games, noise, x = run.model.games, run.draws.z_gen[-1, -1, :MOST_SHOWN], run.draws.x[:MOST_SHOWN]
    reached = np.asarray(run.model.generator(run.model.players(run.history.params)[0], run.levels[[0, -1]]))
    seen = [samples for game in (1, games) for samples in run.scene(game, np.arange(2.0))[1]]
    data = run.draws.x.min() - 1.7 * run.model.target_std, run.draws.x.max() + 1.7 * run.model.target_std
    far = 2 * np.ptp([0, 1, *data]) * np.array([-1, 1]) + data  # noise and data stay in sight whatever the samples do
    visited = np.clip(np.concatenate([reached.ravel(), *seen]), *far)
    grid = np.linspace(min(0, *data, visited.min()) - 0.5, max(1, *data, visited.max()) + 0.5, 500)
    for height in (NOISE_HEIGHT, SAMPLES_HEIGHT):
        ax.axhline(height, color=BLACK, linewidth=0.8, zorder=1)
    ax.axhline(0.5, color=PALE_RED, linewidth=0.9, zorder=1)
    level = np.full_like(noise, SAMPLES_HEIGHT)
    ax.plot(noise, 0 * noise + NOISE_HEIGHT, "o", color=GRAY, mfc="white", zorder=4, label="noise z")
    arrows = {"angles": "xy", "scale_units": "xy", "scale": 1, "headwidth": 6, "headlength": 8, "headaxislength": 7}
    lines = ax.quiver(noise, 0 * noise + NOISE_HEIGHT, noise, level, color=ARROW, width=0.0015, **arrows)
    scale = PEAK * run.model.target_std * np.sqrt(2 * np.pi)  # a normal one's peak is always as high
    density = ax.stairs(0 * grid[1:], grid, fill=True, color=PALE_BLUE, zorder=1.5, label="density of G(z)")
    (bell,) = ax.plot(grid, scale * run.model.target_density(grid), color=GREEN, label="density of the data")
    ax.plot(x, np.full_like(x, SAMPLES_HEIGHT), color=GREEN, label="real samples x", **DOT)
    words = ((PALE_GREEN, "x, G(z) as D sees them"), (PALE_BLUE, None)) * (not np.array_equal(seen[0], run.draws.x))
    dots = [ax.plot([], [], "o", color=color, markersize=4, label=label)[0] for color, label in words]
    (samples,) = ax.plot(noise, level, color=BLUE, label="generated samples G(z)", **DOT)
    fan = level + np.linspace(*PUSH_HEIGHTS, len(noise))[np.argsort(np.argsort(noise))]  # or they would hide each other
    arrows |= {"headwidth": 4, "headlength": 5, "headaxislength": 4.5}
    pushes = ax.quiver(noise, fan, level, 0 * level, color=ORANGE, width=0.003, zorder=3.5, **arrows)
    ax.plot([], [], color=ORANGE, marker=r"$\rightarrow$", linestyle="none", markersize=11, label="push on each sample")
    (curve,) = ax.plot(grid, 0 * grid, color=NAVY, linewidth=1.8, label="discriminator D(x)")
    title = ax.set_title("")
    ax.set(xlim=grid[[0, -1]], ylim=(NOISE_HEIGHT - 0.1, 1.05), xlabel="z, G(z), x")
    heights = NOISE_HEIGHT, SAMPLES_HEIGHT, 0, 0.5, 1
    ax.set_yticks(heights, ("noise", "samples", "D = 0:\ngenerated", "D = 1/2", "D = 1:\nreal"), fontsize="small")

    def show(game):
        fake, views, push, discriminator, share = run.scene(game, grid)
        fake, *views, push = (values[:MOST_SHOWN] for values in (fake, *views, push))
        samples.set_xdata(fake)
        lines.set_UVC(fake - noise, level - ARROW_GAP - NOISE_HEIGHT)
        pushes.set_offsets(np.column_stack([fake, fan]))
        pushes.set_UVC(PUSH * push / (1 + np.abs(push)), 0 * push)
        density.set_data(np.minimum(scale * share, 1.05))
        curve.set_ydata(discriminator)
        title.set_text(f"Game {game}")
        for row, (kind, values) in enumerate(zip(dots, views), 1):
            kind.set_data(values, 0 * values + SAMPLES_HEIGHT + row * SEEN_HEIGHT)

    show(games)
    return show, (density, bell, lines, *dots, pushes, samples, curve, title)


def draw_phase(ax, run, predicted=True):
    """Draw a run's path in the plane of the generated mean and D's slope w', coloured by game."""
    path, (mean, slope, *step) = run.path, phase_field(run)
    size, speed = np.hypot(*step) + np.finfo(float).tiny, np.hypot(step[0] / np.ptp(mean), step[1] / np.ptp(slope))
    length = np.clip(speed / np.quantile(speed, 0.9), 1e-3, 1) ** (1 / 4)  # the slowest can be seen beside the fastest
    arrows = {"scale": 1.2 * PLANE_ARROWS[0], "headwidth": 4, "headlength": 4, "headaxislength": 3.5, "width": 0.003}
    arrows |= {"angles": "xy", "scale_units": "width", "pivot": "mid", "color": ARROW, "zorder": 1}
    ax.quiver(mean, slope, *(part / size * length for part in step), **arrows)
    ax.plot([], [], color=GRAY, marker=r"$\rightarrow$", linestyle="none", markersize=11, label="where a game leads")
    stride = math.ceil(len(path) / MOST_POINTS)
    trail = LineCollection([], cmap=GAME_COLORS, clim=(0, len(path) - 1), linewidth=1.3, zorder=2)
    ax.add_collection(trail, autolim=False)
    if predicted and run.predicted is not None:
        halo = [withStroke(linewidth=2.6, foreground="white")]
        ax.plot(*phase_point(run.predicted).T, ":", color=RED, path_effects=halo, zorder=3, label="predicted")
    goal = phase_point(run.equilibrium.params)
    ax.axvline(goal[0], color=PALE_RED, linewidth=0.9, zorder=1)
    ax.axhline(goal[1], color=PALE_RED, linewidth=0.9, zorder=1)
    (ring,) = ax.plot(*goal, "o", color=RED, mfc="none", markersize=9, mew=1.6, zorder=4, label="equilibrium")
    ax.plot(*path[0], "s", color=BLACK, markersize=5, zorder=3, label="start")
    (dot,) = ax.plot([], [], color=BLACK, markersize=5.5, label="now", **DOT)
    ax.set(xlim=mean[0, [0, -1]], ylim=slope[[0, -1], 0], title="Phase plane: the run as a path")
    ax.set(xlabel="generated mean", ylabel="D's slope w'")
    ax.locator_params(nbins=5)
    cuts = frame_games(len(path) - 1)

    def show(game):
        ends = [0, *cuts[cuts < game], game]
        pieces = [np.vstack([path[first:last:stride], path[last]]) for first, last in pairwise(ends)]
        trail.set_segments(pieces)
        trail.set_array(np.add(ends[1:], ends[:-1]) / 2)
        dot.set_data(*path[[game]].T)

    show(len(path) - 1)
    return show, (trail, ring, dot)


def draw_objective(ax, run):
    """Draw V against games, and on which side of -2 log 2 which player is ahead."""
    objective = run.history.objective
    ax.margins(y=0.15)  # room for the words above and below
    draw = [(V_DRAW, "\u2191 D wins\n-2 log 2\n\u2193 D is wrong", RED)] if run.theory else []
    draw_lines(ax, [(objective, "", BLACK, 0.8)], draw, ylabel="V", title="Objective")
    (dot,) = ax.plot([], [], color=BLACK, markersize=5.5, **DOT)

    def show(game):
        ax.lines[0].set_data(np.arange(1, game + 1), objective[:game])
        dot.set_data([game], objective[[game - 1]])

    return show, (ax.lines[0], dot)


@styled()
def gif(*runs):
    """Draw how a run goes, over one background, and return the bytes of a looping GIF.

    Beside the stage stands the phase plane, or V for a variant; or the stage of a second run with as many games.
    """
    figure = _figure((10, 4.5), MOVING_DPI, layout=None)  # of known words: to measure them takes a fifth of the time
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1) if len(runs) == 1 else (1, 1))
    figure.subplots_adjust(left=0.09, right=0.985, bottom=0.22, top=0.94, wspace=0.2)
    moving, run = [draw_stage(ax, run) for ax, run in zip((left, right), runs)], runs[0]
    if len(runs) == 1:
        moving.append(draw_phase(right, run, predicted=False) if run.theory else draw_objective(right, run))
    artists = [artist for _, moved in moving for artist in moved]
    handles = dict(pair[::-1] for ax in (left, right) for pair in zip(*ax.get_legend_handles_labels()))
    columns = 6 if len(handles) > 7 else 7
    figure.legend(handles.values(), handles, loc="lower center", ncols=columns, columnspacing=1.2, handletextpad=0.4)
    for artist in artists:
        artist.set_animated(True)  # left out of the background
    figure.canvas.draw()
    background = figure.canvas.copy_from_bbox(figure.bbox)
    inks = [BLACK, GRID, ARROW, GRAY, BLUE, NAVY, GREEN, RED, ORANGE, *GAME_COLORS(np.linspace(0, 1, 8))[:, :3]]
    tints = [1 - step * (1 - np.array(inks)) for step in (1, 0.5)]  # for smooth edges
    colors, frames = 255 * np.vstack([(1, 1, 1), PALE_BLUE, PALE_GREEN, PALE_RED, *tints]), []
    games = frame_games(run.model.games)
    for game in games:
        figure.canvas.restore_region(background)
        for show, _ in moving:
            show(game)
        for artist in artists:
            artist.axes.draw_artist(artist)
        frames.append(_image(figure, colors))
    times = [FRAME_TIME[0] if game < 20 else FRAME_TIME[1] for game in games[:-1]] + [2000]
    buffer, first, *others = io.BytesIO(), *frames
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=times, loop=0, optimize=True)
    return buffer.getvalue()


def draw_turns(ax, run):
    """Mark on V the games in which D was flat, half a turn apart, beside those that theory predicts."""
    flat, half, objective = run.flat_games, run.equilibrium.period / 2, run.history.objective
    if len(flat) < 2:
        return
    ax.plot(flat, objective[flat - 1], color=NAVY, label="D flat: half a turn done", **DOT)
    predicted = np.arange(flat[:4][-1] % half, min(flat[-1] + half / 2, len(objective)), half)  # the fourth dot's phase
    label, whole = f"predicted spacing: {half:.0f} games", ax.get_xaxis_transform()
    ax.vlines(predicted[predicted > flat[0] - half / 2], 0, 1, RED, ":", label=label, transform=whole)
    _legend(ax)


def data_moments(run):
    """List mean and standard deviation of the target, or of a variant's real samples, as constants of `draw_lines`."""
    data, name = (run.target, "target") if run.theory else (run.draws.x, "real")
    return [(data.mean(), f"{name} mean", GREEN), (data.std(), f"{name} std", GREEN)]


def draw_moments(ax, run):
    """Draw mean and standard deviation of G(z) against games, beside those of the data."""
    lines = [(values, name, BLUE, 1.5) for values, name in zip(run.moments, ("mean", "std"))]
    draw_lines(ax, lines, data_moments(run), ylabel="mean, std", title="Mean and std of the generated samples")


@styled()
def summary_figure(run):
    """Compose the last frame of a run, the objective with its wave, the samples' moments, both gradients."""
    figure, history = _figure((9, 7)), run.history
    (stage, objective), (moments, gradients) = figure.subplots(2, 2)
    draw_stage(stage, run)
    _legend(stage)
    draw_objective(objective, run)
    if run.theory:
        draw_turns(objective, run)
    draw_moments(moments, run)
    norms = [(history.discr_gradient, "D", NAVY, 0.8), (history.gen_gradient, "G", ORANGE, 0.8)]
    gradients.set_yscale("log" if np.any(norms[0][0] + norms[1][0]) else "linear")
    draw_lines(gradients, norms, ylabel="norm, log scale", title="Gradients of the players")
    gradients.minorticks_off()
    gradients.yaxis.set_major_formatter("{x:g}")
    return figure


def draw_eigenvalues(ax, eigenvalues):
    """Draw the sorted eigenvalues (games, 4) of the Hessian, so that the sign of each can be read."""
    size, last = np.abs(eigenvalues), np.median(eigenvalues[-50:], axis=0)
    if last[1] < 0 < last[3] and abs(last[2]) < 0.1 * min(-last[1], last[3]):  # as at equilibria
        names = "D's steep\ndirection", "saddle: falls", "line of\nequilibria", "saddle: rises"
        title = "Hessian of V: saddle, line of equilibria"
    else:
        names, title = ("smallest", "third", "second", "largest"), f"Hessian of V: {np.sum(last < 0)} of 4 end below 0"
    small = max(np.median(size.min(axis=1)), 1e-6 * size.max(), 1e-300)  # the axis is linear below its decade
    ax.set_yscale("symlog", linthresh=10.0 ** np.floor(np.log10(small)))
    ax.axhline(0, color=BLACK, linewidth=1)
    lines = zip(eigenvalues.T, names, (NAVY, PURPLE, GRAY, ORANGE), np.ones(4))
    draw_lines(ax, list(lines), ylabel="eigenvalue", title=title)
    ax.yaxis.set_major_formatter("{x:g}")


@styled()
def hessian_figure(run):
    """Compose a run's path in the phase plane and the eigenvalues of the Hessian of V."""
    figure = _figure((9, 4.4))
    left, right = figure.subplots(1, 2)
    _, (trail, _, dot) = draw_phase(left, run)
    dot.set_label("end")
    figure.colorbar(trail, ax=left, pad=0.02).ax.set_title("game")
    draw_eigenvalues(right, run.eigenvalues)
    figure.legend(loc="outside lower center", ncols=5, columnspacing=1.5)
    return figure


@styled()
def seeds_figure(run, games, courses, outcomes):
    """Compose V, generated mean and std of S seeds, courses (F, 3, S), against games (F,), by outcome. run: one."""
    at_draw = [outcome.get(f"V at the draw after {games[-1]}", False) for outcome in outcomes]
    figure, panels = _figure((9, 3.4)), ("Objective V", "Generated mean", "Generated std")
    goals = [[(V_DRAW, "-2 log 2", RED)] * run.theory, *([goal] for goal in data_moments(run))]
    for ax, title, values, goal in zip(figure.subplots(1, 3), panels, courses.swapaxes(0, 1), goals):
        lines = [(course, "", BLUE if there else ORANGE, 0.6) for course, there in zip(values.T, at_draw)]
        draw_lines(ax, lines[:MOST_SEEDS], goal, games, title=title)
    for words, color, there in (("at the draw", BLUE, True), ("elsewhere", ORANGE, False)):
        label = f"{at_draw.count(there)} of {len(at_draw)} seeds: V {words} after game {games[-1]}"
        ax.plot([], [], color=color, label=label * run.theory)
    figure.legend(handles=ax.get_legend_handles_labels()[0], loc="outside lower center", ncols=2)
    return figure


@styled()
def monitor_figure(run):
    """Compose losses, running means of D's accuracies, moments and distances from the target, against games."""
    figure, history, target, params = _figure((9, 6.6)), run.history, run.target, run.history.params
    axes = figure.subplot_mosaic([["losses", [["kinds"], ["all"]]], ["moments", [["divergence"], ["distance"]]]])
    losses = [(-history.objective, "D's loss, -V", NAVY, 0.8), (history.gen_loss, "G's loss", ORANGE, 0.8)]
    rest = {"saturating": V_DRAW / 2, "non-saturating": -V_DRAW / 2, "middle": 0}[run.model.gen_loss]
    rests = [(height, "D = 1/2", RED) for height in (-V_DRAW, rest)]
    draw_lines(axes["losses"], losses, rests, ylabel="loss", title="Losses")
    draw_moments(axes["moments"], run)
    window = math.ceil(len(params) / 25)
    real, fake = 100 * ndimage.uniform_filter1d(accuracies(params, target), window, output=float)
    settings = {"title": f"Accuracy of D (%), {window}-game mean", "ylim": (-6, 106)}
    draw_lines(axes["kinds"], [(real, "real", GREEN, 2.2), (fake, "generated", BLUE, 1.3)], **settings)
    draw_lines(axes["all"], [((real + fake) / 2, "all", NAVY, 1.5)], [(50, "guessing", RED)], ylim=(-6, 106))
    divergence = jensen_shannon(target, params), "JSD (nats)", PURPLE, 1.8
    distance = wasserstein(target, params), "Wasserstein-1\n(units of x)", ORANGE, 1.8
    draw_lines(axes["divergence"], [divergence], [(np.log(2), "no overlap:\nlog 2", RED)], ylim=(0, 0.8))
    axes["divergence"].set_title("Distances from the target")
    draw_lines(axes["distance"], [distance], ylim=(0, 1.1 * distance[0].max()))
    axes["kinds"].label_outer()
    axes["divergence"].label_outer()
    return figure


def draw_rotation(ax, steps=126, rate=0.1):
    """Draw two ways to play V(x, y) = x y by gradient steps from (1, 0): x - rate y, y + rate x at once, or in turn."""
    together, in_turn = [[1, -rate], [rate, 1]], [[1, -rate], [rate, 1 - rate**2]]
    for game, color, label in ((together, ORANGE, "at once: a spiral"), (in_turn, BLUE, "in turn: a closed curve")):
        path = [np.linalg.matrix_power(game, step)[:, 0] for step in range(steps + 1)]
        ax.plot(*np.transpose(path), ".-", color=color, linewidth=0.8, markersize=4, label=label)
    ax.plot(1, 0, color=BLACK, label="start", **DOT)
    ax.plot(0, 0, color=RED, label="equilibrium", **DOT)
    ax.set(title="(b) V = x y turns, and never rests", ylabel="y, climbs V")
    ax.set(xlabel=f"x, descends V; {steps} steps of rate {rate}", aspect="equal", adjustable="datalim")
    _legend(ax, 1)


def distance_course(loss, games=500, discr_update=50, rate=0.1):
    """Compute rho^2, the squared distance from the line of equilibria, game by game, of players without chance.

    rho^2 = 4/5 e^2 + (w'^2 + b'^2) / discr_update, with means over ten evenly spread x and z: README.md, part 2.
    """
    levels = (np.arange(10) + 1 / 2) / 10
    x, z, (w, b, a, c), course = 5 + special.ndtri(levels), levels, (0.1, 0.0, 0.1, 0.0), []
    for _ in range(games):
        fake = w * z + b
        for _ in range(discr_update):
            missed, fooled = special.expit(-a * x - c), special.expit(a * fake + c)
            a, c = a + rate * ((missed * x).mean() - (fooled * fake).mean()), c + rate * (missed - fooled).mean()
        push = a * force(loss, a * fake + c)
        w, b = w + rate * (push * z).mean(), b + rate * push.mean()
        course.append(4 / 5 * (x.mean() - b - w / 2) ** 2 + (a**2 + c**2) / discr_update)
    return np.array(course)


@styled()
def theory_figure():
    """Compose what theory says of these games: pushes of three losses, rotation, distance from equilibrium."""
    figure = _figure((9, 4.2))
    losses, rotation, distance = figure.subplots(1, 3)
    logit = np.linspace(-8, 8, 500)
    for loss, color in LOSS_COLORS.items():
        losses.plot(special.expit(logit), force(loss, logit), color=color, label=loss)
    losses.axvline(0.5, color=RED, label="equilibrium: D = 1/2")
    losses.set(xlabel="D(G(z)): 0 if found out, 1 if D is fooled", xlim=(0, 1), ylabel="push / w'", ylim=(0, 1.02))
    losses.set_title("(a) Pushes by three losses")
    _legend(losses, 1)
    draw_rotation(rotation)
    distance.set_yscale("log")
    lines = [(distance_course(loss), loss, color, 1.5) for loss, color in LOSS_COLORS.items()]
    draw_lines(distance, lines, ylabel="squared distance from equilibrium", title="(c) Strong D: one loss stalls")
    return figure


KNOBS = {  # of the window
    "discr_update": (1, 2, 3, 5, 10, 20, 50, 100),
    "gen_update": (1, 2, 3, 5, 10, 20, 50, 100),
    "learning_rate": (0.01, 0.02, 0.05, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.5, 1.0),
    "init_std": (0.0, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0),
    "target_mean": (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0),
    "noise_std": (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0),
    "seed": range(100),
}


class Explorer:
    """A window on one run, on an empty Figure, with knobs for the settings: train(**settings) gives the run anew."""

    @styled()
    def __init__(self, figure, train, settings):
        self.figure, self.train, self.settings, self.sliders, self.moving = figure, train, dict(settings), {}, []
        figure.set_facecolor("white")
        boxes = (0.085, 0.53, 0.435, 0.43), (0.6, 0.53, 0.385, 0.43), (0.085, 0.16, 0.33, 0.165)
        self.axes, self.verdict = [figure.add_axes(box) for box in boxes], figure.text(0.012, 0.025, "")
        for row, name in enumerate(name for name in KNOBS if name in settings):
            values = sorted({*KNOBS[name], settings[name]})
            box, place = figure.add_axes((0.62, 0.3 - 0.042 * row, 0.11, 0.035)), values.index(settings[name])
            slider = Slider(box, name.replace("_", " "), 0, len(values) - 1, valinit=place, valstep=1, color=GRAY)
            slider.on_changed(lambda place, name=name, values=values: self.turn(name, values[int(place)]))
            slider.label.set_x(-0.06)
            self.sliders[name] = slider
        box, losses = figure.add_axes((0.81, 0.185, 0.175, 0.155)), [*LOSS_COLORS]
        self.loss = RadioButtons(box, losses, losses.index(settings["gen_loss"]))
        self.loss.on_clicked(lambda loss: self.turn("gen_loss", loss))
        for knob in (self.loss, *self.sliders.values()):
            knob.drawon = False  # a knob is drawn with the run that it makes
        self.buttons = []
        for height, words, action in ((0.105, "play", self.play), (0.03, "put all back", self.put_back)):
            self.buttons.append(Button(figure.add_axes((0.81, height, 0.175, 0.06)), words))
            self.buttons[-1].on_clicked(action)
        figure.canvas.mpl_connect("key_press_event", lambda event: event.key == " " and self.play())
        box, last = figure.add_axes((0.085, 0.075, 0.33, 0.035)), settings["games"]
        self.scrubber = Slider(box, "game", 0, last, valinit=last, valstep=np.arange(1, last + 1), color=GRAY)
        self.scrubber.on_changed(self.scrub)  # and asks for a drawing itself
        self.soon, self.clock = figure.canvas.new_timer(1), figure.canvas.new_timer()
        self.soon.single_shot, self.playing = True, False
        self.soon.add_callback(self.retrain)
        self.clock.add_callback(self.tick)
        self.retrain()

    def turn(self, name, value):
        """Take the value of a knob, and train soon: the events that are waiting come first, and count together."""
        self.settings[name] = value
        if name in ("gen_update", "gen_loss") and self.verdict.get_text() != TRAINING:  # which may compile for a second
            self.verdict.set_text(TRAINING)
            self.figure.canvas.draw()
        self.soon.start()

    def put_back(self, _):
        """Put all knobs back to where they were at first."""
        self.loss.clear()
        for slider in self.sliders.values():
            slider.reset()

    def play(self, _=None):
        """Play the run from the game that is shown, from the first if it is the last; or stop."""
        self.playing = not self.playing
        if self.playing and self.scrubber.val == self.scrubber.valmax:
            self.scrubber.set_val(1)
        self.clock.start() if self.playing else self.clock.stop()

    def tick(self):
        """Show the next frame of the animation; the last one ends it."""
        games = frame_games(int(self.scrubber.valmax))
        self.scrubber.set_val(games[min(np.searchsorted(games, self.scrubber.val, "right"), len(games) - 1)])
        self.clock.interval = FRAME_TIME[0] if self.scrubber.val < 20 else FRAME_TIME[1]
        if self.scrubber.val == self.scrubber.valmax:
            self.play()

    @styled()
    def retrain(self):
        """Train with the settings as they are and draw the whole window."""
        self.moving, toolbar = [], self.figure.canvas.toolbar
        try:
            run = self.train(**self.settings)
            words = f"Ends {run.end}. A small swing {run.fate}." if run.theory else ""
        except (Refusal, FloatingPointError) as error:
            run, words = None, str(error)
        except KeyboardInterrupt:
            pyplot.close(self.figure)
            return
        self.verdict.set_text(words)
        for name, slider in self.sliders.items():
            slider.valtext.set_text(f"{self.settings[name]:.10g}")
        self.figure.legends.clear()
        for ax in self.axes:
            ax.set_visible(run is not None)
            for artist in [*ax.lines, *ax.collections, *ax.patches, *ax.texts]:  # ax.clear() takes half as long again
                artist.remove()
            ax.relim()
            ax.autoscale()
        if run:
            stage, phase, objective = self.axes
            phase.set_visible(run.theory)
            self.moving = [draw_stage(stage, run), draw_objective(objective, run)]
            self.moving += [draw_phase(phase, run)] if run.theory else []
            objective.set_xlabel("")  # the slider below says so
            self.figure.legend(loc="center", bbox_to_anchor=(0.5, 0.405), ncols=6, fontsize="x-small", columnspacing=1)
            self.scrub(self.scrubber.val)
        if toolbar:
            toolbar.update()  # forget the limits of earlier runs, which Home and Back would show
        self.figure.canvas.draw()  # at once: the style ends here

    def scrub(self, game):
        """Move everything to a game."""
        for show, _ in self.moving:
            show(int(game))


@styled()  # for all that is drawn while the window is open
def explore(train, settings):
    """Open an `Explorer` and wait until it is closed. Where none opens, return its picture, {file's name: bytes}."""
    try:
        figure = pyplot.figure("How a GAN trains", figsize=WINDOW)
        if type(figure.canvas.manager) is FigureManagerBase:  # of a backend that writes files
            pyplot.close(figure)
            raise OSError("in a notebook, %pip install ipympl and %matplotlib widget; else README.md, part 5")
    except Exception as error:  # each toolkit has its own
        print(" ".join(f"No window, but its picture: {error}".split()))
        figure = _figure(WINDOW, layout=None)
        Explorer(figure, train, settings)
        return {"explore_{}.png": png(figure)}
    figure.explorer = Explorer(figure, train, settings)  # lives as long as the figure
    pyplot.show()
    return {}


@styled()
def png(figure):
    """Return the bytes of a figure's PNG file. (Figure.savefig would lay out and draw everything twice.)"""
    figure.canvas.draw()
    buffer = io.BytesIO()
    _image(figure).save(buffer, "PNG")
    return buffer.getvalue()


def save(files):
    """Save files, name to bytes, in img/: each is written beside its place, then moved, so that none is ever half."""
    IMAGES.mkdir(exist_ok=True)
    for name, content in files.items():
        draft = IMAGES / f".{name}"
        try:
            draft.write_bytes(content)
            draft.replace(IMAGES / name)
        finally:
            draft.unlink(missing_ok=True)
    if files:
        print("Saved in img/:", ", ".join(files), flush=True)


if __name__ == "__main__":
    save({"theory.png": png(theory_figure())})
