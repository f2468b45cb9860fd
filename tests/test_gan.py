"""The engine: against derivatives by hand, the original's record, and variants."""

import dataclasses
import importlib.util
import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import replica
import tensorflow as tf
from numpy.testing import assert_allclose
from pictures import Humps
from processes import ROOT
from scipy import stats

import gan
import hessian
from gan import GAN, Draws
from noisy_gan import NoisyDraws, NoisyGAN


def assert_plays(model, each, play=replica.play, tolerance=1e-10):
    """Compare each game with one played by hand from its start."""
    history, shape = model.train(each[0] if len(each) == 1 else gan.stack_seeds(iter(each))), (model.games, len(each))
    history = gan.History(*(values.reshape(*shape, *values.shape[2 - (len(each) == 1) :]) for values in history))
    for seed, draws in enumerate(each):
        for game, before in enumerate([draws.params, *history.params[:-1, seed]]):
            for ours, theirs in zip(history, play(model, draws, game, before), strict=True):
                assert_allclose(ours[game, seed], theirs, rtol=tolerance, atol=tolerance)
    assert {values.dtype for values in history} == {np.dtype(float)}


@pytest.mark.parametrize("loss", replica.LOSSES)
@pytest.mark.parametrize("kind", [GAN, NoisyGAN])
def test_any_model_plays_as_by_hand(kind, loss):
    """Also where D is so sure that it rounds to 0 or 1."""
    rng = np.random.default_rng(len(loss))
    for seeds in (1, 3):
        fixed = {name: replica.settings(rng)[name] for name in ("games", "gen_update", "num_samples")}
        for sure in [(0, 500), (0, -500), (1000, 0), (-1000, 0)]:
            noise = {"noise_std": rng.choice([0, 0.3, 2])} if kind is NoisyGAN else {}
            model = kind(**replica.settings(rng, gen_loss=loss, **fixed, **noise))
            draws = [model.draw(int(seed)) for seed in rng.integers(0, 2**32, seeds)]
            assert_plays(model, [*draws[:2], *(one._replace(params=np.array([0, 0.5, *sure])) for one in draws[2:])])


def test_follows_the_original():
    """As it ran on the TensorFlow that it was written for."""
    recorded = np.load(Path(__file__).with_name("original.npz"))
    model, theirs = GAN(300, 1, 1), recorded["params"]
    draws = Draws(recorded["init"], recorded["x"], recorded["z_discr"], recorded["z_gen"])
    history = model.train(draws)
    assert_allclose(history.params, theirs, rtol=0, atol=2e-5)
    assert_allclose(history.objective, recorded["objective"], rtol=0, atol=2e-6)
    values, expected = hessian.Run(model, draws, history).eigenvalues, recorded["eigenvalues"]
    assert np.all(np.abs(values - expected) <= 1e-3 * np.abs(expected).max(axis=1, keepdims=True))


@dataclasses.dataclass(frozen=True)
class Shifted(GAN):
    shift: float = 0.0

    def seen(self, batch, fake):
        return batch.x + self.shift - self.target_mean, fake + self.shift - self.target_mean


def test_one_compiled_loop_serves_all_fractions_and_steps_of_d():
    """All but the first training are quick."""
    rng, seconds, fixed = np.random.default_rng(2), [], {"games": 23, "gen_update": 2, "num_samples": 9}
    for seed in range(16):
        settings = replica.settings(rng, **fixed, gen_loss="middle", discr_update=seed + 1)
        model, start = Shifted(**settings, shift=rng.normal()), time.perf_counter()
        model.train(model.draw(seed))
        seconds.append(time.perf_counter() - start)
        moved = np.full((2, 23, 9), model.shift - model.target_mean)  # for the replica it is noise
        play = lambda model, draws, *given, moved=moved: replica.play(model, NoisyDraws(*draws, *moved), *given)
        assert_plays(model, [model.draw(seed)], play)
    assert median(seconds[1:]) < seconds[0] / 8


def play_by_differences(model, draws, game, params):
    """Play a game of Humps in NumPy, with derivatives by differences."""
    (gen, discr), rate = np.split(np.asarray(params), model.sizes[:1]), model.learning_rate
    logit = lambda discr, x: np.polyval(discr, x / 5 - 1)
    fake, last = np.polyval(gen, draws.z_discr[game]), draws.z_gen[game][-1]

    def slopes(function, at):
        return np.array([(function(at + step) - function(at - step)) / 2e-6 for step in 1e-6 * np.eye(len(at))])

    def objective(discr):
        logits = logit(discr, draws.x), -logit(discr, fake)
        return sum(replica.log_sigmoid(values).mean() for values in logits) - discr[0] ** 2 / 4

    for _ in range(model.discr_update):
        value, discr = objective(discr), discr + rate * slopes(objective, discr)
    loss = lambda gen, z: replica.LOSSES[model.gen_loss][0](logit(discr, np.polyval(gen, z))).mean()
    for z in draws.z_gen[game]:
        gen = gen - rate * slopes(lambda gen, z=z: loss(gen, z), gen)
    norms = np.linalg.norm(slopes(objective, discr)), np.linalg.norm(slopes(lambda gen: loss(gen, last), gen))
    return [*gen, *discr], value, loss(gen, last), *norms


