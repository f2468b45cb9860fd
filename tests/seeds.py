"""A plugin of the tests of README.md: each setting that they ask for is trained once, two at a time."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from trained import README, SETTINGS, train


@pytest.fixture(scope="session")
def pool():
    with ThreadPoolExecutor(2) as executor:
        yield executor
        executor.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def trained(request, pool):
    """All settings that the tests of this session ask for, as futures by name."""
    wanted = {name for item in request.session.items for name in item.fixturenames}
    return {name: pool.submit(train, *parts) for name, parts in SETTINGS.items() if name in wanted}


def setting(name):
    return pytest.fixture(scope="session", name=name)(lambda trained: trained[name].result())


globals().update({name: setting(name) for name in SETTINGS})


@pytest.fixture(scope="session")
def strong(thousand):
    return thousand.select(slice(100))


@pytest.fixture(scope="session")
def noisy(noises):
    return noises[-1]


@pytest.fixture(scope="session")
def readme():
    return README.read_text()


@pytest.fixture(scope="session")
def prose(readme):
    """The README with each run of white space as one space."""
    return " ".join(readme.split())
