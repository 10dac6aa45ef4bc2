# The commands of a checkout. Each is safe to run again at any point.
# tools/machine puts a Go into the cache where the machine's own is missing or too old.
cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cfcr
export PATH := $(CURDIR)/.venv/bin:$(cache)/toolchain/go/bin:$(PATH):/usr/local/go/bin

ready := .venv/.ready collections/ansible_collections/cfcr/kubernetes

.PHONY: cluster destroy test bench lint release machine

cluster: machine $(ready)  ## Bring up the local cluster: artifacts, hosts, Kubernetes, smoke tests
	tools/cluster

destroy: machine $(ready)  ## Remove the local cluster, and nothing else
	ansible-playbook -i inventories/local/hosts.yml -e destroy_cluster=cfcr playbooks/destroy.yml

test: machine $(ready)  ## Run every check there is
	tools/test

bench: machine $(ready)  ## Measure, and write docs/benchmarks.md
	tools/bench

lint: $(ready)  ## Check the style
	ansible-lint

release: $(ready)  ## Write the changelog, build and check the collection, and print the commands that publish it
	tools/release

machine:
	tools/machine

.venv/.ready: requirements-dev.txt
	test -x .venv/bin/python || python3 -m venv .venv
	.venv/bin/pip install --quiet --requirement requirements-dev.txt
	touch $@

collections/ansible_collections/cfcr/kubernetes:
	mkdir -p $(@D)
	ln -s ../../.. $@
