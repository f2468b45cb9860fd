"""The window: what it shows, its knobs and its clock, and where none opens."""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from unittest import mock

import matplotlib.style
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backend_bases import FigureManagerBase, KeyEvent, MouseEvent, NavigationToolbar2
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from pictures import LOSSES, Humps, check_objective, check_phase, check_stage, check_words

import gan
import plots
from noisy_gan import NoisyGAN

pytestmark = pytest.mark.filterwarnings("error")


class Timer:
    """What a toolkit's event loop does, when a test lets it."""

    running = single_shot = False

    def add_callback(self, callback):
        self.callback = callback

    def start(self):
        self.running = True

    def stop(self):
        self.running = False

    def fire(self):
        self.running = self.running and not self.single_shot
        self.callback()


run_of = functools.cache(gan.run_seed)


def opened(kind=gan.GAN, train=run_of, figure=None, **changed):
    """Open a window that keeps what it trained, and its words at each drawing."""
    figure, trained, drawn = figure or Figure(plots.WINDOW, dpi=50), [], []
    canvas = FigureCanvasAgg(figure)
    canvas.new_timer = lambda interval=None: Timer()
    canvas.draw = lambda: drawn.append([text.get_text() for text in figure.findobj(Text)])
    canvas.draw_idle = mock.Mock()  # after what moves with the games

    def record(seed, **settings):
        trained.append(settings | {"seed": seed})
        return train(kind(**settings), seed)

    window = plots.Explorer(figure, record, gan.fields_of(kind(60, 1, 1)) | {"seed": 0} | changed)
    vars(window).update(kind=kind, trained=trained, drawn=drawn)
    return window


def set_knob(window, name=None, place=None):
    """Move a knob, and let the time pass until the window trains."""
    if name:
        window.sliders[name].set_val(place)
    if window.soon.running:
        window.soon.fire()


def check(window):
    """Require that a window shows its settings' run at its game."""
    settings, words, game = window.settings, window.verdict.get_text(), int(window.scrubber.val)
    assert window.trained[-1] == settings
    assert window.loss.value_selected == settings["gen_loss"]
    for name, slider in window.sliders.items():
        assert float(slider.valtext.get_text()) == pytest.approx(settings[name])
    try:
        run = run_of(window.kind(**{name: settings[name] for name in settings if name != "seed"}), settings["seed"])
    except FloatingPointError as error:
        told = str(error)
        assert (words, [ax.get_visible() for ax in window.axes]) == (told, [False] * 3)
        return
    stage, phase, objective = window.axes
    check_stage(stage, run, game)
    check_objective(objective, run, game)
    assert [ax.get_visible() for ax in window.axes] == [True, run.theory, True]
    if run.theory:
        check_phase(phase, run, game)
    assert words.startswith(f"Ends {run.end}. ") if run.theory else not words


def mouse(window, ax, *across, kinds=("button_press", "button_release")):
    """Press and release at shares of an Axes' width, or only one, or move."""
    for share in across:
        for kind in kinds:
            MouseEvent(f"{kind}_event", window.figure.canvas, *ax.transAxes.transform((share, 0.5)), 1)._process()


def press(canvas, key, *place):
    KeyEvent("key_press_event", canvas, key, *place)._process()


def test_knobs():
    window = opened(NoisyGAN, learning_rate=0.123, gen_loss="middle", seed=4_294_967_295)  # values of no knob
    start = dict(window.settings)
    check(window)
    for name, slider in window.sliders.items():
        for place in (0, -1):
            set_knob(window, name, slider.valmax * -place)
            assert window.settings == start | {name: sorted({*plots.KNOBS[name], start[name]})[place]}
            check(window)
        slider.reset()
    assert [text.get_text() for text in window.loss.labels] == [*LOSSES]
    for place, loss in [*enumerate(LOSSES)][::-1]:
        window.loss.set_active(place)
        set_knob(window)
        assert window.settings == start | {"gen_loss": loss}
        check(window)
    set_knob(window, "seed", 7)
    mouse(window, window.buttons[1].ax, 0.5)
    set_knob(window)
    assert window.settings == start
    check(window)
    check_words(window.figure)


