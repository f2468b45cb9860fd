"""What the command takes, refuses and says, here and in processes of its own."""

import dataclasses
import gc
import re
import runpy
import shutil
import sys
from fractions import Fraction

import numpy as np
import pytest
import replica
from pictures import Humps
from processes import EDITED, copy
from scipy import stats
from test_hessian import DRAW, ends

import gan
import hessian
import noisy_gan
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
CONSTANTS = [None, True, [5], {}, 1j, "many", Fraction(1, 3), object, float("nan")]


def settings_of(*arguments, kind=GAN, constants=None):
    """Read what a command would train, by name."""

    def draw(self, seed):
        kind.draw(self, seed)
        raise StopIteration(vars(self) | {"seed": int(seed)})

    with pytest.raises(StopIteration) as stop:
        gan.main(arguments, type(kind.__name__, (kind,), {"draw": draw, "__module__": kind.__module__}), constants)
    return stop.value.value


def assert_refused(found, *words):
    """Require that a command ended in one line with some words."""
    status, out, err = found
    assert (status, out, err.count("\n"), err[:15]) == (2, "", 1, "gan.py: error: "), found
    assert all(word in err for word in words), (words, err)


@pytest.mark.parametrize("flag", ALLOWED)
def test_limits_of_flags_constants_and_classes(command, images, flag):
    """The ends are taken, and told by --help; what is beyond, or no such number, is named; gan.py has the missing."""
    (small, large, *outside), name = ALLOWED[flag], flag.upper().replace("-", "_")
    words = f"{name} must be a {'whole ' * (flag in WHOLE)}number from ", f" to {large}, not "
    told = " ".join(command("--help", model=NoisyGAN)[1].split())
    assert flag == "seeds" or re.search(rf"--{flag} [^:]*[a-z]: from {small} to {large}\b", told)
    for value in (small, large):
        found = settings_of("--games=40", "--discr-update=1", f"--{flag}={value}", kind=NoisyGAN)
        assert flag == "seeds" or repr(found[name.lower()]) == repr((int if flag in WHOLE else float)(value))
    for value in (*outside, "", "nan", "inf", "many", "1\n2", "0x10", *["1.5", "1e-1"] * (flag in WHOLE)):
        found = command("--games=40", "--discr-update=1", f"--{flag}={value}", model=NoisyGAN)
        assert_refused(found, *(words if value in outside else [flag if f"--{flag}" in found[2] else name]))
    other, usual = "--games=40" if flag != "games" else "--seed=0", vars(noisy_gan)
    for value in [*map(float, outside), *CONSTANTS, *[1.5, 500.0] * (flag in WHOLE)]:
        assert_refused(command(other, model=NoisyGAN, constants=usual | {name: value}), *words)
        if flag not in ("seed", "seeds"):
            with pytest.raises(ValueError, match=f"^{re.escape(words[0])}.*{re.escape(words[1])}"):
                dataclasses.replace(NoisyGAN(40, 1, 1), **{name.lower(): value})
    if flag != "seeds":
        found = settings_of(other, kind=NoisyGAN, constants={key: usual[key] for key in usual if key != name})
        assert found[name.lower()] == getattr(gan, name, NoisyGAN.noise_std)
    assert not images.exists()


