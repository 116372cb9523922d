# @title Set-up: find diffusion_lib, or install it
import importlib.metadata, importlib.util, json, os, subprocess, sys
from pathlib import Path

SOURCE = os.environ.get("DIFFUSION_LIB_SOURCE", "")  # published notebooks carry the book's own address here
NEEDS = "setuptools wheel torch numpy matplotlib PIL safetensors tqdm ipywidgets anywidget pygments skimage".split()
root = next((f for f in (Path.cwd(), *Path.cwd().parents) if (f / "diffusion_lib" / "__init__.py").is_file()), None)
installed = next(iter(importlib.metadata.distributions(name="diffusion-lib")), None)
origin = json.loads(installed and installed.read_text("direct_url.json") or "{}").get("url", "")
if root:  # this notebook lies inside a copy of the book
    sys.path.insert(0, str(root))
elif importlib.util.find_spec("diffusion_lib") is None or SOURCE and origin.endswith(".zip") and origin != SOURCE:
    if not SOURCE:
        raise ModuleNotFoundError("There is no diffusion_lib here: open the notebook inside a copy of the book, or set "
                                  "DIFFUSION_LIB_SOURCE to the address of a zip of it (https://… or file://…).")
    options = ["--no-deps", "--no-build-isolation"] if all(map(importlib.util.find_spec, NEEDS)) else []  # as on Colab: no more
    if installed:  # pip would keep it, from wherever it came, because its version is the same
        subprocess.run([sys.executable, "-m", "pip", "uninstall", "-q", "-y", "diffusion-lib"], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *options, f"diffusion-lib[notebooks] @ {SOURCE}"], check=True)
    importlib.invalidate_caches()
