# @title Set-up: find diffusion_lib, or install it
import importlib.metadata, importlib.util, json, os, subprocess, sys
from pathlib import Path

SOURCE = os.environ.get("DIFFUSION_LIB_SOURCE", "")  # published notebooks carry the book's own address here
NEEDS = "setuptools wheel torch numpy matplotlib PIL safetensors tqdm ipywidgets anywidget pygments skimage".split()

folders = (Path.cwd(), *Path.cwd().parents)
root = next((f for f in folders if (f / "diffusion_lib" / "__init__.py").is_file()), None)
installed = next(iter(importlib.metadata.distributions(name="diffusion-lib")), None)
origin = json.loads(installed and installed.read_text("direct_url.json") or "{}").get("url", "")
other_zip = SOURCE and origin.endswith(".zip") and origin != SOURCE  # an earlier set-up cell got another version
if root:  # this notebook lies inside a copy of the book
    sys.path.insert(0, str(root))
elif other_zip or importlib.util.find_spec("diffusion_lib") is None:
    if not SOURCE:
        raise ModuleNotFoundError("diffusion_lib is neither installed nor in a folder above this notebook: "
                                  "open the notebook inside a copy of the book, or set DIFFUSION_LIB_SOURCE "
                                  "to the address of a zip of it (https://… or file://…).")
    complete = all(map(importlib.util.find_spec, NEEDS))  # as on Colab: then pip gets the library and nothing else
    options = ["--no-deps", "--no-build-isolation"] if complete else []
    pip = [sys.executable, "-m", "pip", "--quiet"]
    if other_zip:
        subprocess.run([*pip, "uninstall", "--yes", "diffusion-lib"], check=True)
    # Our requirements are lower bounds: nothing that is installed is changed.
    subprocess.run([*pip, "install", *options, f"diffusion-lib[notebooks] @ {SOURCE}"], check=True)
    importlib.invalidate_caches()
    if "diffusion_lib" in sys.modules:
        print("Another version of diffusion_lib was in use here. Restart the session (menu Runtime), then run from the top.")
elif SOURCE and origin != SOURCE:
    print(f"Here diffusion_lib comes from {origin or 'elsewhere'}; this notebook was written with {SOURCE}.")