def test_losses_flags_fields_and_memory(command, images):
    losses = "GEN_LOSS must be saturating or middle or non-saturating, not "
    for value in ("", "Saturating", "None", None, ["middle"], np.array(["middle", "middle"])):
        assert_refused(command(constants=vars(gan) | {"GEN_LOSS": value}), losses + repr(value))
        with pytest.raises(ValueError, match=losses):
            GAN(5, 1, 1, gen_loss=value)
    assert_refused(command("--gen-loss=x"), losses + "'x'")
    assert_refused(command("--explore", "--seeds=3"), "--explore shows one run")
    variant = lambda *fields: dataclasses.make_dataclass("Odd", fields, bases=(GAN,), frozen=True)
    odd = variant(("flag", bool, False), ("some", tuple, ()))
    assert_refused(command(model=odd, constants={"SOME": [1]}), "SOME must be a number, a word or a tuple, not [1]")
    for flags in ("--games", "--no-such-flag", "40", "-1", "--noise-std=1", "--flag False"):
        assert_refused(command(*flags.split(), model=odd), flags)
    for name in ("seed", "seeds", "help", "explore"):
        assert_refused(command(model=variant((name, int, 0))), f"Odd must not have a field named '{name}'")
    flags = "--gen-loss=middle", "--games=100000", "--num-samples"
    assert_refused(command(*flags, 51), "GAMES * NUM_SAMPLES * (GEN_UPDATE + 1) must be at most 10000000")
    assert settings_of(*flags, 50)["num_samples"] == 50
    assert settings_of("--init-std=-0.0")["init_std"] == 0
    assert not images.exists()


@pytest.mark.parametrize(("module", "kind"), [(gan, GAN), (noisy_gan, NoisyGAN)])
def test_constants_are_of_the_file_of_the_class(monkeypatch, module, kind):
    monkeypatch.setattr(module, "GAMES", 60)
    assert settings_of(kind=kind).items() >= {"games": 60, "discr_update": module.DISCR_UPDATE}.items()


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
    model = GAN(500, 1, 50, num_samples=20, init_std=2.0, gen_loss="middle")
    assert gan.file_name(model, 0, 1000) == "500_1_50_num-samples20_init-std2_middle"


@dataclasses.dataclass(frozen=True)
class Fragile(GAN):
    """Some of its seeds overflow."""

    theory = True

    def draw(self, seed):
        draws = super().draw(seed)
        return draws._replace(params=draws.params * (1e200 if seed in (4, 8) else 1))


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
        **{f"V at the draw after {n}": abs(v[:n][-50:].mean() - DRAW) < 0.05 for n in (62, 125, 250, 500, 1000)},
        f"Hessian {hessian.definiteness(np.linalg.eigvalsh(matrix))}": True,
        "turn within 2% of theory": None if np.isnan(turn) else abs(turn - theirs) < 0.02 * theirs,
        "objective V": v[-1],
        "generated mean": w / 2 + b,
        "generated std": abs(w) / 12**0.5,
        "best D's objective V*": hessian.best_objective(run.model.target, params[-1]),
        "largest |D - 1/2| on data": np.abs(replica.sigmoid(a * x + c) - 0.5).max(),
        "largest learning rate": run.equilibrium.edge,
        "V at the draw from game": len(near) - near[::-1].index(False) + 1 if near[-1] else np.nan,
        "games in a turn": turn,
        "games in a turn by theory": theirs,
    }


def test_many_seeds_are_judged_and_counted(command, images, monkeypatch):
    """Lost ones, too, some at a time."""
    model = Fragile(1000, 1, 1, target_mean=4)
    each = [model.draw(seed) for seed in range(3, 25)]
    judged = [judge(hessian.Run(model, draws, model.train(draws))) for draws in each]
    expected = {}
    for name in {name for one in judged for name in one}:
        values = sorted(one[name] for one in judged if one.get(name) is not None and one[name] == one[name])
        if values and isinstance(values[0], (bool, np.bool_)):
            words = name.startswith(("ends", "Hessian"))
            count, n = sum(values), 22 if words else len(values)
            low, high = stats.binomtest(int(count), n).proportion_ci(method="wilson")
            expected[name] = f"{count / n:.1%}  [{low:.1%}, {high:.1%}]" + ("" if words else f" of {n}")
        elif values:
            low, middle, high = (values[round(share * (len(values) - 1))] for share in (0.05, 0.5, 0.95))
            expected[name] = f"{middle:.4g}  [{low:.4g}, {high:.4g}]"
    monkeypatch.setattr(gan, "MOST_NUMBERS", 11 * 1000 * 10)
    assert {"games in a turn", "turn within 2% of theory"} < {*expected}
    given, figure = [], plots.seeds_figure
    monkeypatch.setattr(plots, "seeds_figure", lambda *all_of_it: given.extend(all_of_it) or figure(*all_of_it))
    status, out, err = command("--games=1000", "--target-mean=4", "--seed=3", "--seeds=22", model=Fragile)
    progress, report = out.split("Of 22 seeds after 1000 games ")
    assert (status, progress, err) == (0, "seeds 3 to 13: 1000 games\nseeds 14 to 24: 1000 games\n", "")
    _, *lines, saved = report.splitlines()
    assert dict(re.split(" {2,}", line.strip(), maxsplit=1) for line in lines) == expected
    name = "seeds_fragile_1000_1_1_target-mean4_seed3_seeds22.png"
    assert [saved, *(path.name for path in images.iterdir())] == [f"Saved in img/: {name}", name]
    assert [*given[3]] == [one.get("V at the draw after 1000", False) for one in judged]
    assert re.findall("seeds .*:", command("--games=1", "--seeds=200")[1]) == ["seeds 0 to 99:", "seeds 100 to 199:"]


