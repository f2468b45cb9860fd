"""What the command takes and refuses, and how: one line, before any work, the pictures as they were."""

import dataclasses
import gc
import io
import linecache
import ntpath
import os
import random
import sys
import threading
import types
import weakref
from _thread import interrupt_main
from fractions import Fraction

import matplotlib
import numpy as np
import pytest
from processes import KINDS, edit

import gan
import noisy_gan
import plots
from gan import GAN
from noisy_gan import NoisyGAN

ALLOWED = {  # smallest, largest, and what is just too small and too large
    "games": ("1", "1000000", "0", "1000001"),
    "discr-update": ("1", "1000", "0", "1001"),
    "gen-update": ("1", "1000", "-1", "1001"),
    "num-samples": ("1", "100000", "0", "100001"),
    "learning-rate": ("1e-300", "1e+300", "0", "1.1e300"),
    "init-std": ("0", "1e+300", "-1e-9", "1.1e300"),
    "noise-std": ("0", "1e+300", "-1e-9", "1e999"),
    "target-mean": ("-1000000", "1000000", "-1000000.1", "1000000.1"),
    "target-std": ("1e-06", "1000000", "0", "1000000.1"),
    "seed": ("0", "4294967295", "-1", "4294967296"),
    "seeds": ("1", "10000", "0", "10001"),
}
WORDS = ["", "nan", "inf", "-inf", "True", "None", "many", "1\n2", "0x10", "1j", "9" * 5000]
CONSTANTS = [None, True, [5], (1, 1), {}, 1j, "many", Fraction(1, 3), np.ones(2), object, 10**400]
NUMBERS = [field.name.upper() for field in dataclasses.fields(GAN) if field.name != "gen_loss"] + ["SEED"]


def noisy(trial, *flags):
    return trial("--games=40", "--discr-update=1", *flags, model=NoisyGAN, prefix="noisy_")


@pytest.mark.parametrize("flag", ALLOWED)
def test_limits(trial, images, flag):
    """The smallest and the largest are taken as they are; what lies outside, or is no such number, is refused.

    The class refuses the same in the same words.
    """
    name, (*inside, small, large) = flag.replace("-", "_"), ALLOWED[flag]
    for value in inside:
        status, _, err, ((model, seed, seeds),) = noisy(trial, f"--{flag}={value}")
        settings = vars(model) | {"seed": seed, "seeds": seeds}
        assert (status, err, settings[name]) == (0, "", float(value))
    whole = [] if "std" in flag or flag in ("learning-rate", "target-mean") else ["1.5", "1e-1"]
    os.rmdir(images)
    for value in [small, large, *WORDS, *whole]:
        status, out, err, trained = noisy(trial, f"--{flag}={value}")
        assert (status, out, trained, err.count("\n")) == (2, "", [], 1)
        for word in (f"--{flag}: must be", f"from {inside[0]}", f"to {inside[1]}"):
            assert word in err.replace(".0", "")
        assert len(err) < 200
        assert not images.exists()
        if "seed" not in flag:
            with pytest.raises(ValueError, match=f"^{name} must be") as refusal:
                NoisyGAN(**{"games": 40, "discr_update": 1, "gen_update": 1, name: value})
            assert err.endswith(f": {str(refusal.value).removeprefix(name)[1:]}\n")


@pytest.mark.parametrize("name", NUMBERS)
def test_bad_constants_are_refused_as_flags_are(trial, images, monkeypatch, name):
    """So is one that is not there."""
    for value in CONSTANTS:
        monkeypatch.setattr(gan, name, value)
        status, out, err, trained = trial()
        assert (status, out, trained, err.count("\n")) == (2, "", [], 1), value
        assert f"--{name.lower().replace('_', '-')}: must be" in err
    monkeypatch.delattr(gan, name)
    status, out, err, trained = trial()
    assert (status, out, trained, err.count("\n")) == (2, "", [], 1)
    assert f"--{name.lower().replace('_', '-')}: must be" in err
    assert "missing" in err
    assert not images.exists()


@pytest.mark.parametrize("flags", [["--target-mean", "-1e1"], ["--target-mean=-10."], "--target-mean -10 --games 1500"])
def test_negative_numbers_as_people_write_them(trial, flags):
    (model, *_), = trial(*flags.split() if isinstance(flags, str) else flags)[3]
    assert model == GAN(1500, 1, 1, target_mean=-10)


