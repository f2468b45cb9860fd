import signal
import sys

import pytest
from processes import ROOT, start_all

sys.path.insert(0, str(ROOT))
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it


def pytest_sessionstart(session):
    """Import TensorFlow as the scripts do, before a test does, but not in the process that only hands out the tests."""
    if hasattr(session.config, "workerinput") or not session.config.getoption("numprocesses"):
        import hessian

        hessian.own_process()


@pytest.fixture(scope="session")
def script_run(tmp_path_factory):
    """A script's run, by name; two are run at a time."""
    executor, futures = start_all(tmp_path_factory.mktemp("scripts"))
    yield lambda name: futures[name].result(timeout=300)
    executor.shutdown(cancel_futures=True)


@pytest.fixture
def images(monkeypatch, tmp_path):
    """The folder that a command writes to during a test."""
    monkeypatch.setattr("plots.IMAGES", tmp_path / "img")
    return tmp_path / "img"


@pytest.fixture
def command(monkeypatch, capfd, images):
    """Run a command in-process with flags: its exit status (0 if it returns), stdout and stderr."""
    import gan

    monkeypatch.setattr(sys, "argv", ["gan.py"])

    def run(*flags, model=gan.GAN, prefix="", arguments=None):
        status = 0
        try:
            gan.main(model, arguments=flags if arguments is None else arguments, prefix=prefix)
        except SystemExit as ending:
            status = ending.code
            if isinstance(status, str):  # what Python does with it at the end of a process
                print(status, file=sys.stderr)
                status = 1
        return status, *capfd.readouterr()

    return run


@pytest.fixture
def trial(monkeypatch, command):
    """Run a command that reads its settings and trains nothing: as `command`, and the (model, seed, seeds) to train."""

    def run(*flags, **options):
        found = []
        monkeypatch.setattr("gan.run", lambda model, seed: found.append((model, seed, None)) or {})
        monkeypatch.setattr("gan.run_seeds", lambda *settings: found.append(settings) or {})
        return *command(*flags, **options), found

    return run
