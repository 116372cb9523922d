"""Live figures: what the reader can move. In Jupyter they are widgets, in the published book they need no server.

    walks = record_walks(model, ["a cat wearing a crown"], seeds=[7], cond=cond)
    flow_of_time(walks, pet=record_guesses(model, picture, "a grey frog", seed=7))
"""

from ._base import LiveFigure, lossless, module_source, present, still_row
from ._languages import in_each_language
from ._walks import Walk, record_ancestral, record_guesses, record_walks
from .dream_machine import dream_machine
from .flow_of_time import cat_photo, flow_of_time
from .from_static import from_static
from .guidance_dial import guidance_dial
from .inside_the_unet import inside_the_unet, record_features
from .noise_schedules import noise_schedules
from .step_by_step import step_by_step
from .training_run import training_run
from .word_highlighter import record_highlights, word_highlighter
