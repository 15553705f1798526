PYTHON ?= python3
VENV_PYTHON = .venv/bin/python
export PYTHONUNBUFFERED = 1

.DEFAULT_GOAL := help
.PHONY: help setup up down status browse test check test-unit test-hub test-swarm test-existing test-vm test-door test-cloud test-storage test-images test-dns test-machines test-site test-public test-ubuntu format lock clean

help: ## show this
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 14

setup: ## virtualenv from the lock files, and Pulumi
	@$(PYTHON) -m scripts.toolchain

up: setup ## a JupyterHub on a real OpenStack on this machine, from nothing
	@$(VENV_PYTHON) -m scripts.first_light up

down: setup ## destroy it and stop the cloud
	@$(VENV_PYTHON) -m scripts.first_light down

status: setup ## what runs of it
	@$(VENV_PYTHON) -m scripts.first_light status

browse: setup ## open the hub in a browser that knows the rehearsal cloud's names and certificates
	@$(VENV_PYTHON) -m scripts.first_light browse

test: setup ## every tier whose needs this machine meets
	@$(VENV_PYTHON) -m scripts.tiers

check: setup ## format, lint, types
	@$(VENV_PYTHON) -m scripts.tiers check

test-unit: setup ## the tests that need nothing
	@$(VENV_PYTHON) -m scripts.tiers unit

test-hub: setup ## a real hub process, proxy and login provider on this machine
	@$(VENV_PYTHON) -m scripts.tiers hub

test-swarm: setup ## hub, proxy and spawner on a Docker swarm of this machine
	@$(VENV_PYTHON) -m scripts.tiers swarm

test-existing: setup ## a stack on machines that are there already: up, changes, destroy, without a cloud
	@$(VENV_PYTHON) -m scripts.tiers existing

test-vm: setup ## quotas and NFS on one virtual machine of the rehearsal cloud's guest
	@$(VENV_PYTHON) -m scripts.tiers vm

test-door: setup ## nginx, certificates and the overlay's filter, without a cloud
	@$(VENV_PYTHON) -m scripts.tiers door

test-cloud: setup ## up, browser, second up, destroy on the rehearsal cloud
	@$(VENV_PYTHON) -m scripts.tiers cloud

test-storage: setup ## where homes can live and what outlives the machines, half an hour; not part of test
	@$(VENV_PYTHON) -m scripts.tiers storage

test-images: setup ## images that up builds and hands to the workers, a quarter of an hour; not part of test
	@$(VENV_PYTHON) -m scripts.tiers images

test-site: setup ## a network and an address that are there already; more, fewer and larger workers; not part of test
	@$(VENV_PYTHON) -m scripts.tiers site

test-public: setup ## machines with public addresses of their own, minutes; not part of test
	@$(VENV_PYTHON) -m scripts.tiers public

test-ubuntu: setup ## Ubuntu as it comes, and every image built from images/, three quarters of an hour; not part of test
	@$(VENV_PYTHON) -m scripts.tiers ubuntu

test-dns: setup ## the hub's name in the cloud's DNS service, minutes; not part of test
	@$(VENV_PYTHON) -m scripts.tiers dns

test-machines: setup ## homes on existing machines, with quotas and NFS, a quarter of an hour; not part of test
	@$(VENV_PYTHON) -m scripts.tiers machines

format: setup ## let ruff rewrite the sources
	@.venv/bin/ruff format && .venv/bin/ruff check --fix

lock: ## freeze requirements/*.in anew (needs uv; UPGRADE=--upgrade for newer versions)
	@scripts/lock.sh $(UPGRADE)

clean: ## remove the rehearsal cloud with its data, the cached toolchain and the virtualenv
	@$(PYTHON) -m scripts.clean
