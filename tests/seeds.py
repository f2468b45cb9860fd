"""A plugin of the tests of README.md: each setting that a module asks for is trained once, two at a time."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from trained import README, SETTINGS, train

fixture = partial(pytest.fixture, scope="module")


@fixture()
def pool():
    with ThreadPoolExecutor(2) as executor:
        yield executor
        executor.shutdown(cancel_futures=True)


@fixture()
def trained(request, pool):
    """All settings that the tests of this module ask for, as futures by name."""
    wanted = {name for item in request.session.items if item.path == request.path for name in item.fixturenames}
    return {name: pool.submit(train, *parts) for name, parts in SETTINGS.items() if name in wanted}


def setting(name):
    return fixture(name=name)(lambda trained: trained[name].result())


globals().update({name: setting(name) for name in SETTINGS})
strong = fixture(name="strong")(lambda thousand: thousand.select(slice(100)))
noisy = fixture(name="noisy")(lambda noises: noises[-1])
readme = fixture(name="readme")(lambda: README.read_text())
prose = fixture(name="prose")(lambda readme: " ".join(readme.split()))  # each run of white space as one space
