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


def draw_objective(ax, objective, optimum):
    """Draw V against games with its value at the optimum."""
    ax.plot(_games_axis(ax, objective), objective, color=BLACK, linewidth=0.8, label="objective V")
    ax.axhline(optimum, color=RED, label="-2 log 2: D = 1/2 everywhere")
    ax.set(ylabel="V", title="Objective")


def draw_gradient(ax, gradient, player, symbol):
    """Draw the norm of a player's whole gradient, weight and bias, against games."""
    ax.plot(_games_axis(ax, gradient), gradient, color=PURPLE, linewidth=0.8, label="gradient norm")
    ax.set(ylabel=f"norm of {symbol}'s gradient", ylim=(0, None), title=f"Gradient magnitude: {player}")


@style()
def summary_figure(scene, objective, discr_gradient, gen_gradient, optimum):
    """Compose the last frame, the objective and both players' gradients."""
    figure = _figure((10, 7.5))
    axes = figure.subplots(2, 2)
    draw_frame(axes[0, 0], scene)
    draw_objective(axes[0, 1], objective, optimum)
    draw_gradient(axes[1, 0], discr_gradient, "discriminator", "D")
    draw_gradient(axes[1, 1], gen_gradient, "generator", "G")
    handles = [axes[row, column].get_legend_handles_labels() for row, column in ((0, 0), (0, 1), (1, 0))]
    figure.legend(*map(sum, zip(*handles), ([], [])), loc="outside lower center", ncols=4)
    return figure


def draw_eigenvalues(ax, eigenvalues):
    """Draw the sorted eigenvalues (games, 4) against games on a symlog scale.

    The scale is linear below the decade where the smallest in magnitude usually lies, down to a
    millionth of the largest, so that the sign of each can be read off its side of the zero line.
    """
    size = np.abs(eigenvalues)
    small = max(np.median(size.min(axis=1)), 1e-6 * size.max(), 1e-300)
    linear = 10.0 ** np.floor(np.log10(small))
    ax.axhline(0, color=BLACK, linewidth=1, label="zero")
    games = _games_axis(ax, eigenvalues)
    for number, (values, color) in enumerate(zip(eigenvalues.T, (RED, ORANGE, GREEN, BLUE)), 1):
        ax.plot(games, values, color=color, label=f"eigenvalue {number}")
    ax.set_yscale("symlog", linthresh=linear)
    ax.set(ylabel="eigenvalue", title="Eigenvalues of the Hessian of V")


@style()
def hessian_figure(eigenvalues):
    """Compose the eigenvalues of the Hessian of V over all four parameters, against games."""
    figure = _figure((8, 5.5))
    draw_eigenvalues(figure.subplots(), eigenvalues)
    figure.legend(loc="outside lower center", ncols=5)
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
