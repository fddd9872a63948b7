"""Checking what is there: shards, indexes, images, against the manifest and the source."""
