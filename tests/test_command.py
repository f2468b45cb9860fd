"""What the command takes, refuses and says, here and in processes of its own."""

import dataclasses
import re
import sys
import types
from fractions import Fraction

import numpy as np
import pytest
import replica
from pictures import Humps
from processes import EDITED, NOISY
from scipy import stats
from test_hessian import DRAW, ends, played

import gan
import hessian
import plots
from gan import GAN
from noisy_gan import NoisyGAN

KINDS = "img_{}.gif", "summary_{}.png", "hessian_{}.png", "monitor_{}.png"  # the pictures of a run
ALLOWED = {  # smallest, largest, and what is just too small and too large
    "games": ("1", "100000", "0", "100001"),
    "discr-update": ("1", "1000", "0", "1001"),
    "gen-update": ("1", "1000", "-1", "1001"),
    "num-samples": ("1", "10000", "0", "10001"),
    "learning-rate": ("1e-06", "10", "0.9e-6", "10.1"),
    "init-std": ("0", "100", "-1e-9", "100.1"),
    "noise-std": ("0", "100", "-1e-9", "1e999"),
    "target-mean": ("-100", "100", "-100.1", "100.1"),
    "target-std": ("0.01", "100", "0", "100.1"),
    "seed": ("0", "4294967295", "-1", "4294967296"),
    "seeds": ("1", "1000", "-1", "1001"),
}
WHOLE = {"games", "discr-update", "gen-update", "num-samples", "seed", "seeds"}
CONSTANTS = [None, [5], {}, 1j, "many", Fraction(1, 3), object, float("nan")]


class Stop(Exception):
    """Ends a command where it would train."""


def settings_of(*arguments, kind=GAN):
    """Read what a command would train, by name."""

    def draw(self, seed):
        raise Stop(vars(self) | {"seed": int(seed)})

    with pytest.raises(Stop) as stop:
        gan.main(arguments, type(kind.__name__, (kind,), {"draw": draw}))
    return stop.value.args[0]


def assert_refused(found, *words):
    """Require that a command ended in one line with some words."""
    status, out, err = found
    assert (status, out, err.count("\n")) == (2, "", 1), found
    assert err.startswith("gan.py: ")
    assert all(word in err for word in words), (words, err)


@pytest.mark.parametrize("flag", ALLOWED)
def test_limits_of_flags_constants_and_classes(command, images, monkeypatch, flag):
    """The ends are taken, and told by --help; what is beyond, no such number, or missing, is named."""
    (small, large, *outside), name = ALLOWED[flag], flag.upper().replace("-", "_")
    words = f"{name} must be a {'whole ' * (flag in WHOLE)}number from ", f" to {large}, not "
    told = " ".join(command("--help", model=NoisyGAN)[1].split())
    assert flag == "seeds" or re.search(rf"--{flag} [^:]*[a-z]: from {small} to {large}\b", told)
    for value in (small, large):
        found = settings_of("--games=40", "--discr-update=1", f"--{flag}={value}", kind=NoisyGAN)
        if flag != "seeds":
            assert repr(found[name.lower()]) == repr((int if flag in WHOLE else float)(value))
    for value in (*outside, "", "nan", "inf", "many", "1\n2", "0x10", *["1.5", "1e-1"] * (flag in WHOLE)):
        found = command("--games=40", "--discr-update=1", f"--{flag}={value}", model=NoisyGAN)
        assert_refused(found, *(words if value in outside else [flag if f"--{flag}" in found[2] else name]))
    other, usual = "--games=40" if flag != "games" else "--seed=0", NoisyGAN.constants
    for value in [*map(float, outside), *CONSTANTS, *[1.5] * (flag in WHOLE)] * (flag != "seeds"):
        monkeypatch.setattr(NoisyGAN, "constants", usual | {name: value})
        assert_refused(command(other, model=NoisyGAN), *words)
        if flag != "seed":
            with pytest.raises(ValueError, match=f"^{re.escape(words[0])}.*{re.escape(words[1])}"):
                dataclasses.replace(NoisyGAN(40, 1, 1), **{name.lower(): value})
    if flag != "seeds":
        monkeypatch.setattr(NoisyGAN, "constants", {key: value for key, value in usual.items() if key != name})
        assert_refused(command(other, model=NoisyGAN), words[0])
    assert not images.exists()


def test_bad_losses_bad_flags_and_too_much_memory(command, images):
    for value in ("", "Saturating", "None"):
        assert_refused(command("--gen-loss=" + value), "saturating or non-saturating or middle", repr(value))
        with pytest.raises(ValueError, match="GEN_LOSS must be saturating or non-saturating or middle, not"):
            GAN(5, 1, 1, gen_loss=value)
    for flags in (["--games"], ["--no-such-flag"], ["40"], ["-1"], ["--noise-std=1"]):
        assert_refused(command(*flags))
    flags = "--gen-loss=middle", "--games=100000", "--num-samples"
    assert_refused(command(*flags, 51), "GAMES * NUM_SAMPLES * (GEN_UPDATE + 1) must be at most 10000000")
    assert settings_of(*flags, 50)["num_samples"] == 50
    assert not images.exists()


