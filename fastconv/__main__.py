"""``python -m fastconv``."""

from fastconv.cli import main

if __name__ == "__main__":
    main()
