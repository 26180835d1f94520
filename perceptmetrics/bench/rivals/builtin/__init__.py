"""The rivals that come with the package: specifications only, none of their code or weights."""
