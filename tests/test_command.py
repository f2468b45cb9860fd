"""What the command takes and refuses, and how: one line, before any work, the pictures as they were."""

import dataclasses
import gc
import io
import linecache
import os
import random
import re
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


def refusal(found):
    """Return the one line that a trial wrote, which refused its settings."""
    status, out, err, trained = found
    assert (status, out, trained, err.count("\n")) == (2, "", [], 1)
    return err


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
        err = refusal(noisy(trial, f"--{flag}={value}"))
        for word in (f"--{flag}: must be a {'whole ' * bool(whole)}number from {inside[0]}", f"to {inside[1]}"):
            assert word in err.replace(".0", "")
        assert len(err) < 200
        assert not images.exists()
        if "seed" not in flag:
            with pytest.raises(ValueError, match=f"^{name} must be") as error:
                dataclasses.replace(NoisyGAN(40, 1, 1), **{name: value})
            assert err.endswith(f": {str(error.value).removeprefix(name)[1:]}\n")


@pytest.mark.parametrize("name", NUMBERS)
def test_bad_and_missing_constants_are_refused_as_flags_are(trial, images, monkeypatch, name):
    words = f"--{name.lower().replace('_', '-')}: must be"
    for value in CONSTANTS:
        monkeypatch.setattr(gan, name, value)
        assert words in refusal(trial())
    monkeypatch.delattr(gan, name)
    assert re.search(f"{words} .*missing", refusal(trial()))
    assert not images.exists()


IN_A_NOTEBOOK = ["--games", 1500, "--target-mean", -10], "--target-mean -10 --games 1500", "--target-mean=-10  --seed=0"


@pytest.mark.parametrize("arguments", [["--target-mean", "-1e1"], ["--target-mean", "-.1e2"], *IN_A_NOTEBOOK])
def test_arguments_as_people_write_them(trial, arguments):
    """Negative numbers; in a notebook numbers as they are, or one text."""
    ((model, *_),) = trial(arguments=arguments)[3]
    assert model == GAN(1500, 1, 1, target_mean=-10)


@pytest.mark.parametrize("given", ["7", "7.0", "0.7e1", " 7 ", 7, 7.0, np.int64(7), np.float32(7), "+7"])
def test_whole_numbers_as_people_write_them_and_negative_zero(trial, given):
    for model in (GAN(given, 1, 1), trial("--games", given)[3][0][0], trial(f"--games={given}")[3][0][0]):
        assert repr(model) == repr(GAN(7, 1, 1))
    for zero in ("-0", "-0.0"):
        ((model, _, _),) = noisy(trial, f"--init-std={zero}", f"--noise-std={zero}")[3]
        assert str(model.init_std) == str(model.noise_std) == "0.0"


@pytest.mark.parametrize("value", ["", "Saturating", "wasserstein", 0, None, True])
def test_unknown_losses_are_refused(trial, monkeypatch, value):
    monkeypatch.setattr(noisy_gan, "GEN_LOSS", value)
    for flags in ([], ["--gen-loss=" + str(value)]):
        assert "--gen-loss: must be saturating or non-saturating, not" in refusal(noisy(trial, *flags))
    with pytest.raises(ValueError, match=r"^gen_loss must be saturating or non-saturating, not"):
        GAN(5, 1, 1, gen_loss=value)


BAD = ["--games"], ["--no-such-flag"], ["40"], ["-1"], ["--games", "1000000", "--gen-update", "1000"]


@pytest.mark.parametrize("flags", [*BAD, ["--noise-std", "1"], ["--explore", "--seeds", "3"]])
def test_other_bad_flags_are_one_line(trial, images, flags):
    assert refusal(trial(*flags)).startswith("gan.py: ")
    assert not images.exists()


def test_constants_reach_the_model(trial, monkeypatch):
    """noisy_gan.py's own go before those of gan.py."""
    assert trial()[3] == [(GAN(1500, 1, 1), 0, None)]
    assert trial(model=NoisyGAN)[3] == [(NoisyGAN(500, 50, 1), 0, None)]
    theirs = {"GAMES": 7, "LEARNING_RATE": 1, "TARGET_STD": np.float64(2.5), "GEN_LOSS": "non-saturating"}
    for module, constants in ((gan, theirs), (noisy_gan, {"GAMES": np.int64(9), "NOISE_STD": 0.3})):
        for name, value in constants.items():
            monkeypatch.setattr(module, name, value)
    changed = {"learning_rate": 1.0, "target_std": 2.5}
    assert trial("--seed=5")[3] == [(GAN(7, 1, 1, gen_loss="non-saturating", **changed), 5, None)]
    expected = NoisyGAN(9, 50, 1, gen_loss="saturating", noise_std=0.3, **changed)
    assert trial(model=NoisyGAN)[3] == [(expected, 0, None)]