@pytest.mark.parametrize("given", ["7", "7.0", "0.7e1", " 7 ", 7, 7.0, np.int64(7), np.float32(7), "+7"])
def test_whole_numbers_as_people_write_them(trial, given):
    for model in (GAN(given, 1, 1), trial("--games", given)[3][0][0], trial(f"--games={given}")[3][0][0]):
        assert repr(model) == repr(GAN(7, 1, 1))


@pytest.mark.parametrize("arguments", [["--games", 5, "--target-mean", -2], "--games 5  --target-mean=-2"])
def test_arguments_in_a_notebook(images, monkeypatch, arguments):
    """Numbers as they are, or one text."""
    found = []
    monkeypatch.setattr(gan, "run", lambda model, seed: found.append(model) or {})
    gan.main(arguments=arguments)
    assert found == [GAN(5, 1, 1, target_mean=-2)]


@pytest.mark.parametrize("value", ["", "Saturating", "wasserstein", 0, None, True])
def test_unknown_losses_are_refused(trial, monkeypatch, value):
    monkeypatch.setattr(noisy_gan, "GEN_LOSS", value)
    for flags in ([], ["--gen-loss=" + str(value)]):
        status, _, err, trained = noisy(trial, *flags)
        assert (status, trained, err.count("\n")) == (2, [], 1)
        assert "--gen-loss: must be saturating or non-saturating, not" in err


@pytest.mark.parametrize(
    "flags",
    [
        ["--games"],
        ["--noise-std", "1"],  # of noisy_gan.py alone
        ["--no-such-flag"],
        ["40"],
        ["--games", "1000000", "--gen-update", "1000"],
        ["--seeds", "3", "--seed", "4294967294"],
    ],
)
def test_other_bad_flags_are_one_line(trial, images, flags):
    status, out, err, trained = trial(*flags)
    assert (status, out, trained, err.count("\n")) == (2, "", [], 1)
    assert err.startswith("gan.py: ")
    assert not images.exists()


def test_last_seed(trial):
    assert trial("--seeds=3", "--seed=4294967293")[3] == [(GAN(1500, 1, 1), 4294967293, 3)]


def test_constants_reach_the_model(trial, monkeypatch):
    """noisy_gan.py's own go before those of gan.py."""
    assert trial()[3] == [(GAN(1500, 1, 1), 0, None)]
    assert trial(model=NoisyGAN)[3] == [(NoisyGAN(500, 50, 1), 0, None)]
    for module, name, value in (
        (gan, "GAMES", 7),
        (gan, "LEARNING_RATE", 1),
        (gan, "TARGET_STD", np.float64(2.5)),
        (gan, "GEN_LOSS", "non-saturating"),
        (noisy_gan, "GAMES", np.int64(9)),
        (noisy_gan, "NOISE_STD", 0.3),
    ):
        monkeypatch.setattr(module, name, value)
    changed = {"learning_rate": 1.0, "target_std": 2.5}
    assert trial("--seed=5")[3] == [(GAN(7, 1, 1, gen_loss="non-saturating", **changed), 5, None)]
    expected = NoisyGAN(9, 50, 1, gen_loss="saturating", noise_std=0.3, **changed)
    assert trial(model=NoisyGAN)[3] == [(expected, 0, None)]


