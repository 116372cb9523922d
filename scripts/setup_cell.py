# @title Set-up: find diffusion_lib, or install it
import importlib.util, os, subprocess, sys
from pathlib import Path

SOURCE = os.environ.get("DIFFUSION_LIB_SOURCE", "")  # published notebooks carry the book's own address here

folders = (Path.cwd(), *Path.cwd().parents)
root = next((f for f in folders if (f / "diffusion_lib" / "__init__.py").is_file()), None)
if root:  # this notebook lies inside a copy of the book
    sys.path.insert(0, str(root))
elif importlib.util.find_spec("diffusion_lib") is None:
    if not SOURCE:
        raise ModuleNotFoundError("diffusion_lib is neither installed nor in a folder above this notebook: "
                                  "open the notebook inside a copy of the book, or set DIFFUSION_LIB_SOURCE "
                                  "to the address of a zip of it (https://… or file://…).")
    command = [sys.executable, "-m", "pip", "install", "--quiet", f"diffusion-lib[notebooks] @ {SOURCE}"]
    subprocess.run(command, check=True)  # our requirements are lower bounds: nothing installed is changed
    importlib.invalidate_caches()
