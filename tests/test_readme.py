"""The README shows the pictures that its own commands make, leads where it says, and is no longer than agreed."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from trained import README, code_blocks, read_command, rounds_to

import plots

pytest_plugins = ["seeds"]
ROOT = README.parent
KINDS = "img_{}.gif", "summary_{}.png", "hessian_{}.png", "monitor_{}.png"
WORDS = {"before the exercises": 4200, "exercises": 2000}


@pytest.fixture
def block(readme):
    """The lines of the block that makes every picture."""
    (text,) = (text for text in code_blocks(readme, "sh") if "python plots.py" in text)
    return text.splitlines()


def shown_pictures(readme):
    return set(re.findall(r"!\[[^]]*\]\(img/([\w-]+\.\w+)\)", readme))


def made_pictures(line):
    """Name what a command makes."""
    line = line.removeprefix("MPLBACKEND=agg ")
    if line == "python plots.py":
        return ["theory.png"]
    command = read_command(line.removesuffix(" --explore"))
    if line.endswith(" --explore"):
        return [f"explore_{command.name}.png"]
    return [kind.format(command.name) for kind in KINDS] if command.seeds is None else [f"seeds_{command.name}.png"]


def test_commands_are_understood():
    assert made_pictures("python plots.py") == ["theory.png"]
    assert made_pictures("python gan.py --games=7 --seeds 5 --gen-loss non-saturating") == [
        "seeds_7_1_1_nonsaturating_seeds5.png"
    ]
    assert made_pictures("python noisy_gan.py --gen-update 3")[0] == "img_noisy_500_50_3.gif"
    assert made_pictures("MPLBACKEND=agg python gan.py --seed 4 --explore") == ["explore_1500_1_1_seed4.png"]


def test_shown_pictures_are_those_that_the_printed_block_makes(readme, block):
    assert shown_pictures(readme) == {name for line in block for name in made_pictures(line)}


def test_block_trains_what_the_text_says(readme, block):
    assert "the sixth and the seventh train 100 runs" in " ".join(readme.split())
    seeds = [number for number, line in enumerate(block, 1) if "--seeds" in line]
    assert seeds == [6, 7]
    assert {read_command(block[number - 1]).seeds for number in seeds} == {100}


def test_pictures_in_the_repository_are_those_shown(readme):
    """What git holds: a reader's own pictures in img/ are no concern of the text."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files", "img"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name.removeprefix("img/") for name in listed.split()} == shown_pictures(readme)


def test_every_image_is_found_by_the_patterns_above(readme):
    assert len(re.findall(r"!\[", readme)) == len(re.findall(r"!\[[^]]+\]\(img/[\w-]+\.(?:gif|png)\)", readme)) > 20


def test_files_that_the_readme_names_exist(readme):
    named = set(re.findall(r"(?<![\w/.])((?:tests/)?(?:\w+\.py|requirements\.txt))\b", readme))
    named |= {target for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", readme) if not target.startswith("img/")}
    assert {"gan.py", "noisy_gan.py", "hessian.py", "plots.py", "tests/requirements.txt"} < named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_links_to_lines_of_code_lead_to_the_functions_they_name(readme):
    links = re.findall(r"\[`(?:\w+\.)?(\w+)`\]\((\w+\.py)#L(\d+)\)", readme)
    assert len(links) == readme.count(".py#L") >= 6
    for name, file, number in links:
        line = (ROOT / file).read_text().splitlines()[int(number) - 1].strip()
        assert re.match(rf"(def|class) {name}\b", line), (name, line)


def slug(heading):
    """Make the anchor of a heading as GitHub does: without marks, and with a dash for each space."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_anchors_lead_to_headings(readme):
    text = without_code(readme)
    slugs = [slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    assert len(slugs) == len(set(slugs))  # no two alike: GitHub would number them
    anchors = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert len(anchors) > 15
    assert anchors - set(slugs) == set()


def test_contents_list_the_sections_in_their_order(readme):
    text = without_code(readme)
    contents = text.partition("\n## Contents\n")[2].partition("\n## ")[0]
    listed = re.findall(r"\]\(#([^)]+)\)", contents)
    after = text.partition("\n## Contents\n")[2]
    headings = [slug(heading) for heading in re.findall(r"^## (.*)$", after, re.MULTILINE)]
    assert listed == [heading for heading in headings if heading in listed]
    assert set(headings) - set(listed) <= {"use-from-python", "where-this-departs-from-the-original-and-why", "tests"}


def words(text):
    """Count words of prose: no code, no formulas set apart, no tables, no pictures, no addresses, no tags."""
    text = re.sub(r"!\[[^]]*\]\([^)]*\)", "", without_code(text))
    text = re.sub(r"\]\([^)]*\)|<[^>]+>", " ", text)
    lines = [line for line in text.splitlines() if not line.startswith(("|", "#"))]
    return sum(bool(re.search(r"\w", word)) for word in " ".join(lines).split())


def test_length(readme):
    before, _, rest = readme.partition("\n## Exercises\n")
    assert words("One, *two*.\n| three |\n![four](img/x.png)\n```\nfive\n```\n[six](#seven)") == 3
    assert 1000 < words(before) <= WORDS["before the exercises"]
    assert 500 < words(rest.partition("\n## ")[0]) <= WORDS["exercises"]


def test_use_from_python(readme, tmp_path, monkeypatch, capsys):
    (text,) = (text for text in code_blocks(readme, "python") if "monitor.png" in text)
    monkeypatch.chdir(tmp_path)
    variables = {}
    exec(text, variables)
    objective, mean = map(float, capsys.readouterr().out.split())
    (report,) = (text for text in code_blocks(readme, "console") if text.startswith("$ python gan.py\n"))
    assert rounds_to(re.search(r"objective +(-[\d.]+)", report)[1], objective)
    assert rounds_to(re.search(r"generated mean, std +([\d.]+)", report)[1], mean)
    shapes = re.search(r"params (\(.*?\)), objective (\(.*?\)), ", text).groups()
    assert shapes == tuple(str(np.shape(column)) for column in variables["history"][:2])
    assert (tmp_path / "monitor.png").read_bytes()[1:4] == b"PNG"
    assert plots.generated_mean(variables["history"].params[-1]) == mean
