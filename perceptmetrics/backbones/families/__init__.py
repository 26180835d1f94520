"""One file a family: specifications only, found by :data:`perceptmetrics.backbones.BACKBONES`."""