@pytest.mark.parametrize("error", [KeyError, ValueError, AssertionError])
def test_overflow_is_told_and_a_programming_error_raised(command, images, error):
    class Broken(GAN):
        def objective(self, discr, real, fake):
            raise error("a fault of the program")

    with pytest.raises(error, match="a fault of the program"):
        command("--games=20", model=Broken)
    assert_refused(command("--games=1000", "--seed=4", model=Fragile), "game 1", "LEARNING_RATE", "INIT_STD")
    assert not images.exists()


def test_a_variant_gets_its_pictures_and_no_theory(command, images):
    @dataclasses.dataclass(frozen=True)
    class ShapedGAN(Humps):
        power: float = 1.0

        def __post_init__(self):
            object.__setattr__(self, "kept", [self.power])  # as a cached_property does
            super().__post_init__()

        def generator(self, gen, z):
            return super().generator(gen, z ** self.kept[0])

    words = "theory|draw|turn|Hessian|equilibri|swing|\\brate|lost|stalled|flipping|settled|circling|on the way"
    for flags, lines, made in (([], 1, {*KINDS[:2]}), (["--seeds=3"], 0, {*KINDS[:2], "seeds_{}_seeds3.png"})):
        status, out, err = command("--games=20", "--power=2", *flags, model=ShapedGAN)
        assert (status, err, "objective V" in out) == (0, "", True)
        assert {path.name for path in images.iterdir()} == {kind.format("shaped_20_1_1_power2") for kind in made}
        rest, left = re.subn(r"^Left out: .*ShapedGAN.*$", "", out, flags=re.MULTILINE)
        assert (left, re.findall(words, rest)) == (lines, [])


@pytest.mark.filterwarnings("error")
def test_past_the_largest_rate_no_picture_is_lost(command, images, monkeypatch):
    monkeypatch.setattr(plots, "FIRST_FRAMES", ())
    monkeypatch.setattr(plots, "MOST_FRAMES", 2)
    rng, lines = np.random.default_rng(1), ["0.2 --seed=1", "10 --games=5"]
    lines += [f"0.16 --target-mean=6 --seed={seed}" for seed in range(3)]
    for loss in ("middle", "non-saturating"):
        lines.append(f"{10 ** rng.uniform(-0.9, 1)} --games=200 --target-mean={rng.uniform(-20, 20)} --gen-loss={loss}")
    for line, model in zip(lines, [GAN] * 6 + [NoisyGAN]):
        status, out, err = command("--discr-update=1", *f"--learning-rate={line}".split(), model=model)
        saved = out.rpartition("\nSaved in img/: ")[2].split(", ")
        assert [name[:3] for name in saved] == [kind[:3] for kind in KINDS]
        assert (status, err, "\nAfter " in out, (images / saved[0]).exists()) == (0, "", True, True), line


