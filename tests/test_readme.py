"""The README shows the pictures that its own commands make, leads where it says, and is no longer than agreed."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from trained import README, code_blocks, read_command, rounds_to

import gan
import plots

pytest_plugins = ["seeds"]
ROOT = README.parent
KINDS = "img_{}.gif", "summary_{}.png", "hessian_{}.png", "monitor_{}.png"
WORDS = {1: 2000, 2: 1800, 3: 900, 4: 1700, 5: 600}  # at most, by parts


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
    seeds = {number: read_command(line).seeds for number, line in enumerate(block, 1) if "--seeds" in line}
    assert seeds == {6: 100, 7: 100}


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


def test_methods_that_the_readme_names_exist(readme):
    named = set(re.findall(r"`GAN\.(\w+)`", readme))
    assert {"deal", "logits", "objective", "play", "train"} < named
    assert [name for name in sorted(named) if not callable(getattr(gan.GAN, name, None))] == []


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
    head, *sections = re.split(r"^## ", without_code(readme), flags=re.MULTILINE)
    headings = [section.partition("\n")[0] for section in sections]
    labels = [heading.removesuffix(" that readers ask") for heading in headings]
    assert re.findall(r"\[([^]]+)\]\(#([^)]+)\)", head) == [*zip(labels, map(slug, headings))]
    assert [label[:7] for label in labels if label != "Questions"] == [f"Part {number}:" for number in WORDS]


def words(text):
    """Count words of prose: no code, no formulas set apart, no tables, no pictures, no addresses, no tags."""
    text = re.sub(r"!\[[^]]*\]\([^)]*\)", "", without_code(text))
    text = re.sub(r"\]\([^)]*\)|<[^>]+>", " ", text)
    lines = [line for line in text.splitlines() if not line.startswith(("|", "#"))]
    return sum(bool(re.search(r"\w", word)) for word in " ".join(lines).split())


def test_parts_say_for_whom_they_are_and_keep_to_their_length(readme):
    assert words("One, *two*.\n| three |\n![four](img/x.png)\n```\nfive\n```\n[six](#seven)") == 3
    for number, most in WORDS.items():
        part = re.split(r"^## ", readme.partition(f"\n## Part {number}: ")[2], flags=re.MULTILINE)[0]
        assert re.match(r".+\n\n\*For (?:students|readers) who [^*]+\*", part)
        assert most / 4 < words(part.partition("\n")[2]) <= most, number
    assert words(readme) <= 7000


def test_use_from_python(readme, tmp_path, monkeypatch, capsys):
    (text,) = (text for text in code_blocks(readme, "python") if "monitor.png" in text)
    monkeypatch.chdir(tmp_path)
    variables = {}
    exec(text, variables)
    objective, mean = map(float, capsys.readouterr().out.split())
    (report,) = (text for text in code_blocks(readme, "console") if text.startswith("$ python gan.py\n"))
    assert rounds_to(re.search(r"objective V +(-[\d.]+)", report)[1], objective)
    assert rounds_to(re.search(r"generated mean, std +([\d.]+)", report)[1], mean)
    shapes = re.search(r"params (\(.*?\)), objective (\(.*?\)), ", text).groups()
    assert shapes == tuple(str(np.shape(column)) for column in variables["history"][:2])
    assert (tmp_path / "monitor.png").read_bytes()[1:4] == b"PNG"
    assert plots.generated_mean(variables["history"].params[-1]) == mean
