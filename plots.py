"""Draw the tutorial's pictures: runs in, figures and files out. What they show is computed in hessian.py.

`draw_...(ax, ...)` draws on an Axes; where something moves with the games it returns show(game), which moves it, and
what moves or stands before that. `..._figure(...)` composes a Figure, `png` and `gif` give a file's bytes, `save`
writes them. Blue is what the players make (samples, paths; darker, D), green the data, red theory, orange the pushes.

    python plots.py                                      the picture of theory, which no run enters

run is a hessian.Run.
"""

import functools
import io
import math
import os
import sys
from itertools import pairwise
from pathlib import Path

if "inline" in os.environ.get("MPLBACKEND", ""):  # a notebook's, which this environment may lack
    del os.environ["MPLBACKEND"]
try:
    import matplotlib.style
except ValueError as error:
    sys.exit(f"MPLBACKEND: {error}")
import numpy as np
import seaborn as sns
from matplotlib import pyplot
from matplotlib.backend_bases import FigureManagerBase, key_press_handler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.transforms import offset_copy
from matplotlib.widgets import Button, RadioButtons, Slider
from PIL import Image
from scipy import ndimage, optimize, special

import hessian

IMAGES = Path(__file__).resolve().parent / "img"
FRAME_TIME = 340, 200  # milliseconds, of the first frames and the others
BLUE, ORANGE, GREEN, RED, PURPLE, *_ = sns.color_palette("deep")
NAVY = sns.color_palette("dark")[0]
BLACK, GRAY, ARROW, GRID = (0.15,) * 3, (0.45,) * 3, (0.7,) * 3, (0.8,) * 3
PALE_BLUE, PALE_GREEN, PALE_RED = (tuple(0.6 + 0.4 * np.array(ink)) for ink in (BLUE, GREEN, RED))
DRAW = "draw: \u22122 log 2"
GAME_COLORS = sns.blend_palette([(0.5, 0.7, 0.9), NAVY], as_cmap=True)
DOT = {"marker": "o", "linestyle": "none", "markeredgecolor": "white", "markeredgewidth": 0.7, "zorder": 4}
ARROWHEAD = {"marker": r"$\rightarrow$", "linestyle": "none", "markersize": 11}  # in a legend
LOSS_COLORS = {"saturating": BLUE, "non-saturating": ORANGE, "middle": PURPLE}
LOSS_STYLES = {"saturating": "-", "non-saturating": "--", "middle": ":"}  # for eyes to which blue is purple
TITLE, TRAINING = "How a GAN trains", "training ..."
WINDOW = 11, 5.8  # inches; at 9 x 5 its words still stand apart
STILL_DPI, MOVING_DPI = 180, 100  # of figures, shown at half their size, and of the animation
FRAME_EVERY, MOST_FRAMES = 25, 100  # games between frames of the animation, and how many it may have
FIRST_FRAMES = *range(1, 6), *range(6, 20, 2), *range(20, 50, 5), *range(50, 100, 10)  # shown, too: all starts fast
FEW, MOST_SHOWN, MOST_SEEDS, MOST_POINTS = 10, 20, 30, 3000  # games of a dotted line; samples, seeds, points shown
NOISE_HEIGHT, FAKE_HEIGHT, REAL_HEIGHT, TOP = -0.6, -0.26, -0.13, 1.05  # of the stage, where D is 0 to 1
PEAK = 0.4  # of the data's density
PUSH = 4  # a push p is 4 p / (1 + |p|) units of x long
SEEN = 0.03  # share of the stage's width from which on a push can be seen, and of its height an error


