"""Tests with the real parts of a cluster: an S3 server, and Dask's scheduler and workers.

A package, so that its modules may share names with those of the other tests.
"""
