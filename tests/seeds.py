"""A plugin of the tests of README.md: its text, and each setting that they ask for, trained once in a module."""

from functools import partial

import pytest
from trained import README, SETTINGS, train

fixture = partial(pytest.fixture, scope="module")
globals().update({name: fixture(name=name)(lambda parts=parts: train(*parts)) for name, parts in SETTINGS.items()})
strong = fixture(name="strong")(lambda thousand: thousand.select(slice(100)))
noisy = fixture(name="noisy")(lambda noises: noises[-1])
readme = fixture(name="readme")(lambda: README.read_text())
prose = fixture(name="prose")(lambda readme: " ".join(readme.split()))  # each run of white space as one space
