"""What tests share: a variant, and how to read from artists what a picture shows."""

import functools
from unittest import mock

import numpy as np
import tensorflow as tf
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


def polynomial(weights, x):
    parts = tf.split(weights, weights.shape[-1], axis=-1)
    return functools.reduce(lambda total, weight: total * x + weight, parts, 0 * x)


def color(artist):
    return tuple(np.ravel(artist.get_color() if isinstance(artist, (Line2D, Text)) else artist.get_facecolor())[:3])


def numbers(artist):
    """Return the numbers that an artist shows, a column each."""
    if isinstance(artist, Quiver):
        return np.column_stack([artist.get_offsets(), artist.U, artist.V])
    if isinstance(artist, StepPatch):
        return np.column_stack([artist.get_data().edges[:-1], artist.get_data().edges[1:], artist.get_data().values])
    if isinstance(artist, LineCollection):
        return np.array([point for segment in artist.get_segments() for point in segment])
    return artist.get_xydata() if isinstance(artist, Line2D) else np.empty((0, 2))


def find(ax, name, kind=object):
    """Find what stands for a name: of that label, or of the colour of its words."""
    artists = [*ax.lines, *ax.patches, *ax.collections]
    named = [artist for artist in artists if artist.get_label() == name]
    inks = {color(one) for one in (*named, *(text for text in ax.texts if text.get_text() == name))}
    like = [artist for artist in artists if isinstance(artist, kind) and color(artist) in inks]
    return [artist for artist in named if len(numbers(artist))] or [one for one in like if len(numbers(one))]


def shows(ax, name, *columns):
    """Say whether what stands for a name shows these numbers."""
    expected = np.column_stack(np.broadcast_arrays(*columns))
    found = [numbers(artist) for artist in find(ax, name)]
    return any(one.shape == expected.shape and np.allclose(one, expected, 1e-9, 1e-9) for one in found)


