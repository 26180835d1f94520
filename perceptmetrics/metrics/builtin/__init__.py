"""Specifications of the metrics that come with the package."""
