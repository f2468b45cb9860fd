"""The window: what it shows against what `GAN.train` gives for its settings, and against windows opened anew."""

import io
import itertools
import re
import sys
import warnings

import matplotlib.style
import numpy as np
import pytest
import replica
from matplotlib import pyplot
from matplotlib.backend_bases import FigureManagerBase, MouseEvent, NavigationToolbar2

import gan
import hessian
import noisy_gan
import plots

START = {"games": 60, "discr_update": 1, "gen_update": 1, "num_samples": 10, "learning_rate": 0.1, "init_std": 0.1}
START |= {"gen_loss": "saturating", "target_mean": 5.0, "target_std": 1.0, "seed": 0}
KNOBS = {"discr_update": (1, 2, 50), "gen_update": (1, 3), "learning_rate": (0.01, 0.1, 1.0)}
KNOBS |= {"init_std": (0.0, 0.1, 5.0), "gen_loss": ("saturating", "non-saturating"), "noise_std": (0.0, 1.0, 5.0)}
KNOBS |= {"seed": tuple(range(100))}


class Timer:
    """What a toolkit's event loop does: call back once, some time after the start."""

    waiting = False

    def add_callback(self, callback):
        self.callback = callback

    def start(self):
        assert not self.waiting  # which would put it off
        self.waiting = True

    def run_out(self):
        if self.waiting:
            self.waiting = False
            self.callback()


def model_of(settings, kind=gan.GAN):
    return kind(**{name: value for name, value in settings.items() if name != "seed"})


def given(kind=gan.GAN, train=gan.answer, **changed):
    """What a window is given: its way to train, settings and knobs; and a list of the settings that were trained."""
    settings, trained = START | ({"noise_std": 1.0} if kind is noisy_gan.NoisyGAN else {}) | changed, []
    knobs = {name: values for name, values in KNOBS.items() if name in settings}
    record = lambda **chosen: trained.append(chosen) or train(model_of(settings, kind), **chosen)
    return record, settings, knobs, trained


def opened(dpi=50, **options):
    """Open a window without a screen, and count how often it trains."""
    figure, (*how, trained) = plots._figure((12.8, 6.4), dpi, layout=None), given(**options)
    figure.canvas.draw_idle = lambda: None  # what a slider asks for
    figure.canvas.new_timer = lambda interval: Timer()
    window = plots.Explorer(figure, *how)
    window.trained = trained
    return window


def shown(**options):
    return plots.explore(*given(**options)[:3])


