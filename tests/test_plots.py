"""Pictures against the run's numbers."""

import functools
import io
import sys
from unittest import mock

import matplotlib as mpl
import numpy as np
import pictures
import pytest
import replica
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver
from numpy.testing import assert_allclose, assert_array_equal
from pictures import Gaps, Humps, check_lines, check_phase, check_stage, check_words, find, numbers, shows
from PIL import Image, ImageSequence
from scipy import optimize, special
from test_hessian import played

import gan
import hessian
import plots
from noisy_gan import NoisyGAN

pytestmark = pytest.mark.filterwarnings("error")
LOG_2, DRAW = np.log(2), "draw: \u22122 log 2"
MODELS = {
    "normal": gan.GAN(1500, 1, 1),
    "strong": gan.GAN(300, 50, 1, gen_loss="middle"),  # rushes in late
    "noisy": NoisyGAN(300, 5, 2, num_samples=25, noise_std=0.5, gen_loss="non-saturating"),
    "far": gan.GAN(300, 1, 3, gen_loss="middle", target_mean=80, target_std=0.0116, learning_rate=1e-4, init_std=1),
    "past": gan.GAN(300, 1, 10, learning_rate=0.16),  # where steps overshoot
    "rushed": gan.GAN(5, 1, 1, learning_rate=10.0),  # G's gradients are 0
    "humps": Humps(300, 1, 1),
    "gaps": Gaps(60, 1, 1),
}
ANY = range(9)  # seeds of any settings


def play(model, seed):
    """Play by hand what is short and may be, since to compile takes longer."""
    short = model.games * (model.discr_update + model.gen_update) < 10_000
    return played(model, seed) if short and hessian.knows_theory(model) else gan.run_seed(model, seed)