def test_names_of_files_tell_all_settings_that_differ():
    """What is as in the README is left out."""
    rng = np.random.default_rng(0)
    one, other = (replica.settings(rng, noise_std=rng.random(), gen_loss=loss) for loss in ("middle", "saturating"))
    mixed = [NoisyGAN(**one | {name: value}) for name, value in other.items() if value != one[name]]
    mixed += [NoisyGAN(**one)]
    mixed += [NoisyGAN(**one | {name: one[name] * (1 + 1e-9)}) for name in ("learning_rate", "noise_std")]
    names = [gan.file_name(model, 3, 0) for model in mixed]
    names += [gan.file_name(mixed[0], *rest) for rest in ((1234567, 0), (1234568, 0), (0, 3), (3, 5), (0, 30))]
    assert len({*names}) == len(names) >= 14
    model = GAN(500, 1, 50, init_std=2.0, num_samples=20, gen_loss="non-saturating")
    assert gan.file_name(model, 0, 1000) == "500_1_50_num-samples20_init-std2_non-saturating"


@dataclasses.dataclass(frozen=True)
class Fragile(GAN):
    """Some of its seeds overflow."""

    theory = True

    def draw(self, seed):
        draws = super().draw(seed)
        return draws._replace(params=draws.params * (1e200 if seed in (4, 8) else 1))


def wilson(count, n):
    low, high = stats.binomtest(int(count), n).proportion_ci(method="wilson")
    return f"{count / n:.1%}  [{low:.1%}, {high:.1%}]"


def judge(run):
    """What a report of many seeds says of a run."""
    if run.lost:
        return {"ends lost": True}
    params, v, theirs, flat = run.history.params, run.history.objective, run.equilibrium.period, run.flat_games
    near = [abs(v[start : start + 10].mean() - DRAW) < 0.05 for start in range(len(v) - 9)]
    (w, b, a, c), x = params[-1], run.draws.x
    turn = np.mean([late - early for early, late in zip(flat[1::2], flat[3::2])] or [np.nan])
    matrix = replica.hessian(params[-1], *replica.sample(run.draws, len(v) - 1))
    return {
        f"ends {ends(v, params[:, 0] / 2 + params[:, 1] - x.mean(), x.mean(), x.std(), theirs)}": True,
        **{f"V at the draw after {n}": abs(v[:n][-50:].mean() - DRAW) < 0.05 for n in (50, 100, 200, 400, 800)},
        f"Hessian {hessian.definiteness(np.linalg.eigvalsh(matrix))}": True,
        "turn within 2% of theory": None if np.isnan(turn) else abs(turn - theirs) < 0.02 * theirs,
        "objective V": v[-1],
        "generated mean": w / 2 + b,
        "generated std": abs(w) / 12**0.5,
        "best D's objective V*": plots.best_objective(run.target, params[-1]),
        "largest |D - 1/2| on data": np.abs(replica.sigmoid(a * x + c) - 0.5).max(),
        "largest learning rate": run.equilibrium.edge,
        "V at the draw from game": len(near) - near[::-1].index(False) + 1 if near[-1] else np.nan,
        "games in a turn": turn,
        "games in a turn by theory": theirs,
    }


def test_many_seeds_are_judged_and_counted(command, images, monkeypatch):
    """Lost ones, too."""
    judged = [judge(played(Fragile(800, 1, 1, target_mean=2), seed)) for seed in range(3, 24)]
    expected = {}
    for name in {name for one in judged for name in one}:
        values = sorted(one[name] for one in judged if one.get(name) is not None and one[name] == one[name])
        if name.startswith(("ends", "Hessian")):
            expected[name] = wilson(len(values), 21)
        elif values and isinstance(values[0], (bool, np.bool_)):
            expected[name] = wilson(sum(values), len(values)) + f" of {len(values)}"
        elif values:
            low, middle, high = (values[round(share * (len(values) - 1))] for share in (0.05, 0.5, 0.95))
            expected[name] = f"{middle:.4g}  [{low:.4g}, {high:.4g}]"
    name = "seeds_fragile_800_1_1_target-mean2_seed3_seeds21.png"
    for most, parts in ((gan.MOST_NUMBERS, ["3 to 23"]), (11 * 800 * 10, ["3 to 13", "14 to 23"])):
        monkeypatch.setattr(gan, "MOST_NUMBERS", most)
        status, out, err = command("--games=800", "--target-mean=2", "--seed=3", "--seeds=21", model=Fragile)
        progress, report = out.split("Of 21 seeds after 800 games ")
        assert (status, progress.splitlines(), err) == (0, [f"seeds {part}: 800 games" for part in parts], "")
        _, *lines, saved = report.splitlines()
        assert dict(re.split(" {2,}", line.strip(), maxsplit=1) for line in lines) == expected
        assert [saved, *(path.name for path in images.iterdir())] == [f"Saved in img/: {name}", name]


