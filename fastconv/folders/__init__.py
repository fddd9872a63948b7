"""Class folders for PyTorch, from archives or from other folders: ``fastconv raw``."""
