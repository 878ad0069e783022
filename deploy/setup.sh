#!/bin/sh
# Make the virtual environment .venv with ecgmon and the named extras in it: deploy/setup.sh demo,test
# Does nothing where that was done before and nothing has changed since.
set -eu
cd "$(dirname "$0")/.."
extras=${1:-demo}

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "setup: Python 3.11 or newer is needed; name one with PYTHON=..." >&2
    exit 1
fi

stamp=.venv/.ecgmon-$(echo "$extras" | tr ',' '-')
wanted=$(cat pyproject.toml deploy/constraints.txt | cksum)
if [ -x .venv/bin/ecgmon ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

# One that works stays with the Python that made it: made again by another it would be a mixture of both.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1 && ! "$python" -m venv --clear .venv; then
    echo "setup: no virtual environment could be made; on Debian: apt-get install python3-venv" >&2
    exit 1
fi
echo "setup: installing ecgmon[$extras] into .venv (a few minutes the first time)" >&2
.venv/bin/pip install --quiet --disable-pip-version-check --constraint deploy/constraints.txt --editable ".[$extras]"
printf '%s' "$wanted" >"$stamp"
