"""What tests share: variants, and how to read from artists what a picture shows."""

from unittest import mock

import numpy as np
import seaborn as sns
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from matplotlib.quiver import Quiver
from matplotlib.text import Text
from numpy.testing import assert_allclose
from replica import LOSSES
from scipy import special, stats

import gan
import plots


class Humps(gan.GAN):
    """A variant: two humps, normal noise, polynomials as players, and a V that pays for a weight."""

    sizes = 2, 3

    def players(self, params):
        return params[..., : self.sizes[0]], params[..., self.sizes[0] :]

    def generator(self, gen, z):
        return polynomial(gen, z)

    def logit(self, discr, x):
        return polynomial(discr, x / 5 - 1)

    def objective(self, discr, real, fake):
        return super().objective(discr, real, fake) - discr[..., 0] ** 2 / 4

    def target_density(self, x):
        return (stats.norm.pdf(x, 2, 0.5) + stats.norm.pdf(x, 8, 0.5)) / 2

    def draw(self, seed):
        rng, draws = np.random.default_rng(seed), super().draw(seed)
        x = rng.normal(np.where(np.arange(self.num_samples) % 2, 2, 8), 0.5)
        return gan.Draws(rng.normal(0, 0.1, sum(self.sizes)), x, *(rng.normal(size=z.shape) for z in draws[2:]))


class Gaps(gan.GAN):
    """A variant: data of a gamma distribution, two groups of samples, which D sees moved, and a G that never learns."""

    gap, target = 4, stats.gamma(3)

    def generator(self, gen, z):
        return super().generator(gen, z) + self.gap * tf.round(z)

    def seen(self, batch, fake):
        return batch.x + self.gap, fake + self.gap

    def generator_loss(self, discr, fake):
        return 0 * super().generator_loss(discr, fake)


def polynomial(weights, x):
    return tf.math.polyval(tf.split(weights, weights.shape[-1], axis=-1), x) + 0 * x  # of one weight, too


BLUE, ORANGE, GREEN, RED, *_ = sns.color_palette("deep")
PALE_BLUE, PALE_GREEN = (tuple(0.6 + 0.4 * np.array(ink)) for ink in (BLUE, GREEN))
STAGE = {  # what a name's colour is there
    "noise z": (0.45,) * 3, "generated G(z)": BLUE, "push on each": ORANGE, "real x": GREEN,
    "density of G(z)": PALE_BLUE, "cut off here": BLUE, "density of x": GREEN, "D(x)": sns.color_palette("dark")[0],
    "missed: 1 - D(x)": GREEN, "fooled: D(G(z))": BLUE, "x as D sees it": PALE_GREEN, "G(z) as D sees it": PALE_BLUE,
}  # fmt: skip


def color(artist):
    return tuple(np.ravel(artist.get_color() if hasattr(artist, "get_color") else artist.get_facecolor())[:3])


def numbers(artist):
    """Return the numbers that an artist shows, a column each."""
    if isinstance(artist, Quiver):
        assert artist.angles == "xy"
        return np.column_stack([artist.get_offsets(), artist.U, artist.V])
    if isinstance(artist, LineCollection):
        return np.array([point for segment in artist.get_segments() for point in segment])
    return artist.get_xydata() if isinstance(artist, Line2D) else np.empty((0, 2))


def find(ax, name):
    """Find what stands for a name: of that label, or of the colour of its words."""
    artists = [*ax.lines, *ax.patches, *ax.collections]
    named = [artist for artist in artists if artist.get_label() == name]
    inks = {color(one) for one in (*named, *(text for text in ax.texts if text.get_text() == name))}
    like = [artist for artist in artists if color(artist) in inks and len(numbers(artist))]
    return [artist for artist in named if len(numbers(artist))] or like


def shows(ax, name, *columns):
    """Say whether what stands for a name shows these numbers."""
    expected = np.column_stack(np.broadcast_arrays(*columns))
    found = [numbers(artist) for artist in find(ax, name)]
    return any(one.shape == expected.shape and np.allclose(one, expected, 1e-9, 1e-9, True) for one in found)


