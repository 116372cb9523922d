"""What the README says can be done, can be done: its code runs, its files and commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)


def test_its_code_runs(tmp_path):
    if not (ROOT / "diffusion_lib" / "zoo" / "pets32.safetensors").is_file():
        pytest.skip("no shipped model yet")
    (code,) = (text for language, text in BLOCKS if language == "python")
    program = f"import matplotlib; matplotlib.use('agg')\n{code}\nassert pictures.shape == (8, 3, 32, 32) and 0.2 < pictures.std() < 1"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_its_tree_is_the_tree():
    (tree,) = (text for language, text in BLOCKS if not language)
    told = set()
    for line in tree.splitlines():
        folder = ROOT / "diffusion_lib" if line.startswith("    ") else ROOT
        for name in re.split(r"\s{2,}", line.strip())[0].split():
            assert (folder / name).exists(), f"{name} is in the README's tree, but not in the repository"
            told.add(name.rstrip("/"))
    library = {path.name for path in (ROOT / "diffusion_lib").glob("[!_]*") if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert library <= told, f"not in the README's tree: {library - told}"


def test_its_commands_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    code = "\n".join([*re.findall(r"`([^`\n]+)`", prose), *(text for language, text in BLOCKS if language == "sh")])
    asked = set(re.findall(r"\bmake (\w+)", code))
    assert {"book", "test", "site", "assignment"} <= asked <= targets, asked ^ targets


def test_its_links_and_pictures_exist():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        if link.endswith(".png") and not (ROOT / "diffusion_lib" / "zoo" / "pets32.safetensors").is_file():
            continue                                         # a picture of the model comes with the model
        assert (ROOT / link).exists(), link
