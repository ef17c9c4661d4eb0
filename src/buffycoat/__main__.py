"""``python -m buffycoat`` is the command ``buffycoat``."""

from buffycoat.cli.main import run

if __name__ == "__main__":
    run()
