"""Draw the tutorial's pictures: arrays in, figures and files out, no TensorFlow.

`draw_...(ax, ...)` draws on an Axes; `..._figure(...)` composes a Figure; `png` and `gif` turn figures
into the bytes of a file, and `save` writes them, whole or not at all. Blue is what the players make
(generated samples, the discriminator), green is the data, red is a constant of theory.
"""

import contextlib
import io
import os
from typing import NamedTuple

import matplotlib.style
import numpy as np
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

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
        (self.curve,) = ax.plot(
            scene.grid, 0 * scene.grid, color=BLUE, label="discriminator D(x)", animated=animated
        )
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
        image = Image.frombuffer("RGBA", figure.canvas.get_width_height(), figure.canvas.buffer_rgba())
        frames.append(image.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE))
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
    games, or nan. The prediction is drawn backwards from the last of the turns.
    """
    ax.plot(_games_axis(ax, objective), objective, color=BLACK, linewidth=0.8, label="objective V")
    ax.axhline(optimum, color=RED, label="-2 log 2: D = 1/2 everywhere")
    if len(turns) > 1 and np.isfinite(period):
        ax.plot(turns, np.full(len(turns), optimum), "o", color=BLUE, label="D flat: half a turn done", **DOT)
        predicted = np.arange(turns[-1], 0, -period / 2)
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
    for number, (values, color) in enumerate(zip(eigenvalues.T, (RED, ORANGE, GREEN, BLUE)), 1):
        ax.plot(games, values, color=color, linewidth=1, label=f"eigenvalue {number}")
    ax.set_yscale("symlog", linthresh=_linear_part(eigenvalues))
    ax.set(ylabel="eigenvalue", title="Hessian of V")


def draw_rotations(ax, eigenvalues):
    """Draw the eigenvalues (games, 4) of the game's Jacobian in the complex plane, coloured by game."""
    games, count = np.indices(eigenvalues.shape)[0] + 1, len(eigenvalues)
    shown = slice(None, None, -(-count // MOST_POINTS))
    ax.axvspan(-1e6, 0, color=GREEN, alpha=0.12, linewidth=0, label="stable: Re < 0")
    ax.axvline(0, color=BLACK, linewidth=1)
    points = ax.scatter(
        eigenvalues.real[shown], eigenvalues.imag[shown], c=games[shown], s=7, cmap=GAME_COLORS, zorder=3
    )
    ax.set_xscale("symlog", linthresh=max(1e-3, _linear_part(eigenvalues.real)))
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


def draw_band(ax, games, values, target, label):
    """Draw the median and the band of 90% of the seeds' values (games, S) against games, and the target."""
    seeds = np.shape(values)[1]
    sns.lineplot(
        x=np.repeat(games, seeds), y=np.ravel(values), ax=ax, color=BLUE, label="median of the seeds",
        estimator="median", errorbar=("pi", 90), err_kws={"label": "90% of the seeds"}, legend=False,
    )  # fmt: skip
    ax.axhline(target, color=RED, label="target")
    ax.set(xlabel="game", xlim=(0, games[-1]), ylabel=label, title=label[0].upper() + label[1:])


@style()
def seeds_figure(games, objective, mean, std, optimum, target):
    """Compose objective, generated mean and generated std of many seeds (games, S), with their targets."""
    figure = _figure((10, 3.6))
    left, middle, right = figure.subplots(1, 3)
    draw_band(left, games, objective, optimum, "objective V")
    draw_band(middle, games, mean, target.mean(), "generated mean")
    draw_band(right, games, std, target.std(), "generated std")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@style()
def png(figure):
    """Return the bytes of a figure's PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def save(path, content):
    """Write bytes to a file, whole or not at all: whoever looks finds the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