def say(*lines):
    """Print lines at once. That nobody reads on, as after `| head`, is no error."""
    try:
        print(*lines, sep="\n", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def frame_games(games):
    """List the games to show: denser at first, then every 25th or, in a long run, fewer, and the last."""
    step = FRAME_EVERY * math.ceil(games / (FRAME_EVERY * MOST_FRAMES))
    return np.unique(np.minimum([*FIRST_FRAMES, *range(max(100, step), games, step), games], games))


# ---------------------------------------------------------------- figures

STYLE = "default", sns.axes_style("whitegrid"), {
    "font.sans-serif": ["DejaVu Sans"], "text.hinting": "no_hinting", "lines.linewidth": 1.3,
    "axes.titlesize": "medium", "axes.titley": 1,  # a fixed height: to look for one that is free takes time
    "agg.path.chunksize": 10_000, "legend.frameon": False, "legend.fontsize": "small",
}  # fmt: skip
styled = functools.partial(matplotlib.style.context, STYLE)  # the same on every machine, whatever its own settings


INKS = 255 * np.array([BLACK, GRID, ARROW, GRAY, BLUE, NAVY, GREEN, RED, ORANGE, PALE_BLUE, PALE_GREEN, PALE_RED])


def _figure(inches, dpi=STILL_DPI):
    return FigureCanvasAgg(Figure(figsize=inches, dpi=dpi)).figure


def _image(figure, colors=None):
    """Copy a drawn figure to an image in the nearest of `colors` (n, 3), 256 at most, or in those that suit it."""
    size = figure.canvas.get_width_height()
    image = Image.frombuffer("RGBA", size, figure.canvas.buffer_rgba()).convert("RGB")
    palette = Image.new("P", (1, 1))
    if colors is None:
        some = image.resize((size[0] // 3, size[1] // 3), Image.Resampling.NEAREST)  # a ninth is quick and enough
        colors = np.reshape(some.quantize(240, Image.Quantize.MEDIANCUT).getpalette(), (-1, 3))[:240]
        colors[colors.min(axis=1) > 245] = 255  # paper is white, not a mean of whites
        colors = np.vstack([colors, INKS])  # of thin lines, too
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
    beside = offset_copy(ax.transAxes, ax.figure, 9, 0, "points")
    style = {"xycoords": "axes fraction", "textcoords": beside, "va": "center", "fontsize": "small", "linespacing": 1.1}
    for end, height, text, color in zip(wanted, heights, texts, colors):
        leader = {"arrowstyle": "-", "color": color, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 1, "relpos": (0, 0.5)}
        ax.annotate(text, (1, end), (1, height), color=color, arrowprops=leader, **style)


def draw_lines(ax, lines, constants=(), games=None, **settings):
    """Draw what a run recorded against games (by default all), and constants, each named at its end.

    lines: (values (games,), name or "", color, linewidth); constants: (height, name, color). Zeros are left out on a
    logarithmic axis.
    """
    if games is None:
        games = np.arange(1, len(lines[0][0]) + 1)
    few = len(games) < FEW
    ends = []
    for values, name, color, width in lines:
        if ax.get_yscale() == "log":
            values = np.where(values > np.finfo(float).tiny, values, np.nan)
        ax.plot(games, values, color=color, linewidth=width, marker="." if few else "", clip_on=not few)
        last = values[-(len(games) // 100 + 1) :]
        if name:
            ends.append((last[np.isfinite(last)], name, color))
    for height, _, color in constants:
        ax.axhline(height, color=color, linewidth=0.9, linestyle="--", zorder=3)
    ax.set(**{"xlabel": "game", "xlim": (0, games[-1])} | settings)
    ax.locator_params("x", nbins=4, steps=(1, 2.5, 5, 10), integer=True)  # room for the numbers of a long run
    if ax.get_yscale() == "linear":
        ax.locator_params("y", nbins=5)
    lowest = ax.get_ylim()[0]  # the end of a line that has none
    labels = [(np.median(last) if last.size else lowest, name, color) for last, name, color in ends]
    if labels or constants:
        _label_ends(ax, [*labels, *constants])


# ---------------------------------------------------------------- the stage

def _stage_frame(run):
    """Find the first and the last x of a stage: 0, 1, the data, and all that the run visits, if not too far off."""
    data = [run.draws.x.min() - 1.7 * run.model.target.std(), run.draws.x.max() + 1.7 * run.model.target.std()]
    made = run.model.generator(run.model.players(run.history.params)[0], run.levels[[0, -1]])
    seen = [samples for game in (1, run.model.games) for samples in run.scene(game, np.arange(2.0)).seen]
    far = 2 * np.ptp([0, 1, *data])  # noise and data stay in sight whatever the samples do
    visited = np.clip(np.concatenate([np.ravel(made), *seen]), data[0] - far, data[1] + far)
    return min(0, *data, *visited) - 0.5, max(1, *data, *visited) + 0.5


def draw_stage(ax, run):
    """Draw a run's stage: noise below, generated samples and pushes on them, real samples, densities, D, its errors.

    An error is a line from the curve up to 1 at a real sample, 1 - D(x), or from 0 up to the curve at a generated one,
    D(G(z)), where D sees them. A density is scaled so that that of the data has its peak at PEAK.
    """
    model, x = run.model, run.draws.x
    noise = run.draws.z_gen[0, -1]
    frame = _stage_frame(run)
    grid = np.linspace(*frame, 500)
    spread = model.target.std()
    near_data = np.linspace(x.min() - spread, x.max() + spread, 100)  # for a peak between two places of the grid
    near_mean = model.target.mean() + np.linspace(-spread, spread, 51)
    fine = np.unique(np.clip([*grid, *near_data, *near_mean], *frame))
    heights = model.target_density(fine)
    scale = PEAK / np.max(heights)
    blurred = not np.array_equal(run.scene(1, grid).seen[0], x)

    for height in (NOISE_HEIGHT, FAKE_HEIGHT, REAL_HEIGHT):
        ax.axhline(height, color=GRID, linewidth=0.8, zorder=1)
    ax.axhline(0, color=BLACK, linewidth=0.8, zorder=1)
    ax.axhline(0.5, color=PALE_RED, linewidth=0.9, zorder=1)
    few = noise[:MOST_SHOWN]
    low, level = np.full_like(few, NOISE_HEIGHT), np.full_like(few, FAKE_HEIGHT)
    arrows = {"angles": "xy", "scale_units": "xy", "scale": 1, "headwidth": 6, "headlength": 8, "headaxislength": 7}
    ax.plot(few, low, "o", color=GRAY, mfc="white", zorder=4, label="noise z")
    made = ax.quiver(few, low, few, level, color=ARROW, width=0.0015, **arrows)
    (samples,) = ax.plot(few, level, color=BLUE, label="generated G(z)", **DOT)
    arrows |= {"headwidth": 4, "headlength": 5, "headaxislength": 4.5, "minlength": 0.1}
    pushes = ax.quiver(few, level, level, 0 * level, color=ORANGE, width=0.003, zorder=3.5, **arrows)
    ax.plot([], [], color=ORANGE, label="push on each", **ARROWHEAD)
    diamond = DOT | {"marker": "D"}
    ax.plot(x[:MOST_SHOWN], 0 * x[:MOST_SHOWN] + REAL_HEIGHT, color=GREEN, label="real x", **diamond)
    density = ax.stairs(np.zeros(1), grid[:2], fill=True, color=PALE_BLUE, zorder=1.5, label="density of G(z)")
    (cut,) = ax.plot([], [], "^", color=BLUE, markersize=6, zorder=3, label="cut off here")
    shown = np.where(heights > 1e-3 * np.max(heights), scale * heights, np.nan)  # or it would hide the line D = 0
    (bell,) = ax.plot(fine, shown, color=GREEN, label="density of x")
    (curve,) = ax.plot(grid, 0 * grid, color=NAVY, linewidth=1.8, label="D(x)")
    errors, feet = [], []
    for color, label in ((GREEN, "missed: 1 - D(x)"), (BLUE, "fooled: D(G(z))")):
        errors.append(ax.add_collection(LineCollection([], colors=[color], linewidths=1, zorder=2.5), autolim=False))
        ax.plot([], [], "|", color=color, markersize=10, markeredgewidth=1.4, label=label)
    if blurred:
        feet += ax.plot([], [], "o", color=PALE_GREEN, markersize=4, zorder=2.6, label="x as D sees it")
        feet += ax.plot([], [], "o", color=PALE_BLUE, markersize=4, zorder=2.6, label="G(z) as D sees it")
    title = ax.set_title("")
    most = max(len(x), len(noise))
    shown = f" ({MOST_SHOWN} of {most} shown)" if most > MOST_SHOWN else ""
    ax.set(xlim=frame, ylim=(NOISE_HEIGHT - 0.1, TOP), xlabel=f"z, G(z), x{shown}")
    rows = {"z": NOISE_HEIGHT, "G(z)": FAKE_HEIGHT, "x": REAL_HEIGHT, "D = 0": 0, "D = 1/2": 0.5, "D = 1": 1}
    ax.set_yticks([*rows.values()], [*rows], fontsize="small")
    ax.grid(axis="y", visible=False)

    def show(game):
        scene = run.scene(game, grid)
        samples.set_xdata(scene.fake[:MOST_SHOWN])
        made.set_UVC(scene.fake[:MOST_SHOWN] - few, level - 0.04 - NOISE_HEIGHT)
        length = (PUSH * scene.push / (1 + np.abs(scene.push)))[:MOST_SHOWN]
        pushes.set_offsets(np.column_stack([scene.seen[1], scene.scores[1]])[:MOST_SHOWN])
        pushes.set_UVC(length, 0 * length)
        density.set_data(np.minimum(scale * scene.density, TOP), scene.edges)
        too_high = scale * scene.density > TOP
        ends = np.flatnonzero(np.diff(too_high, prepend=False, append=False)).reshape(-1, 2)
        middles = scene.edges[ends].mean(axis=1)
        cut.set_data(middles, np.full_like(middles, TOP - 0.05))
        curve.set_ydata(scene.curve)
        for error, end, values, scores in zip(errors, (1, 0), scene.seen, scene.scores):
            some = zip(values[:MOST_SHOWN], scores)
            error.set_segments([((value, end), (value, score)) for value, score in some])
        for foot, end, values in zip(feet, (1, 0), scene.seen):
            foot.set_data(values[:MOST_SHOWN], np.full_like(values[:MOST_SHOWN], end))
        outside = np.sum((scene.fake < frame[0]) | (scene.fake > frame[1]))
        missed, fooled = (scores[:MOST_SHOWN] for scores in scene.scores)
        longest = {"errors": max(np.max(1 - missed), np.max(fooled))}
        longest["pushes"] = np.max(np.abs(length)) / np.ptp(frame)
        small = [name for name, size in longest.items() if size < SEEN]
        words = f": {' and '.join(small)} too small to be seen" if small else ""
        if outside:
            words = f": {outside} of {len(scene.fake)} samples out of sight"
        title.set_text(f"Game {game}{words}")

    show(model.games)
    return show, (density, bell, made, curve, *errors, *feet, pushes, samples, cut, title)


# ---------------------------------------------------------------- the run against games, and as a path

def _magnify_end(ax, run):
    """Draw the path around the equilibrium once more, larger, if all since the second flat game is small: a run that
    stalls and rushes ends in a spot, and leaves the corner below its rise free. Returns what `draw_phase` does.
    """
    goal = hessian.phase_point(run.equilibrium.params)
    late = run.path[run.flat_games[1] :] if len(run.flat_games) > 1 else run.path
    reach = 2.5 * np.quantile(np.abs(late - goal), 0.9, axis=0)
    if np.any(reach > 0.12 * np.ptp([ax.get_xlim(), ax.get_ylim()], axis=1)):
        return lambda game: None, ()
    (left, low), (right, high) = goal - reach, goal + reach
    ax.plot([left, right, right, left, left], [low, low, high, high, low], color=GRAY, linewidth=0.8, zorder=3)
    inset = ax.inset_axes((0.14, 0.04, 0.36, 0.36), xlim=(left, right), ylim=(low, high), xticks=[], yticks=[])
    inset.text(left, low, " the box, enlarged", va="bottom", fontsize="x-small", color=GRAY)
    inset.plot(*goal, "o", color=RED, mfc="none", markersize=6, mew=1, zorder=3)
    (trail,) = inset.plot([], [], color=NAVY, linewidth=0.6)
    (dot,) = inset.plot([], [], color=BLACK, **DOT | {"markersize": 4})

    def show(game):
        trail.set_data(*run.path[: game + 1].T)
        dot.set_data(*run.path[[game]].T)

    return show, (trail, dot)


def draw_phase(ax, run, predicted=True):
    """Draw a run's path in the plane of the generated mean and D's slope a, coloured by game."""
    path = run.path
    mean, slope, *step = hessian.phase_field(run)
    size = np.hypot(*step) + np.finfo(float).tiny
    speed = np.hypot(step[0] / np.ptp(mean), step[1] / np.ptp(slope))
    fastest = np.quantile(speed, 0.9) + np.finfo(float).tiny
    length = np.clip(speed / fastest, 1e-3, 1) ** (1 / 4)  # the slowest can be seen beside the fastest
    arrows = {"scale": 1.2 * hessian.PLANE[0], "headwidth": 4, "headlength": 4, "headaxislength": 3.5, "width": 0.003}
    arrows |= {"angles": "xy", "scale_units": "width", "pivot": "mid", "color": ARROW, "zorder": 1}
    ax.quiver(mean, slope, *(part / size * length for part in step), **arrows)
    ax.plot([], [], color=GRAY, label="where a game leads", **ARROWHEAD)
    stride = math.ceil(len(path) / MOST_POINTS)
    trail = LineCollection([], cmap=GAME_COLORS, clim=(0, len(path) - 1), linewidth=1.3, zorder=2)
    ax.add_collection(trail, autolim=False)
    if predicted and run.predicted is not None:
        halo = [withStroke(linewidth=2.6, foreground="white")]
        ax.plot(*hessian.phase_point(run.predicted).T, ":", color=RED, path_effects=halo, zorder=3, label="predicted")
    goal = hessian.phase_point(run.equilibrium.params)
    ax.axvline(goal[0], color=PALE_RED, linewidth=0.9, zorder=1)
    ax.axhline(goal[1], color=PALE_RED, linewidth=0.9, zorder=1)
    (ring,) = ax.plot(*goal, "o", color=RED, mfc="none", markersize=12, mew=1.4, zorder=4, label="equilibrium")
    ax.plot(*path[0], "s", color=BLACK, markersize=5, zorder=3, label="start")
    (dot,) = ax.plot([], [], color=BLACK, label="now", **DOT | {"markersize": 5.5})
    ax.set(xlim=mean[0, [0, -1]], ylim=slope[[0, -1], 0], xlabel="generated mean", ylabel="D's slope a")
    ax.set_title("Phase plane: the run as a path" + (f", each {stride}th game" if stride > 1 else ""))
    ax.locator_params(nbins=5)
    cuts = frame_games(len(path) - 1)
    show_end, moving = _magnify_end(ax, run)

    def show(game):
        show_end(game)
        ends = [0, *cuts[cuts < game], game]
        trail.set_segments([np.vstack([path[first:last:stride], path[last]]) for first, last in pairwise(ends)])
        trail.set_array(np.add(ends[1:], ends[:-1]) / 2)
        dot.set_data(*path[[game]].T)

    show(len(path) - 1)
    return show, (trail, ring, dot, *moving)


def draw_objective(ax, run):
    """Draw V against games, and on which side of -2 log 2 which player is ahead."""
    objective = run.history.objective
    ax.margins(y=0.15)  # room for the words above and below
    draw = [(hessian.V_DRAW, f"\u2191 D wins\n{DRAW}\n\u2193 D is wrong", RED)] if run.theory else []
    draw_lines(ax, [(objective, "", BLACK, 0.8)], draw, title="Objective V")
    (dot,) = ax.plot([], [], color=BLACK, **DOT | {"markersize": 5.5})

    def show(game):
        ax.lines[0].set_data(np.arange(1, game + 1), objective[:game])
        dot.set_data([game], objective[[game - 1]])

    return show, (ax.lines[0], dot)


def draw_turns(ax, run):
    """Mark on V the games in which D was flat, half a turn apart, beside those that theory predicts from the second."""
    flat, objective = run.flat_games, run.history.objective
    if run.predicted is None:
        return
    half = run.equilibrium.period / 2
    ax.plot(flat, objective[flat - 1], color=NAVY, label="D flat: half a turn done", **DOT)
    predicted = np.arange(flat[1], min(flat[-1] + half / 2, len(objective)), half)
    label = f"predicted from the second dot on: each {half:.0f} games"
    ax.vlines(predicted, 0, 1, RED, ":", label=label, transform=ax.get_xaxis_transform())
    _legend(ax, 1)


def data_moments(model, x):
    """List mean and standard deviation of the target, or of a variant's real samples, as constants of `draw_lines`."""
    data, name = (model.target, "target") if hessian.knows_theory(model) else (x, "real")
    return [(data.mean(), f"{name} mean", GREEN), (data.std(), f"{name} std", GREEN)]


def draw_moments(ax, run):
    """Draw mean and standard deviation of G(z) against games, beside those of the data."""
    lines = [(values, name, BLUE, 1.5) for values, name in zip(run.moments, ("mean", "std"))]
    draw_lines(ax, lines, data_moments(run.model, run.draws.x), title="Mean and std of the generated samples")


def draw_gradients(ax, run):
    """Draw the norms of both players' gradients, on a logarithmic axis unless all are 0."""
    norms = run.history.discr_gradient, run.history.gen_gradient
    if np.any(norms):
        ax.set_yscale("log")
    draw_lines(ax, [(norms[0], "D", NAVY, 0.8), (norms[1], "G", ORANGE, 0.8)], title="Gradients of the players (norm)")
    ax.minorticks_off()
    ax.yaxis.set_major_formatter("{x:g}")


def draw_eigenvalues(ax, eigenvalues):
    """Draw the sorted eigenvalues (games, n) of the Hessian, so that the sign of each can be read."""
    size = np.abs(eigenvalues)
    last = np.median(eigenvalues[-50:], axis=0)
    names = "smallest", "third", "second", "largest"
    title = f"{np.sum(last < 0)} of 4 end below 0"
    if last[1] < 0 < last[3] and abs(last[2]) < 0.1 * min(-last[1], last[3]):  # as at equilibria
        names = "D's steep\ndirection", "saddle: falls", "line of\nequilibria", "saddle: rises"
        title = "a saddle"
    small = max(np.median(size.min(axis=1)), 1e-6 * size.max(), 1e-300)
    linear = 10.0 ** np.floor(np.log10(small))  # below it the axis is linear
    ax.set_yscale("symlog", linthresh=linear)
    ax.axhspan(-linear, linear, color=(0.93,) * 3, zorder=0.5, label="linear here, logarithmic outside")
    ax.axhline(0, color=BLACK, linewidth=1)
    lines = zip(eigenvalues.T, names, (NAVY, PURPLE, GRAY, ORANGE), np.ones(4))
    draw_lines(ax, list(lines), title=f"Eigenvalues of V's Hessian: {title}")
    ax.yaxis.set_major_formatter("{x:g}")


# ---------------------------------------------------------------- animation and figures

@styled()
def gif(*runs):
    """Draw how a run goes, over one background, and return the bytes of a looping GIF.

    Beside the stage stands the phase plane, or V for a variant; or the stage of a second run with as many games.
    """
    run = runs[0]
    figure = _figure((10, 4.5), MOVING_DPI)
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1) if len(runs) == 1 else (1, 1))
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.22, top=0.94, wspace=0.2)
    moving = [draw_stage(ax, run) for ax, run in zip((left, right), runs)]
    if len(runs) == 1:
        moving.append(draw_phase(right, run, predicted=False) if run.theory else draw_objective(right, run))
    artists = [artist for _, moved in moving for artist in moved]
    handles = dict(pair[::-1] for ax in (left, right) for pair in zip(*ax.get_legend_handles_labels()))
    columns = math.ceil(len(handles) / 2)
    figure.legend(handles.values(), handles, loc="lower center", ncols=columns, columnspacing=1, handletextpad=0.3)
    games = frame_games(run.model.games)
    if len(games) < games[-1]:
        figure.text(0.01, 0.132, f"frames: {len(games)} of {games[-1]} games", color=GRAY, fontsize="x-small")
    for artist in artists:
        artist.set_animated(True)  # left out of the background
    figure.canvas.draw()
    background = figure.canvas.copy_from_bbox(figure.bbox)
    inks = np.vstack([INKS, 255 * GAME_COLORS(np.linspace(0, 1, 8))[:, :3]])
    colors = np.vstack([255 * np.ones(3), inks, (inks + 255) / 2])  # the last for smooth edges
    frames = []
    for game in games:
        figure.canvas.restore_region(background)
        for show, _ in moving:
            show(game)
        for artist in artists:
            artist.axes.draw_artist(artist)
        frames.append(_image(figure, colors))
    times = [FRAME_TIME[0] if game < 20 else FRAME_TIME[1] for game in games[:-1]] + [2000]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)
    return buffer.getvalue()


@styled()
def summary_figure(run):
    """Compose the last frame of a run, the objective with its wave, the samples' moments, both gradients."""
    figure = _figure((9, 7))
    (stage, objective), (moments, gradients) = figure.subplots(2, 2)
    figure.subplots_adjust(left=0.065, right=0.885, bottom=0.067, top=0.967, wspace=0.53, hspace=0.62)
    draw_stage(stage, run)
    for line in stage.lines:
        if line.get_label() == "cut off here" and not len(line.get_xdata()):
            line.set_label(None)
    _legend(stage, 3)
    draw_objective(objective, run)
    if run.theory:
        draw_turns(objective, run)
    draw_moments(moments, run)
    draw_gradients(gradients, run)
    return figure


@styled()
def hessian_figure(run):
    """Compose a run's path in the phase plane and the eigenvalues of the Hessian of V."""
    figure = _figure((9, 4.4))
    left, right = figure.subplots(1, 2, width_ratios=(1.22, 1))
    figure.subplots_adjust(left=0.105, right=0.9, bottom=0.175, top=0.945, wspace=0.38)
    _, (trail, _, dot, *_) = draw_phase(left, run)
    dot.set_label("end")
    figure.colorbar(trail, ax=left, pad=0.02, label="game")
    draw_eigenvalues(right, run.eigenvalues)
    figure.legend(loc="lower center", ncols=6, columnspacing=1)
    return figure


@styled()
def monitor_figure(run):
    """Compose losses, running means of D's accuracies, moments and distances from the target, against games."""
    figure, history, target = _figure((9, 6.6)), run.history, run.model.target
    panels = [["losses", [["kinds"], ["all"]]], ["moments", [["divergence"], ["distance"]]]]
    axes = figure.subplot_mosaic(panels, width_ratios=(1.5, 1))
    figure.subplots_adjust(left=0.08, right=0.885, bottom=0.07, top=0.965, wspace=0.46, hspace=0.27)
    losses = [(-history.objective, "D's loss, -V", NAVY, 0.8), (history.gen_loss, "G's loss", ORANGE, 0.8)]
    rest = (1 - 2 * hessian.LOSSES[run.model.gen_loss]) * np.log(2)  # of G's loss at a draw
    rests = [(-hessian.V_DRAW, "D's at a draw", RED), (rest, "G's at a draw", RED)]
    draw_lines(axes["losses"], losses, rests, title="Losses")
    draw_moments(axes["moments"], run)
    window = math.ceil(len(history.params) / 25)
    shares = 100 * np.array(hessian.accuracies(history.params, target))
    real, fake = ndimage.uniform_filter1d(shares, window, output=float)
    lines = [(real, "real", GREEN, 2.4), (fake, "generated", BLUE, 1.2)]
    draw_lines(axes["kinds"], lines, title=f"Accuracy of D (%), {window}-game mean", ylim=(-6, 106))
    draw_lines(axes["all"], [((real + fake) / 2, "all", NAVY, 1.5)], [(50, "guessing", RED)], ylim=(-6, 106))
    divergence = hessian.jensen_shannon(target, history.params)
    lines = [(divergence, "JSD (nats)", PURPLE, 1.8)]
    draw_lines(axes["divergence"], lines, [(np.log(2), "log 2: no\noverlap", RED)], ylim=(0, 0.8))
    axes["divergence"].set_title("Distances from the target")
    distance = hessian.wasserstein(target, history.params)
    lines = [(distance, "Wasserstein-1\n(units of x)", BLACK, 1.8)]
    draw_lines(axes["distance"], lines, ylim=(0, 1.1 * distance.max()))
    axes["kinds"].label_outer()
    axes["divergence"].label_outer()
    return figure


@styled()
def seeds_figure(model, x, courses, at_draw):
    """Compose V, generated mean and std of S seeds, courses (3, F, S) at `frame_games`, by whether V ends at the draw.

    x: their real samples; at_draw: truths (S,).
    """
    figure = _figure((9, 3.4))
    games = frame_games(model.games)
    theory = hessian.knows_theory(model)
    goals = [[(hessian.V_DRAW, DRAW, RED)] if theory else [], *([goal] for goal in data_moments(model, x))]
    titles = "Objective V", "Generated mean", "Generated std"
    axes = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.055, right=0.915, bottom=0.285, top=0.93, wspace=0.85)
    for ax, title, values, goal in zip(axes, titles, courses, goals):
        inks = [BLUE if theory and there else ORANGE for there in at_draw]
        lines = [(course, "", ink, 0.6) for course, ink in zip(values.T, inks)]
        draw_lines(ax, lines[:MOST_SEEDS], goal, games, title=title)
    seeds = len(at_draw)
    if theory:
        ax.plot([], [], color=BLUE, label=f"V at the draw after game {games[-1]}: {np.sum(at_draw)} of {seeds} seeds")
        ax.plot([], [], color=ORANGE, label=f"V elsewhere: {seeds - np.sum(at_draw)}")
    handles, _ = ax.get_legend_handles_labels()
    title = f"lines: the first {min(seeds, MOST_SEEDS)} of {seeds} seeds, at {len(games)} games"
    figure.legend(handles=handles, title=title, title_fontsize="small", loc="lower center", ncols=2)
    return figure


