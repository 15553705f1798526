"""The commands of ``bin/swarmhub``, one module each."""