@pytest.mark.parametrize("line", ["GAMES = 7", "GAMES = 7 # seven", "GAMES = 7  # a share of 50% (or 100%)"])
def test_a_constant_may_lose_its_comment(tmp_path, monkeypatch, capsys, line):
    """Whoever edits a line may write it anew."""
    text, _, rest = (ROOT / "gan.py").read_text().partition("GAMES = 1500")
    (tmp_path / "edited.py").write_text(f"{text}{line}\n{rest.partition(chr(10))[2]}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plots, "prepare_images", lambda: None)
    monkeypatch.delitem(sys.modules, "edited", raising=False)
    import edited

    monkeypatch.setattr(edited, "run", lambda model, seed: print(f"{model.games} games") or {})
    edited.main(edited.GAN)
    assert "7 games" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        edited.main(edited.GAN, ["--help"])


def test_negative_zero_is_zero(trial):
    for value in ("-0", "-0.0"):
        ((model, _, _),) = noisy(trial, f"--init-std={value}", f"--noise-std={value}")[3]
        assert str(model.init_std) == str(model.noise_std) == "0.0"
        model.draw(0)


@pytest.mark.parametrize("samples", [25_000, 25_001])
def test_bound_of_memory_counts_all_that_is_drawn(trial, samples):
    """Noise on what D sees, too: four numbers a game and sample, of which 5 10^7 fit."""
    status, _, err, trained = trial("--games=500", f"--num-samples={samples}", model=NoisyGAN)
    assert (status, len(trained)) == ((0, 1) if samples == 25_000 else (2, 0))
    assert ("50000000 numbers" in err) == bool(status)


def test_help_says_what_each_setting_means(command, monkeypatch, images):
    """In the words of the constants' comments, with the limits and the default."""
    monkeypatch.setenv("COLUMNS", "500")
    status, out, err = command("--help", model=NoisyGAN)
    assert (status, err) == (0, "")
    helps = {line.split()[0]: line.replace(".0", "") for line in out.splitlines() if line.startswith("  --")}
    assert {f"--{flag}" for flag in [*ALLOWED, "gen-loss"]} <= set(helps)
    for flag, (low, high, *_) in ALLOWED.items():
        assert f" number from {low} to {high}" in helps[f"--{flag}"]
    comments = {}
    for script in ("gan.py", "noisy_gan.py"):
        head = (ROOT / script).read_text().partition("\nimport ")[0]
        comments |= {
            line.partition(" = ")[0]: line.partition("  # ")[2] for line in head.splitlines() if "  # " in line
        }
    assert {"GAMES", "SEED", "GEN_LOSS", "TARGET_STD", "NOISE_STD"} <= set(comments)
    for name, comment in comments.items():
        line = helps[f"--{name.lower().replace('_', '-')}"]
        assert f" {comment}; " in line
        default = str(getattr(noisy_gan, name, getattr(gan, name, None))).replace(".0", "")
        assert line.endswith(f"default {default}")
    assert not images.exists()


def test_names_of_files_tell_all_settings_that_differ():
    """Equal settings share a name, and no others do; what is as in the README is left out."""
    chance = random.Random(0)
    numbers = [0.1, 1.0, 0.25, 1e-300, 1e150, 3.0, 10.0, 11.0, 1.1]
    choices = {
        "games": [1, 11, 111], "discr_update": [1, 11], "gen_update": [1, 11],
        "num_samples": [10, 1, 100], "learning_rate": numbers, "init_std": [0.0, *numbers], "noise_std": numbers,
        "gen_loss": ["saturating", "non-saturating"], "target_mean": [5.0, -5.0, 0.5], "target_std": [1.0, 11.0],
    }  # fmt: skip

    def settings():
        model = {name: chance.choice(values[: chance.choice([1, 1, 9])]) for name, values in choices.items()}
        noise = model.pop("noise_std")
        return chance.choice([GAN(**model), NoisyGAN(**model, noise_std=noise)]), chance.choice([0, 0, 1, 11])

    def name(model, seed, seeds=None):
        return gan.file_name("noisy_" * isinstance(model, NoisyGAN), model, seed, seeds)

    runs = [settings() for _ in range(20_000)]
    assert len({name(*run) for run in runs}) == len(set(runs)) > 5000
    assert {name(*run, seeds) for run in runs[:5000] for seeds in (3, 100)}.isdisjoint(
        name(*run, seeds) for run in runs[:5000] for seeds in (30, 99)
    )
    assert name(GAN(1500, 1, 1), 0) == name(GAN(1500, 1, 1), 0, 100) == "1500_1_1"
    assert name(GAN(500, 50, 1, gen_loss="non-saturating"), 0) == "500_50_1_nonsaturating"
    assert name(NoisyGAN(500, 50, 1, noise_std=0.3), 7) == "noisy_500_50_1_noise-std0.3_seed7"
    assert name(GAN(500, 1, 50, init_std=2.0, num_samples=20), 0, 5) == "500_1_50_num-samples20_init-std2_seeds5"


@pytest.mark.parametrize("flags", [["--learning-rate=1e200"], ["--noise-std=1e300"]])
def test_overflow_is_one_line_and_keeps_the_pictures(command, images, flags):
    """It names what is too large: the noise, where it is that."""
    images.mkdir()
    (images / "old.png").write_bytes(b"old")
    status, _, err = command("--games=40", "--discr-update=1", *flags, model=NoisyGAN)
    assert (status, err.count("\n")) == (1, 1)
    assert "at game " in err
    assert flags[0][2:].partition("=")[0].replace("-", "_").upper() in err
    assert [path.name for path in images.iterdir()] == ["old.png"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("std", ["1e150", "1e200"])
def test_enormous_numbers_are_written_short(command, std):
    status, out, err = command("--games=20", f"--init-std={std}")
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines()[:-1])) < 120  # the last line names files


