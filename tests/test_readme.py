"""The README shows the pictures that its own commands make, and no others."""

import argparse
import re

import pytest
from scripts import KINDS, ROOT

import gan
import noisy_gan

UPDATES = ("games", "discr_update", "gen_update")


@pytest.fixture(scope="module")
def readme():
    return (ROOT / "README.md").read_text()


def shown_pictures(text):
    return set(re.findall(r"img/([\w-]+\.(?:gif|png))", text))


def made_pictures(text):
    """List the files that the commands in a text make: on lines of their own, after && or in backticks."""
    made = set()
    for script, flags in re.findall(
        r"(?:^[ $]*|&& *|`)(?:\S*/)?python3? (gan|noisy_gan|plots)\.py\b([^`#\n]*)", text, re.MULTILINE
    ):
        if script == "plots":
            made.add("theory.png")
            continue
        module, prefix = (noisy_gan, "noisy_") if script == "noisy_gan" else (gan, "")
        parser = argparse.ArgumentParser(add_help=False)
        for name in UPDATES:
            parser.add_argument(gan.flag(name), type=int, default=getattr(module, name.upper()))
        parser.add_argument("--seeds")
        parser.add_argument("--gen-loss", default="saturating")
        known, _ = parser.parse_known_args(flags.split())
        name = prefix + "_".join(str(getattr(known, update)) for update in UPDATES)
        name += "" if known.gen_loss == "saturating" else "_nonsaturating"
        made |= {f"seeds_{name}.png"} if known.seeds else {kind.format(name) for kind in KINDS}
    return made


def test_commands_are_understood():
    text = "\n".join([
        "We ran python gan.py --games 9 and `python plots.py`.",
        "$ python gan.py",
        "python3 -m venv .venv && .venv/bin/python3 noisy_gan.py --gen-update 3  # not --games 8",
        "    python gan.py --games=7 --seeds 5 --gen-loss non-saturating",
    ])  # fmt: skip
    names = {kind.format(name) for kind in KINDS for name in ("1500_1_1", "noisy_500_50_3")}
    assert made_pictures(text) == names | {"seeds_7_1_1_nonsaturating.png", "theory.png"}


def test_shown_pictures_are_made_by_the_printed_commands(readme):
    assert shown_pictures(readme) <= made_pictures(readme)


def test_shown_pictures_are_those_in_img(readme):
    there = {path.name for path in (ROOT / "img").iterdir() if not path.name.startswith(".")}
    assert there
    assert shown_pictures(readme) == there


def test_scripts_and_requirements_exist_that_the_readme_names(readme):
    named = set(re.findall(r"\b((?:tests/)?(?:\w+\.py|requirements\.txt))\b", readme))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_links_to_lines_of_code_lead_to_the_functions_they_name(readme):
    links = re.findall(r"\[`(?:\w+\.)?(\w+)`\]\(gan\.py#L(\d+)\)", readme)
    lines = (ROOT / "gan.py").read_text().splitlines()
    assert len(links) >= 6
    assert [name for name, number in links if not lines[int(number) - 1].strip().startswith(f"def {name}(")] == []
