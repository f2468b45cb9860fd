"""The scripts as a reader runs them; scripts.py says how."""

import io
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from scripts import KINDS, OLD, ROOT, environment


def files(name):
    return {kind.format(name) for kind in KINDS}


@pytest.mark.parametrize(
    ("run", "name"),
    [
        ("default", "45_1_1"),
        ("edited", "45_1_1"),
        ("other seed", "45_1_1"),
        ("noisy", "noisy_60_2_3"),
        ("noisy edited", "noisy_60_2_3"),
    ],
)
def test_makes_its_pictures_and_no_noise(script_run, run, name):
    """Neither TensorFlow's greetings nor Matplotlib's complaints about a missing home reach the reader."""
    status, out, err, made = script_run(run)
    assert err == ""
    assert status == 0
    assert set(made) == files(name)
    assert all(name in out.splitlines()[-1] for name in made)
    for content in made.values():
        Image.open(io.BytesIO(content)).load()


@pytest.mark.parametrize(("run", "games"), [("default", (20, 40, 45)), ("noisy", (20, 40, 60))])
def test_prints_every_20th_game_and_a_report(script_run, run, games):
    lines = [line.split() for line in script_run(run).out.splitlines()]
    progress, report = lines[: len(games)], lines[len(games) :]
    assert [(words[0], int(words[1])) for words in progress] == [("game", game) for game in games]
    for words in progress:
        assert float(words[words.index("objective") + 1]) < 0
        assert float(words[words.index("target") + 1]) == pytest.approx(-2 * np.log(2), abs=1e-4)
    assert report[0] == ["After", str(games[-1]), "games:"]
    final = progress[-1][progress[-1].index("objective") + 1]
    assert report[1][:2] == ["objective", final + ","]


@pytest.mark.parametrize(("flags", "edited"), [("default", "edited"), ("noisy", "noisy edited")])
def test_flags_and_edited_constants_give_the_same_bytes(script_run, flags, edited):
    """So do two runs with the same seed, as these are."""
    assert script_run(flags).files == script_run(edited).files
    assert script_run(flags).out.splitlines()[:-1] == script_run(edited).out.splitlines()[:-1]  # the last has a time


def test_another_seed_gives_other_pictures(script_run):
    one, other = script_run("default").files, script_run("other seed").files
    assert all(one[name] != other[name] for name in one)


@pytest.mark.parametrize(("run", "names"), [("bad constant", "GAMES"), ("noisy bad constant", "NOISE_STD")])
def test_bad_constant_is_one_line(script_run, run, names):
    status, out, err, made = script_run(run)
    assert (status, out, made) == (2, "", {})
    assert err.count("\n") == 1
    assert names in err


@pytest.mark.parametrize("run", ["interrupted early", "interrupted importing"])
def test_interrupt_while_importing_is_silent(script_run, run):
    status, out, err, made = script_run(run)
    assert status in (-signal.SIGINT, 130)
    assert (out, err, made) == ("", "", {})


def test_interrupt_while_training_is_one_line(script_run):
    status, out, err, made = script_run("interrupted training")
    assert out.startswith("game ")
    assert (status, err, made) == (130, "gan.py: interrupted\n", {})


def test_killed_run_leaves_whole_pictures(script_run):
    """The kill comes with the first change of img/; each picture is the old one or a new one that can be read."""
    status, _, _, found = script_run("killed")
    assert status in (0, -signal.SIGKILL)  # saving may have been faster
    assert set(found) == files("40_1_1")
    for content in found.values():
        if content != OLD:
            Image.open(io.BytesIO(content)).load()


def test_save_is_whole_at_all_times_and_after_a_kill(tmp_path):
    """While one process does nothing but save, whoever reads finds one of the two contents, all of it."""
    contents = [bytes([letter]) * 5_000_000 for letter in b"ab"]
    path = tmp_path / "picture.png"
    saving = (
        "import itertools, pathlib, sys, plots\n"
        "contents = [bytes([letter]) * 5_000_000 for letter in b'ab']\n"
        "for content in itertools.cycle(contents): plots.save(pathlib.Path(sys.argv[1]), content)"
    )
    process = subprocess.Popen([sys.executable, "-c", saving, str(path)], cwd=ROOT, env=environment())
    while not path.exists() and process.poll() is None:
        time.sleep(0.01)
    try:
        for _ in range(50):
            assert path.read_bytes() in contents
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert path.read_bytes() in contents
