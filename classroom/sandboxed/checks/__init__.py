"""Stands in the place of diffusion_lib.checks inside the sandbox: whatever is called in here answers nothing.

A student who left `dl.checks.noising.mix(grainy)` in a cell gets on with the next line; and the real checks, which know the right
answers, are not there to be read.
"""


class Silent:
    """Anything: `checks.noising.mix(grainy)` is looked up, called, and answers None."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *arguments, **keywords):
        return None

    def __repr__(self) -> str:
        return "(checked when it is graded)"


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Silent()
