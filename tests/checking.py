"""What holds for the checks of every chapter, once. A chapter's test file subclasses `EveryCheck` and adds what is its own.

A check takes an answer, and for some exercises the numbers that were given. It says that the answer is right, or names the
slip, or stays calm about a stub.
"""

import ast
import sys
from pathlib import Path

import pytest
import torch

from diffusion_lib.checks import CheckFailed
from diffusion_lib.checks._verdict import STRICT, Wrong


def unsaid(module: str, asked) -> list[str]:
    """The places in a module of checks where a wrong answer is refused (`raise Wrong(...)`) that no answer reaches.

    asked: rows (check, answer, *given). Returns lines of code, such as "noising.py, line 151: raise Wrong(...)".
    """
    reached, file = set(), Path(sys.modules[module].__file__)

    def note(self, *words):
        caller = sys._getframe(1)
        if caller.f_code.co_filename == str(file):
            reached.add(caller.f_lineno)
        super(Wrong, self).__init__(*words)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Wrong, "__init__", note)
        for check, *arguments in asked:
            torch.manual_seed(0)                             # some answers draw random numbers
            check(*arguments)
    raises = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
              if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and ast.unparse(node.exc.func) == "Wrong"]
    assert raises, f"{file.name} refuses nothing"
    return [f"{file.name}, line {node.lineno}: {ast.unparse(node)}" for node in raises if not reached & {*range(node.lineno, node.end_lineno + 1)}]


class EveryCheck:
    """solutions: check -> a right answer. given: check -> the numbers that come with it. slips: (check, wrong answer, words in what
    is said of it), one row for every message that a check has."""

    solutions: dict
    given: dict = {}
    slips: list

    def pytest_generate_tests(self, metafunc):
        """A test that takes a check is run for each of them; one of functions only for those whose answer is a function."""
        if "words" in metafunc.fixturenames:
            metafunc.parametrize("check, answer, words", self.slips, ids=[f"{c.__name__}-{w}" for c, _, w in self.slips])
        elif "function_check" in metafunc.fixturenames:
            metafunc.parametrize("function_check", self.function_checks(), ids=lambda c: c.__name__)
        elif "check" in metafunc.fixturenames:
            metafunc.parametrize("check", list(self.solutions), ids=lambda c: c.__name__)

    def function_checks(self) -> list:
        return [check for check, solution in self.solutions.items() if callable(solution)]

    def ask(self, check, answer):
        torch.manual_seed(0)                                 # some answers draw random numbers
        return check(answer, *self.given.get(check, ()))

    def test_right_answers_pass(self, check):
        verdict = self.ask(check, self.solutions[check])
        assert verdict.passed and repr(verdict).startswith("✓ Right.") and verdict.require() is verdict

    def test_untouched_stubs_stay_calm(self, check):
        for stub in (None, ..., lambda *arguments: None, lambda *arguments: ...):
            if callable(stub) and check not in self.function_checks():
                continue
            verdict = self.ask(check, stub)
            assert verdict.passed is None and "Not attempted yet" in repr(verdict)

    @pytest.mark.parametrize("setting", STRICT)
    def test_grading_lets_nothing_else_through(self, check, setting, monkeypatch):
        monkeypatch.setenv(setting, "1")
        assert self.ask(check, self.solutions[check]).passed
        for answer in (None, "nonsense", float("nan")):
            with pytest.raises(CheckFailed):
                self.ask(check, answer)

    def test_odd_answers_get_words_and_no_traceback(self, function_check):
        def raises(*arguments):
            raise IndexError("out of luck")

        for answer, words in ((7, "needs the function itself"), (raises, "IndexError: out of luck"), (lambda: 1, "TypeError")):
            verdict = self.ask(function_check, answer)
            assert verdict.passed is False and words in verdict.message

    def test_slips_are_called_by_name(self, check, answer, words):
        verdict = self.ask(check, answer)
        assert verdict.passed is False and words in verdict.message, repr(verdict)

    def test_no_refusal_is_dead(self):
        """Each `raise Wrong(...)` of the checks' modules is reached by a slip."""
        asked = [(check, answer, *self.given.get(check, ())) for check, answer, _ in self.slips]
        for module in {check.__module__ for check in self.solutions}:
            assert unsaid(module, asked) == []

    def test_every_slip_gets_words_of_its_own(self):
        """Each has a message of its own, whose words stand in no other message of that check."""
        for check in self.solutions:
            words = [w for c, _, w in self.slips if c is check]
            said = [self.ask(check, answer).message for c, answer, _ in self.slips if c is check]
            assert len(set(said)) == len(said), f"{check.__name__}: two slips get the same words"
            assert [(check.__name__, w) for w in words if sum(w in message for message in said) != 1] == []
