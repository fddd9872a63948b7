"""``python -m fastconv``."""

from fastconv.entry import main

if __name__ == "__main__":
    main()
