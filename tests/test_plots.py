"""The pictures: what is in them, and how their files are written."""

import io
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

import gan
import hessian
import plots


class Pictures(NamedTuple):
    """What a run of the command drew: figures and files by the kind of picture, and the animation's scene."""

    figures: dict
    files: dict
    scene: plots.Scene


def draw(model, folder):
    """Run the command's run, and look over its shoulder."""
    figures, scenes = {}, []

    def png(figure):
        content = plots_png(figure)
        figures[content] = figure
        return content

    def gif(scene):
        scenes.append(scene)
        return plots_gif(scene)

    plots_png, plots_gif = plots.png, plots.gif
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan, "IMAGES", folder)
        patch.setattr(plots, "png", png)
        patch.setattr(plots, "gif", gif)
        gan.run(model, 0)
    files = {path.name.split("_")[0]: path.read_bytes() for path in folder.iterdir()}
    return Pictures({kind: figures[content] for kind, content in files.items() if kind != "img"}, files, *scenes)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw(gan.GAN(1500, 1, 1), tmp_path_factory.mktemp("img"))


@pytest.fixture
def gif(pictures):
    return pictures.files["img"]


def frames(content):
    image = Image.open(io.BytesIO(content))
    for number in range(image.n_frames):
        image.seek(number)
        yield image


def test_gif(gif):
    image = Image.open(io.BytesIO(gif))
    assert image.format == "GIF"
    assert np.all(np.array(image.size) >= (800, 550))
    assert image.info["loop"] == 0  # for ever
    assert image.n_frames == 75
    assert all(150 <= frame.info["duration"] <= 190 for frame in frames(gif))
    assert len(gif) <= 450_000


def test_gif_moves_in_the_colours_of_the_players(gif):
    pictures = [np.asarray(frame.convert("RGB"), int) for frame in frames(gif)]
    assert all((one != other).any() for one, other in pairwise(pictures))
    for color in (plots.BLUE, plots.GREEN):
        for picture in (pictures[0], pictures[-1]):
            assert (np.abs(picture - 255 * np.array(color)).max(axis=-1) < 3).sum() > 100


def test_frames_are_every_20th_game_and_the_last_and_never_too_many():
    assert list(gan.frame_games(1)) == [1]
    assert list(gan.frame_games(45)) == [20, 40, 45]
    np.testing.assert_array_equal(gan.frame_games(1500), np.arange(20, 1501, 20))
    for games in (*range(1, 4100), 12_345, 150_000, 999_999, 1_000_000):
        shown = gan.frame_games(games)
        assert len(shown) <= 100
        assert shown[-1] == games
        assert not (shown[:-1] % 20).any()
        assert len(shown) > 50 or games <= 1000 or games > 2000


def test_scene_shows_the_run(pictures, long_run):
    """Every arrow starts at the same noise in every frame, and ends where that game's generator takes it."""
    _, draws, history = long_run
    scene = pictures.scene
    assert scene.noise.ndim == 1
    assert 0 <= scene.noise.min() < scene.noise.max() < 1
    for frame, game in enumerate(scene.games):
        w, b, a, c = history.params[game - 1]
        np.testing.assert_allclose(scene.samples[frame], w * scene.noise + b, rtol=1e-14)
        np.testing.assert_allclose(scene.discriminator[frame], 1 / (1 + np.exp(-(a * scene.grid + c))), rtol=1e-12)
        assert scene.objective[frame] == history.objective[game - 1]
    np.testing.assert_array_equal(scene.real, draws.x)
    np.testing.assert_allclose(scene.density, np.exp(-((scene.grid - 5) ** 2) / 2) / np.sqrt(2 * np.pi), rtol=1e-12)


def test_scene_of_many_samples_shows_some():
    model = gan.GAN(1, 1, 1, num_samples=1000)
    draws = model.draw(0)
    shown = gan.scene(draws, model.train(draws))
    assert len(shown.noise) == shown.samples.shape[1] == len(shown.real) == 20


def test_pngs_are_wide_enough_to_read(pictures):
    for kind in pictures.figures:
        image = Image.open(io.BytesIO(pictures.files[kind]))
        image.load()
        assert image.format == "PNG"
        assert 800 <= image.width <= 1200
        assert 350 <= image.height <= 900


def lines(figure):
    return [line for ax in figure.axes for line in ax.get_lines()]


def test_lines_show_what_was_recorded(pictures, long_run):
    model, draws, history = long_run
    eigenvalues = hessian.eigenvalues(model.hessians(draws, history))
    for kind, recorded in (
        ("summary", [history.objective, history.discr_gradient, history.gen_gradient]),
        ("hessian", eigenvalues.T),
    ):
        for values in recorded:
            (line,) = [line for line in lines(pictures.figures[kind]) if np.array_equal(line.get_ydata(), values)]
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 1501))


@pytest.mark.parametrize(
    ("label", "color"),
    [
        ("generated samples", plots.BLUE),
        ("discriminator", plots.BLUE),
        ("real samples", plots.GREEN),
        ("target density", plots.GREEN),
        ("-2 log 2", plots.RED),
    ],
)
def test_colours_are_the_tutorials(pictures, label, color):
    colors = [line.get_color() for line in lines(pictures.figures["summary"]) if label in line.get_label()]
    assert colors
    assert set(colors) == {color}


def test_axes_have_labels_and_lines_stand_in_a_legend(pictures):
    for figure in pictures.figures.values():
        boxes = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
        explained = {text.get_text() for box in boxes for text in box.get_texts()}
        for ax in figure.axes:
            assert ax.get_ylabel()
            assert ax.get_label() == "<colorbar>" or any(
                twin.get_xlabel() for twin in ax.get_shared_x_axes().get_siblings(ax)
            )
            assert explained.issuperset(ax.get_legend_handles_labels()[1])


def test_pictures_do_not_depend_on_a_machines_settings(tmp_path):
    model = gan.GAN(40, 1, 1)
    expected = draw(model, tmp_path / "ours").files
    theirs = {"font.size": 30, "lines.linewidth": 9, "figure.dpi": 40, "savefig.dpi": 30, "savefig.bbox": "tight"}
    with mpl.rc_context(theirs):
        assert draw(model, tmp_path / "theirs").files == expected
        assert {name: mpl.rcParams[name] for name in theirs} == theirs


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    return path


def content(picture):
    return {path.name: path.read_bytes() for path in picture.parent.iterdir()}


def test_save_replaces(picture):
    plots.save(picture, b"new")
    assert content(picture) == {"picture.png": b"new"}


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_save_that_fails_changes_nothing(picture, monkeypatch, step):
    def fail(path, *_):
        if step == "write_bytes":
            path.open("wb").write(b"ne")
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, step, fail)
    with pytest.raises(OSError, match="no space"):
        plots.save(picture, b"new")
    monkeypatch.undo()
    assert content(picture) == {"picture.png": b"old"}


def test_save_on_a_full_disk_changes_nothing(picture):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            plots.save(picture, bytes(2_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert content(picture) == {"picture.png": b"old"}
