"""`python -m serkit`: the command-line interface."""

from serkit.cli import run

if __name__ == "__main__":
    run()
