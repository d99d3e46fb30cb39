# Development tasks. Run `make` for a list.
#
# Everything is installed into .venv/, including the build requirements, so that a change to the C entrypoint is rebuilt
# in a second. All paths are relative, because the path of the clone may contain spaces.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: help demo test test-cluster test-packages lint image bench bench-cluster plots fuzz fuzz-orders screenshots clean

PYTHON =
PYTEST_ARGS =
IMAGE_ARGS =
REPOSITORY =
REVISION = HEAD
FUZZ_SECONDS = 600
FUZZ_INPUT =
CONTEXT =
NAMESPACE =
IMAGE =
PULL_POLICY = IfNotPresent
CEL_IMAGE =
KUBELET_PID =
RUNS = 5

# Do not byte-compile packages on installation, which takes longer than installing them: Python compiles modules when
# they are imported. PIP_COMPILE=0 is --no-compile, and also works with older versions of pip.
pip := PIP_COMPILE=0 PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip
build_inputs := pyproject.toml $(wildcard __init__.py setup.py entrypoint/build.py entrypoint/*.[ch])

# quietly COMMAND: print the output of the command only if it fails.
define quietly
@($(1)) > .venv/log 2>&1 || { cat .venv/log >&2; exit 1; }
endef

# Python needs 30 ms to find an editable package, before the first line of a program (runner/program.py) runs, and Ctrl-C
# would print a traceback in that time. This .pth file, read earlier, makes SIGINT end monopod's programs silently.
define quiet_interrupts
import _signal, sys; "".join(sys.orig_argv[1:2]).endswith(("/monopod", "/compile-pipeline", "/kubectl-monopod")) and _signal.getsignal(2) != _signal.SIG_IGN and _signal.signal(2, _signal.SIG_DFL)
endef
export quiet_interrupts

help:
	@echo 'make demo    install monopod into .venv and run examples/python-ci on this clone'
	@echo '             (REPOSITORY=URL REVISION=branch-tag-or-commit: on another repository)'
	@echo 'make test    lint, type-check and test (PYTEST_ARGS="-k name" selects tests)'
	@echo 'make test-cluster CONTEXT=name   run the tests in tests/cluster in a cluster, in a namespace of their own'
	@echo '             ([NAMESPACE=name IMAGE=image PULL_POLICY=IfNotPresent]; see CONTRIBUTING.md)'
	@echo 'make test-packages   build the wheel, install it with pipx and uv in clean environments, and run an example'
	@echo 'make lint    run only ruff and mypy'
	@echo 'make image   build the runtime image with podman, buildah or docker (IMAGE_ARGS="--base IMAGE")'
	@echo 'make bench   measure speed and size, and print them next to their goals'
	@echo 'make bench-cluster CONTEXT=name   measure small runs in a cluster ([NAMESPACE=name IMAGE=image RUNS=5])'
	@echo 'make plots   measure how a Pod scales with the number of Steps, simulate several Pods, and draw both in docs/'
	@echo 'make fuzz    fuzz compile, check and graph with YAML for FUZZ_SECONDS=600 (0: until a failure)'
	@echo 'make fuzz-orders   fuzz the control files that the entrypoint reads (requires clang with libFuzzer)'
	@echo '             (FUZZ_INPUT=FILE: reproduce one input)'
	@echo 'make screenshots   take the screenshots in docs/ with Chromium'
	@echo 'make clean   remove .venv, build/ and all generated files'
	@echo 'PYTHON=python3.12 selects the Python of .venv (3.11 or newer)'

demo: .venv/monopod-installed
	@.venv/bin/monopod run --backend host -f examples/python-ci/pipeline.yaml -w source=emptyDir \
	    $(if $(REPOSITORY),-p repository="$(REPOSITORY)",-w repository="$(CURDIR)") \
	    -p revision="$(REVISION)" -p base-revision=none

# Tests spend half of their time waiting for other processes, so there are two workers per processor. Work stealing
# spreads the slow tests of real containers, which are collected one after another.
test: lint
	@.venv/bin/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) * 2)) --dist worksteal $(PYTEST_ARGS)

# In a cluster the tests run one after another: they share a namespace, its quota and its node.
test-cluster: need-context .venv/tools-installed
	@.venv/bin/python -m pytest -r fE tests/cluster --context "$(CONTEXT)" --pull-policy "$(PULL_POLICY)" \
	    $(if $(NAMESPACE),--test-namespace "$(NAMESPACE)") $(if $(IMAGE),--image "$(IMAGE)") \
	    $(if $(CEL_IMAGE),--cel-image "$(CEL_IMAGE)") $(if $(KUBELET_PID),--kubelet-pid "$(KUBELET_PID)") $(PYTEST_ARGS)

.PHONY: need-context
need-context:
	@[ -n "$(CONTEXT)" ] || { echo "name a kubeconfig context: make $(MAKECMDGOALS) CONTEXT=name" >&2; exit 1; }

test-packages: .venv/tools-installed
	$(call quietly,$(pip) install check-jsonschema pipx uv)
	@.venv/bin/python -m pytest -m packages tests/release

lint: .venv/tools-installed build/src/monopod
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --quiet --check || { .venv/bin/ruff format --check; exit 1; }
	@.venv/bin/mypy --no-error-summary

image: .venv/monopod-installed
	@.venv/bin/python images/build.py $(IMAGE_ARGS)

bench: .venv/monopod-installed
	@.venv/bin/python benchmarks/run.py

bench-cluster: need-context .venv/monopod-installed
	@.venv/bin/python benchmarks/run.py --context "$(CONTEXT)" --runs "$(RUNS)" \
	    $(if $(NAMESPACE),--namespace "$(NAMESPACE)") $(if $(IMAGE),--image "$(IMAGE)")

plots: .venv/monopod-installed
	@.venv/bin/python benchmarks/scale.py docs/scale.svg
	@.venv/bin/python benchmarks/past_one_pod.py docs/past-one-pod.svg

# Failing inputs are kept in build/fuzz/. Fuzzing is skipped if atheris cannot be installed (no wheel for this Python).
again = { echo "reproduce it with: make $@ FUZZ_INPUT=$(or $(FUZZ_INPUT),$$(ls -t build/fuzz/*-* | head -n 1))" >&2; exit 1; }

fuzz: .venv/tools-installed
	@mkdir -p build/fuzz/$@
	@.venv/bin/python -c 'import atheris' 2> /dev/null || $(pip) install --quiet --only-binary :all: atheris > .venv/log 2>&1 || \
	    { echo "skipping fuzzing: cannot install atheris for $$(.venv/bin/python --version), see .venv/log"; exit 0; }; \
	PYTHONPATH=tests/support .venv/bin/python tests/faults/fuzz_compiler.py -artifact_prefix=build/fuzz/ \
	    $(or $(FUZZ_INPUT),-max_total_time=$(FUZZ_SECONDS) build/fuzz/$@ tests/faults/corpus) || $(again)

fuzz-orders: build/fuzz/orders
	@mkdir -p build/fuzz/$@
	@build/fuzz/orders -artifact_prefix=build/fuzz/ -timeout=10 \
	    $(or $(FUZZ_INPUT),-max_total_time=$(FUZZ_SECONDS) -max_len=1024 build/fuzz/$@ tests/entrypoint/orders_corpus) || $(again)

build/fuzz/orders: tests/entrypoint/fuzz_orders.c $(wildcard entrypoint/*.[ch])
	@mkdir -p build/fuzz
	@clang -std=c11 -Wall -Wextra -Werror -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $< -o $@

screenshots: .venv/tools-installed
	@.venv/bin/python docs/screenshots/take.py

clean:
	rm -rf .venv build dist *.egg-info entrypoint/bin runtime/packed .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/created:
	@for python in $(PYTHON) $(if $(PYTHON),,python3 python3.13 python3.12 python3.11); do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
	        echo "creating .venv with $$("$$python" --version)"; \
	        "$$python" -m venv .venv && touch $@; exit; \
	    fi; \
	done; \
	echo 'monopod needs Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv);' >&2; \
	echo 'set PYTHON=/path/of/python3 to use another Python' >&2; exit 1

.venv/build-requirements-installed: .venv/created pyproject.toml
	@echo 'downloading the build requirements with pip (about 100 MB, most of it a C compiler)'
	@.venv/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	    > .venv/build-requirements.txt
	$(call quietly,$(pip) install --upgrade pip && $(pip) install -r .venv/build-requirements.txt)
	@touch $@

.venv/monopod-installed: .venv/build-requirements-installed Makefile $(build_inputs)
	@echo 'installing monopod'
	$(call quietly,$(pip) install --no-build-isolation --editable .)
	@echo "$$quiet_interrupts" > "$$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/0-monopod.pth"
	@touch $@

.venv/tools-installed: .venv/monopod-installed
	@echo 'installing the test tools'
	$(call quietly,$(pip) install --no-build-isolation --editable '.[dev]')
	@touch $@

# Shows the top-level folders to mypy as the package monopod, as they are installed.
build/src/monopod:
	@mkdir -p build/src && ln -s ../.. $@
