"""Other tools at the same job, each a program of its own: ``python -m bench.peers.NAME``."""
