"""What the command refuses, and how: one line, before any work, the pictures as they were."""

import os

import numpy as np
import pytest
from scripts import KINDS

import gan
from gan import GAN
from noisy_gan import NoisyGAN

WHOLE = [-1, 1.5, 2.0, np.nan, np.inf, -np.inf, True, "abc", "5", None, 10**400]
REAL = [-1, -1e-9, np.nan, np.inf, -np.inf, True, "abc", None, 1j, 10**400]
BAD = [
    *((name, value) for name in ("games", "discr_update", "gen_update", "num_samples") for value in [0, *WHOLE]),
    *(("learning_rate", value) for value in [0, *REAL]),
    *((name, value) for name in ("init_std", "noise_std") for value in REAL),
    *(("gen_loss", value) for value in ["", "Saturating", "wasserstein", 0, None, True]),
]
PICTURES = [kind.format("40_1_1") for kind in KINDS]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_setting_is_named(name, value):
    with pytest.raises(ValueError, match=rf"{name.upper()} \(--{name.replace('_', '-')}\) must be"):
        NoisyGAN(**{"games": 40, "discr_update": 1, "gen_update": 1} | {name: value})


@pytest.mark.parametrize("value", WHOLE)
def test_bad_seed_is_named(value):
    with pytest.raises(ValueError, match=r"SEED \(--seed\) must be"):
        gan.check("seed", value)


def test_smallest_and_largest_settings_are_allowed():
    numbers = {name: limits for name, limits in gan.LIMITS.items() if limits[0] in (int, float)}
    assert numbers
    for name, (_, smallest, largest) in numbers.items():
        for value in (smallest, largest):
            assert gan.check(name, value) == value
        with pytest.raises(ValueError, match="must be"):
            gan.check(name, largest * 2)
    assert gan.check("games", np.int64(7)) == 7
    assert gan.check("init_std", 0) == 0


def test_noise_that_memory_cannot_hold_is_refused():
    GAN(100, 1, 9, num_samples=100_000)
    with pytest.raises(ValueError, match=r"GAMES.*NUM_SAMPLES.*GEN_UPDATE.* at most 100000000, not 101000000"):
        GAN(101, 1, 9, num_samples=100_000)


@pytest.mark.parametrize(
    "flags",
    [
        ["--games"],
        ["--games", ""],
        ["--games", "0"],
        ["--games", "-1"],
        ["--games", "1.5"],
        ["--games", "1e3"],
        ["--games", "nan"],
        ["--games", "inf"],
        ["--games", "True"],
        ["--games", "many"],
        ["--games", "1\n2"],
        ["--games", "9" * 5000],
        ["--games", "1000001"],
        ["--discr-update", "0"],
        ["--discr-update", "1001"],
        ["--gen-update", "0"],
        ["--gen-update", "0x10"],
        ["--seed", "-1"],
        ["--seed", "4294967296"],
        ["--seeds", "0"],
        ["--seeds", ""],
        ["--seeds", "10001"],
        ["--num-samples", "0"],
        ["--learning-rate", "0"],
        ["--learning-rate", "nan"],
        ["--learning-rate", "1e999"],
        ["--gen-loss", "wasserstein"],
        ["--init-std", "-0.1"],
        ["--init-std", "wide"],
        ["--games", "1000000", "--gen-update", "1000"],
        ["--noise-std", "1"],  # of noisy_gan.py alone
        ["--no-such-flag"],
        ["40"],
    ],
)
def test_bad_flag_is_one_line(command, images, flags):
    status, out, err = command(*flags)
    assert (status, out) == (2, "")
    assert err.startswith("gan.py: ")
    assert err.count("\n") == 1
    if "must be" in err:
        assert flags[0].removeprefix("--").replace("-", "_").upper() in err
    assert not images.exists()


def test_bad_constant_is_one_line(command, images):
    status, out, err = command(games="many")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "GAMES (--games)" in err
    assert not images.exists()


def test_help_lists_the_flags(command, images):
    status, out, err = command("--help")
    assert (status, err) == (0, "")
    for name in gan.LIMITS:
        assert (gan.flag(name) in out) == (name != "noise_std")
    assert not images.exists()


@pytest.mark.parametrize("flags", [["--learning-rate", "1e200"], ["--learning-rate", "1e300", "--init-std", "1e300"]])
def test_blow_up_is_one_line_and_keeps_the_pictures(command, images, flags):
    images.mkdir()
    for name in PICTURES:
        (images / name).write_bytes(b"old")
    status, _, err = command(*flags)
    assert (status, err.count("\n")) == (1, 1)
    assert " at game " in err
    assert {path.name: path.read_bytes() for path in images.iterdir()} == dict.fromkeys(PICTURES, b"old")


def test_lost_values_are_named_by_their_game():
    values = np.zeros((5, 2))
    gan.require_finite(values)
    for lost in (np.nan, np.inf, -np.inf):
        values[3, 1] = lost
        with pytest.raises(ArithmeticError, match="at game 14:"):
            gan.require_finite(values, first_game=11)


@pytest.fixture(params=["file", "nowhere", "read-only"])
def bad_images(request, images, monkeypatch):
    if request.param == "file":
        images.write_bytes(b"not a folder")
    elif request.param == "nowhere":
        monkeypatch.setattr(gan, "IMAGES", images / "missing" / "img")
    else:
        images.mkdir(mode=0o555)
        if os.access(images, os.W_OK):  # as root, who may always
            monkeypatch.setattr(os, "access", lambda path, mode: False)


@pytest.mark.usefixtures("bad_images")
def test_folder_that_cannot_be_written_is_told_before_training(command, monkeypatch):
    monkeypatch.setattr(GAN, "train", lambda *_: pytest.fail("trained first"))
    status, out, err = command()
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "img" in err
