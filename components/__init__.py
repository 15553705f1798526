"""Pulumi components that realise a plan; one file each, no decisions of their own."""
