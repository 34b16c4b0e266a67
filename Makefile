# Everything runs from .venv; every pip call uses constraints.txt.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo serve test test-docker check clean
help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) -e '.[server-cpu,client,build]'
	@touch $@

.venv/dev.stamp: .venv/run.stamp
	$(PIP) -e '.[server-cpu,client,build,train,dev]'
	@touch $@

demo: .venv/run.stamp  ## install, build, serve, transcribe 40 utterances, print the table, stop
	.venv/bin/auricle demo

serve: .venv/run.stamp  ## build the demo models and keep serving them
	.venv/bin/auricle demo --serve

test: .venv/dev.stamp  ## all tests that need no Docker
	scripts/test -m "not docker"
	@echo "left out: the tests that build and start containers; make test-docker runs them"

test-docker: .venv/dev.stamp  ## the tests that build images and start containers
	scripts/test -m docker

check: .venv/dev.stamp  ## lint and types
	scripts/check

clean:  ## remove what make has made
	rm -rf .venv model_repo_offline/demo*
