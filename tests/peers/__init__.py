"""Tests against the readers that people use: TensorFlow, NVIDIA DALI, and PyPI's tfrecord.

A package, so that its modules may share names with those of the other tests.
"""
