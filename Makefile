# A thin front for meson. Each target installs the Debian packages that it misses.
SHELL := /bin/bash
BUILD := build
FUZZ_SECONDS ?= 60

.PHONY: help build run test bench bench-readme bench-baseline lint corpus fuzz docs format clean

help:
	@echo "make build | run | test | bench [ONLY=pick] [QUICK=1] [COMPARE=1] | lint | corpus DIR=folder | fuzz | docs | format | clean"

$(BUILD)/build.ninja:
	@tools/install-deps build
	@meson setup $(BUILD) --buildtype=release >$(BUILD).log 2>&1 || { tail -n 30 $(BUILD).log; exit 1; }
	@mv $(BUILD).log $(BUILD)/setup.log

build: $(BUILD)/build.ninja
	@tools/install-deps build
	@ninja -C $(BUILD)

run: build
	@$(BUILD)/tandem demo

test: build
	@tools/install-deps test
	@tools/run-tests --build $(BUILD) --e2e

# ONLY=pick runs a part, QUICK=1 checks names and sanity alone, COMPARE=1 says which ratios moved.
bench: $(BUILD)/build.ninja
	@tools/install-deps build bench
	@meson configure $(BUILD) -Dpeers=enabled
	@ninja -C $(BUILD)
	@/usr/bin/python3 -B bench/run.py --build $(BUILD) $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) \
		$(if $(COMPARE),--compare)

# Of the last `make bench`: README's figures and plot; the ratios to compare with from now on.
bench-readme:
	@/usr/bin/python3 -B bench/report.py $(BUILD)/bench/bench.json --readme README.md --plot docs/bench.svg

bench-baseline:
	@/usr/bin/python3 -B bench/report.py $(BUILD)/bench/bench.json --baseline bench/baseline.json

lint:
	@tools/install-deps lint
	@tools/lint

# Parser and engine over every file of a folder: one message each, or a pcap.
corpus: build
	@test -n "$(DIR)" || { echo "make corpus: which folder? DIR=folder" >&2; exit 2; }
	@$(BUILD)/tests/torture/corpus "$(DIR)"

fuzz:
	@tools/install-deps build fuzz
	@tools/run-fuzz --seconds $(FUZZ_SECONDS)

# The pages that are generated from the source.
docs: build
	@ninja -C $(BUILD) --quiet docs

format:
	@tools/install-deps lint
	@git ls-files '*.[ch]' | xargs clang-format -i

clean:
	@rm -rf $(BUILD) build-*
