"""The pictures: what is in them, read back from their artists, and how their files are written.

Then the distances of data and generator, and the best discriminator, from their definitions.
"""

import io
import math
import signal
import sys
import tracemalloc
import warnings
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import replica
from PIL import Image
from scipy import integrate, special, stats

import gan
import hessian
import plots
from noisy_gan import NoisyGAN

TARGET = stats.norm(5, 1)
LOG_2 = np.log(2)
D_AXIS = {"D = 0:\ngenerated": 0, "D = 1/2": 0.5, "D = 1:\nreal": 1}


def play(games, kind=gan.GAN, **settings):
    """Play a run with the replica, which needs no compiling, and predict a turn of 30 games: a Portrait."""
    model = kind(games, 1, **{"gen_update": 1} | settings)
    draws, shown = model.draw(0), plots.frame_games(games)
    history = gan.History(*replica.train(model, draws))
    portrait = gan.portrait(model, draws, history, shown)
    field = hessian.phase_field(model, draws.x, history.params[-1, 0], *portrait.field[:2])
    np.testing.assert_array_equal(portrait.field[2:], field)
    if games == 1500:  # from the second flat game on
        np.testing.assert_allclose(portrait.predicted[0], history.params[portrait.turns[1] - 1])
    return portrait._replace(
        equilibrium=portrait.equilibrium._replace(period=30.0),
        turns=np.array([40, 55, 71]) if games > 71 else np.array([], int),
        predicted=history.params[: games // 2],
    )


def draw_figures(run):
    values = [replica.hessian(p, run.draws.x, z[0]) for p, z in zip(run.history.params, run.draws.z_gen)]
    return {
        "summary": plots.summary_figure(run),
        "hessian": plots.hessian_figure(run, np.linalg.eigvalsh(values)),
        "monitor": plots.monitor_figure(run.history, TARGET, saturating=True),
    }


@pytest.fixture(scope="module")
def run():
    return play(300)


@pytest.fixture(scope="module")
def figures(run):
    return draw_figures(run)


def axes():
    return plots._figure((5, 5)).subplots()


def line(ax, label):
    (found,) = [artist for artist in ax.get_lines() if artist.get_label() == label]
    return found


def has_line(ax, x, y, color=None):
    """Say whether an Axes has this line, in this colour."""
    return any(
        len(artist.get_xdata()) == len(x)
        and np.allclose(artist.get_xdata(), x, rtol=1e-12)
        and np.allclose(artist.get_ydata(), y, rtol=1e-9, atol=1e-12)
        and color in (None, artist.get_color())
        for artist in ax.get_lines()
    )


def has_level(ax, height, color):
    return has_line(ax, [0, 1], [height, height], color)


def words(ax):
    """List the names that stand at the right of an Axes, from the lowest up, with their colours."""
    texts = [text for text in ax.texts if text.get_text() and isinstance(text, mpl.text.Annotation)]
    return [(text.get_text(), text.get_color()) for text in sorted(texts, key=lambda text: text.xy[1])]


def frames(content):
    image = Image.open(io.BytesIO(content))
    for number in range(image.n_frames):
        image.seek(number)
        yield image.info["duration"], np.asarray(image.convert("RGB"), np.int16)


def test_generated_moments_and_ends_and_accuracies():
    params = np.array([[2.0, 4.0, 0, 0], [-1.0, 5.0, 0, 0]])
    samples = params[:, :1] * (np.arange(100_000) + 0.5) / 100_000 + params[:, 1:2]
    np.testing.assert_allclose(plots.generated_mean(params), samples.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(plots.generated_std(params), samples.std(axis=1), rtol=1e-9)
    np.testing.assert_allclose(plots.generated_ends(params), [[4, 4], [6, 5]])
    rng = np.random.default_rng(0)
    params, z = rng.normal(0, 2, (50, 4)), (np.arange(20_000) + 0.5) / 20_000
    w, b, a, c = params.T[..., None]
    real, generated = plots.accuracies(params, TARGET)
    np.testing.assert_allclose(real, np.mean(a * TARGET.ppf(z) + c > 0, axis=1), atol=1e-4)
    np.testing.assert_allclose(generated, np.mean(a * (w * z + b) + c < 0, axis=1), atol=1e-4)
    assert plots.accuracies(np.array([1.0, 2, 0, -1]), TARGET) == (0, 1)  # a flat D calls everything generated


def test_frames_are_dense_at_first_and_never_too_many():
    first = [1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90]
    for games in (1, 4, 33, 80):
        assert list(plots.frame_games(games)) == [*(game for game in first if game < games), games]
    assert list(plots.frame_games(100_000)) == [*first, *range(1000, 100_001, 1000)]
    for games in (*range(100, 4100, 7), 12_345, 150_000, 999_999, 1_000_000):
        shown = plots.frame_games(games)
        assert list(shown[: len(first)]) == first
        assert (len(shown) <= 125, shown[-1]) == (True, games)
        assert not (shown[len(first) : -1] % 25).any()


@pytest.mark.parametrize(("mean", "std"), [(5, 1), (-30, 0.1), (100, 20)])
def test_stage_shows_noise_data_and_samples_and_scales_the_density(run, mean, std):
    def drawn(history):
        ax = axes()
        plots.draw_frame(ax, run._replace(history=history, target=stats.norm(mean, std)))
        return ax

    ax = drawn(run.history)
    low, high = ax.get_xlim()
    assert low < min(0, mean - 2.32 * std)
    assert max(1, mean + 2.32 * std) < high
    far = run.history._replace(params=run.history.params * 1e9)
    assert np.ptp(drawn(far).get_xlim()) < 10 * (abs(mean) + 5 * std + 1)
    x, height = line(ax, "target density, scaled").get_data()
    np.testing.assert_allclose(height, 0.4 * np.exp(-(((x - mean) / std) ** 2) / 2), rtol=1e-9, atol=1e-12)


def test_gif_of_the_default_run():
    portrait = play(1500)
    content = plots.gif(portrait)
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.info["loop"]) == ("GIF", 0)  # for ever
    assert (800 <= image.width <= 1000, len(content) <= 420_000) == (True, True)
    times, pictures = zip(*frames(content))
    assert len(times) == len(portrait.games) == 80
    assert times == (*[340] * 12, *[200] * 67, 2000)
    assert all((one != other).any() for one, other in pairwise(pictures))
    for color in (plots.BLUE, plots.NAVY, plots.GREEN, plots.GRAY, plots.RED, plots.BLACK):
        for picture in (pictures[0], pictures[-1]):
            assert (np.abs(picture - 255 * np.array(color)).max(axis=-1) < 3).sum() > 20, color


def test_stage(run):
    """Whatever order the games are shown in, every artist is where that game leaves it; no sample stands where D is."""
    games, ax = run.games, axes()
    moving = plots.draw_frame(ax, run)
    strip = {text.get_text(): height for text, height in zip(ax.get_yticklabels(), ax.get_yticks())}
    assert strip == {"noise": strip["noise"], "samples": strip["samples"]} | D_AXIS
    low, high = ax.get_ylim()
    assert low < strip["noise"] < strip["samples"] < 0 < 1 < high
    for game in (1, 300, 47):
        moving.show(game)
        shown = games[games <= game][-1]
        w, b, a, c = run.history.params[shown - 1]
        assert ax.get_title() == f"Game {shown}: objective {run.history.objective[shown - 1]:.3f}"
        samples, curve = line(ax, "generated samples G(z)"), line(ax, "discriminator D(x)")
        np.testing.assert_allclose(samples.get_xdata(), w * run.draws.z_gen[-1, -1] + b, rtol=1e-14)
        np.testing.assert_allclose(curve.get_ydata(), 1 / (1 + np.exp(-(a * curve.get_xdata() + c))), rtol=1e-12)
        (arrows,) = ax.collections
        np.testing.assert_allclose(arrows.XY[:, 0] + arrows.U, samples.get_xdata())
        np.testing.assert_array_equal(arrows.XY, line(ax, "noise z").get_xydata())
        below = strip["samples"] - arrows.XY[:, 1] - arrows.V
        assert np.all((below > 0) & (below < 0.1))
    real, density = line(ax, "real samples x"), line(ax, "target density, scaled")
    np.testing.assert_array_equal(real.get_xdata(), run.draws.x)
    assert set(real.get_ydata()) == set(samples.get_ydata()) == {strip["samples"]}
    colors = [artist.get_color() for artist in (density, real, samples, curve)]
    assert colors == [plots.GREEN, plots.GREEN, plots.BLUE, plots.NAVY]
    assert has_level(ax, 0.5, plots.PALE_RED)
    assert set(moving.artists) == {arrows, samples, curve, ax.title}


def test_stage_shows_what_D_sees_on_the_strip_of_samples():
    portrait = play(30, NoisyGAN, gen_update=2, num_samples=25)
    draws, games, params = portrait.draws, portrait.games - 1, portrait.history.params[portrait.games - 1]
    fake = params[:, :1] * draws.z_gen[-1, -1] + params[:, 1:2]
    np.testing.assert_allclose(portrait.seen, (draws.x + draws.noise_real[games], fake + draws.noise_fake[games]))
    ax = axes()
    moving = plots.draw_frame(ax, portrait)
    moving.show(5)
    below, kinds = line(ax, "real samples x").get_ydata()[0], (("x", plots.PALE_GREEN), ("G(z)", plots.PALE_BLUE))
    for (kind, color), values in zip(kinds, portrait.seen):
        dots = line(ax, f"{kind} as D sees them")
        np.testing.assert_array_equal(dots.get_xdata(), values[4, :20])  # of 25
        assert np.all((below < dots.get_ydata()) & (dots.get_ydata() < 0))
        assert (dots.get_color(), dots in moving.artists) == (color, True)
        below = dots.get_ydata()[0]


def test_phase_plane(run):
    ax, (*_, path, _, _, field, predicted) = axes(), run
    w, b, a, _ = np.vstack([run.draws.params, run.history.params]).T
    np.testing.assert_allclose(path, np.transpose([w / 2 + b, a]), rtol=1e-12)
    moving = plots.draw_phase(ax, run)
    trail, ring, dot = moving.artists  # the ring over the path
    assert ring is line(ax, "equilibrium")
    for game in (1, 7, 300, 150):
        moving.show(game)
        segments = trail.get_segments()
        walked = np.vstack([segments[0][:1], *(segment[1:] for segment in segments)])
        np.testing.assert_array_equal(walked, path[: game + 1])
        np.testing.assert_array_equal(dot.get_xydata(), path[[game]])
        colors, ends = trail.get_array(), np.cumsum([len(segment) - 1 for segment in segments])
        assert np.all((np.r_[0, ends[:-1]] < colors) & (colors < ends))
    assert trail.get_clim() == (0, 300)
    np.testing.assert_array_equal(line(ax, "start").get_xydata(), path[:1])
    mean = run.draws.x.mean()
    np.testing.assert_allclose(line(ax, "equilibrium").get_xydata(), [[mean, 0]])
    assert has_level(ax, 0, plots.PALE_RED)
    assert has_line(ax, [mean, mean], [0, 1], plots.PALE_RED)
    assert line(ax, "equilibrium").get_color() == line(ax, "predicted").get_color() == plots.RED
    w, b, a, _ = predicted.T
    np.testing.assert_allclose(line(ax, "predicted").get_xydata(), np.transpose([w / 2 + b, a]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("generated mean", "slope w' of D (above 0 the mean grows)")
    (arrows,) = (artist for artist in ax.collections if artist is not trail)
    np.testing.assert_array_equal(arrows.XY, np.transpose([field[0].ravel(), field[1].ravel()]))
    assert (arrows.angles, arrows.pivot) == ("xy", "middle")
    step = np.transpose([field[2].ravel(), field[3].ravel()])  # each points where its game leads
    np.testing.assert_allclose(np.transpose([arrows.U, arrows.V]), step / np.linalg.norm(step, axis=1)[:, None])
    low, high = np.transpose([ax.get_xlim(), ax.get_ylim()])
    visited = np.vstack([path, [mean, 0]])
    assert np.all((low < visited) & (visited < high))
    assert plots.phase_grid(path[:2], run.equilibrium)[0].max() > mean


def test_phase_plane_without_a_prediction_or_a_step_or_of_a_long_path(run):
    mean, slope, *step = run.field
    path, ax = np.random.default_rng(0).normal(size=(100_001, 2)).cumsum(axis=0), axes()
    still = run._replace(field=(mean, slope, *np.zeros_like(step)), predicted=None, path=path)
    trail, *_ = plots.draw_phase(ax, still).artists
    assert "predicted" not in ax.get_legend_handles_labels()[1]
    assert not np.any(ax.collections[0].U)
    assert sum(map(len, trail.get_segments())) < 4000  # thinned, but it ends where it ends
    np.testing.assert_array_equal(trail.get_segments()[-1][-1], path[-1])


def test_objective(run):
    ax, objective, games = axes(), run.history.objective, np.arange(1, 301)
    moving = plots.draw_objective(ax, objective)
    assert has_line(ax, games, objective, plots.BLACK)
    assert has_level(ax, -2 * LOG_2, plots.RED)
    assert words(ax) == [("↑ D wins\n-2 log 2\n↓ D is wrong", plots.RED)]
    moving.show(120)
    assert has_line(ax, games[:120], objective[:120])
    assert has_line(ax, [120], objective[[119]])


@pytest.mark.parametrize("objective", [np.full(50, -1e-3), np.full(50, -2 * LOG_2), np.linspace(-9, -5, 50)])
def test_objective_has_room_for_its_words(objective):
    ax = axes()
    plots.draw_objective(ax, objective)
    low, high = ax.get_ylim()
    bottom, top = min(-2 * LOG_2, objective.min()), max(-2 * LOG_2, objective.max())
    assert min(bottom - low, high - top) > 0.1 * (high - low)


def test_summary(run, figures):
    parts, history, turns = {ax.get_title(): ax for ax in figures["summary"].axes}, run.history, run.turns
    games = np.arange(1, 301)
    assert list(parts)[1:] == ["Objective", "Mean and std of the generated samples", "Gradients of the players"]
    check_moments(parts["Mean and std of the generated samples"], history.params)
    ax, norms = parts["Gradients of the players"], {"D": history.discr_gradient, "G": history.gen_gradient}
    assert (sorted(words(ax)), ax.get_yscale()) == ([("D", plots.NAVY), ("G", plots.ORANGE)], "log")
    assert all(has_line(ax, games, norms[name], color) for name, color in words(ax))
    ax = parts["Objective"]
    dots = line(ax, "D flat: half a turn done")
    np.testing.assert_array_equal(dots.get_xydata(), np.transpose([turns, history.objective[turns - 1]]))
    (predicted,) = [artist for artist in ax.collections if artist.get_label() == "predicted spacing: 15 games"]
    np.testing.assert_allclose([segment[0, 0] for segment in predicted.get_segments()], [41, 56, 71])


@pytest.mark.parametrize(("turns", "period"), [([10], 30), ([10, 25, 41], np.nan), ([], np.nan)])
def test_summary_without_a_wave_predicts_none(run, turns, period):
    equilibrium = run.equilibrium._replace(period=period)
    history = run.history._replace(discr_gradient=np.zeros(300), gen_gradient=np.zeros(300))
    portrait = run._replace(equilibrium=equilibrium, turns=np.array(turns, int), history=history)
    _, ax, _, norms = plots.summary_figure(portrait).axes
    assert ([*ax.collections], ax.get_legend(), norms.get_yscale()) == ([], None, "linear")


SADDLE = "saddle, line of equilibria", ["D's steep\ndirection", "saddle: falls", "line of\nequilibria", "saddle: rises"]
LAST = [  # the eigenvalues in the last games, what the title says of them, and their names
    *[([-13.0, -0.1, zero, 0.1], *SADDLE) for zero in (-1e-5, 1e-4)],
    ([-1.0, -0.1, -1e-2, -1e-3], "4 of 4 end below 0", ["lowest", "second", "third", "highest"]),
    ([-1.0, -0.06, -0.05, 1.0], "3 of 4 end below 0", ["lowest", "second", "third", "highest"]),
]


@pytest.mark.parametrize(("last", "title", "names"), LAST)
def test_eigenvalues_are_named_by_what_they_are(last, title, names):
    ax = axes()
    values = np.linspace([-1, -0.5, 0.1, 1], np.ones(4), 300)
    values[-60:-1] = last  # but in the last game
    plots.draw_eigenvalues(ax, values)
    assert ax.get_title() == f"Hessian of V: {title}"
    colors = dict(words(ax))
    assert list(colors) == names  # lowest first
    for name, column in zip(names, values.T):
        assert has_line(ax, np.arange(1, 301), column, colors[name])
    assert ax.get_yscale() == "symlog"


def test_hessian(run, figures):
    left, right, bar = figures["hessian"].axes
    assert left.get_title() == "Phase plane: the run as a path"
    np.testing.assert_array_equal(line(left, "end").get_xydata(), run.path[-1:])
    assert right.get_title().startswith("Hessian of V")
    assert words(right)
    assert (bar.get_title(), bar.get_ylim()) == ("game", (0, 300))


def check_moments(ax, params):
    w, b = params[:, :2].T
    shown = {"mean": b + w / 2, "std": np.abs(w) / np.sqrt(12)}
    goals = {"target mean": 5, "target std": 1}
    for name, color in words(ax):
        assert color == (plots.BLUE if name in shown else plots.GREEN)
        if name in goals:
            assert has_level(ax, goals.pop(name), color)
        else:
            assert has_line(ax, np.arange(1, len(w) + 1), shown.pop(name), color)
    assert (shown, goals) == ({}, {})


@pytest.mark.parametrize("saturating", [True, False])
def test_monitor(run, saturating):
    history, games = run.history, np.arange(1, 301)
    figure = plots.monitor_figure(history, TARGET, saturating)
    losses, kinds, both, moments, divergence, distance = figure.axes
    assert has_line(losses, games, -history.objective, plots.NAVY)
    assert has_line(losses, games, history.gen_loss, plots.ORANGE)
    for height in (2 * LOG_2, -LOG_2 if saturating else LOG_2):
        assert has_level(losses, height, plots.RED)
    named = {("D = 1/2", plots.RED), ("D's loss, -V", plots.NAVY), ("G's loss", plots.ORANGE)}
    assert (len(words(losses)), set(words(losses))) == (4, named)
    assert kinds.get_title() == "Accuracy of D (%), 12-game mean"
    assert " 2-game mean" in plots.monitor_figure(play(30).history, TARGET, saturating).axes[1].get_title()
    padded = [np.pad(100 * share, (6, 5), mode="symmetric") for share in plots.accuracies(history.params, TARGET)]
    real, generated = (np.convolve(share, np.full(12, 1 / 12), "valid") for share in padded)
    assert sorted(words(kinds)) == [("generated", plots.BLUE), ("real", plots.GREEN)]
    assert has_line(kinds, games, real, plots.GREEN)
    assert has_line(kinds, games, generated, plots.BLUE)
    assert sorted(words(both)) == [("all", plots.NAVY), ("guessing", plots.RED)]
    assert has_line(both, games, (real + generated) / 2, plots.NAVY)
    assert has_level(both, 50, plots.RED)
    check_moments(moments, history.params)
    w, b = history.params[:, :2].T
    ends = np.minimum(b, b + w), np.maximum(b, b + w)
    assert has_line(divergence, games, plots.jensen_shannon(TARGET, *ends), dict(words(divergence))["JSD (nats)"])
    assert has_level(divergence, LOG_2, dict(words(divergence))["no overlap:\nlog 2"])
    ((name, color),) = words(distance)
    assert name == "Wasserstein-1\n(units of x)"
    assert has_line(distance, games, plots.wasserstein(TARGET, *ends), color)
    for ax in figure.axes:
        low, high = ax.get_ylim()
        assert all(np.all((low <= values) & (values <= high)) for values in (found.get_ydata() for found in ax.lines))
        assert (bool(ax.get_xlabel()), ax.get_xlim()) == (ax not in (kinds, divergence), (0, 300))  # they share one


def test_a_run_of_one_game_is_seen():
    for figure in draw_figures(play(1)).values():
        for ax in figure.axes:
            if ax.get_xlabel() == "game" or words(ax):
                points = [found for found in ax.lines if list(found.get_xdata()) == [1]]
                assert points
                assert all(found.get_marker() in (".", "o") for found in points)


def test_names_at_the_ends_keep_apart():
    ax = axes()
    ends = (1, "b"), (1 - 1e-6, "a\na"), (1, "c"), (0, "d")  # medians, not means
    lines = [(np.r_[[height] * 39, 7 - 9 * height], name, "k", 1) for height, name in ends]
    plots.draw_lines(ax, lines)
    ax.figure.canvas.draw()
    boxes = sorted((text.get_window_extent().y0, text.get_window_extent().y1, text.get_text()) for text in ax.texts)
    assert [name for *_, name in boxes] == ["d", "a\na", "b", "c"]
    assert all(one[1] <= other[0] + 1 for one, other in pairwise(boxes))


@pytest.mark.parametrize("arrived", [0, 7, 40])
def test_seeds(arrived):
    rng = np.random.default_rng(0)
    games = plots.frame_games(100)
    params, objective = rng.normal(size=(len(games), 40, 4)), rng.normal(size=(len(games), 40))
    optimal = rng.permutation(40) < arrived
    figure = plots.seeds_figure(games, objective, params, optimal, TARGET)
    w, b = params[..., 0], params[..., 1]
    recorded = objective, b + w / 2, np.abs(w) / np.sqrt(12)
    goals = (-2 * LOG_2, plots.RED), (5, plots.GREEN), (1, plots.GREEN)
    for ax, values, goal in zip(figure.axes, recorded, goals):
        for seed in range(30):
            assert has_line(ax, games, values[:, seed], plots.BLUE if optimal[seed] else plots.ORANGE)
        for group, color in ((optimal, plots.BLUE), (~optimal, plots.ORANGE)):
            assert not group.any() or has_line(ax, games, np.median(values[:, group], axis=1), color)
        assert has_level(ax, *goal)
    explained = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "the first 30 seeds, one by one" in explained
    assert len(explained) == 1 + (arrived > 0) + (arrived < 40)
    assert not arrived or f"{arrived} of 40 seeds at the draw after game 100: median" in explained
    assert arrived == 40 or f"{40 - arrived} of 40 seeds elsewhere after game 100: median" in explained
    single = plots.seeds_figure(games[:1], objective[:1], params[:1], optimal, TARGET)
    assert all(found.get_marker() == "." for ax in single.axes for found in ax.lines if len(found.get_xdata()) == 1)


def test_theory():
    figure = plots.theory_figure(TARGET)
    slopes, rotation, slide, far, narrow = figure.axes
    d = np.linspace(0, 1, 101)
    assert has_line(slopes, d, d, plots.BLUE)
    assert has_line(slopes, d, 1 - d, plots.ORANGE)
    x, y = line(rotation, "alternating steps: an ellipse").get_xydata().T
    np.testing.assert_allclose(x**2 + y**2 - 0.1 * x * y, 1, rtol=1e-12)
    x, y = line(rotation, "simultaneous steps: a spiral").get_xydata().T
    np.testing.assert_allclose(x**2 + y**2, 1.01 ** np.arange(len(x)), rtol=1e-12)
    middle = line(slide, "JSD (nats)").get_xdata()
    labels = "JSD (nats)", "KL(generated, data) (nats)", "Wasserstein-1 (units of x)"
    for label, distance in zip(labels, (plots.jensen_shannon, plots.kullback_leibler, plots.wasserstein)):
        np.testing.assert_allclose(line(slide, label).get_ydata(), distance(TARGET, middle - 1.2, middle + 1.2))
    told = slide.texts[0].get_text().replace("\n", " ")
    assert "KL(generated, data) is finite" in told
    assert "KL(data, generated) is infinite: G never makes some of what the data have" in told
    for ax, low, high, best in ((far, 0.7, 1.1, "-0.0004"), (narrow, 3.8, 6.2, "-1.2026")):
        assert f"V* = {best}" in ax.get_title()
        grid, values = line(ax, "best discriminator D*").get_data()
        data, generated = TARGET.pdf(grid), np.where((low <= grid) & (grid <= high), 1 / (high - low), 0)
        inside = np.minimum(np.abs(grid - low), np.abs(grid - high)) > 1e-9  # the ends themselves: to a rounding
        np.testing.assert_allclose(values[inside], (data / (data + generated))[inside], rtol=1e-9)


def test_axes_are_labelled_and_lines_stand_in_a_legend_and_pngs_are_sharp_and_small_and_cut_no_word_off(figures):
    for figure in (*figures.values(), plots.theory_figure(TARGET)):
        boxes = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
        explained = {text.get_text() for box in boxes for text in box.get_texts()}
        for ax in figure.axes:
            ticks = {text.get_text() for text in ax.get_yticklabels()}
            assert ax.get_ylabel() or words(ax) or ticks >= set(D_AXIS) or ax.get_title() == "game"
            assert explained.issuperset(ax.get_legend_handles_labels()[1])
        content = plots.png(figure)
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.convert("RGB").getpixel((0, 0))) == ("PNG", (255, 255, 255))
        assert (1600 <= image.width <= 1800, len(content) <= 220_000) == (True, True)
        drawn = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
        found = [text for ax in figure.axes for text in (*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label)]
        boxes = [text.get_window_extent() for text in found if text.get_text()]
        assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in boxes)
        off = np.abs(np.asarray(image.convert("RGB"), int) - drawn).max(axis=-1)
        assert np.mean(off > 16) < 0.01  # the palette has what the picture needs


def test_pictures_do_not_depend_on_a_machines_settings():
    def draw():
        run = play(30)
        return [plots.gif(run), *map(plots.png, draw_figures(run).values())]

    expected = draw()
    assert plots.gif(play(30)._replace(predicted=None)) == expected[0]  # which shows no prediction
    theirs = {"font.size": 30, "lines.linewidth": 9, "figure.dpi": 40, "savefig.dpi": 30, "savefig.bbox": "tight"}
    with mpl.rc_context(theirs):
        assert draw() == expected
        assert {name: mpl.rcParams[name] for name in theirs} == theirs


@pytest.fixture
def images(images):
    plots.prepare_images()
    (images / "a.png").write_bytes(b"old")
    return images


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_save_that_fails_changes_nothing_and_names_the_file(images, monkeypatch):
    def fail(path, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match=r"No space left on device: '.*a\.png'"):
            plots.save({"a.png": b"new", "b.png": b"new"})
    assert content(images) == {"a.png": b"old"}
    plots.save({"a.png": b"new", "b.png": b"more"})
    assert content(images) == {"a.png": b"new", "b.png": b"more"}


def test_save_on_a_full_disk_changes_nothing(images):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"too large: '.*b.png'"):
            plots.save({"a.png": b"new", "b.png": bytes(2_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert content(images) == {"a.png": b"old"}


@pytest.mark.parametrize("place", ["a.png", "b.png"])
def test_save_where_a_folder_stands_changes_nothing(images, place):
    (images / "a.png").rename(images / "old.png")
    (images / place).mkdir()
    with pytest.raises(OSError, match=place):
        plots.save({"a.png": b"new", "b.png": b"new"})
    (images / place).rmdir()
    assert content(images) == {"old.png": b"old"}


def test_say_writes_what_a_terminal_can(monkeypatch):
    for encoding, written in (("ascii", b"1: zo?\n2\n"), ("utf-8", "1: zo\u00eb\n2\n".encode())):
        buffer = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding))
        plots.say("1: zo\u00eb", "2")
        plots.say()
        assert buffer.getvalue() == written  # at once


INTERVALS = [  # ends of the generated samples: like a run's, touching the data's tail, crossing it once or thrice
    *[(3.8, 6.2), (3.125, 6.875), (0.7, 1.1), (4.99, 5.01), (1, 9), (5, 12), (2, 5), (4.5, 7.5), (-3, 4), (0, 40)],
    *[(-3, 13), (-5, 15), (-45, 55), (-4000, 6000), (-20, -15)],
]


def normal(x):
    return math.exp(-((x - 5) ** 2) / 2) / math.sqrt(2 * math.pi)


def uniform(x, low, high):
    return (low < x < high) / (high - low)


def integral(function, low, high):
    """Integrate over the pieces of [-7, 17], where the target's mass is, cut where a density jumps."""
    cuts = np.unique(np.clip([*range(-7, 18), low, high], -7, 17))
    return sum(integrate.quad(function, *piece, epsabs=1e-11, epsrel=1e-9)[0] for piece in pairwise(cuts))


@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_jensen_shannon_is_its_definition_and_wasserstein_the_area_between_distributions(low, high):
    def integrand(x):
        p, q = normal(x), uniform(x, low, high)
        return (special.rel_entr(p, (p + q) / 2) + special.rel_entr(q, (p + q) / 2)) / 2

    far = 1 - np.ptp(np.clip([low, high], -7, 17)) / (high - low)  # the share of the uniform that is left out
    expected = integral(integrand, low, high) + far * np.log(2) / 2
    assert plots.jensen_shannon(TARGET, low, high) == pytest.approx(expected, abs=1e-9)

    def gap(x):
        return abs(special.ndtr(x - 5) - min(max(x - low, 0) / (high - low), 1))

    beyond = (max(high - 17, 0) ** 2 + max(-7 - low, 0) ** 2) / (2 * (high - low))  # where the target's is 1 or 0
    if high > -7:
        assert plots.wasserstein(TARGET, low, high) == pytest.approx(integral(gap, low, high) + beyond, abs=1e-6)


@pytest.mark.parametrize(("low", "high"), INTERVALS[:8])
def test_kullback_leibler_is_its_definition_and_the_best_discriminator_reaches_the_best_objective(low, high):
    def integrand(x):
        best = plots.best_discriminator(TARGET, low, high, x)
        return special.xlogy(normal(x), best) + special.xlogy(uniform(x, low, high), 1 - best)

    divergence = integral(lambda x: special.rel_entr(uniform(x, low, high), normal(x)), low, high)
    assert plots.kullback_leibler(TARGET, low, high) == pytest.approx(divergence, abs=1e-8)
    assert plots.best_objective(TARGET, low, high) == pytest.approx(integral(integrand, low, high), abs=1e-8)


def test_point_generator_and_far_generator():
    """With w = 0 all samples are equal: no overlap, and the mean distance |x - b| to go."""
    assert plots.jensen_shannon(TARGET, 5.0, 5.0) == np.log(2)
    assert plots.wasserstein(TARGET, 5.0, 5.0) == pytest.approx(np.sqrt(2 / np.pi), abs=1e-12)
    assert plots.wasserstein(TARGET, -1e6, -1e6) == pytest.approx(1e6 + 5, abs=1e-6)
    assert plots.best_discriminator(TARGET, 5.0, 5.0, np.array([4.0, 5.0, 6.0])).tolist() == [1, 0, 1]
    for function in (plots.jensen_shannon, plots.wasserstein):  # and it is the limit of narrow ones
        assert function(TARGET, 5.0, 5 + 1e-9) == pytest.approx(function(TARGET, 5.0, 5.0), abs=1e-7)
    # without overlap JSD is log 2 at any distance, and Wasserstein-1 grows with it
    low = np.array([-1e6, -1e3, -50, -20, 30, 1e4])
    assert plots.jensen_shannon(TARGET, low, low + 2) == pytest.approx(np.log(2), abs=1e-12)
    assert plots.wasserstein(TARGET, low, low + 2) == pytest.approx(np.abs(low + 1 - 5), rel=1e-12)
    with warnings.catch_warnings():  # a run that diverges is not cluttered with them
        warnings.simplefilter("error")
        for end in (1e12, 1e200):
            assert plots.jensen_shannon(TARGET, -end, end) == pytest.approx(np.log(2), abs=1e-9)
            assert plots.wasserstein(TARGET, -end, end) == pytest.approx(end / 2, rel=1e-9)


@pytest.mark.parametrize("function", [plots.jensen_shannon, plots.wasserstein, plots.kullback_leibler])
def test_distances_of_many_games_are_those_of_each(function):
    rng = np.random.default_rng(0)
    low = rng.normal(3, 3, size=(20, 2))
    high = low + rng.normal(0, 3, size=(20, 2))
    values = function(TARGET, low, high)
    assert values.shape == low.shape
    assert values == pytest.approx(np.vectorize(lambda a, b: function(TARGET, a, b))(low, high), abs=1e-13)
    assert np.array_equal(values, function(TARGET, high, low))  # w < 0 swaps the ends
    other = stats.norm(-1, 2)  # the same picture, moved and stretched
    scale = 2 if function is plots.wasserstein else 1
    assert function(other, 2 * (low - 5) - 1, 2 * (high - 5) - 1) == pytest.approx(scale * values, abs=1e-12)


def test_memory_of_a_long_run():
    """Some fifty numbers a game, not one for each node of the quadrature."""
    low = np.linspace(0, 5, 50_000)
    tracemalloc.start()
    for function in (plots.jensen_shannon, plots.wasserstein):
        function(TARGET, low, low + 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # bytes