def check_lines(ax, lines, games=None):
    """Require of an Axes these values by game, and constants, by name, and no other line."""
    games = np.arange(1, len(lines[0][1]) + 1) if games is None else games
    words = [text.get_text() for text in sorted(ax.texts, key=lambda text: text.xy[1])]
    assert sorted(words) == sorted(name for name, _ in lines if name)
    drawn = [numbers(line) for line in ax.lines if len(numbers(line)) and line.get_label().startswith("_")]
    assert len(drawn) == len(lines)
    for name, values in lines:
        xy = (games, values) if np.ndim(values) else ([0, 1], [values] * 2)
        assert shows(ax, name, *xy) if name else any(np.array_equal(line.T, xy) for line in drawn)
    ends = {name: np.median(np.atleast_1d(values)[-(len(games) // 20 + 1) :]) for name, values in lines}
    assert np.all(np.diff([ends[word] for word in words if words.count(word) == 1]) >= -1e-9), words
    if len(words) == 1:
        height = (ax.transData + ax.transAxes.inverted()).transform((1, ends[words[0]]))[1]
        assert abs(ax.texts[0].xy[1] - np.clip(height, 0, 1)) < 0.15


def check_stage(ax, run, game):
    """Require that a stage shows what is defined after a game."""
    model, draws, few, top = run.model, run.draws, slice(20), ax.get_ylim()[1]
    level = {text.get_text(): height for text, height in zip(ax.get_yticklabels(), ax.get_yticks())}
    low, high, known = level["noise"], level["samples"], not isinstance(model, Humps)
    assert level == {"noise": low, "samples": high, "D = 0:\ngenerated": 0, "D = 1/2": 0.5, "D = 1:\nreal": 1}
    gen, discr = np.split(run.history.params[game - 1], [2 if known else model.sizes[0]])
    logit = lambda x: np.polyval(discr, x if known else x / 5 - 1)
    noise, x, fake = draws.z_gen[-1, -1], draws.x, np.polyval(gen, draws.z_gen[-1, -1])
    assert ax.get_title() == f"Game {game}"
    assert shows(ax, "noise z", noise[few], low)
    assert shows(ax, "real samples x", x[few], high)
    assert shows(ax, "generated samples G(z)", fake[few], high)
    (arrows,) = (numbers(one) for one in ax.collections if np.allclose(numbers(one)[:, 1], low))
    assert_allclose(arrows[:, [0, 2]], np.transpose([noise, fake - noise])[few], atol=1e-9)
    assert_allclose(low + arrows[:, 3], high, atol=0.1)

    real, seen = (x, fake) if len(draws) == 4 else (x + draws.noise_real[game - 1], fake + draws.noise_fake[game - 1])
    blurred = bool(np.any(real != x))
    dots = [numbers(one) for one in ax.lines if one.get_marker() == "o" and np.any(one.get_ydata() > high)]
    assert (len(dots), bool(find(ax, "x, G(z) as D sees them"))) == (2 * blurred, blurred)
    for values, points in zip((real, seen), dots):
        assert_allclose(points[:, 0], values[few], atol=1e-9)

    loss, step = lambda x: LOSSES[model.gen_loss][0](logit(x)), 1e-6 * (1 + np.abs(seen))
    push = ((loss(seen - step) - loss(seen + step)) / (2 * step))[few]
    (shown,) = (numbers(one) for one in find(ax, "push on each sample", Quiver))
    assert_allclose(shown[:, 0], fake[few], atol=1e-9)
    assert_allclose(shown[:, 2], 4 * push / (1 + np.abs(push)), rtol=1e-4, atol=1e-6)
    assert np.all((high < shown[:, 1]) & (shown[:, 1] < 0) & (shown[:, 3] == 0))
    assert len({*shown[:, 1]}) == len(shown)  # none hides another

    (grid, d), bell = numbers(find(ax, "discriminator D(x)")[0]).T, find(ax, "density of the data")[0].get_ydata()
    assert_allclose(d, special.expit(logit(grid)), rtol=1e-6, atol=1e-9)
    assert (grid[0], grid[-1]) == ax.get_xlim()
    assert grid[0] < min(0, *x) < max(1, *x) < grid[-1] < grid[0] + 10 * (np.ptp([0, 1, *x]) + 4 * model.target_std)
    scale = bell.max() / model.target_density(grid).max()
    assert_allclose(bell, scale * model.target_density(grid), atol=1e-12)
    (box,) = find(ax, "density of G(z)")
    assert color(box)[2] > color(box)[1]  # blue
    left, right, heights = numbers(box).T
    made = np.sort(np.polyval(gen, np.arange(0.5, 20_000) / 20_000 if known else draws.z_gen.ravel()))
    share = np.diff(np.searchsorted(made, [*left, right[-1]])) / len(made)
    missed = np.cumsum(heights * (right - left) - np.minimum(scale * share, top * (right - left)))
    assert np.abs(missed).max() < scale * (2e-4 if known else 0.02)
    assert heights.max() <= top


def check_phase(ax, run, game):
    """Require that a phase plane shows the run up to a game, with room for all."""
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


def check_objective(ax, run, game):
    """Require that V is drawn up to a game, and its dot."""
    course, lines = np.column_stack([range(1, game + 1), run.history.objective[:game]]), map(numbers, ax.lines)
    assert sum(np.array_equal(line, part) for line in lines for part in (course, course[-1:])) >= 2


def check_words(figure):
    """Require that words lie inside a figure and apart, and legends name all."""
    told = {text.get_text() for legend in figure.findobj(Legend) for text in legend.get_texts()}
    assert told == {label for ax in figure.axes for label in ax.get_legend_handles_labels()[1]}
    drawn, point, boxes = [], figure.dpi / 72, []
    with mock.patch.object(Text, "draw", autospec=True, side_effect=lambda text, _: drawn.append(text)):
        figure.canvas.draw()
    for text in drawn:
        if text.get_visible() and (word := text.get_text()):
            box = text.get_window_extent()
            assert np.all((box.min > -point) & (box.max < figure.bbox.max + point)), word
            for other, its in boxes:
                assert (np.minimum(box.max, its.max) - np.maximum(box.min, its.min)).min() < point, (word, other)
            boxes.append((word, box))
