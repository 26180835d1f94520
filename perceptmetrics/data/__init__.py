"""Rated images: manifests, splits, batches."""
