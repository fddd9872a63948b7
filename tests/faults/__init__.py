"""Faults on demand: a library that stands between fastconv and libc, and jobs that meet them."""
