"""The window: every knob to both ends, many settings at random, each against what `GAN.train` gives for them."""

import sys
import warnings

import numpy as np
import pytest
import replica
from matplotlib.backend_bases import MouseEvent

import gan
import hessian
import noisy_gan
import plots

START = {"games": 60, "discr_update": 1, "gen_update": 1, "num_samples": 10, "learning_rate": 0.1, "init_std": 0.1}
START |= {"gen_loss": "saturating", "target_mean": 5.0, "target_std": 1.0, "seed": 0}


def opened(kind=gan.GAN, **changed):
    """Open a window without a screen."""
    settings = START | ({"noise_std": 1.0} if kind is noisy_gan.NoisyGAN else {}) | changed
    model = kind(**{name: value for name, value in settings.items() if name != "seed"})
    figure = plots._figure((8, 6), 40, layout=None)
    figure.canvas.draw_idle = lambda: None  # what a slider asks for besides
    return plots.Explorer(figure, lambda chosen: gan.answer(model, chosen), settings)


def check(window, kind=gan.GAN, train=gan.GAN.train):
    """Compare what a drawn window shows with a run of its settings, at the game of its slider.

    Past the edge of the learning rate a run is chaotic: rounding decides where it goes, and words alone are compared.
    """
    if window.settings["learning_rate"] > 0.14 and window.settings["discr_update"] > 1:
        assert window.verdict.get_text().startswith(("Ends ", "Lost: "))
        return
    model = kind(**{name: value for name, value in window.settings.items() if name != "seed"})
    draws = model.draw(window.settings["seed"])
    history = gan.History(*train(model, draws))
    if not all(np.isfinite(values).all() for values in history):
        assert window.verdict.get_text() == "Lost: the numbers of this run overflow."
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
    end = history.objective[-50:].mean()
    ending = "at the optimum" if abs(end + 2 * np.log(2)) < 0.05 else "stalled" if end > -0.1 else "circling"
    there = hessian.equilibrium(model, draws.x, history.params[-1])
    assert window.verdict.get_text() == f"Ends {ending}. A deviation {hessian.fate(there)}."


@pytest.fixture(scope="module")
def window():
    return opened()


@pytest.fixture(scope="module")
def noisy_window():
    return opened(noisy_gan.NoisyGAN)


def turn(window, name, place):
    window.knobs[name].set_val(place)
    assert window.settings[name] == window.choices[name][place]
    assert window.knobs[name].valtext.get_text() == f"{window.settings[name]:g}"


def test_knobs_are_those_of_the_model(window, noisy_window):
    assert list(window.knobs) == ["discr_update", "gen_update", "learning_rate", "init_std", "seed"]
    assert set(noisy_window.knobs) - set(window.knobs) == {"noise_std"}
    other = opened(learning_rate=0.123, games=3, gen_loss="non-saturating")
    assert other.settings["learning_rate"] == 0.123  # no knob's choice, and kept
    assert other.loss.value_selected == "non-saturating"


@pytest.mark.parametrize("name", list(plots.KNOBS))
def test_every_knob_to_both_ends(noisy_window, name):
    for place in (0, len(noisy_window.choices[name]) - 1):
        turn(noisy_window, name, place)
        check(noisy_window, noisy_gan.NoisyGAN)
    noisy_window.put_back(None)


def test_random_settings():
    """The replica, which other tests compare with `GAN.train`, needs no compiling."""
    window, rng = opened(games=6), np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(200):
            names = ["learning_rate", "init_std", "seed"] if step % 10 else ["discr_update", "learning_rate"]
            for name in rng.choice(names, 2, replace=False):  # steps of D compile the loop anew
                window.knobs[name].drag_active = True  # both are let go at once
                turn(window, name, rng.integers(len(window.choices[name])))
                window.knobs[name].drag_active = False
            window.retrain()
            if step % 50 == 0:  # traced anew
                turn(window, "gen_update", rng.integers(4))
                window.loss.set_active(step // 50 % 2)
                assert window.settings["gen_loss"] == ("saturating", "non-saturating")[step // 50 % 2]
            window.scrubber.set_val(rng.integers(1, 7))
            check(window, train=replica.train)
    window.put_back(None)
    assert window.settings == window.start
    assert window.loss.value_selected == "saturating"
    check(window, train=replica.train)


def test_a_run_that_overflows_is_told_and_the_next_one_shown():
    window = opened(learning_rate=1e200, games=20)
    check(window)
    turn(window, "learning_rate", 0)
    assert all(ax.get_visible() for ax in window.axes)
    check(window)


def test_one_lost_number_is_told(monkeypatch):
    model = gan.GAN(3, 1, 1)
    history = model.train(model.draw(0))
    history.objective[-1] = np.inf
    monkeypatch.setattr(gan, "play_any", lambda *_: history)
    assert gan.answer(model, {"seed": 0}) == (None, "Lost: the numbers of this run overflow.")


def test_a_knob_trains_when_it_is_let_go(window, monkeypatch):
    trained = []
    monkeypatch.setattr(window, "train", lambda settings: trained.append(dict(settings)) or (None, "ran"))
    knob = window.knobs["seed"]
    knob.drag_active = True
    turn(window, "seed", 5)
    turn(window, "seed", 7)
    assert not trained
    knob.drag_active = False
    release = MouseEvent("button_release_event", window.figure.canvas, 0, 0)
    window.figure.canvas.callbacks.process("button_release_event", release)
    assert [settings["seed"] for settings in trained] == [7]
    window.figure.canvas.callbacks.process("button_release_event", release)  # of a click elsewhere
    assert len(trained) == 1
    monkeypatch.undo()
    window.put_back(None)


def test_scrubbing_draws_the_same_pixels_as_drawing_anew(window):
    canvas = window.figure.canvas
    canvas.draw()
    window.scrubber.set_val(17)
    moved = np.array(canvas.buffer_rgba())
    canvas.draw()
    np.testing.assert_array_equal(moved, np.array(canvas.buffer_rgba()))
    window.scrubber.set_val(60)
    assert (np.array(canvas.buffer_rgba()) != moved).any()


def test_steps_and_rates_are_traced_once():
    before = gan.play_any.experimental_get_tracing_count()
    window = opened(games=31)
    for name in ("discr_update", "learning_rate", "init_std", "seed"):
        turn(window, name, 0)
        turn(window, name, 3)
    assert gan.play_any.experimental_get_tracing_count() == before + 1


def test_without_a_display_it_is_saved_and_says_why(command, images, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    status, out, err = command("--explore", "--games=30", "--seed=3")
    assert (status, err) == (0, "")
    assert [path.name for path in images.iterdir()] == ["explore_30_1_1_seed3.png"]
    assert "no display" in out


def test_run_without_it_builds_nothing_of_it(command, monkeypatch):
    for module in [name for name in sys.modules if name.startswith(("matplotlib.pyplot", "matplotlib.widgets"))]:
        monkeypatch.delitem(sys.modules, module)
    assert command("--games=2")[0] == 0
    assert "matplotlib.widgets" not in sys.modules
    assert "matplotlib.pyplot" not in sys.modules
    assert hessian.OPTIMUM == plots.OPTIMUM
