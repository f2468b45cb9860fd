"""What tests share: scripts as processes, and the command."""

import gc
import os
import signal
import sys

import pytest
from processes import ROOT, start_all  # first: it keeps the environment

sys.path.insert(0, str(ROOT))
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
os.environ |= {"MPLBACKEND": "agg", "TF_CPP_MIN_LOG_LEVEL": "3"}  # no window, no log lines


def pytest_collection_finish():
    gc.freeze()  # what is imported, as a script does


@pytest.fixture(scope="session")
def script_run(tmp_path_factory):
    """A script's run, by name."""
    executor, futures = start_all(tmp_path_factory.mktemp("scripts"))
    yield lambda name: futures[name].result(timeout=300)
    executor.shutdown(cancel_futures=True)


@pytest.fixture
def images(monkeypatch, tmp_path):
    monkeypatch.setattr("plots.IMAGES", tmp_path / "img")
    return tmp_path / "img"


@pytest.fixture
def command(monkeypatch, capfd, images):
    """Run a command in this process: its exit status, stdout and stderr."""
    import gan

    monkeypatch.setattr(sys, "argv", ["gan.py", "--games", "no number"])  # a call reads its own arguments only

    def run(*arguments, model=gan.GAN, constants=None):
        status = 0
        try:
            gan.main(arguments, model, constants)
        except SystemExit as ending:
            status = ending.code
        return status, *capfd.readouterr()

    return run
