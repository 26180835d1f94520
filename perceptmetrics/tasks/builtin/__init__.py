"""One file a task: found by :data:`perceptmetrics.tasks.TASKS`."""