@functools.cache
def run_of(name):
    """Play one of the models, or one that a seed draws."""
    if name in MODELS:
        return play(MODELS[name], 0)
    rng, middles = np.random.default_rng(name), {"learning_rate": -3, "init_std": 0, "target_std": 0}
    kind = [gan.GAN, NoisyGAN, type("Odd", (Humps,), {"sizes": tuple(rng.integers(1, 5, 2))})][name % 3]
    middles |= {"noise_std": 0} if kind is NoisyGAN else {}
    settings = {name: 10 ** (middle + rng.uniform(-2, 2)) for name, middle in middles.items()}
    settings |= {"target_mean": rng.uniform(-100, 100), "gen_loss": [*replica.LOSSES][name // 3 % 3]}
    games, steps = 80 if name % 3 == 2 else [1, 12, 3, 60][name % 4], rng.integers(1, 100)
    return play(kind(games, steps, 1, 1 + 3 * name, **settings), name)


@pytest.fixture(params=[*MODELS, *ANY])
def run(request):
    return run_of(request.param)


theirs = lambda *names: pytest.mark.parametrize("run", names, indirect=True)
known = theirs(*[name for name in MODELS if name not in ("humps", "gaps")], *[seed for seed in ANY if seed % 3 < 2])


def axes():
    return Figure((5, 5), dpi=50).subplots()


@pytest.mark.parametrize("games", [1, 4, 33, 100, 777, 4099, 100_000])
def test_frames(games):
    shown = plots.frame_games(games)
    assert [*shown[:5], shown[-1]] == [*range(1, min(games, 5) + 1), games]
    steps = np.diff(shown[:-1])
    assert len(shown) <= 125
    assert np.all(np.diff(steps[shown[1:-1] < 100]) >= 0)
    assert len({*steps[shown[:-2] >= max(100, *steps, 0)]}) <= 1


def swings(run):
    """Say whether a run turned, near an equilibrium to which swings die out."""
    turned = run.theory and len(run.flat_games) > 1
    return turned and np.abs(np.linalg.eigvals(run.equilibrium.linear_map)).max() < 1 + 1e-6


@known
def test_hessian(run):
    figure = plots.hessian_figure(run)
    check_words(figure)
    plane, values, bar = figure.axes
    check_eigenvalues(values, run.eigenvalues)
    assert (bar.get_ylabel(), bar.get_ylim()) == ("game", (0, run.model.games))
    flat, there = run.flat_games, run.equilibrium
    check_phase(plane, run, run.model.games)
    assert bool(find(plane, "predicted")) == swings(run)
    if swings(run):  # from the second on, for four turns
        away, last = run.history.params[flat[1] - 1] - there.params, round(4 * there.period)
        steps = range(1 + min(run.model.games - flat[1], last))
        ahead = np.array([there.params + np.linalg.matrix_power(there.linear_map, step) @ away for step in steps])
        assert shows(plane, "predicted", ahead @ [0.5, 1, 0, 0], ahead[:, 2])


def expected_step(run, mean, slope):
    """What a game adds to mean and slope where c is at rest."""
    model, m, w, z = run.model, run.draws.x.mean(), run.history.params[-1, 0], (np.arange(40) + 0.5) / 40
    blur = getattr(model, "noise_std", 0) * special.ndtri(z)
    samples = np.add.outer(run.draws.x, blur).ravel(), np.repeat(z, 40), (0, np.tile(blur, 40))
    at = lambda c: ((w, mean - w / 2, slope, c), *samples)
    steep = lambda c: replica.discr_gradient(*at(c)) @ [m if m * mean > -1 else 0, 1]
    rest = at(optimize.brentq(steep, -2000, 2000, xtol=1e-9))
    steps = -replica.generator_gradient(*rest, model.gen_loss) @ [1 / 2, 1], replica.discr_gradient(*rest)[0]
    return model.learning_rate * np.array([model.gen_update, model.discr_update]) * steps


@theirs("normal", "strong", "noisy")
def test_field_points_where_a_game_leads(run):
    ax = axes()
    plots.draw_phase(ax, run)
    (quiver,) = (one for one in ax.collections if isinstance(one, Quiver))
    assert quiver.pivot in ("mid", "middle")
    arrows = numbers(quiver)
    some = np.random.default_rng(0).choice(arrows, 40, replace=False)
    assert some[:, 0].min() < -1 / run.draws.x.mean() < 0.3 < some[:, 0].max()
    steps, length = np.array([expected_step(run, *place) for place in some[:, :2]]), np.hypot(*some[:, 2:].T)
    assert np.all(np.sum(steps * some[:, 2:], axis=1) > 0.9999 * np.hypot(*steps.T) * length)  # to a degree
    speed = np.hypot(*(steps / np.ptp(arrows[:, :2], axis=0)).T)  # as the eye sees it
    assert np.all(np.greater_equal.outer(length, length - 1e-9)[np.greater.outer(speed, 1.3 * speed)])
    assert length[speed.argmax()] > 1.3 * length[speed.argmin()]


def goals(run):
    data, name = (run.model.target, "target") if run.theory else (run.draws.x, "real")
    return [(f"{name} mean", data.mean()), (f"{name} std", data.std())]


def test_summary(run):
    figure, history, games = plots.summary_figure(run), run.history, np.arange(1, run.model.games + 1)
    stage, objective, moments, gradients = figure.axes
    check_words(figure)
    check_stage(stage, run, games[-1])
    show, _ = plots.draw_stage(ax := axes(), run)
    show(1)
    check_stage(ax, run, 1)
    draw = [(f"\u2191 D wins\n{DRAW}\n\u2193 D is wrong", -2 * LOG_2)] * run.theory
    check_lines(objective, [("", history.objective), *draw])
    check_lines(moments, [*zip(("mean", "std"), run.moments), *goals(run)])
    check_lines(gradients, [("D", history.discr_gradient), ("G", history.gen_gradient)])
    if swings(run):
        flat, half = run.flat_games, run.equilibrium.period / 2
        assert shows(objective, "D flat: half a turn done", flat, history.objective[flat - 1])
        marks = np.unique(numbers(find(objective, f"predicted from the second dot on: each {half:.0f} games")[0])[:, 0])
        assert_allclose(marks, flat[1] + half * np.arange(len(marks)))
        assert abs(marks[-1] - flat[-1]) <= half
    else:
        assert ([*objective.collections], find(objective, "D flat: half a turn done")) == ([], [])


def test_stage_of_other_params():
    """The data and their peak stay in sight, and pushes of 3% of the width are seen."""
    run, pushes = run_of("normal"), np.zeros((2, 1500, 4))
    lengths = np.array([[0.0299], [0.0301]]) * (run.draws.x.max() + 2.7)
    pushes[..., 2] = 2 * lengths / (4 - lengths)  # where D is 1/2
    out, words = ": 10 of 10 samples out of sight", ": pushes too small to be seen"
    far = [sign * 1e9 * run.history.params for sign in (1, -1)]
    for params, width, told in zip([*far, *pushes], (50, 50, 10, 10), (out, out, words, "")):
        ax, other = axes(), hessian.Run(run.model, run.draws, run.history._replace(params=params))
        plots.draw_stage(ax, other)
        assert np.ptp(ax.get_xlim()) < width
        assert ax.get_title() == f"Game 1500{told}"
    alone = gan.run_seed(gan.GAN(1, 1, 1, num_samples=1, target_std=0.0116), 6)  # its x is far from the peak
    plots.draw_stage(ax := axes(), alone)
    check_stage(ax, alone, 1)


def check_eigenvalues(ax, values):
    last = np.median(values[-50:], axis=0)
    names, title = ("smallest", "third", "second", "largest"), f"{np.sum(last < 0)} of 4 end below 0"
    if last[1] < 0 < last[3] and abs(last[2]) < 0.1 * min(-last[1], last[3]):
        names = "D's steep\ndirection", "saddle: falls", "line of\nequilibria", "saddle: rises"
        title = "a saddle"
    check_lines(ax, [*zip(names, values.T), ("", 0)])
    assert ax.get_title() == f"Eigenvalues of V's Hessian: {title}"
    zone, linear = ax.patches[0].get_window_extent(), ax.yaxis.get_transform().linthresh
    small = max(np.median(np.abs(values).min(axis=1)), 1e-6 * np.abs(values).max())
    assert linear * 0.999 <= small < 10 * linear or small < 1e-299  # its decade begins there
    assert_allclose(ax.transData.inverted().transform(zone)[:, 1], (-linear, linear))


@pytest.mark.parametrize("seed", range(20))
def test_names_of_eigenvalues(seed):
    rng, ax = np.random.default_rng(seed), axes()
    signs = [-1, -1, rng.choice([-1, 1]), 1] if seed % 3 else rng.choice([-1, 1], 4)
    values = np.sort(rng.normal(size=(300, 4)))
    values[-60:-1] = np.sort(signs * 10 ** (rng.uniform(-1, 1, 4) + [0, 0, rng.uniform(-3, 0), 0]))
    plots.draw_eigenvalues(ax, values)
    check_eigenvalues(ax, values)


@known
def test_monitor(run):
    figure, history, size = plots.monitor_figure(run), run.history, -(-run.model.games // 25)
    check_words(figure)
    smooth = lambda share: np.convolve(np.pad(share, (size // 2, (size - 1) // 2), "symmetric"), np.ones(size), "valid")
    real, fake = (100 / size * smooth(share) for share in hessian.accuracies(history.params, run.model.target))
    measures = hessian.jensen_shannon, hessian.wasserstein
    jsd, far = (measure(run.model.target, history.params) for measure in measures)
    rest = replica.LOSSES[run.model.gen_loss][0](0)
    losses = ("D's loss, -V", -history.objective), ("G's loss", history.gen_loss)
    for ax, lines in zip(figure.axes, (
        [*losses, ("D's at a draw", 2 * LOG_2), ("G's at a draw", rest)],
        [("real", real), ("generated", fake)],
        [("all", (real + fake) / 2), ("guessing", 50)],
        [*zip(("mean", "std"), run.moments), *goals(run)],
        [("JSD (nats)", jsd), ("log 2: no\noverlap", LOG_2)],
        [("Wasserstein-1\n(units of x)", far)],
    )):
        check_lines(ax, lines)
        low, high = ax.get_ylim()
        assert all(low <= np.min(values) <= np.max(values) <= high for _, values in lines)
    assert f", {size}-game mean" in figure.axes[1].get_title()


@theirs("normal", "humps")
def test_seeds(run):
    rng, last, few = np.random.default_rng(0), run.model.games, slice(30)
    games = plots.frame_games(last)
    courses, there = rng.normal(size=(3, len(games), 40)), rng.random(40) < 0.3
    courses[..., -1], there[-1] = np.nan, False  # numbers have overflowed
    figure, there = plots.seeds_figure(run.model, run.draws.x, courses, there), there & run.theory
    check_words(figure)
    constants = [[(DRAW, -2 * LOG_2)] * run.theory, *([goal] for goal in goals(run))]
    for ax, values, constant in zip(figure.axes, courses, constants):
        check_lines(ax, [*(("", course) for course in values.T[few]), *constant], games)
        for ink, which in ((plots.BLUE, there), (plots.ORANGE, ~there)):
            drawn = [line.get_ydata() for line in ax.lines if line.get_color() == ink and len(line.get_ydata())]
            assert_array_equal(np.reshape(drawn, (-1, len(games))), values.T[few][which[few]])
    (legend,) = figure.legends
    ends = f"V at the draw after game {last}: {there.sum()} of 40 seeds", f"V elsewhere: {np.sum(~there)}"
    assert [text.get_text() for text in legend.get_texts()] == [*ends * run.theory]
    assert legend.get_title().get_text() == f"lines: the first 30 of 40 seeds, at {len(games)} games"


def test_theory():
    figure = plots.theory_figure()
    check_words(figure)
    losses, rotation, distance = figure.axes
    for loss in replica.LOSSES:
        d, push = numbers(find(losses, loss)[0]).T
        assert_allclose(push, replica.LOSSES[loss][1](special.logit(d)), rtol=1e-9)
        assert d[0] < 0.001 < 0.999 < d[-1]
    paths = [line.get_xydata().T for line in rotation.lines if len(line.get_xdata()) > 100]
    ellipse, spiral = sorted(paths, key=lambda path: np.hypot(*path).max())
    assert_allclose(spiral[0] + 1j * spiral[1], (1 + 0.1j) ** np.arange(127), rtol=1e-12)
    moved = ellipse[0] - 0.1 * ellipse[1]
    assert_allclose(ellipse[:, 1:], [moved[:-1], (ellipse[1] + 0.1 * moved)[:-1]], atol=1e-12)
    assert tuple(ellipse[:, 0]) == (1, 0)
    z = (np.arange(10) + 0.5) / 10  # a game without chance, by hand
    draws = gan.Draws(np.array([0.1, 0, 0.1, 0]), 5 + special.ndtri(z), np.tile(z, (99, 1)), np.tile(z, (99, 1, 1)))
    courses = hessian.distance_course([1, 0, 1 / 2])
    assert courses.shape == (500, 3)
    for course, loss in zip(courses.T, replica.LOSSES):
        w, b, a, c = replica.train(gan.GAN(99, 50, 1, gen_loss=loss), draws)[0].T
        assert_allclose(course[:99], 4 / 5 * (draws.x.mean() - b - w / 2) ** 2 + (a**2 + c**2) / 50, rtol=1e-9)
    check_lines(distance, [*zip(replica.LOSSES, courses.T)])


@pytest.mark.parametrize("names", [[0], [1], [2], [3], ["normal"], ["noisy"], ["humps"], ["strong", "humps"]])
def test_gif(names, monkeypatch):
    """Each frame shows all that is drawn of its game."""
    drawn, shown = [], [run_of(name) for name in names]

    def record(draw, ax, *given, **settings):
        drawn.append((ax, *draw(ax, *given, **settings)))
        return drawn[-1][1:]

    for name in ("draw_stage", "draw_phase", "draw_objective"):
        monkeypatch.setattr(plots, name, functools.partial(record, getattr(plots, name)))
    image = Image.open(io.BytesIO(plots.gif(*shown)))
    (left, *_), (right, *_), games = *drawn, plots.frame_games(shown[0].model.games)
    assert (image.format, image.info.get("loop", 0), image.n_frames) == ("GIF", 0, len(games))
    times = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    assert times[:-1] == [plots.FRAME_TIME[int(game >= 20)] for game in games[:-1]]
    assert times[-1] > max(plots.FRAME_TIME)
    for place in (len(games) // 2, 0, len(games) // 6, len(games) - 1):
        image.seek(place)
        frame = np.asarray(image.convert("RGB"), int)
        for _, show, artists in drawn:
            show(games[place])
            for artist in artists:
                artist.set_animated(False)
        still = np.asarray(Image.open(io.BytesIO(plots.png(left.figure))).convert("RGB"), int)
        drawn_now = np.asarray(left.figure.canvas.buffer_rgba())[..., :3].astype(int)
        assert np.mean(np.abs(frame - drawn_now).max(axis=-1) > 60) < 2e-4
        assert np.mean(np.abs(still - drawn_now).max(axis=-1) > 16) < 0.01
        check_stage(left, shown[0], games[place])
        also = check_stage if shown[1:] else check_phase if shown[0].theory else pictures.check_objective
        also(right, shown[-1], games[place])
    check_words(left.figure)


def test_files_are_the_same_anywhere():
    run, kinds = run_of("rushed"), (plots.summary_figure, plots.hessian_figure, plots.monitor_figure)
    draw = lambda: [plots.gif(run), *(plots.png(kind(run)) for kind in kinds), plots.png(plots.theory_figure())]
    contents = draw()
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "figure.dpi": 40, "savefig.bbox": "tight"}):
        assert draw() == contents


def test_save(images, capsys, monkeypatch):
    resource = pytest.importorskip("resource")
    plots.save({})
    plots.save({"c.png": lambda: 1 / 0, "a.png": b"old", "b.gif": lambda: b"old"})
    missing = "Missing in img/: c.png: ZeroDivisionError: division by zero\n"
    assert capsys.readouterr() == ("Saved in img/: a.png, b.gif\n", missing)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))  # a disk that is full
    try:
        with pytest.raises(OSError, match="too large"):
            plots.save({"b.gif": b"new", "a.png": bytes(2_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in images.iterdir()} == {"a.png": b"old", "b.gif": b"new"}
    assert capsys.readouterr().out == "Saved in img/: b.gif\n"
    notebook = mock.Mock(get_ipython=lambda: None)  # of a script that imports it
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", notebook.display)
    notebook.display.Image.side_effect = lambda data: data
    plots.save({"a.png": b"1"})
    notebook.get_ipython = mock.Mock()
    plots.save({"a.png": b"1", "c.png": lambda: 1 / 0, "b.gif": lambda: b"2"})
    notebook.display.display.assert_called_once_with(b"1", b"2")
