"""The engine: against derivatives by hand, the original's record, and variants."""

import dataclasses
import doctest
import functools
import importlib
import time
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
    history = model.train(each[0] if len(each) == 1 else gan.stack_seeds(iter(each)))
    if len(each) == 1:
        history = gan.History(*(values[:, None] for values in history))
    for seed, draws in enumerate(each):
        for game, before in enumerate([draws.params, *history.params[:-1, seed]]):
            for ours, theirs in zip(history, play(model, draws, game, before), strict=True):
                assert_allclose(ours[game, seed], theirs, rtol=tolerance, atol=tolerance)
    assert {values.dtype for values in history} == {np.dtype(float)}


@pytest.mark.parametrize("loss", replica.LOSSES)
@pytest.mark.parametrize("kind", [GAN, NoisyGAN])
def test_any_model_plays_as_by_hand(kind, loss):
    """Alone or of some seeds, also where D is so sure that it rounds to 0 or 1."""
    rng = np.random.default_rng(len(loss))
    seeds = 1 + 2 * ((kind is GAN) != (loss == "middle"))
    fixed = {name: replica.settings(rng)[name] for name in ("games", "gen_update", "num_samples")}
    for sure in [None, (0, 500), (0, -500), (1000, 0), (-1000, 0)]:
        noise = {"noise_std": rng.choice([0, 0.3, 2])} if kind is NoisyGAN else {}
        model = kind(**replica.settings(rng, gen_loss=loss, **fixed, **noise))
        draws = [model.draw(int(seed)) for seed in rng.integers(0, 2**32, seeds)]
        draws[-1] = draws[-1]._replace(params=np.array([0, 0.5, *sure])) if sure else draws[-1]
        if kind is GAN:  # own data may be more than the noise of a batch
            draws = [one._replace(x=np.append(one.x, 1.0)) for one in draws]
        assert_plays(model, draws)


def test_follows_the_original():
    """As it ran on the TensorFlow that it was written for; its V is that before D's last step, here the only one."""
    recorded = np.load(ROOT / "tests" / "original.npz")
    model, theirs = GAN(300, 1, 1), recorded["params"]
    draws = Draws(recorded["init"], recorded["x"], recorded["z_discr"], recorded["z_gen"])
    history, before = model.train(draws), np.vstack([draws.params, theirs[:-1]])
    assert_allclose(history.params, theirs, rtol=0, atol=2e-5)
    after = np.hstack([before[:, :2], theirs[:, 2:]])
    for v, params in ((recorded["objective"], before), (history.objective, after)):
        by_hand = [replica.objective(one, draws.x, z) for one, z in zip(params, draws.z_discr)]
        assert_allclose(v, by_hand, rtol=0, atol=2e-6)
    values, expected = hessian.Run(model, draws, history).eigenvalues, recorded["eigenvalues"]
    assert np.all(np.abs(values - expected) <= 1e-3 * np.abs(expected).max(axis=1, keepdims=True))


class Other(NoisyGAN):
    def draw(self, seed):
        draws = super().draw(seed)
        return draws._replace(x=3 * draws.x, z_gen=stats.norm.ppf(draws.z_gen))


@pytest.mark.parametrize("kind", [GAN, Other])
def test_a_longer_run_continues_a_shorter_one(kind):
    models = kind(9, 2, 3), kind(24, 2, 3)
    short, longer = ((*model.draw(5), *model.train(model.draw(5))) for model in models)
    for few, many in zip(short, longer, strict=True):
        np.testing.assert_array_equal(few, many[: len(few)])
    assert len(many) == 24


@dataclasses.dataclass(frozen=True)
class Shifted(GAN):
    shift: "float" = 0.0

    @functools.cached_property
    def move(self):
        return self.shift - self.target_mean

    def seen(self, batch, fake):
        return batch.x + self.move, fake + self.move


def test_one_compiled_loop_serves_all_fractions_and_steps_of_d():
    """All but the first training are quick; what a model keeps beside its fields is no setting."""
    rng, seconds, fixed = np.random.default_rng(2), [], {"games": 23, "gen_update": 2, "num_samples": 9}
    for seed in range(16):
        settings = replica.settings(rng, **fixed, gen_loss="middle", discr_update=seed + 1)
        model = Shifted(**settings, shift=rng.normal())
        moved, start = np.full((2, 23, 9), model.move), time.perf_counter()  # for the replica it is noise
        run = hessian.Run(model, model.draw(seed), model.train(model.draw(seed)))
        seconds.append(time.perf_counter() - start)
        assert len([*hessian.closing_report(run)]) == 7
        play = lambda model, draws, *given, moved=moved: replica.play(model, NoisyDraws(*draws, *moved), *given)
        assert_plays(model, [run.draws], play)
    assert median(seconds[1:]) < seconds[0] / 8


def play_by_differences(model, draws, game, params):
    """Play a game of Humps in NumPy, with derivatives by differences."""
    (gen, discr), rate = np.split(np.asarray(params), model.sizes[:1]), model.learning_rate
    fake, logit = np.polyval(gen, draws.z_discr[game]), lambda discr, x: np.polyval(discr, x / 5 - 1)

    def slopes(function, at):
        return np.array([(function(at + step) - function(at - step)) / 2e-6 for step in 1e-6 * np.eye(len(at))])

    def objective(discr):
        logits = logit(discr, draws.x), -logit(discr, fake)
        return sum(replica.log_sigmoid(values).mean() for values in logits) - discr[0] ** 2 / 4

    for _ in range(model.discr_update):
        discr = discr + rate * slopes(objective, discr)
    loss = lambda gen, z: replica.LOSSES[model.gen_loss][0](logit(discr, np.polyval(gen, z))).mean()
    for z in draws.z_gen[game]:
        gen = gen - rate * slopes(lambda gen, z=z: loss(gen, z), gen)
    norms = [np.linalg.norm(slopes(*given)) for given in ((objective, discr), (lambda gen: loss(gen, z), gen))]
    return [*gen, *discr], objective(discr), loss(gen, z), *norms