def draw_rotation(ax, steps=126, rate=0.1):
    """Draw two ways to play V(x, y) = x y by gradient steps from (1, 0): x - rate y, y + rate x at once, or in turn."""
    together = [[1, -rate], [rate, 1]]
    in_turn = [[1, -rate], [rate, 1 - rate**2]]
    for game, color, label in ((together, GRAY, "at once: a spiral"), (in_turn, BLACK, "in turn: a closed curve")):
        path = [np.linalg.matrix_power(game, step)[:, 0] for step in range(steps + 1)]
        ax.plot(*np.transpose(path), ".-", color=color, linewidth=0.8, markersize=4, label=label)
    ax.plot(1, 0, color=BLACK, label="start", **DOT | {"marker": "s"})
    ax.plot(0, 0, color=RED, label="equilibrium", **DOT)
    ax.set(title="(b) V = x y turns, and never rests", ylabel="y, climbs V")
    ax.set(xlabel=f"x, descends V\n({steps} steps of rate {rate})", aspect="equal", adjustable="datalim")


@styled()
def theory_figure():
    """Compose what theory says of these games: pushes of three losses, rotation, distance from equilibrium."""
    figure = _figure((9, 4.2))
    losses, rotation, distance = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.065, right=0.885, bottom=0.365, top=0.945, wspace=0.33)
    logit = np.linspace(-8, 8, 500)
    for loss, color in LOSS_COLORS.items():
        push = hessian.force(hessian.LOSSES[loss], logit)
        losses.plot(special.expit(logit), push, LOSS_STYLES[loss], color=color, label=loss)
    losses.axvline(0.5, color=RED, linewidth=0.9, linestyle="--", label="a draw: D = 1/2")
    losses.set(xlabel="D(G(z))\n(0: found out, 1: D is fooled)", xlim=(0, 1), ylabel="push / a", ylim=(0, 1.02))
    losses.set_title("(a) Pushes by three losses")
    draw_rotation(rotation)
    distance.set_yscale("log")
    courses = hessian.distance_course([hessian.LOSSES[loss] for loss in LOSS_COLORS])
    lines = [(course, loss, color, 1.5) for course, (loss, color) in zip(courses.T, LOSS_COLORS.items())]
    draw_lines(distance, lines, title="(c) Strong D: squared distance")
    for line, loss in zip(distance.lines, LOSS_COLORS):
        line.set_linestyle(LOSS_STYLES[loss])
    for ax in (losses, rotation):
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=6.5)
    return figure


