"""The rehearsal cloud: a real OpenStack on this machine, in a root file system and namespaces of its own."""