def check(window, kind=gan.GAN, train=gan.GAN.train):
    """Compare what a drawn window shows with a run of its settings, at the game of its slider.

    Past the edge of the learning rate a run is chaotic: rounding decides where it goes, and words alone are compared.
    """
    words = window.verdict.get_text()
    if window.settings["learning_rate"] > 0.14 and window.settings["discr_update"] > 1:
        assert words.startswith(("Ends ", "lost at game "))
        return
    model = model_of(window.settings, kind)
    draws = model.draw(window.settings["seed"])
    history = gan.History(*train(model, draws))
    if not all(np.isfinite(values).all() for values in history):
        assert words.startswith("lost at game ")
        assert not any(ax.get_visible() for ax in window.axes)
        return
    stage, plane, objective = window.axes
    game = int(window.scrubber.val)
    w, b, a, c = history.params[game - 1]
    lines = {line.get_label(): line for line in (*stage.lines, *plane.lines)}
    noise = draws.z_gen[-1, -1]
    np.testing.assert_allclose(lines["generated samples G(z)"].get_xdata(), w * noise + b, rtol=1e-7, atol=1e-9)
    x, d = lines["discriminator D(x)"].get_data()
    np.testing.assert_allclose(d, 1 / (1 + np.exp(-(a * x + c))), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(lines["now"].get_xydata(), [[w / 2 + b, a]], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(objective.lines[0].get_ydata(), history.objective[:game], rtol=1e-7, atol=1e-9)
    there = hessian.equilibrium(model, draws.x, history.params[-1])
    assert words == f"Ends {hessian.ending(history, draws.x, there.period)}. A small swing {hessian.fate(there)}."


def turn(window, name, value):
    window.sliders[name].set_val(KNOBS[name].index(value))
    window.timer.run_out()
    assert window.settings[name] == value
    assert float(window.sliders[name].valtext.get_text()) == value


def put_back(window):
    window.put_back(None)
    window.timer.run_out()


def pixels(window):
    window.figure.canvas.draw()
    return np.array(window.figure.canvas.buffer_rgba())


def mouse(window, kind, ax, across):
    """Put the mouse at a share of an Axes' width, with its left button down."""
    x, y = ax.transAxes.transform((across, 0.5))
    event = MouseEvent(f"{kind}_event", window.figure.canvas, x, y, 1)
    window.figure.canvas.callbacks.process(event.name, event)


@pytest.fixture(autouse=True)
def _style():
    with plots.style():
        yield


@pytest.fixture(scope="module")
def window():
    return opened()


@pytest.fixture(scope="module")
def noisy_window():
    return opened(kind=noisy_gan.NoisyGAN)


@pytest.mark.parametrize("kind", [gan.GAN, noisy_gan.NoisyGAN])
def test_the_command_opens_it_at_its_flags(command, monkeypatch, kind):
    found = []
    monkeypatch.setattr(plots, "explore", lambda *settings: found.append(settings) or {})
    assert command("--explore", "--games=600", "--learning-rate=0.3", "--seed=5", model=kind)[0] == 0
    ((train, settings, knobs),) = found
    assert (settings["games"], settings["learning_rate"], settings["seed"]) == (600, 0.3, 5)
    assert list(knobs) == [name for name in KNOBS if name in settings]
    assert train(**settings)[0].games.tolist() == [*range(1, 601)]


def test_it_starts_where_its_settings_are():
    window = opened(learning_rate=0.123, games=6, gen_loss="non-saturating", seed=4_294_967_295)  # no knobs' values
    assert window.loss.value_selected == "non-saturating"
    texts = [slider.valtext.get_text() for slider in window.sliders.values()]
    assert texts == ["1", "1", "0.123", "0.1", "4294967295"]
    check(window)
    window.sliders["learning_rate"].set_val(0)
    put_back(window)
    assert window.trained[0] == window.trained[-1] == window.settings
    check(window)


@pytest.mark.parametrize("name", [name for name in KNOBS if name != "gen_loss"])
def test_every_knob_to_both_ends(noisy_window, name):
    for value in (KNOBS[name][0], KNOBS[name][-1]):
        turn(noisy_window, name, value)
        check(noisy_window, noisy_gan.NoisyGAN)
    put_back(noisy_window)


def test_random_settings_put_back_and_turned_again():
    window, rng = opened(games=6), np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(20):
            for name in rng.choice(["learning_rate", "init_std", "seed"], 2, replace=False):
                window.sliders[name].set_val(rng.integers(len(KNOBS[name])))  # both at once
            window.timer.run_out()
            if step % 10 == 0:
                window.loss.set_active(1 - step // 10 % 2)
                window.timer.run_out()
                assert window.settings["gen_loss"] == KNOBS["gen_loss"][1 - step // 10 % 2]
            window.scrubber.set_val(rng.integers(1, 7))
            check(window, train=replica.train)
            if step % 7 == 0:
                put_back(window)
                assert window.settings == window.trained[0]
                assert window.loss.value_selected == "saturating"
                check(window, train=replica.train)


def test_words_alone_of_a_run_that_cannot_be_shown_and_the_next_one_whole():
    def train(model, **settings):
        if settings["discr_update"] == 50:
            raise ValueError("too many numbers")
        return gan.answer(model, **settings)

    window = opened(train=train, learning_rate=1e200)
    check(window)  # overflows
    turn(window, "learning_rate", 0.01)
    turn(window, "discr_update", 50)
    assert window.verdict.get_text() == "too many numbers"
    assert not any(ax.get_visible() for ax in window.axes)
    window.scrubber.set_val(10)
    turn(window, "discr_update", 1)
    assert all(ax.get_visible() for ax in window.axes)
    check(window)


def test_a_drag_is_followed_while_the_button_is_down_and_trains_once_for_all_that_waited(window):
    ax, before = window.sliders["seed"].ax, len(window.trained)
    mouse(window, "button_press", ax, 0.1)
    for across in (0.2, 0.3, 0.4):
        mouse(window, "motion_notify", ax, across)
    assert len(window.trained) == before  # nothing while events wait
    window.timer.run_out()
    for across in (0.5, 0.6):
        mouse(window, "motion_notify", ax, across)
        window.timer.run_out()
        check(window)
    mouse(window, "button_release", ax, 0.6)
    window.timer.run_out()
    assert [settings["seed"] for settings in window.trained[before:]] == [40, 50, 59]
    put_back(window)
    assert len(window.trained) == before + 4


def test_scrubbing_shows_every_game_trains_nothing_and_leaves_no_trace(window):
    before = len(window.trained)
    for across, game in ((0.003, 1), (0.5, 30), (0.997, 60), (17 / 60, 17)):
        mouse(window, "button_press", window.scrubber.ax, across)
        mouse(window, "button_release", window.scrubber.ax, across)
        assert window.scrubber.val == game
        check(window)
    assert len(window.trained) == before
    window.figure.savefig(io.BytesIO(), dpi=31)  # at another resolution
    other = opened()
    other.scrubber.set_val(17)
    np.testing.assert_array_equal(pixels(window), pixels(other))
    turn(window, "seed", 3)
    turn(window, "seed", 0)
    np.testing.assert_array_equal(pixels(window), pixels(other))
    for one in (window, other):  # a screen of twice the pixels
        one.figure.set_dpi(100)
    window.scrubber.set_val(60)
    assert (pixels(window) != pixels(other)).any()
    np.testing.assert_array_equal(pixels(window), pixels(opened(dpi=100)))
    window.figure.set_dpi(50)


def test_home_and_back_show_the_run_that_is_shown(window):
    toolbar = NavigationToolbar2(window.figure.canvas)
    toolbar.push_current()
    turn(window, "init_std", 5.0)
    limits = lambda: [(ax.get_xlim(), ax.get_ylim()) for ax in window.axes]
    expected = limits()
    for way in (toolbar.home, toolbar.back, toolbar.forward):
        way()
        assert limits() == expected
    toolbar.push_current()
    window.axes[0].set_xlim(0, 1)
    toolbar.push_current()
    toolbar.home()
    assert limits() == expected
    window.figure.canvas.toolbar = None
    put_back(window)


@pytest.mark.parametrize("kind", ["svg", "pdf", "eps", "png"])
def test_a_saved_file_has_all_that_moves(kind, monkeypatch, tmp_path):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    window, path = opened(kind=noisy_gan.NoisyGAN), tmp_path / f"window.{kind}"

    def saved():
        with matplotlib.rc_context({"svg.hashsalt": ""}):
            window.figure.savefig(path, dpi=40)
        return re.sub(rb"(?s)/c\d+ \{.*?\} bind def\n|c\d+\n", b"", path.read_bytes())  # but EPS's clips: any number

    whole = saved()
    assert saved() == whole
    for artist in (*itertools.chain(*(part.artists for part in window.moving)), window.verdict):
        artist.set_visible(False)
        assert saved() != whole
        artist.set_visible(True)
    assert saved() == whole


@pytest.mark.parametrize("kind", ["window", "noisy_window"])
def test_all_words_stand_apart_in_the_window_and_the_legend_has_every_label(request, kind):
    either = request.getfixturevalue(kind)
    either.figure.canvas.draw()
    (legend,) = either.figure.legends
    labels = {label for ax in either.axes for label in ax.get_legend_handles_labels()[1]}
    assert {text.get_text() for text in legend.get_texts()} == labels
    boxes, whole = [part.get_tightbbox() for part in (*either.figure.axes, legend, either.verdict)], either.figure.bbox
    assert all(0 <= box.x0 < box.x1 <= whole.x1 and 0 <= box.y0 < box.y1 <= whole.y1 for box in boxes)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_one_game_without_a_warning_and_dark_settings_without_a_difference():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        light = shown(games=1)
        with matplotlib.style.context("dark_background"):
            assert shown(games=1) == light


class Manager(FigureManagerBase):
    """Of a toolkit."""


def test_a_window_fits_a_laptop_and_lives_until_it_is_closed(monkeypatch):
    figures, sizes = [], []

    def figure(figsize):
        figures.append(plots._figure(figsize, matplotlib.rcParams["figure.dpi"], layout=None))
        Manager(figures[0].canvas, 1)
        return figures[0]

    def show():
        sizes.append(figures[0].bbox.size)
        assert matplotlib.rcParams["text.color"] != "white"  # for what is drawn from now on

    monkeypatch.setattr(pyplot, "figure", figure)
    monkeypatch.setattr(pyplot, "show", show)
    with matplotlib.style.context("dark_background"):
        assert shown() == {}
    assert [(width <= 1366, height <= 680) for width, height in sizes] == [(True, True)]  # 88 for title and toolbar
    check(figures[0].explorer)


@pytest.mark.parametrize("backend", ["agg", "svg", "pdf", "of no such name", "no server"])
def test_without_a_window_its_picture_and_one_line_that_says_why(backend, monkeypatch, capfd):
    def figure(figsize):
        raise RuntimeError("there is\nno server")

    if backend == "no server":
        monkeypatch.setattr(pyplot, "figure", figure)
    elif backend == "of no such name":
        monkeypatch.setenv("MPLBACKEND", backend)
    else:
        pyplot.switch_backend(backend)
    ((name, content),) = shown().items()
    pyplot.switch_backend("agg")
    assert (name, content[:4]) == ("explore_{}.png", b"\x89PNG")
    (line,) = capfd.readouterr().out.splitlines()
    assert backend in line
    assert not pyplot.get_fignums()


def test_run_without_it_builds_nothing_of_it(command, monkeypatch):
    modules = {"matplotlib.pyplot", "matplotlib.widgets"}
    for module in modules:
        monkeypatch.delitem(sys.modules, module)
    assert command("--games=1")[0] == 0
    assert modules.isdisjoint(sys.modules)