@pytest.mark.parametrize(("loss", "sizes"), [("saturating", (2, 3)), ("non-saturating", (1, 4))])
def test_a_variant_plays_by_its_own_methods(loss, sizes):
    model = type("Odd", (Humps,), {"sizes": sizes})(8, 3, 2, gen_loss=loss)
    assert_plays(model, [model.draw(seed) for seed in range(2)], play_by_differences, 1e-7)


def test_methods_that_run_eagerly_can_take_numbers_out():
    looked = []

    class Looking(NoisyGAN):
        def generator_loss(self, discr, fake):
            looked.append(fake.numpy())
            return super().generator_loss(discr, fake)

    tf.config.run_functions_eagerly(True)
    try:
        assert_plays(Looking(6, 3, 2), [Looking(6, 3, 2).draw(2)])
    finally:
        tf.config.run_functions_eagerly(False)
    assert len(looked) >= 12


def test_an_edited_file_trains_the_code_that_was_imported(tmp_path, monkeypatch):
    text, path = (ROOT / "gan.py").read_text(), tmp_path / "edited_gan.py"
    path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    model = importlib.import_module("edited_gan").GAN(7, 2, 3)
    assert path.write_text("# a line\n" + text.replace("self.learning_rate", "2 * self.learning_rate")) > len(text) + 9
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
    rng = np.random.default_rng(0)  # the order: w, a, x, then game by game
    assert_allclose([w[0], slope[0]], rng.normal(0, 0.5, 2), rtol=1e-12)
    assert_allclose(draws.x, rng.normal(-3, 2, 40), rtol=1e-12)
    assert np.array_equal(np.concatenate([draws.z_discr[:, None], draws.z_gen], axis=1), rng.random((300, 3, 40)))
    pairs = [(w, stats.norm(0, 0.5)), (slope, stats.norm(0, 0.5)), (x, stats.norm(-3, 2))]
    pairs += [(values, stats.uniform()) for values in (draws.z_discr, draws.z_gen[:, 0], draws.z_gen[:, 1])]
    pairs += [(values, stats.norm(0, 0.3)) for values in draws[4:]]
    shares = [law.cdf(values.ravel()) for values, law in pairs]
    assert min(stats.kstest(values, "uniform").pvalue for values in shares) > 1e-3
    every = np.concatenate(shares).round(12)  # also copies that are stretched
    assert np.unique(every).size == every.size
    assert_allclose(model.target_density(x), stats.norm.pdf(x, -3, 2), rtol=1e-12)
    skewed = type("Skewed", (GAN,), {"target": stats.gamma(4)})(1, 1, 1, num_samples=1000)
    assert stats.kstest(skewed.draw(0).x, stats.gamma(4).cdf).pvalue > 1e-3
    assert_allclose(skewed.target_density(x), stats.gamma.pdf(x, 4), rtol=1e-12)


SLIPS = {
    "float64 of shape ..": tf.reduce_mean,  # without axis=-1
    "float64 of shape .3, 10.": lambda values: values[..., None] * np.ones(10),  # without a mean
    "float32 of shape .3,.": lambda values: tf.cast(values, "float32"),
    "None": lambda values: None,  # without return
}


@pytest.mark.parametrize("method", ["objective", "generator_loss"])
@pytest.mark.parametrize("words", SLIPS)
def test_a_slip_is_told_in_one_sentence(method, words):
    own = lambda self, *given: SLIPS[words](getattr(GAN, method)(self, *given))
    model, must = type("Slip", (GAN,), {method: own})(4, 2, 1), "objective and generator_loss must return one value"
    if words != "None":
        must = f"a game's {method.replace('generator', 'gen')} must be float64 of shape .3,."
    with pytest.raises(ValueError, match=f"^{must}.*, not {words}$"):
        model.train(gan.stack_seeds(model.draw(seed) for seed in range(3)))


def test_draws_that_do_not_fit_are_told_but_own_data_may_be_a_list():
    model, told = NoisyGAN(9, 2, 3), "draws must be .* 9 games with 3 steps of G.*"
    draws, misfits = model.draw(0), [(NoisyGAN(*other).draw(0), told) for other in ((10, 2, 3), (9, 2, 2), (8, 2, 3))]
    for name, bad in zip(draws._fields, [np.nan, np.inf, -np.inf] * 2):
        values = np.where(getattr(draws, name) == np.max(getattr(draws, name)), bad, getattr(draws, name))
        misfits.append((draws._replace(**{name: values.tolist()}), f"{name} of the draws must hold finite numbers.*"))
    misfits += [(gan.stack_seeds([one] * 3), words) for one, words in misfits]
    misfits.append((draws._replace(x=[]), "x of the draws must hold finite numbers.*"))
    misfits.append((draws._replace(z_discr=draws.z_discr[1:]), told))
    for given, words in [*misfits, ((*draws,), told)]:
        with pytest.raises(ValueError, match=f"^{words}$"):
            model.train(given)
    own = draws._replace(x=[*range(10)])
    run = hessian.Run(model, own, model.train(own))
    assert "  real samples' mean, std     4.5, 2.872" in hessian.closing_report(run)


@pytest.mark.parametrize("script", [gan, hessian])
def test_examples_in_docstrings(script):
    failed, attempted = doctest.testmod(script)
    assert failed == 0 < attempted
