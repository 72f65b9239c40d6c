# Every target is one line that a person could type. The tools are set up first, in .venv, from pinned requirements.
PYTHON ?= python3
bin := .venv/bin
service := template/services/{{ service_name }}

.PHONY: demo test test-all planted smoke lint types bench chaos fuzz soak docs requirements dist release setup clean

demo: .venv/complete # a generated worker on a real NATS server, told step by step
	@$(bin)/python -m scripts.demo

test: .venv/complete # what natsgen and a worker do, each behaviour once, in minutes; tests/conftest.py says what is left out
	$(bin)/pytest -n 3 --dist worksteal

test-all: .venv/complete # all tests, with those of containers, all kinds, faults and versions; what cannot run is listed
	$(bin)/pytest -n 3 --dist loadfile --no-loadscope-reorder --full --durations 20

planted: .venv/complete # faults planted in the tool and the runtime, each of which the tests of `make test` must catch
	$(bin)/python -m tests.planted $(FAULT)

smoke: .venv/complete # every kind of service made and run for real, and smoke.xml of it; SMOKE=... are options
	$(bin)/natsgen smoke --junit smoke.xml $(SMOKE)

lint: .venv/complete # ruff and mypy, over the tool and over the template's Python in place
	$(bin)/ruff check
	$(bin)/ruff format --check
	@$(MAKE) --no-print-directory types

types: .venv/complete # the part of `lint` that is mypy
	$(bin)/mypy src scripts benchmarks
	cd "$(service)" && "$(CURDIR)/$(bin)/mypy" --strict --cache-dir "$(CURDIR)/.mypy_cache/template" -p src

bench: .venv/complete # how fast workers and the tool are, against what people would use instead; writes docs/performance.md; QUICK=1 only tries it
	@$(bin)/python -m benchmarks $(if $(QUICK),--quick)

chaos: .venv/complete # faults under traffic, 20,000 events each, and docs/reliability.md of it; one with ROW=..., SEED=...
	@$(bin)/python -m tests.chaos $(if $(ROW),--row $(ROW)) $(if $(SEED),--seed $(SEED))

fuzz: .venv/complete # random input at each place where a stranger may write; INPUTS=20000 unless given
	NATSGEN_FUZZ=$(or $(INPUTS),20000) $(bin)/pytest -n 3 --dist worksteal tests/hostile/test_fuzz.py

soak: .venv/complete # a worker under steady traffic, and what it holds; MINUTES=20 RATE=500 unless given
	@$(bin)/python -m tests.chaos.soak --minutes $(or $(MINUTES),20) --rate $(or $(RATE),500)

docs: .venv/docs/complete # the site, in site/; fails if a link or an anchor is broken, or a page asks another host
	$(bin)/python -m scripts.site

requirements: .venv/complete # pins natsgen's own requirements and the template's anew
	$(bin)/python scripts/lock_requirements.py

dist: .venv/complete # what a release consists of: the wheel, the sdist, and the list of what they need (CycloneDX)
	$(bin)/python -m hatchling build -d dist
	$(bin)/uv export --quiet --no-default-groups --all-extras --format cyclonedx1.5 --output-file dist/sbom/natsgen.cdx.json

release: .venv/complete # adds the template as VERSION=x.y.z to the released ones, sets the version, dates the changelog
	$(bin)/python -m scripts.release "$(VERSION)"

setup: .venv/complete

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

# The site's generator has an environment of its own, so that `make setup` does not grow.
.venv/docs/complete: requirements-docs.txt .venv/complete
	$(bin)/uv venv --quiet --clear .venv/docs
	$(bin)/uv pip install --quiet --python .venv/docs/bin/python --require-hashes -r requirements-docs.txt
	@touch $@

# pip installs uv, and uv the rest: all checked against the hashes, in a fraction of the time that pip takes.
.venv/complete: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("natsgen needs Python 3.11 or newer, and this is " + sys.version.split()[0] + ": make PYTHON=python3.13 names another")'
	@echo 'setting up .venv from requirements-dev.txt'
	$(PYTHON) -m venv --clear .venv
	@awk '/^[a-z]/ { wanted = /^uv==/ } wanted' requirements-dev.txt > .venv/uv.txt
	$(bin)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	$(bin)/uv pip install --quiet --python $(bin)/python --require-hashes -r requirements-dev.txt
	$(bin)/uv pip install --quiet --python $(bin)/python --no-deps --no-build-isolation --editable .
	@touch $@