def test_what_it_tells_before_and_instead_of_a_run():
    """A variant's slip is raised, an interrupt closes the window."""
    ends = {1: ValueError("too many"), 2: FloatingPointError("lost"), 3: TypeError("a slip"), 4: KeyboardInterrupt()}
    told = []

    def train(model, seed):
        told.append([word for word in ("training ...", "100") if told and word in window.drawn[-1]])
        if seed in ends:
            raise ends[seed]
        return gan.run_seed(model, seed)

    window = opened(NoisyGAN, train, pyplot.figure(), gen_loss="middle")
    set_knob(window, "gen_update", 7)
    window.loss.set_active(1)
    set_knob(window)
    assert told == [[], ["training ...", "100"], ["training ...", "100"]]
    for seed in (1, 2):
        set_knob(window, "seed", seed)
        assert (window.verdict.get_text(), window.axes[0].get_visible()) == (str(ends[seed]), False)
        window.scrubber.set_val(10)
        set_knob(window, "seed", 0)
        check(window)
    with pytest.raises(TypeError, match="a slip"):
        set_knob(window, "seed", 3)
    assert pyplot.get_fignums()
    set_knob(window, "seed", 4)
    assert not pyplot.get_fignums()


def test_drag_and_scrub():
    window = opened()
    ax, slide = window.sliders["seed"].ax, {"kinds": ["motion_notify"]}
    mouse(window, ax, 0.1, kinds=["button_press"])
    mouse(window, ax, 0.2, 0.3, 0.4, **slide)
    assert len(window.trained) == 1
    for share in (0.4, 0.5, 0.6):
        mouse(window, ax, share, **slide)
        set_knob(window)
        check(window)
    mouse(window, ax, 0.6, kinds=["button_release"])
    assert [settings["seed"] for settings in window.trained] == [0, 40, 50, 59]
    set_knob(window, "seed", 0)
    for share, game in ((0.003, 1), (0.5, 30), (0.997, 60), (17 / 60, 17)):
        mouse(window, window.scrubber.ax, share)
        assert window.scrubber.val == game
        check(window)
    assert len(window.trained) == 5


def test_play():
    window, games = opened(), list(plots.frame_games(60))
    clock, canvas = window.clock, window.figure.canvas
    for start, seen in ((60, games), (27, [27, *(game for game in games if game > 27)])):
        window.scrubber.set_val(start)
        press(canvas, " ")
        shown = [window.scrubber.val]
        while clock.running and len(shown) <= len(seen):
            canvas.draw_idle.reset_mock()
            clock.fire()
            shown.append(window.scrubber.val)
            assert clock.interval == plots.FRAME_TIME[int(shown[-1] >= 20)]
            canvas.draw_idle.assert_called()
            check(window)
        assert shown == seen
    press(canvas, "x")
    assert not clock.running
    mouse(window, window.buttons[0].ax, 0.5)
    clock.fire()
    press(canvas, " ")
    assert (clock.running, window.scrubber.val, len(window.trained)) == (False, 2, 1)


def test_home_and_put_all_back_show_the_whole_run():
    window = opened()
    toolbar = NavigationToolbar2(window.figure.canvas)
    limits = lambda: [ax.viewLim.extents.tolist() for ax in window.axes]
    whole = limits()
    for seed in (1, 2, None, None):  # at last nothing but the limits has moved
        toolbar.push_current()
        for ax in window.axes:
            ax.set(xlim=(2, 3), ylim=(2, 3))
        if not seed:
            mouse(window, window.buttons[1].ax, 0.5)
        set_knob(window, seed and "seed", seed)
        shown = limits()
        toolbar.home()
        assert limits() == shown
        check(window)
    assert limits() == whole


LONG = {"learning_rate": 1e-6, "init_std": 0.0}  # numbers beside V
WINDOWS = (NoisyGAN, {"games": 100_000}), (Humps, {}), (gan.GAN, {"games": 1, "target_mean": -100.0}), (gan.GAN, LONG)


