"""OpenCV: imdecode, resize with INTER_AREA, imencode; one thread a process.

FFCV's writer resizes and encodes by these calls; the images it gets are decoded by whatever the
data set uses, which is Pillow in most."""

from __future__ import annotations

from bench.peers.resizing import QUALITY, Remake, Smaller, run


def start(smaller: Smaller) -> Remake:
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    flags = [
        *(cv2.IMWRITE_JPEG_QUALITY, QUALITY),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
    ]

    def remake(data: bytes, name: str) -> bytes:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        sides = smaller.sides(*pixels.shape[:2])
        if sides is None:
            return data
        height, width = sides
        if (height, width) != pixels.shape[:2]:
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        done, made = cv2.imencode(".jpg", pixels, flags)
        if not done:
            raise ValueError(f"{name} could not be encoded")
        encoded: bytes = made.tobytes()
        return encoded

    return remake


if __name__ == "__main__":
    run(__doc__, start)