# ---------------------------------------------------------------- the window

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
        self.figure, self.train, self.settings = figure, train, dict(settings)
        self.sliders, self.buttons = {}, []
        self.moving = []
        figure.set_facecolor("white")
        boxes = (0.065, 0.53, 0.44, 0.43), (0.6, 0.53, 0.385, 0.43), (0.085, 0.16, 0.33, 0.165)
        self.axes = [figure.add_axes(box) for box in boxes]
        self.verdict = figure.text(0.012, 0.025, "")
        for row, name in enumerate(name for name in KNOBS if name in settings):
            values = sorted({*KNOBS[name], settings[name]})
            box = figure.add_axes((0.635, 0.3 - 0.042 * row, 0.1, 0.035))
            place = values.index(settings[name])
            slider = Slider(box, name.replace("_", " "), 0, len(values) - 1, valinit=place, valstep=1, color=GRAY)
            slider.on_changed(lambda place, name=name, values=values: self.turn(name, values[int(place)]))
            slider.label.set_x(-0.12)  # words do not touch a knob at its end
            slider.valtext.set_x(1.12)
            self.sliders[name] = slider
        losses = [*LOSS_COLORS]
        box = figure.add_axes((0.81, 0.185, 0.175, 0.155))
        self.loss = RadioButtons(box, losses, losses.index(settings["gen_loss"]), activecolor=GRAY)
        self.loss.on_clicked(lambda loss: self.turn("gen_loss", loss))
        for knob in (self.loss, *self.sliders.values()):
            knob.drawon = False  # a knob is drawn with the run that it makes
        for height, words, action in ((0.105, "play", self.play), (0.03, "put all back", self.put_back)):
            self.buttons.append(Button(figure.add_axes((0.81, height, 0.175, 0.06)), words))
            self.buttons[-1].on_clicked(action)
        last = settings["games"]
        box = figure.add_axes((0.085, 0.075, 0.33, 0.035))
        self.scrubber = Slider(box, "game", 0, last, valinit=last, valstep=np.arange(1, last + 1), color=GRAY)
        self.scrubber.on_changed(self.scrub)  # and asks for a drawing itself
        self.scrubber.label.set_x(-0.04)
        self.scrubber.valtext.set_x(1.04)
        self.soon = figure.canvas.new_timer(1)
        self.soon.single_shot = True
        self.soon.add_callback(self.retrain)
        self.clock = figure.canvas.new_timer()
        self.clock.add_callback(self.tick)
        self.playing = False
        if manager := figure.canvas.manager:  # whose keys would change an Axes for good
            figure.canvas.mpl_disconnect(manager.key_press_handler_id)
        self.keys = figure.canvas.mpl_connect("key_press_event", self.press)
        figure.canvas.mpl_connect("close_event", self.end)
        self.retrain()

    def turn(self, name, value):
        """Take the value of a knob, and train soon: the events that are waiting come first, and count together."""
        self.settings[name] = value
        self.write_values()
        if name in ("gen_update", "gen_loss") and self.verdict.get_text() != TRAINING:  # which may compile for a second
            self.verdict.set_text(TRAINING)
            self.figure.canvas.draw()
        self.soon.start()

    def write_values(self):
        """Write each knob's value beside it, not its place."""
        for name, slider in self.sliders.items():
            slider.valtext.set_text(f"{self.settings[name]:.10g}")

    def put_back(self, _):
        """Put all knobs back to where they were at first, and draw anew."""
        self.loss.clear()  # which trains soon, moved or not
        for slider in self.sliders.values():
            slider.reset()

    def press(self, event):
        """Play at the space bar, and leave to Matplotlib what does not change an Axes."""
        if event.key == " ":
            self.play()
        elif self.figure.canvas.manager:
            event.inaxes = None
            key_press_handler(event)

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

    def end(self, _=None):
        """Stop all that would go on without the window."""
        self.soon.stop()
        self.clock.stop()
        self.figure.canvas.mpl_disconnect(self.keys)
        for knob in (self.loss, self.scrubber, *self.sliders.values(), *self.buttons):
            knob.disconnect_events()

    @styled()
    def retrain(self):
        """Train with the settings as they are and draw the whole window."""
        self.moving = []
        try:
            run = self.train(**self.settings)
            words = f"Ends {run.end}. A small swing {run.fate}." if run.theory else ""
        except (ValueError, FloatingPointError) as error:
            run, words = None, str(error)
        except KeyboardInterrupt:
            pyplot.close(self.figure)
            return
        self.verdict.set_text(words)
        self.write_values()
        self.figure.legends.clear()
        for ax in self.axes:
            ax.set_visible(run is not None)
            artists = [*ax.lines, *ax.collections, *ax.patches, *ax.texts, *ax.child_axes]
            for artist in artists:  # ax.clear() takes half as long again
                artist.remove()
            ax.relim()
            ax.autoscale()
        if run:
            stage, phase, objective = self.axes
            phase.set_visible(run.theory)
            self.moving = [draw_stage(stage, run), draw_objective(objective, run)]
            if run.theory:
                self.moving.append(draw_phase(phase, run))
            objective.set_xlabel("")  # the slider below says so
            self.figure.legend(loc="center", bbox_to_anchor=(0.5, 0.405), ncols=8, fontsize="x-small", columnspacing=1)
            self.scrub(self.scrubber.val)
        if toolbar := self.figure.canvas.toolbar:
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
        if pyplot.fignum_exists(TITLE):  # of a console that does not wait
            pyplot.figure(TITLE).explorer.end()
            pyplot.close(TITLE)
        figure = pyplot.figure(TITLE, figsize=WINDOW)
        if type(figure.canvas.manager) is FigureManagerBase:  # of a backend that writes files
            pyplot.close(figure)
            raise OSError("in a notebook, %pip install ipympl and %matplotlib widget; else README.md, part 5")
    except Exception as error:  # each toolkit has its own
        say(" ".join(f"No window, but its picture: {error}".split()))
        figure = _figure(WINDOW)
        Explorer(figure, train, settings)
        return {"explore_{}.png": png(figure)}
    figure.explorer = Explorer(figure, train, settings)  # lives as long as the figure
    pyplot.show()
    return {}


