"""One compiled loop for all models of a kind, no other's code for any, on the CPU, and a host left as it was."""

import dataclasses
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import replica
import tensorflow as tf
from processes import ROOT, environment
from tensorflow.python.eager import context

import gan
import hessian
from gan import GAN
from noisy_gan import NoisyDraws, NoisyGAN

SHIFT = 0.0


def assert_equals_replica(model, draws, shift=None, history=None):
    if shift is not None:  # of all that D sees: for the replica it is noise
        moved = NoisyDraws(*draws, *np.full((2, *draws.z_discr.shape), shift))
    expected = replica.train(model, draws if shift is None else moved)
    for ours, theirs in zip(history or model.train(draws), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_twenty_models_are_compiled_once():
    """They differ in what a knob of the window turns, and each gets its own numbers."""
    gan.COMPILED.clear()
    kinds = ({"learning_rate": 0.005 * (seed + 1), "init_std": 0.1 * seed} for seed in range(20))
    models = [GAN(20, 1 + seed % 7, 2, **kind) for seed, kind in enumerate(kinds)]
    seconds, size = [], []
    for seed, model in enumerate(models):
        draws = model.draw(seed)
        start = time.perf_counter()
        history = model.train(draws)
        seconds.append(time.perf_counter() - start)
        if os.path.exists("/proc/self/statm"):
            size.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        assert_equals_replica(model, draws, history=history)
    assert not size or size[-1] - size[0] < 30 * 2**20
    assert len(gan.COMPILED) == 1
    assert median(seconds[1:]) < seconds[0] / 5


def test_steps_of_the_generator_samples_and_losses_and_where_functions_run_eagerly():
    """What may be compiled anew: more of it, and then again the first, each by its own numbers."""
    first, other, noisy = GAN(20, 2, 1), GAN(20, 2, 1, gen_loss="non-saturating"), NoisyGAN(20, 2, 1)
    for model in (first, GAN(20, 2, 3, num_samples=4), other, noisy, first):
        assert_equals_replica(model, model.draw(1))
    eager = NoisyGAN(15, 3, 2)
    tf.config.run_functions_eagerly(True)
    try:
        assert_equals_replica(eager, eager.draw(2))
    finally:
        tf.config.run_functions_eagerly(False)


@dataclasses.dataclass(frozen=True)
class Shifted(GAN):
    shift: float = 0.0  # a field

    def seen(self, batch, fake):
        return batch.x + self.shift, fake + self.shift


class Reading(GAN):
    shift = 0.0  # of the class

    def seen(self, batch, fake):
        return batch.x + SHIFT + self.shift, fake + SHIFT + self.shift


@pytest.mark.parametrize("what", ["a field", "a global", "of the class", "a method"])
def test_a_change_between_two_trainings_is_seen(monkeypatch, what):
    """And taken back, too; the models that were trained before are still there, what was compiled only in part."""
    monkeypatch.setattr(gan, "MOST_COMPILED", 2)
    models = []
    for shift in (0.5, -2.0, 0.5):
        if what == "a global":
            monkeypatch.setitem(globals(), "SHIFT", shift)
        elif what == "of the class":
            monkeypatch.setattr(Reading, "shift", shift)
        elif what == "a method":
            monkeypatch.setattr(GAN, "seen", lambda self, batch, fake, by=shift: (batch.x + by, fake + by))
        kind = {"a field": Shifted, "a method": GAN}.get(what, Reading)
        models.append(kind(20, 2, 2, **{"shift": shift} if kind is Shifted else {}))
        assert_equals_replica(models[-1], models[-1].draw(0), shift)
        assert len(gan.COMPILED) <= 2


@dataclasses.dataclass(frozen=True)
class Later(GAN):
    factor: float = 1.0  # a field that only D's sixth step reads
    by = 1.0  # of the class, read in G's second step

    def play(self, params, batch, discr_update, learning_rate):
        step = 0
        while step < discr_update:
            if step > 0:
                params *= SHIFT
            if step > 4:
                params *= self.factor
            step += 1
        for _ in batch.z_gen[1:]:
            params *= self.by
        return params, params


def test_what_only_later_steps_read_is_seen(monkeypatch):
    for shift, factor, by in ((1.5, 1.0, 3.0), (1.5, 2.0, 3.0), (0.5, 2.0, 3.0), (0.5, 2.0, 0.7)):
        monkeypatch.setitem(globals(), "SHIFT", shift)
        monkeypatch.setattr(Later, "by", by)
        model = Later(2, 6, 2, factor=factor)
        draws = model.draw(0)
        assert model.train(draws).params[-1] == pytest.approx(draws.params * (shift**5 * factor * by) ** 2)


@pytest.mark.parametrize("method", ["objective", "generator_loss"])
def test_a_change_that_is_only_recorded_is_seen(monkeypatch, method):
    """Where the slopes do not come from what is recorded: a player who stands still."""

    class Still(GAN):
        discr_slope = gen_slope = lambda self, gen, discr, batch, z: 0 * discr

    original, recorded = getattr(GAN, method), []
    for factor in (1, 3):
        monkeypatch.setattr(Still, method, lambda *given, factor=factor: factor * original(*given), raising=False)
        model = Still(20, 1, 1)
        history = model.train(model.draw(0))
        recorded.append(history.objective if method == "objective" else history.gen_loss)
    np.testing.assert_allclose(recorded[1], 3 * recorded[0], rtol=1e-14)


def test_threads_train_at_once(monkeypatch):
    """Each its own model, while there is room for one kind only."""
    monkeypatch.setattr(gan, "MOST_COMPILED", 1)
    gan.COMPILED.clear()
    models = [GAN(20, 1, 1), NoisyGAN(20, 2, 1), GAN(20, 1, 1, gen_loss="non-saturating")]
    together = threading.Barrier(len(models))

    def train(model):
        together.wait()
        return [model.train(model.draw(seed)) for seed in (0, 1)]

    with ThreadPoolExecutor(len(models)) as pool:
        found = [*pool.map(train, models)]
    for model, histories in zip(models, found):
        for seed, history in enumerate(histories):
            assert_equals_replica(model, model.draw(seed), history=history)


def test_asks_for_the_cpu():
    """In every operation that is run, and without a word to the process: TensorFlow would take a GPU if it saw one."""
    asked = []

    class Asking(GAN):
        def objective(self, *given):
            if tf.executing_eagerly() or tf.compat.v1.get_default_graph().building_function:
                asked.append(context.context().device_name)
            return super().objective(*given)

    model = Asking(5, 1, 1)
    draws = model.draw(0)
    history = model.train(draws)
    trained = len(asked)
    hessian.run_hessians(model, draws, history)
    batch = model.deal(draws, 0)
    hessian.hessian(lambda params: model.objective(params[:2], params[2:], batch, batch.z_discr), [1.0] * 4)
    assert 0 < trained < len(asked) - 1
    assert {(name or "none").rpartition("device:")[2] for name in asked} == {"CPU:0"}
    assert not context.context().device_name


IMPORTING = """
import gc, os, signal, weakref

class Owned: pass
owned = Owned()
owned.itself = owned
there = weakref.ref(owned)

def state():
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return handlers, gc.isenabled(), gc.get_threshold(), os.getcwd(), os.fstat(2).st_ino, os.listdir("/proc/self/fd")

environment, before = dict(os.environ), state()
import noisy_gan
assert state() == before
assert environment.items() <= os.environ.items()
import matplotlib
changed = {key for key, value in matplotlib.rcParams.items() if value != matplotlib.rcParamsOrig[key]}
assert changed <= {"backend"} and matplotlib.rcParams["backend"] == "svg", changed
del owned
gc.collect()
assert there() is None
with open(f"/proc/self/task/{os.getpid()}/children") as children:
    assert not children.read(), "a process is left"
import tensorflow as tf
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
assert len(tf.config.list_logical_devices("CPU")) == 2
"""


def test_import_leaves_its_host_as_it_was():
    """Signals, collector, environment, settings, streams, processes; TensorFlow can still be told what to use."""
    given = environment(MPLBACKEND="svg", TF_CPP_MIN_LOG_LEVEL="2")
    done = subprocess.run([sys.executable, "-c", IMPORTING], cwd=ROOT, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