@pytest.mark.parametrize(("loss", "sizes"), [("saturating", (2, 3)), ("non-saturating", (1, 4))])
def test_a_variant_plays_by_its_own_methods(loss, sizes):
    model = type("Odd", (Humps,), {"sizes": sizes})(8, 3, 2, gen_loss=loss)
    assert_plays(model, [model.draw(seed) for seed in range(2)], play_by_differences, 1e-7)


def test_methods_that_run_eagerly_can_be_looked_into(capfd):
    """They print, and take numbers out."""
    looked = []

    class Looking(NoisyGAN):
        def generator_loss(self, discr, fake):
            looked.append(fake.numpy())
            tf.print("fake", fake[0])
            return super().generator_loss(discr, fake)

    tf.config.run_functions_eagerly(True)
    try:
        assert_plays(Looking(6, 3, 2), [Looking(6, 3, 2).draw(2)])
    finally:
        tf.config.run_functions_eagerly(False)
    assert capfd.readouterr().err.count("fake ") == len(looked) >= 12


def test_an_edited_file_trains_the_code_that_was_imported(tmp_path):
    text, path = (ROOT / "gan.py").read_text(), tmp_path / "gan.py"
    more_lines = text.replace("import argparse", "\n\n# a line\nimport argparse")
    for edited in (more_lines, text.replace("self.learning_rate", "2 * self.learning_rate")):
        assert edited != text
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("edited_gan", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        path.write_text(edited)
        model = module.GAN(7, 2, 3)
        assert_plays(model, [model.draw(0)])


def test_draws_have_their_distributions():
    """Nothing is drawn twice; noise comes on top of what GAN draws."""
    settings = {"num_samples": 40, "init_std": 0.5, "target_mean": -3, "target_std": 2}
    model, games = NoisyGAN(300, 4, 2, **settings, noise_std=0.3), (300, 40)
    draws, plain = model.draw(0), GAN(300, 5, 2, **settings).draw(np.random.default_rng(0))
    assert (type(draws), type(plain)) == (NoisyDraws, Draws)
    assert all(map(np.array_equal, draws, plain))
    assert [values.shape for values in draws] == [(4,), (40,), games, (300, 2, 40), games, games]
    some = [dataclasses.replace(model, games=1).draw(seed) for seed in range(1000)]
    (w, b, slope, bias), x = np.transpose([one.params for one in some]), np.concatenate([one.x for one in some[:100]])
    assert not np.any([b, bias])
    pairs = [(w, stats.norm(0, 0.5)), (slope, stats.norm(0, 0.5)), (x, stats.norm(-3, 2))]
    pairs += [(values, stats.uniform) for values in (draws.z_discr, draws.z_gen[:, 0], draws.z_gen[:, 1])]
    pairs += [(values, stats.norm(0, 0.3)) for values in draws[4:]]
    assert min(stats.kstest(values.ravel(), law.cdf).pvalue for values, law in pairs) > 1e-3
    every = np.concatenate([x, w, slope, *(values.ravel() for values in draws[2:])])
    assert np.unique(every).size == every.size
    grid = np.linspace(-26, 22, 481)
    assert_allclose(model.target_density(grid), stats.norm.pdf(grid, -3, 2), rtol=1e-12)


@pytest.mark.parametrize("loss", replica.LOSSES)
@pytest.mark.parametrize("kind", [GAN, Humps])
def test_push_is_the_derivative_by_each_sample(kind, loss):
    rng, model = np.random.default_rng(3), kind(1, 1, 1, gen_loss=loss)
    discr, fake = tf.constant(rng.normal(size=(2, 3 if kind is Humps else 2))), tf.constant(rng.normal(4, 3, (2, 8)))
    ends = [[model.generator_loss(discr, fake + move) for move in sign * np.eye(8)] for sign in (1e-5, -1e-5)]
    found = model.push(discr, fake).numpy()
    assert_allclose(found.T, -8 * np.subtract(*ends) / 2e-5, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(model.push(discr[0], fake[0]), found[0])


SLIPS = [
    ("objective", lambda self, discr, real, fake: tf.reduce_mean(self.logit(discr, real))),  # without axis=-1
    ("objective", lambda self, discr, real, fake: self.logit(discr, real)),  # without a mean
    ("objective", lambda self, discr, real, fake: None),  # without return
    ("generator_loss", lambda self, discr, fake: tf.reduce_mean(fake)),
    ("generator_loss", lambda self, discr, fake: None),
]


@pytest.mark.parametrize(("name", "method"), SLIPS)
def test_a_slip_is_told_in_one_sentence(name, method):
    model = type("Slip", (GAN,), {name: method})(4, 2, 1)
    with pytest.raises(ValueError, match=rf"^{name} must return one value for each seed.*\(3,\).*$"):
        model.train(gan.stack_seeds(model.draw(seed) for seed in range(3)))


@pytest.mark.parametrize("other", [GAN(6, 1, 2), GAN(5, 1, 1), GAN(4, 1, 2)], ids=repr)
def test_draws_of_another_model_are_refused(other):
    for draws in (other.draw(0), gan.stack_seeds(other.draw(seed) for seed in range(3))):
        with pytest.raises(ValueError, match="draws must be of 5 games with 2 steps"):
            GAN(5, 1, 2).train(draws)