@pytest.mark.parametrize("error", [KeyError, ValueError, AssertionError])
def test_overflow_is_told_and_a_programming_error_raised(command, images, error):
    class Broken(GAN):
        def objective(self, discr, real, fake):
            raise error("a fault of the program")

    with pytest.raises(error, match="a fault of the program"):
        command("--games=20", model=Broken)
    assert_refused(command("--games=20", "--seed=4", model=Fragile), "game 1", "LEARNING_RATE", "INIT_STD")
    assert not images.exists()


def test_a_variant_gets_its_pictures_and_no_theory(command, images):
    @dataclasses.dataclass(frozen=True)
    class ShapedGAN(Humps):
        power: float = 1.0

        def generator(self, gen, z):
            return super().generator(gen, z**self.power)

    words = "theory|draw|turn|Hessian|equilibri|swing|\\brate|lost|stalled|flipping|settled|circling|on the way"
    for flags, lines, made in (([], 1, {*KINDS[:2]}), (["--seeds=3"], 0, {*KINDS[:2], "seeds_{}_seeds3.png"})):
        status, out, err = command("--games=20", "--power=2", *flags, model=ShapedGAN)
        assert (status, err, "objective V" in out) == (0, "", True)
        assert {path.name for path in images.iterdir()} == {kind.format("shaped_20_1_1_power2") for kind in made}
        rest, left = re.subn(r"^Left out: .*ShapedGAN.*$", "", out, flags=re.MULTILINE)
        assert (left, re.findall(words, rest)) == (lines, [])


def test_a_notebook_gets_pictures_and_exceptions(command, images, monkeypatch):
    shown, modules = [], [types.ModuleType(name) for name in ("IPython", "IPython.display")]
    shell, display = modules
    display.Image, display.display = lambda data: data, lambda *images: shown.extend(images)
    for module in modules:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for there, few in ((None, []), (object(), [kind.format("noisy_20_1_1") for kind in KINDS[:2]])):
        shell.get_ipython = lambda there=there: there
        status, out, _ = command("--games", 20, "--discr-update", 1, model=NoisyGAN)
        assert (status, "After 20 games: " in out) == (0, True)
        assert shown == [(images / name).read_bytes() for name in few]
    for arguments in (["--games", 0], ["--gamez", 3], ["--gen-loss=x"]):
        with pytest.raises(ValueError, match=r"(?i)gam|loss"):
            gan.main(arguments)
    with pytest.raises(FloatingPointError, match="overflow"):
        gan.main(["--games=20", "--seed=4"], Fragile)


def test_a_folder_that_cannot_be_written_is_one_line(command, images):
    images.write_bytes(b"not a folder")
    status, out, err = command("--games=20", "--discr-update=1", model=NoisyGAN)
    assert (status, err.count("\n"), "img" in err, "Saved" in out) == (2, 1, True, False)


RUNS = ("edited", EDITED, GAN, "45_1_1_target-mean-3"), ("noisy", NOISY, NoisyGAN, "noisy_60_2_3_noise-std0.5")


@pytest.mark.parametrize(("run", "constants", "model", "name"), RUNS)
def test_edited_constants_give_what_flags_give(script_run, command, images, run, constants, model, name):
    """Byte for byte."""
    status, out, err, made = script_run(run)
    assert (status, err, {*made}) == (0, "", {kind.format(name) for kind in KINDS})
    flags = [f"--{name.lower().replace('_', '-')}={value}" for name, value in constants.items()]
    assert command(*flags, model=model) == (0, out, "")
    assert {path.name: path.read_bytes() for path in images.iterdir()} == made
    found, last = dict(re.findall(r"^game +(\d+) +objective +(\S+)$", out, re.MULTILINE)), str(constants["GAMES"])
    assert {"1", "20", "40", last} <= {*found}
    assert re.search(rf"^After {last} games: [a-z ]+\n +objective V +{found[last]},", out, re.MULTILINE)
    assert {*out.splitlines()[-1].removeprefix("Saved in img/: ").split(", ")} == {*made}


def test_picture_of_theory_interrupt_and_import(script_run):
    status, out, err, made = script_run("theory")
    assert (status, out, err, [*made]) == (0, "Saved in img/: theory.png\n", "", ["theory.png"])
    status, out, err, made = script_run("interrupted")
    assert (status != 0, out, made, err.count("Traceback")) == (True, "", {}, 1), err
    assert err.endswith("KeyboardInterrupt\n")
    status, out, err, _ = script_run("importing")
    assert (status, out) == (0, ""), err
