"""The machines that the shipped records name: what of them keeps its letters in every language."""

import re

from diffusion_lib import records


def maker(hardware: str) -> str:
    """The maker's own name, "AMD EPYC" of "2 cores of AMD EPYC"; empty where only the cores are counted."""
    return re.sub(r"^\d+ cores?( of )?", "", hardware)


RECORDED = {one["hardware"] for file in records.FOLDER.glob("*.json") if (one := records.read(file.stem)).get("hardware")}
