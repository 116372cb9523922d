# Out of Static. Two commands: `make book` and `make test`. `make help` lists the rest.

PYTHON ?= python3
PORT   ?= 8000
HOST   ?= 127.0.0.1
export PYTHON
# Fast mode: notebooks train briefly. DIFFUSION_FAST=0 gives them their time.
export DIFFUSION_FAST ?= 1
# The environment's own tools first, so that node and npm from pip are found where the machine has none.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

SAY    := @printf '== %s\n'
PYTEST := OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -n logical --maxprocesses=8 --dist loadfile

# Go through the environment, as they were typed: no quoting comes between, and make leaves a `$` in them alone.
TYPED  := SUBMISSIONS CHAPTER COHORT OVERLAY SOURCE UNSAFE
$(foreach name,$(TYPED),$(eval override $(name) := $$(value $(name))))
export $(TYPED)

.PHONY: help book site test assignment grade chapter-is-named measure clean
help:
	@echo 'make book                    build the book and serve it on http://localhost:$(PORT)'
	@echo 'make test                    install what is missing, then run every test'
	@echo 'make site                    build the book into _build/html and stop'
	@echo 'make assignment CHAPTER=13   copies of a chapter for students and instructors, into build/assignments'
	@echo 'make grade SUBMISSIONS=dir   grades, feedback and a report for a folder of submissions, into build/grades'
	@echo 'make measure                 time and memory of each notebook, for its head (on an idle machine)'
	@echo 'make clean                   remove everything that was built (environments and grades stay)'
	@echo
	@echo 'Settings: PYTHON=python3  PORT=8000  HOST=127.0.0.1  DIFFUSION_FAST=1 (0: notebooks take their time)'

book: site
	@.venv/bin/python scripts/serve.py _build/html $(HOST) $(PORT)

site: .venv/ready node_modules/ready
	@.venv/bin/python scripts/run_notebooks.py
	$(SAY) 'Building the site'
# Sphinx does not see that its extension changed, and a failed strict build would pass the second time.
	@find book/_ext _config.yml _toc.yml -newer _build/.doctrees/environment.pickle 2>/dev/null | grep -q . && rm -rf _build/.doctrees || true
	@.venv/bin/jupyter-book build . --quiet -W -n --keep-going || { rm -rf _build/.doctrees; exit 1; }
	$(SAY) 'The site is in _build/html; its figures need a server: `make book` has one'

test: .venv/ready node_modules/ready .venv/browser .venv-colab/ready .venv-grading/ready .venv-grading/sandbox
	$(SAY) 'Tests of the library and the repository'
	@$(PYTEST) --ignore tests/browser
	@$(MAKE) --no-print-directory site
	$(SAY) 'Tests of the site in a browser'
	@$(PYTEST) tests/browser
	$(SAY) 'All tests passed'

assignment: chapter-is-named .venv-grading/ready
	@.venv-grading/bin/python -m classroom.assignment "$$CHAPTER"

grade: .venv/ready .venv-grading/ready .venv-grading/sandbox
	@test -n "$$SUBMISSIONS" || { echo 'Which folder? For example: make grade SUBMISSIONS=handed_in CHAPTER=13'; exit 2; }
	@.venv-grading/bin/python -m classroom.grade "$$SUBMISSIONS" --chapter "$${CHAPTER:-all}"

chapter-is-named:
	@test -n "$$CHAPTER" || { echo 'Which chapter? For example: make assignment CHAPTER=13'; exit 2; }

measure: .venv/ready
	@.venv/bin/python scripts/measure_notebooks.py

clean:
	$(SAY) 'Removing what was built; the environments .venv* and node_modules and the grades in build/grades stay'
	@rm -rf _build book/_static/vendor book/_static/figures *.egg-info
	@for built in build/*; do [ "$$built" = build/grades ] || rm -rf "$$built"; done

# Installed once, again only when what they are made from changes.
.venv/ready: requirements.txt pyproject.toml
	@scripts/install.sh python && touch $@
node_modules/ready: package-lock.json | .venv/ready
	@scripts/install.sh node && touch $@
.venv/browser: | .venv/ready
	@scripts/install.sh browser && touch $@
.venv-colab/ready: requirements-colab.txt .venv/ready
	@scripts/install.sh colab && touch $@
.venv-grading/ready: requirements-grading.txt
	@scripts/install.sh grading && touch $@
.venv-grading/sandbox: | .venv-grading/ready
	@scripts/install.sh sandbox && touch $@
