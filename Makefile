# The commands of a checkout; `make help` lists them. Each can be repeated at any time.
# tools/machine puts a Go into the cache if the machine's own is missing or too old.
cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cfcr
export PATH := $(CURDIR)/.venv/bin:$(cache)/toolchain/go/bin:$(PATH):/usr/local/go/bin

ready := .venv/.ready collections/ansible_collections/cfcr/kubernetes

.PHONY: cluster destroy test test-all bench bundle ee lint release setup help machine

cluster: machine $(ready)  ## Bring up the local cluster: artifacts, hosts, Kubernetes, smoke tests
	tools/cluster

destroy: machine $(ready)  ## Remove the local cluster and nothing else
	ansible-playbook -i inventories/local/hosts.yml -e destroy_cluster=cfcr playbooks/destroy.yml

test: machine $(ready)  ## Run all checks
	tools/test

test-all: machine $(ready)  ## Run all checks, also those that take long: all tests on each version of Ansible
	tools/test --all

bench: machine $(ready)  ## Measure, and write docs/benchmarks.md
	tools/bench

ee: machine $(ready)  ## Build the execution environment and the decision environment, from Debian or from EE_BASE_IMAGE
	tools/ee

bundle: machine $(ready)  ## Make a signed file for clusters without a network; BUNDLE="-e ..." passes variables (docs/airgap.md)
	ansible-playbook -i localhost, -e bundle_directory=$(CURDIR)/.local/bundle -e bundle_tree=$(cache)/artifacts $(BUNDLE) playbooks/bundle.yml

lint: $(ready)  ## Check the style
	ansible-lint

release: $(ready)  ## Write the changelog, build and check the collection, and print the commands that publish it
	tools/release

setup: $(ready)  ## Create the virtual environment, and link the checkout as a collection

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

machine:
	tools/machine

.venv/.ready: requirements-dev.txt
	test -x .venv/bin/python || python3 -m venv .venv
	.venv/bin/pip install --quiet --requirement requirements-dev.txt
	touch $@

collections/ansible_collections/cfcr/kubernetes:
	mkdir -p $(@D)
	ln -s ../../.. $@