def check_lines(ax, lines, games=None):
    """Require of an Axes these values by game, and constants, by name, no other line, and each name at its end."""
    games = np.arange(1, len(lines[0][1]) + 1) if games is None else games
    drawn = [numbers(line) for line in ax.lines if len(numbers(line)) and line.get_label().startswith("_")]
    assert len(drawn) == len(lines)
    ends = {}
    for name, values in lines:
        if ax.get_yscale() == "log":
            values = np.where(values > 1e-300, values, np.nan)
        xy = np.array((games, values) if np.ndim(values) else ([0, 1], [values] * 2))
        assert shows(ax, name, *xy) if name else any(np.array_equal(line.T, xy, True) for line in drawn)
        last = np.atleast_1d(values)[-(len(games) // 100 + 1) :]
        ends[name] = np.nanmedian(last) if np.isfinite(last).any() else ax.get_ylim()[0]
    ends.pop("", None)
    assert ax.get_xlim() == (0, games[-1])
    texts = sorted(ax.texts, key=lambda text: (text.xy[1], text.xyann[1]))
    assert sorted(text.get_text() for text in texts) == sorted(ends)
    line = 12 / 72 * ax.figure.dpi / ax.bbox.height
    places = [(-1, 0), *((text.xyann[1], line * (1 + text.get_text().count("\n"))) for text in texts), (2, 0)]
    for text, (below, low), (height, size), (above, high) in zip(texts, places, places[1:], places[2:]):
        end = (ax.transData + ax.transAxes.inverted()).transform((1, ends[text.get_text()]))[1]
        assert_allclose(text.xy, (1, np.clip(end, 0, 1)), atol=1e-6)
        assert below <= height <= above
        if height - below > 0.75 * (low + size) and above - height > 0.75 * (size + high):  # it touches no other
            assert abs(height - np.clip(end, size / 2, 1 - size / 2)) < 0.02


def check_stage(ax, run, game):
    """Require that a stage shows what is defined after a game, each in its colour."""
    model, draws, top = run.model, run.draws, ax.get_ylim()[1]
    level = {text.get_text(): height for text, height in zip(ax.get_yticklabels(), ax.get_yticks())}
    low, made, data = (level[name] for name in ("z", "G(z)", "x"))
    assert level == {"z": low, "G(z)": made, "x": data, "D = 0": 0, "D = 1/2": 0.5, "D = 1": 1}
    assert sorted(level.values()) == [*level.values()]
    known, gap, x = not isinstance(model, Humps), getattr(model, "gap", 0), draws.x
    gen, discr = np.split(run.history.params[game - 1], [2 if known else model.sizes[0]])
    generator = lambda z: np.polyval(gen, z) + gap * np.round(z)
    at = lambda x: x if known else x / 5 - 1
    D = lambda x: special.expit(np.polyval(discr, at(x)))
    noise = draws.z_gen[0, -1, :20]
    fake, moves = generator(noise), [blur[game - 1, :20] for blur in draws[4:]] or [gap, gap]
    real, seen = x[:20] + moves[0], fake + moves[1]
    push = LOSSES[model.gen_loss][1](np.polyval(discr, at(seen))) * np.polyval(np.polyder(discr), at(seen))
    push *= 0 if gap else 1 if known else 1 / 5
    length = 4 * push / (1 + np.abs(push))
    error = lambda x, end: (np.repeat(x, 2), np.ravel([(end, score) for score in D(x)]))
    assert shows(ax, "noise z", noise, low)
    assert shows(ax, "generated G(z)", fake, made)
    assert shows(ax, "real x", x[:20], data)
    assert shows(ax, "push on each", seen, D(seen), length, 0)
    assert shows(ax, "missed: 1 - D(x)", *error(real, 1))
    assert shows(ax, "fooled: D(G(z))", *error(seen, 0))
    if np.any(moves):
        assert shows(ax, "x as D sees it", real, 1)
        assert shows(ax, "G(z) as D sees it", seen, 0)
    assert ax.get_xlabel() == "z, G(z), x" + (f" (20 of {len(x)} shown)" if len(x) > 20 else "")
    left, right = ax.get_xlim()
    sizes = {"errors": max(*(1 - D(real)), *D(seen)), "pushes": np.abs(length).max() / (right - left)}
    small = " and ".join(name for name, size in sizes.items() if size < 0.03)
    outside = np.sum(np.abs(generator(draws.z_gen[0, -1]) - (left + right) / 2) > (right - left) / 2)
    words = f": {outside} of {len(x)} samples out of sight" if outside else f": {small} too small to be seen"
    assert ax.get_title() == f"Game {game}{words if outside or small else ''}"
    (arrows,) = (numbers(one) for one in ax.collections if np.allclose(numbers(one)[:, 1], low))
    assert_allclose(arrows[:, [0, 2]], np.transpose([noise, fake - noise]), atol=1e-9)
    assert_allclose(low + arrows[:, 3], made, atol=0.1)

    (grid, d), (xs, bell) = numbers(find(ax, "D(x)")[0]).T, numbers(find(ax, "density of x")[0]).T
    assert_allclose(d, D(grid), rtol=1e-6, atol=1e-9)
    assert (grid[0], grid[-1]) == (xs[0], xs[-1]) == (left, right)
    assert left < min(0, *x) < max(1, *x) < right < left + 10 * (np.ptp([0, 1, *x]) + 4 * model.target.std())
    unit = 0.4 / model.target_density(np.array([model.target_mean, 2])).max()  # at 2 humps and gamma have their peak
    density, seen = unit * model.target_density(xs), np.isfinite(bell)
    assert_allclose(bell[seen], density[seen], rtol=1e-3)
    assert np.all(density[~seen] < 5e-4)  # it would hide the line below
    assert abs(bell[seen].max() - 0.4) < 1e-3
    (box,) = (patch for patch in ax.patches if isinstance(patch, StepPatch))
    (cut,) = (line.get_xydata() for line in ax.lines if line.get_marker() == "^")
    heights, edges, _ = box.get_data()
    even = np.linspace(0, 1, len(edges))  # equal areas lie between neighbours
    if known:
        assert_allclose(edges, np.sort(generator(even)), atol=1e-9)
    else:
        every = np.sort(generator(draws.z_gen.ravel()))
        below, within = (np.searchsorted(every, edges, side) / len(every) for side in ("left", "right"))
        assert np.all((below < even + 0.02) & (even < within + 0.02))
    with np.errstate(divide="ignore"):
        density = unit / len(heights) / np.diff(edges)
    density[len(density) // 2] *= 0 if gap else 1
    assert_allclose(heights, np.minimum(density, top), rtol=1e-3)
    runs = np.flatnonzero(np.diff(density > top, prepend=False, append=False)).reshape(-1, 2)
    assert_allclose(cut[:, 0], edges[runs].mean(axis=1))
    assert np.all((top - 0.1 < cut[:, 1]) & (cut[:, 1] < top))
    told = {name: color(artist) for artist, name in zip(*ax.get_legend_handles_labels())}
    needed = [name for name in STAGE if (np.any(moves) or "as D" not in name) and (len(cut) or "cut" not in name)]
    assert {*needed} <= {*told} <= {*needed, "cut off here"}
    assert told.items() <= STAGE.items()


def check_phase(ax, run, game):
    """Require that a phase plane shows the run up to a game, with room for all, and small swings once more, larger."""
    params, goal = np.vstack([run.draws.params, run.history.params]), [[run.draws.x.mean(), 0]]
    path = np.column_stack([params[:, 0] / 2 + params[:, 1], params[:, 2]])
    (trail,) = (one for one in ax.collections if isinstance(one, LineCollection))
    ends = np.cumsum([0, *(len(segment) - 1 for segment in trail.get_segments())])
    walked = np.delete(numbers(trail), np.add(ends, range(len(ends)))[1:-1], axis=0)
    if len(path) < 3000:
        assert_allclose(walked, path[: game + 1])
        assert np.all((ends[:-1] < trail.get_array()) & (trail.get_array() < ends[1:]))
    assert_allclose(walked[[0, -1]], path[[0, game]])  # a longer path is thinned
    assert len(walked) < 4000
    assert trail.get_clim() == (0, len(path) - 1)
    now = "now" if find(ax, "now") else "end"
    for name, place in (("start", path[:1]), ("equilibrium", goal), (now, path[[game]])):
        assert shows(ax, name, *np.transpose(place))
    visited, (low, high) = np.vstack([path, goal]), np.transpose([ax.get_xlim(), ax.get_ylim()])
    assert np.all((low < visited) & (visited < high))
    late = path[run.flat_games[1] :] if len(run.flat_games) > 1 else path
    reach = np.quantile(np.abs(late - goal), 0.9, axis=0)
    assert len(ax.child_axes) == np.all(reach < 0.07 * (high - low))
    for inset in ax.child_axes:
        left, right = np.transpose([inset.get_xlim(), inset.get_ylim()]) - goal
        assert_allclose(-left, right)
        assert np.all((reach < right) & (right < 3 * reach))
        for part in (path[: game + 1], path[[game]]):
            assert any(np.array_equal(part, numbers(line)) for line in inset.lines)


def check_objective(ax, run, game):
    """Require that V is drawn up to a game, and its dot."""
    course, lines = np.column_stack([range(1, game + 1), run.history.objective[:game]]), map(numbers, ax.lines)
    assert sum(np.array_equal(line, part) for line in lines for part in (course, course[-1:])) >= 2


@plots.styled()
def check_words(figure):
    """Require that words lie inside a figure and apart, and legends name all."""
    told = {text.get_text() for legend in figure.findobj(Legend) for text in legend.get_texts()}
    assert told == {label for ax in figure.axes for label in ax.get_legend_handles_labels()[1]}
    drawn, point, boxes = [], figure.dpi / 72, []
    with mock.patch.object(Text, "draw", autospec=True, side_effect=lambda text, _: drawn.append(text)):
        FigureCanvasAgg.draw(figure.canvas)
    for text in drawn:
        if text.get_visible() and (word := text.get_text()):
            box = Text.get_window_extent(text)  # without a leader
            assert np.all((box.min > -point) & (box.max < figure.bbox.max + point)), word
            for other, its in boxes:
                assert (np.minimum(box.max, its.max) - np.maximum(box.min, its.min)).min() < point, (word, other)
            boxes.append((word, box))