def test_a_picture_that_fails_costs_no_other(command, images):
    class Blind(GAN):
        theory = True

        def discriminator(self, discr, x):
            if len(x) > 100:  # of a curve
                raise OSError("none\nof it")
            return super().discriminator(discr, x)

    images.write_bytes(b"not a folder")
    status, out, err = command("--games=20", model=Blind)
    *missing, one, other = (kind.format("blind_20_1_1") for kind in KINDS)
    told = "".join(f"Missing in img/: {name}: OSError: none of it\n" for name in missing)
    assert re.fullmatch(rf"{told}gan.py: error: .*img.*\n", err)
    assert (status, "\nAfter 20 games: " in out, "Saved" in out) == (2, True, False)
    images.unlink()
    assert command("--games=20", model=Blind) == (0, f"{out}Saved in img/: {one}, {other}\n", told)
    assert {path.name for path in images.iterdir()} == {one, other}


@pytest.fixture
def as_script(monkeypatch, tmp_path, capfd):
    """Run a copy of a script in this process: its status, stdout and stderr."""

    def run(script, constants=()):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", [script])
            patch.setattr(gc, "freeze", lambda: None)
            runpy.run_path(copy(script, tmp_path, constants), run_name="__main__")
        return 0, *capfd.readouterr()

    return run


NOISY = {"GAMES": 60, "DISCR_UPDATE": 2, "GEN_UPDATE": 3, "NOISE_STD": 0.5}
RUNS = (EDITED, GAN, "45_1_1_target-mean-3"), (NOISY, NoisyGAN, "noisy_60_2_3_noise-std0.5")


@pytest.mark.parametrize(("constants", "model", "name"), RUNS)
def test_edited_constants_give_what_flags_give(script_run, as_script, command, images, constants, model, name):
    """Byte for byte."""
    if model is GAN:
        status, out, err, made = script_run("edited")
    else:
        status, out, err = as_script("noisy_gan.py", constants)
        made = {path.name: path.read_bytes() for path in images.iterdir()}
        shutil.rmtree(images)
    files = [kind.format(name) for kind in KINDS]
    assert (status, err, {*made}) == (0, "", {*files})
    flags = [f"--{name.lower().replace('_', '-')}={value}" for name, value in constants.items()]
    assert command(*flags, model=model) == (0, out, "")
    assert {path.name: path.read_bytes() for path in images.iterdir()} == made
    assert_refused(command("--games", 0), "GAMES must be ")
    found, last = dict(re.findall(r"^game +(\d+) +objective +(\S+)$", out, re.MULTILINE)), str(constants["GAMES"])
    assert {"1", "20", "40", last} <= {*found}
    assert re.search(rf"^After {last} games: [a-z ]+\n +objective V +{found[last]},", out, re.MULTILINE)
    assert out.endswith(f"\nSaved in img/: {', '.join(files)}\n")


def test_theory_import_and_last_words(script_run, as_script, tmp_path):
    """A closed pipe is no error; log lines are hidden, unless asked for or the last of all."""
    assert as_script("plots.py") == (0, "Saved in img/: theory.png\n", "")
    assert [path.name for path in (tmp_path / "img").iterdir()] == ["theory.png"]
    status, out, err, made = script_run("importing and unread")
    files = {kind.format("40_1_1") for kind in KINDS}
    assert (status, out, err.partition("imported\n")[1:], {*made}) == (0, "", ("imported\n", ""), files), err
    stack, interrupted = 'Traceback [^"]*\n(  .*\n)+', "KeyboardInterrupt\n"
    words = {"interrupted": stack + interrupted, "chatty": "a log line\n" + stack + interrupted}
    for name, told in (words | {"bad flags": ".*XLA_FLAGS.*\n", "bad backend": "MPLBACKEND.*\n"}).items():
        status, out, err, made = script_run(name)
        assert (status != 0, out, made, bool(re.fullmatch(told, err))) == (True, "", {}, True), err
