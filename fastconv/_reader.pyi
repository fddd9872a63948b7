from typing import Any

import numpy.typing as npt

def parse_example(payload: bytes | bytearray | memoryview) -> dict[str, npt.NDArray[Any]]: ...