@pytest.mark.parametrize("line", ["GAMES = 7", "GAMES = 7 # a share of 50% (or 100%)", "GAMES = 7  # für Zoë"])
@pytest.mark.usefixtures("images")
def test_a_constant_may_lose_its_comment(tmp_path, monkeypatch, capsys, line):
    """Whoever edits a line may write it anew, in an encoding of his own; --help shows it as it is."""
    text = "# -*- coding: latin-1 -*-\n" + edit("gan.py", {}).replace("GAMES = 1500", line + "  #")
    (tmp_path / "edited.py").write_text(text, encoding="latin-1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "edited", raising=False)
    import edited

    monkeypatch.setattr(edited, "run", lambda model, seed: print(f"{model.games} games") or {})
    edited.main(edited.GAN)
    assert "7 games" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        edited.main(edited.GAN, ["--help"])
    assert f"\n{line}  #" in capsys.readouterr().out


@pytest.mark.parametrize("model", [GAN, NoisyGAN])
def test_bound_of_memory_for_the_command_and_for_the_class(trial, model):
    assert trial("--games=500", "--num-samples=50000", model=model)[0] == 0
    assert refusal(trial("--games=500", "--num-samples=50001", model=model)).count("50000000") == 1
    with pytest.raises(ValueError, match=r"num_samples.* at most 50000000"):
        model(500, 1, 1, num_samples=50_001)


def test_help_shows_the_constants_and_the_limits(command, images):
    """Each script's own, as they stand in it: settings with their meaning, noisy_gan.py's before those of gan.py."""
    status, out, err = command("--help", model=NoisyGAN)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    helps = {line.split()[0]: line.replace(".0", "") for line in lines if line.startswith("  --")}
    for flag, (low, high, *_) in ALLOWED.items():
        assert f" number from {low} to {high}" in helps[f"--{flag}"]
    assert "saturating or non-saturating" in helps["--gen-loss"]
    shown = [line for line in lines if line[:1].isupper() and " = " in line and "  # " in line]
    written = (edit("noisy_gan.py", {}) + edit("gan.py", {})).splitlines()
    names = {*ALLOWED, "gen-loss"}
    assert shown == [line for line in written if line.partition(" = ")[0].replace("_", "-").lower() in names]
    assert len(shown) == 15
    assert lines.index("What is not set above, gan.py sets:") in range(lines.index(shown[4]), lines.index(shown[5]))
    assert not images.exists()


def test_a_variant_has_pictures_of_its_own_name_and_fields_that_are_no_flags(images):
    @dataclasses.dataclass(frozen=True)
    class Variant(NoisyGAN):
        factor: float = 2.0

    for prefix, name in ((None, "Variant_3_1_1"), ("", "3_1_1")):
        gan.main(Variant, ["--games", 3, "--discr-update", 1], prefix)
        assert {path.name for path in images.iterdir()} >= {kind.format(name) for kind in KINDS}


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
    some, others = ({name(*run, seeds) for run in runs[:5000] for seeds in pair} for pair in ((3, 100), (30, 99)))
    assert some.isdisjoint(others)
    assert name(GAN(1500, 1, 1), 0) == name(GAN(1500, 1, 1), 0, 100) == "1500_1_1"
    assert name(GAN(500, 50, 1, gen_loss="non-saturating"), 0) == "500_50_1_nonsaturating"
    assert name(NoisyGAN(500, 50, 1, noise_std=0.3), 7) == "noisy_500_50_1_noise-std0.3_seed7"
    assert name(GAN(500, 1, 50, init_std=2.0, num_samples=20), 0, 5) == "500_1_50_num-samples20_init-std2_seeds5"


@pytest.mark.parametrize("flags", [["--learning-rate=1e200"], ["--noise-std=1e300"]])
def test_overflow_is_one_line_and_keeps_the_pictures(command, images, flags):
    """It names what is too large: the noise, where it is that."""
    images.mkdir()
    (images / "old.png").write_bytes(b"old")
    status, _, err = command("--games=20", "--discr-update=1", *flags, model=NoisyGAN)
    assert (status, err.count("\n")) == (1, 1), err
    assert "at game " in err
    assert flags[0][2:].partition("=")[0].replace("-", "_").upper() in err
    assert [path.name for path in images.iterdir()] == ["old.png"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("std", ["1e150", "1e200"])
def test_enormous_numbers_are_written_short(command, monkeypatch, std):
    monkeypatch.setattr(plots, "gif", lambda picture: b"")  # it takes longest
    status, out, err = command("--games=20", f"--init-std={std}")
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines()[:-1])) < 120  # the last line names files


@pytest.mark.parametrize("error", [ZeroDivisionError, ValueError, OverflowError, KeyError, AssertionError])
def test_programming_errors_are_not_hidden(command, monkeypatch, error):
    def run(model, seed):
        raise error("a fault of the program")

    monkeypatch.setattr(gan, "run", run)
    with pytest.raises(error, match="a fault of the program"):
        command()


@pytest.mark.parametrize("place", ["file", "nowhere", "read-only"])
def test_folder_that_cannot_be_written_is_told_before_training(trial, images, monkeypatch, place):
    if place == "file":
        images.write_bytes(b"not a folder")
    elif place == "nowhere":
        monkeypatch.setattr(plots, "IMAGES", images / "missing" / "img")
    else:
        images.mkdir(mode=0o555)
        if os.access(images, os.W_OK):  # as root, who may always
            monkeypatch.setattr(os, "access", lambda path, mode: False)
    status, out, err, trained = trial()
    assert (status, out.strip(), err.count("\n"), trained) == (1, "", 1, [])
    assert "img" in err


