"""What runs in a rival's own Python: one file each with a function ``load``.

``worker.py`` loads these files by their paths. They import the rival inside ``load`` and nothing of
perceptmetrics, but for ``own.py``, by which ours are measured in the same way.
"""