# ---------------------------------------------------------------- files

@styled()
def png(figure):
    """Return the bytes of a figure's PNG file. (Figure.savefig would lay out and draw everything twice.)"""
    figure.canvas.draw()
    buffer = io.BytesIO()
    _image(figure).save(buffer, "PNG")
    return buffer.getvalue()


def save(pictures):
    """Save pictures, file's name to bytes or to a function that draws them, in img/; a notebook shows them.

    One that cannot be drawn is told in a line, and costs no other. Each is written beside its place, then moved: none
    is ever half.
    """
    saved = {}
    try:
        for name, content in pictures.items():
            try:
                content = content() if callable(content) else content
            except Exception as error:
                words = f"Missing in img/: {name}: {type(error).__name__}: {error}"
                print(" ".join(words.split()), file=sys.stderr)
                continue
            IMAGES.mkdir(exist_ok=True)
            draft = IMAGES / f".{os.getpid()}_{name}"
            try:
                draft.write_bytes(content)
                draft.replace(IMAGES / name)
            finally:
                draft.unlink(missing_ok=True)
            saved[name] = content
    finally:  # also of a disk that is full
        if saved:
            say(f"Saved in img/: {', '.join(saved)}")
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        from IPython.display import Image, display

        display(*(Image(data=content) for content in saved.values()))


if __name__ == "__main__":
    save({"theory.png": lambda: png(theory_figure())})
