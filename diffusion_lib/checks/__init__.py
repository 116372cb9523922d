"""Checks of the exercises: each compares an answer with the right one and with the slips that people often make, and
says in plain words which it is. They are named by what is practised, not by chapter.
"""

from . import dreaming, forward, guidance, noising, prompts, training, unet, walking_back
from ._verdict import CheckFailed, Verdict
