"""Features kept by the content of their images: never needed, and never believed without their checksum."""

import hashlib
import io
from pathlib import Path

import numpy as np

from paddle_ugatit.data.images import reason
from paddle_ugatit.formats import atomic
from paddle_ugatit.metrics.features import FeatureExtractor

_CHECKSUM = 32  # bytes of SHA-256 at the end of a file


class FeatureCache:
    """A folder of features, one .npy file with a checksum for each set and extractor; without a folder, nothing.

    `remarks` says what went wrong: a damaged file, or one that cannot be written.
    """

    def __init__(self, folder: Path | str | None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.remarks: list[str] = []

    def load(self, extractor: FeatureExtractor, digest: str) -> np.ndarray | None:
        """Return the features (N,d) of the set with this digest, or None if they are not there or are damaged."""
        if self.folder is None:
            return None
        key = _key(extractor, digest)
        path = self.folder / _name(key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.remarks.append(f"{path}: the features kept there cannot be read: {reason(error)}")
            return None
        if data[-_CHECKSUM:] == _checksum(key, data[:-_CHECKSUM]):
            features = np.load(io.BytesIO(data), allow_pickle=False)
            if features.ndim == 2 and features.shape[1] == extractor.dimensions:
                return features
        self.remarks.append(f"{path}: the features kept there were damaged, and have been computed anew")
        return None

    def keep(self, extractor: FeatureExtractor, digest: str, features: np.ndarray) -> None:
        """Write features (N,d). What prevents it is a remark, as the features themselves are at hand."""
        if self.folder is None:
            return
        key = _key(extractor, digest)
        buffer = io.BytesIO()
        np.save(buffer, features)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic.replacing(self.folder / _name(key)) as file:
                file.write(buffer.getvalue())
                file.write(_checksum(key, buffer.getvalue()))
        except (OSError, atomic.WriteError) as error:
            self.remarks.append(f"features are not kept for the next time: {self.folder}: {reason(error)}")


def _key(extractor: FeatureExtractor, digest: str) -> str:
    return hashlib.sha256(f"{digest} {extractor.identity}".encode()).hexdigest()


def _name(key: str) -> str:
    return f"features-{key[:32]}.sum.npy"  # files without .sum are those of version 0.1, which have no checksum


def _checksum(key: str, data: bytes) -> bytes:
    return hashlib.sha256(key.encode() + data).digest()
