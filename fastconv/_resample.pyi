import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8] | memoryview

FILTERS: dict[str, int]

def resample_kernel() -> str: ...
def resample_kernels() -> tuple[str, ...]: ...
def force_resample_kernel(name: str) -> None: ...
def orient(pixels: Pixels, out: Pixels, orientation: int) -> None: ...

class Resampler:
    def resize(
        self,
        pixels: Pixels,
        out: Pixels,
        filter: str,
        box: tuple[float, float, float, float] | None = None,
    ) -> None: ...
