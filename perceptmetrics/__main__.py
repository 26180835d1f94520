"""``python -m perceptmetrics`` is the command line."""

from perceptmetrics.cli.main import main

if __name__ == "__main__":
    main()