def test_lost_values_are_named_by_their_game():
    values = np.zeros((5, 2))
    gan.require_finite([values, values[:, 0]], first=10)
    for lost in (np.nan, np.inf, -np.inf):
        values[3, 1] = lost
        with pytest.raises(FloatingPointError, match="at game 14:"):
            gan.require_finite([np.zeros(5), values], first=10)


@pytest.mark.parametrize("error", [ZeroDivisionError, OverflowError, KeyError, AssertionError])
def test_programming_errors_are_not_hidden(command, monkeypatch, error):
    def run(model, seed):
        raise error("a fault of the program")

    monkeypatch.setattr(gan, "run", run)
    with pytest.raises(error, match="a fault of the program"):
        command()


@pytest.fixture(params=["file", "nowhere", "read-only"])
def bad_images(request, images, monkeypatch):
    if request.param == "file":
        images.write_bytes(b"not a folder")
    elif request.param == "nowhere":
        monkeypatch.setattr(plots, "IMAGES", images / "missing" / "img")
    else:
        images.mkdir(mode=0o555)
        if os.access(images, os.W_OK):  # as root, who may always
            monkeypatch.setattr(os, "access", lambda path, mode: False)


@pytest.mark.usefixtures("bad_images")
def test_folder_that_cannot_be_written_is_told_before_training(trial):
    status, out, err, trained = trial()
    assert (status, out.strip(), err.count("\n"), trained) == (1, "", 1, [])
    assert "img" in err


class Window(io.StringIO):
    """The standard output of IPython or IDLE: no descriptor, nothing to configure."""

    def fileno(self):
        raise io.UnsupportedOperation("fileno")


@pytest.fixture
def handler():
    """A reader's own way with Ctrl-C."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda *_: None
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("here", ["prompt", "thread", "program"])
@pytest.mark.parametrize("kind", ["own", "default", "none"])
def test_main_leaves_signals_alone(images, monkeypatch, handler, here, kind):
    """import gan; gan.main() in a notebook, in a thread, in a program that dies of Ctrl-C."""
    if here == "prompt":
        monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    monkeypatch.setattr(sys, "stdout", Window())
    monkeypatch.setattr(gan, "run", lambda model, seed: plots.say("running", signal.getsignal(signal.SIGINT)) or {})
    kept = {"own": handler, "default": signal.SIG_DFL, "none": signal.SIG_IGN}[kind]
    signal.signal(signal.SIGINT, kept)
    if here == "thread":
        lost = []
        monkeypatch.setattr(threading, "excepthook", lost.append)
        thread = threading.Thread(target=gan.main)
        thread.start()
        thread.join()
        assert not lost
    else:
        gan.main()
    assert signal.getsignal(signal.SIGINT) is kept
    assert str(kept) in sys.stdout.getvalue()


def test_script_run_at_a_prompt_leaves_signals_alone(images, monkeypatch, handler):
    """%run gan.py, with the streams of a notebook."""
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    monkeypatch.setattr(sys, "argv", ["gan.py", "--games=20", "--seeds=2"])
    monkeypatch.setattr(sys, "stdout", Window())
    signal.signal(signal.SIGINT, handler)
    runpy.run_path(str(ROOT / "gan.py"), run_name="__main__")
    assert signal.getsignal(signal.SIGINT) is handler
    assert [path.name for path in images.iterdir()] == ["seeds_20_1_1_seeds2.png"]
    assert "Of 2 seeds after 20 games" in sys.stdout.getvalue()


def test_target_is_followed(command, monkeypatch, images):
    """By what is drawn, and by the target that every picture and report gets."""
    targets = []

    def watch(name, place):
        figure = getattr(plots, name)
        monkeypatch.setattr(plots, name, lambda *given: targets.append(given[place]) or figure(*given))

    watch("scene", 2)
    watch("monitor_figure", 1)
    watch("seeds_figure", 4)
    flags = "--games=20", "--target-mean=-3", "--target-std=2"
    assert command(*flags)[0] == 0
    status, out, _ = command(*flags, "--seeds=2")
    assert [(target.mean(), target.std()) for target in targets] == [(-3, 2)] * 3
    assert status == 0
    assert out.count(", target -3") == out.count(", target 2") == 1
    names = {kind.format("20_1_1_target-mean-3_target-std2") for kind in KINDS}
    assert {path.name for path in images.iterdir()} == names | {"seeds_20_1_1_target-mean-3_target-std2_seeds2.png"}
