"""The scripts as a reader runs them; processes.py says how."""

import io
import re
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image
from processes import KINDS, NOISY, ROOT, environment

from noisy_gan import NoisyGAN

RUNS = [  # a run, how the same is asked for by flags, and its pictures
    ("edited zoë", {"GAMES": 45}, {}, [kind.format("45_1_1") for kind in KINDS]),
    ("noisy", NOISY, {"model": NoisyGAN}, [kind.format("noisy_60_2_3_noise-std0.5") for kind in KINDS]),
    ("theory", {}, {}, ["theory.png"]),
]


@pytest.mark.parametrize(("run", "constants", "game", "pictures"), RUNS)
def test_makes_its_pictures_and_says_where(script_run, command, images, run, constants, game, pictures):
    """Quietly: with no home, with a backend for a notebook or for nothing, from a folder that is gone.

    Flags and edited constants give the same bytes and words, and so do two processes with the same seed, as these are.
    """
    status, out, err, made = script_run(run)
    assert (status, err) == (0, "")
    assert made.keys() == set(pictures)
    for content in made.values():
        Image.open(io.BytesIO(content)).load()
    (line,) = re.findall("^Saved in .*$", out, re.MULTILINE)
    assert all(name in line for name in made)
    assert f"{run.replace(' ', '_').replace('ë', '?')}/img" in line
    if constants:
        flags = [f"--{name.lower().replace('_', '-')}={value}" for name, value in constants.items()]
        status, words, err = command(*flags, **game, prefix="noisy_" * bool(game))
        assert (status, err) == (0, "")
        assert {path.name: path.read_bytes() for path in images.iterdir()} == made
        words, games = words.partition("Saved in")[0], constants["GAMES"]
        assert out.partition("Saved in")[0] == words
        course, report = re.split(rf"After {games} games: [a-z ]+\n", words)
        found = dict(re.findall(r"^game +(\d+) +objective +(\S+)$", course, re.MULTILINE))
        assert {"20", "40", str(games)} <= set(found)
        assert len(found) == course.count("\n")
        assert report.split()[:3] == ["objective", "V", found[str(games)] + ","]


@pytest.mark.parametrize(
    ("run", "ending", "out", "err"),
    [("ended", 0, "seeds 0 to 1: 20 of 20 games\n", ""), ("dying", -signal.SIGABRT, "", "no such instruction\n")],
)
def test_run_whose_reader_leaves_and_last_words_of_tensorflow(script_run, run, ending, out, err):
    """| head -n 1 reads one line. Without AVX the library says so, below Python's streams, and the process is gone."""
    found = script_run(run)
    assert (found.status, found.out, found.files) == (ending, out, {})
    assert found.err == err if run == "ended" else err in found.err


def test_interrupt_while_training_ends_it_at_once(script_run):
    (status, out, err, made), seconds = script_run("interrupted")
    assert re.fullmatch(r"(game +\d+   objective +\S+\n)+", out)
    assert int(out.split()[-3]) > 1000  # it had said where it was
    assert (status, err, made) == (1, "gan.py: stopped\n", {})
    assert seconds < 3


def test_save_is_whole_at_all_times_and_after_a_kill(tmp_path):
    """While one process does nothing but save, whoever reads finds one of the two contents, all of it."""
    contents = [bytes([letter]) * 5_000_000 for letter in b"ab"]
    paths = [tmp_path / "one.png", tmp_path / "other.png"]
    saving = (
        "import itertools, pathlib, sys, plots\n"
        "plots.IMAGES = pathlib.Path(sys.argv[1])\n"
        "contents = [bytes([letter]) * 5_000_000 for letter in b'ab']\n"
        "for content in itertools.cycle(contents): plots.save(dict.fromkeys(['one.png', 'other.png'], content))"
    )
    command = [sys.executable, "-c", saving, tmp_path]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL)
    while not paths[1].exists() and process.poll() is None:
        time.sleep(0.01)
    try:
        assert all(path.read_bytes() in contents for _ in range(25) for path in paths)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert all(path.read_bytes() in contents for path in paths)
