# Every target is one line that a person could type. The tools are set up first, in .venv, from pinned requirements.
PYTHON ?= python3
bin := .venv/bin
template := template/services/{{ service_name }}

.PHONY: demo test lint requirements clean
.DELETE_ON_ERROR:

demo: .venv/complete  ## a generated worker on a real NATS server, told step by step
	@$(bin)/python -m natsgen.demo

test: .venv/complete  ## all tests; what needs Docker or Consul is left out, and listed, where those are not there
	$(bin)/pytest -n auto --dist loadfile

lint: .venv/complete  ## ruff and mypy --strict over the tool, and over the template's Python in place
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy src scripts
	cd "$(template)" && $(CURDIR)/$(bin)/mypy --strict --allow-untyped-calls --cache-dir $(CURDIR)/.mypy_cache/template src

requirements: .venv/complete  ## pins everything anew: natsgen's own requirements and those of the template
	$(bin)/python scripts/lock_requirements.py

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

# pip installs uv and uv the rest, all of it checked against the hashes in requirements-dev.txt: a tenth of pip's time.
.venv/complete: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("natsgen needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.13")'
	$(PYTHON) -m venv --clear .venv
	awk '/^[a-z]/ { wanted = /^uv==/ } wanted' requirements-dev.txt > .venv/uv.txt
	$(bin)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	$(bin)/uv pip install --quiet --python $(bin)/python --require-hashes -r requirements-dev.txt
	$(bin)/uv pip install --quiet --python $(bin)/python --no-deps --no-build-isolation -e .
	@touch $@