class Stream(io.StringIO):
    """The standard output of a notebook or of IDLE: no descriptor, no encoding."""

    def write(self, text):
        self.heard(text)
        return super().write(text)


@pytest.fixture
def execute(images, monkeypatch):
    """Execute a script's text, with some constants edited, in a namespace of its own; gives what it prints.

    at: "cell" of a notebook or an editor's window, "runner" (pdb, runpy) or "idle".
    """

    monkeypatch.setattr(plots, "gif", lambda *given: b"")  # it takes longest

    def run(at, script, *flags, heard=len, **constants):
        stream = Stream()
        stream.heard = heard
        monkeypatch.setattr(sys, "stdout", stream)
        text, name, module = edit(script, constants), f"<{at} {script}>", types.ModuleType("__main__")
        monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(True), name))
        monkeypatch.setattr(sys, "argv", ["kernel.py" if at == "cell" else script, *flags])
        monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
        if at != "cell":
            monkeypatch.delattr(sys, "ps1")
        if at != "runner":
            monkeypatch.setitem(sys.modules, "__main__", module)
        exec(compile(text, name, "exec"), vars(module))
        return stream

    yield run
    gc.unfreeze()


def test_a_script_as_a_cell_trains_its_constants(execute, images):
    """Again and again, the second script after the first; the kernel's process stays as it was."""
    owned, names = types.ModuleType("owned"), set()
    owned.itself = owned  # so that only the collector can take it away
    for script, prefix, *flags in (("gan.py", "", "-f", "k.json"), ("noisy_gan.py", "noisy_", "--f=k"), ("gan.py", "")):
        execute("cell", script, *flags, GAMES=20, DISCR_UPDATE=2)
        names |= {kind.format(f"{prefix}20_2_1") for kind in KINDS}
        assert {path.name for path in images.iterdir()} == names
    gone = weakref.ref(owned)
    del owned
    gc.collect()
    assert (gone(), gc.isenabled()) == (None, True)


@pytest.mark.parametrize("prefix", ["", "noisy_"])
def test_a_script_in_a_runner_trains_its_constants(execute, images, capsys, prefix):
    """A runner, such as a profiler, whose own module stays __main__."""
    out = execute("runner", f"{prefix}gan.py", "--init-std=0.5", GAMES=20, DISCR_UPDATE=2)
    assert {path.name for path in images.iterdir()} == {kind.format(f"{prefix}20_2_1_init-std0.5") for kind in KINDS}
    assert "After 20 games: " in out.getvalue()
    assert gc.isenabled()
    with pytest.raises(SystemExit, match=r"^2$"):
        execute("runner", f"{prefix}gan.py", GEN_LOSS="'bad'")
    err = capsys.readouterr().err
    assert (err.count("\n"), err.count("gen-loss: must be saturating")) == (1, 1)


def test_interrupt_in_idle(execute, images):
    """It comes from another thread, by way of Python's handler: SIG_DFL in its place would hear nothing."""
    heard = []

    def press(line):
        if "game " in line:
            heard.append(line)
            interrupt_main()

    with pytest.raises(SystemExit, match=r"^gan\.py: stopped$"):
        execute("idle", "gan.py", heard=press, GAMES=20)
    assert (len(heard), [*images.iterdir()]) == (1, [])


def test_threads_leave_the_settings_of_matplotlib(monkeypatch):
    """The second thread comes while the first draws, and stays longer."""
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 7)
    before, inside, came = dict(matplotlib.rcParams), threading.Event(), threading.Event()

    def second():
        inside.wait()
        with plots.style():
            came.set()
            first_is_done.wait(0.3)

    first_is_done, thread = threading.Event(), threading.Thread(target=second)
    thread.start()
    with plots.style():
        inside.set()
        came.wait(0.3)
    first_is_done.set()
    thread.join()
    assert dict(matplotlib.rcParams) == before


def test_target_is_followed(command, monkeypatch, images):
    """By what is drawn, and by the target that every picture and report gets."""
    targets = []

    def watch(name, place):
        figure = getattr(plots, name)
        monkeypatch.setattr(plots, name, lambda *given: targets.append(given[place]) or figure(*given))

    monkeypatch.setattr(plots, "gif", lambda picture: b"")  # it takes longest
    watch("Portrait", 2)
    watch("monitor_figure", 1)
    watch("seeds_figure", 4)
    flags = "--games=20", "--target-mean=-3", "--target-std=2"
    assert command(*flags)[0] == 0
    status, out, _ = command(*flags, "--seeds=2")
    assert (status, [(target.mean(), target.std()) for target in targets]) == (0, [(-3, 2)] * 3)
    assert out.count(", target -3") == out.count(", target 2") == 1
    names = {kind.format("20_1_1_target-mean-3_target-std2") for kind in KINDS}
    assert {path.name for path in images.iterdir()} == names | {"seeds_20_1_1_target-mean-3_target-std2_seeds2.png"}