@pytest.mark.parametrize(("kind", "changed"), WINDOWS)
def test_words_stand_apart(kind, changed):
    window = opened(kind, figure=Figure((9, 5), dpi=100), **changed)
    check(window)
    check_words(window.figure)
    for slider in (window.scrubber, *window.sliders.values()):
        for place in (slider.valmin, slider.valmax):
            slider.set_val(place)
            words = slider.label.get_window_extent(), slider.valtext.get_window_extent()
            assert not any(box.overlaps(line.get_window_extent()) for box in words for line in slider.ax.lines)
    window.figure.set_size_inches(plots.WINDOW)
    check_words(window.figure)


def test_a_window_fits_a_laptop_and_no_key_changes_an_axis(monkeypatch, command):
    """A second one is another window, and ends the first."""
    shown = []

    def show():
        shown.append(window := pyplot.gcf().explorer)
        assert np.all(window.figure.bbox.size <= (1366, 680))  # 88 for title and toolbar
        assert [window.settings[name] for name in ("games", "learning_rate", "seed")] == [60, 0.3, 5]
        for ax in window.axes:
            grid, seen = [*ax.get_xgridlines(), *ax.get_ygridlines()], []
            for key in " gGlkL":
                press(window.figure.canvas, key, *ax.transAxes.transform((0.5, 0.5)))
                seen.append((ax.get_xscale(), ax.get_yscale(), *(line.get_visible() for line in grid)))
            assert len({*seen}) == 1
        window.turn("seed", 5)

    pyplot.switch_backend("agg")
    monkeypatch.setattr(FigureCanvasAgg, "manager_class", type("Toolkit", (FigureManagerBase,), {}))
    monkeypatch.setattr(FigureCanvasAgg, "new_timer", lambda canvas, interval=None: Timer())
    monkeypatch.setattr(pyplot, "show", show)
    for _ in range(2):
        assert command("--explore", "--games", 60, "--learning-rate", 0.3, "--seed", 5) == (0, "", "")
    older, newer = shown
    assert len(older.figure.axes) == len(newer.figure.axes)
    assert [(window.clock.running, window.soon.running) for window in shown] == [(False, False), (True, True)]
    mouse(older, older.sliders["seed"].ax, 0.9)
    mouse(older, older.buttons[0].ax, 0.5)
    assert (older.settings["seed"], older.clock.running) == (5, False)


def test_without_a_window_its_picture_is_saved(monkeypatch, command, images):
    pyplot.close("all")
    pyplot.switch_backend("agg")
    name, contents = "explore_noisy_60_50_1_seed3.png", []
    for style, cure in (("default", "%pip install ipympl"), ("dark_background", "no server")):
        with matplotlib.style.context(style):
            status, out, err = command("--explore", "--games=60", "--seed=3", model=NoisyGAN)
        told, saved = out.splitlines()
        assert (status, err, saved, told[:28]) == (0, "", f"Saved in img/: {name}", "No window, but its picture: ")
        assert cure in told
        contents += [path.read_bytes() for path in images.glob("*")]
        monkeypatch.setattr(pyplot, "figure", mock.Mock(side_effect=RuntimeError("there is\nno server")))
    assert (contents[1:], images.joinpath(name).read_bytes()[1:4]) == (contents[:1], b"PNG")
    assert not pyplot.get_fignums()


SCRIPT = """
import os, signal, time
from matplotlib import pyplot
import gan, plots

def train(seed, **settings):
    if seed == 99:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    return gan.run_seed(gan.GAN(**settings), seed)

def act():
    print("plays", 1 <= window.scrubber.val < 60)
    window.sliders["seed"].set_val(99)

def watched():
    global window
    window, canvas = pyplot.gcf().explorer, pyplot.gcf().canvas
    print(canvas.manager.get_window_title(), window.scrubber.val)
    window.play()
    canvas.get_tk_widget().after(1500, act)
    show()
    print("closed", pyplot.get_fignums())

show, pyplot.show = pyplot.show, watched
print(plots.explore(train, gan.fields_of(gan.GAN(60, 1, 1)) | {"seed": 0}))
"""


@pytest.mark.skipif(not (shutil.which("xvfb-run") and importlib.util.find_spec("tkinter")), reason="no screen")
def test_a_real_window():
    place = os.environ | {"MPLBACKEND": "TkAgg", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["xvfb-run", "-a", sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=place, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines() == ["How a GAN trains 60", "plays True", "closed []", "{}"], done.stderr
    assert "Error" not in done.stderr
