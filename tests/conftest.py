import signal
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts import start_all  # noqa: E402

import gan  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def script_runs(request, tmp_path_factory):
    """The scripts' runs, by name, as futures: two at a time beside the other tests."""
    wanted = any("script_run" in item.fixturenames for item in request.session.items)
    executor, futures = start_all(tmp_path_factory.mktemp("scripts")) if wanted else (None, {})
    yield futures
    if executor:
        executor.shutdown(cancel_futures=True)


@pytest.fixture
def script_run(script_runs):
    return lambda name: script_runs[name].result(timeout=300)


@pytest.fixture(scope="session")
def recorded():
    """A run of the original code, recorded on the TensorFlow it was written for."""
    with np.load(Path(__file__).with_name("original.npz")) as file:
        return dict(file)


@pytest.fixture(scope="session")
def long_run():
    """The default run: model, draws, history."""
    model = gan.GAN(1500, 1, 1)
    draws = model.draw(0)
    return model, draws, model.train(draws)


@pytest.fixture
def images(monkeypatch, tmp_path):
    """The folder that gan.main writes to during a test."""
    monkeypatch.setattr(gan, "IMAGES", tmp_path / "img")
    return gan.IMAGES


@pytest.fixture
def command(monkeypatch, capfd, images):
    """Run gan.main in-process with flags: its exit status (0 if it returns), stdout and stderr."""

    def run(*flags, **constants):
        monkeypatch.setattr(sys, "argv", ["gan.py", *flags])
        status = 0
        try:
            gan.main(gan.GAN, **{"games": 40, "discr_update": 1, "gen_update": 1} | constants)
        except SystemExit as ending:
            status = ending.code
        return status, *capfd.readouterr()

    handler = signal.getsignal(signal.SIGINT)
    yield run
    signal.signal(signal.SIGINT, handler)
