"""The scripts as a reader runs them; processes.py says how."""

import io
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image
from processes import KINDS, OLD, ROOT, environment

NAMES = {
    "default": "45_1_1",
    "edited": "45_1_1",
    "other seed": "45_1_1_seed1",
    "noisy": "noisy_60_2_3_noise-std0.5",
    "noisy edited": "noisy_60_2_3_noise-std0.5",
}
PICTURES = {run: {kind.format(name) for kind in KINDS} for run, name in NAMES.items()} | {
    "seeds": {"seeds_20_1_1_seeds2.png"},
    "theory": {"theory.png"},
    "theory closed": {"theory.png"},
    "theory ended": {"theory.png"},
}
READ = ["default", "noisy", "noisy edited", "theory"]  # runs whose words somebody reads


@pytest.mark.parametrize("run", PICTURES)
def test_makes_its_pictures_whatever_becomes_of_its_streams(script_run, run):
    """Neither TensorFlow's greetings nor Matplotlib's complaints about a missing home reach the reader."""
    _, status, out, err, made = script_run(run)
    assert err == ""
    assert status == 0
    assert set(made) == PICTURES[run]
    assert bool(out) == (run in READ)
    for content in made.values():
        Image.open(io.BytesIO(content)).load()


@pytest.mark.parametrize("run", READ)
def test_last_line_says_where_the_pictures_are(script_run, run):
    """They can be opened from the folder that the script was started in, which is not its own."""
    folder, _, out, _, made = script_run(run)
    line = out.splitlines()[-1]
    assert all(name in line for name in made)
    assert os.path.relpath(folder / "img", "/") in line


@pytest.mark.parametrize("run", ["theory help", "help ended"])
def test_help_that_nobody_reads_is_silent(script_run, run):
    assert script_run(run)[1:] == (0, "", "", {})


@pytest.mark.parametrize(("run", "games"), [("default", (20, 40, 45)), ("noisy", (20, 40, 60))])
def test_prints_its_course_and_a_report(script_run, run, games):
    course, report = script_run(run).out.split(f"After {games[-1]} games:\n")
    found = {int(game): value for game, value in re.findall(r"^game +(\d+) +objective +(\S+)$", course, re.MULTILINE)}
    assert set(games) <= set(found)
    assert len(found) == course.count("\n")
    assert all(float(value) < 0 for value in found.values())
    assert report.split()[:2] == ["objective", found[games[-1]] + ","]


@pytest.mark.parametrize(("flags", "edited"), [("default", "edited"), ("noisy", "noisy edited")])
def test_flags_and_edited_constants_give_the_same_bytes(script_run, flags, edited):
    """So do two runs with the same seed, as these are."""
    assert script_run(flags).files == script_run(edited).files


def test_flags_and_edited_constants_give_the_same_words(script_run):
    assert script_run("noisy").out.splitlines()[:-1] == script_run("noisy edited").out.splitlines()[:-1]


def test_another_seed_gives_other_pictures(script_run):
    one, other = script_run("default").files, script_run("other seed").files
    assert all(content not in other.values() for content in one.values())


def test_bad_constant_is_one_line(script_run):
    _, status, out, err, made = script_run("noisy bad constant")
    assert (status, out, made) == (2, "", {})
    assert err.count("\n") == 1
    assert "--noise-std: must be a number from 0 " in err


@pytest.mark.parametrize("run", ["prompt", "prompt refused", "prompt theory"])
def test_interrupt_after_a_run_is_that_of_python(script_run, run):
    _, status, out, _, _ = script_run(run)
    assert (status, out.splitlines()[-1]) == (0, "as ever")


@pytest.mark.parametrize("run", ["interrupted early", "interrupted importing"])
def test_interrupt_while_importing_is_silent(script_run, run):
    assert script_run(run)[1:] == (-signal.SIGINT, "", "", {})


def test_interrupt_while_training_ends_it_at_once(script_run):
    (_, status, out, err, made), seconds = script_run("interrupted training")
    assert re.fullmatch(r"(game +\d+   objective +\S+\n)+", out)
    assert int(out.split()[-3]) > 1000  # it had said where it was
    assert (status, err, made) == (-signal.SIGINT, "", {})
    assert seconds < 1


def test_killed_run_leaves_whole_pictures(script_run):
    """The kill comes with the first change of img/; each picture is the old one or a new one that can be read."""
    _, status, _, _, found = script_run("killed")
    assert status in (0, -signal.SIGKILL)  # saving may have been faster
    assert set(found) == {kind.format("40_1_1") for kind in KINDS}
    for content in found.values():
        if content != OLD:
            Image.open(io.BytesIO(content)).load()


def test_save_is_whole_at_all_times_and_after_a_kill(tmp_path):
    """While one process does nothing but save, whoever reads finds one of the two contents, all of it."""
    contents = [bytes([letter]) * 5_000_000 for letter in b"ab"]
    path = tmp_path / "picture.png"
    saving = (
        "import itertools, pathlib, sys, plots\n"
        "plots.IMAGES = pathlib.Path(sys.argv[1])\n"
        "contents = [bytes([letter]) * 5_000_000 for letter in b'ab']\n"
        "for content in itertools.cycle(contents): plots.save({'picture.png': content})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", saving, tmp_path], cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL
    )
    while not path.exists() and process.poll() is None:
        time.sleep(0.01)
    try:
        for _ in range(50):
            assert path.read_bytes() in contents
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert path.read_bytes() in contents
