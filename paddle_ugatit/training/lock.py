"""Who trains in a run's folder: a file that names the process, by which a second training is refused.

The lock of a process of the same machine that has ended, also by a kill or a power cut, is taken over at once. Whether
a process of another machine or container still runs cannot be told from here, so the holder gives a sign of life: it
renews the time of the file every few seconds. A lock without one for minutes, by the clock of the file system, is taken
over too; until then it is refused, with the way to remove it. Nothing depends on the file system's own locks, which
network folders often lack.
"""

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from paddle_ugatit.backend.errors import InputError, UsageError

NAME = "lock.json"
_SETTLE = 0.2  # seconds after which one of two processes that take over the same lock at once sees the other
_BEAT = 15.0  # seconds between two signs of life
_SILENCE = 300.0  # seconds without one after which a process of another machine counts as ended
_UNREADABLE = 1.0  # seconds after which a lock without content is taken for what a crash left


@dataclass(frozen=True)
class Holder:
    """A process, so that it is told from every other one: a number alone is given again after its end."""

    host: str
    machine: str  # the identity of the installation, "" if unknown
    boot: str  # changes whenever the machine starts, "" if unknown
    namespace: str  # in which `pid` counts: of a container, say
    pid: int
    started: str  # when the process began, in the system's own unit, "" if unknown
    since: str  # when it took the lock, for people
    token: str  # of this lock

    def runs(self, here: "Holder") -> bool | None:
        """Return whether the process still runs, seen from the process `here`; None if that cannot be told."""
        if (self.host, self.machine) != (here.host, here.machine):
            return None
        if self.boot != here.boot:
            return False
        if self.namespace != here.namespace:
            return None
        started = _started(self.pid)
        return None if started is None else started != "" and (not self.started or started == self.started)


def this_process() -> Holder:
    """Return this process as the holder of a new lock."""
    machine, boot = _text("/etc/machine-id"), _text("/proc/sys/kernel/random/boot_id")
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    since, pid = time.strftime("%Y-%m-%d %H:%M:%S"), os.getpid()
    return Holder(socket.gethostname(), machine, boot, namespace, pid, _started(pid) or "", since, secrets.token_hex(8))


def living(folder: Path) -> Holder | None:
    """Return the process that trains in a folder; None if none does, or if that cannot be told from here."""
    found = FolderLock(folder).read()
    return found if found is not None and found.runs(this_process()) else None


class FolderLock:
    """The lock of a run's folder, which belongs to this process from `take` to `close`."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / NAME
        self.own = this_process()
        self._closed = threading.Event()

    def take(self) -> None:
        """Take the lock. Raises UsageError if another process holds it, and OSError if it cannot be written."""
        self._take()
        threading.Thread(target=self._beat, daemon=True).start()

    def _take(self) -> None:
        if self._create():
            return
        there = self.read()
        end = time.monotonic() + _UNREADABLE
        while there is None and time.monotonic() < end:  # another process may be just writing it
            time.sleep(0.05)
            there = self.read()
        self._refuse_living(there)
        # The last of several processes that take over at once wins: the others find its name afterwards.
        self._replace(there)
        time.sleep(_SETTLE)
        there = self.read()
        self._refuse_living(there)
        if there is None or there.token != self.own.token:
            raise UsageError(f"{self.folder}: another process was taking this folder at the same moment: try again")

    def close(self) -> None:
        """Give the lock back, unless another process has taken it meanwhile."""
        self._closed.set()
        found = self.read()
        if found is not None and found.token == self.own.token:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def require(self) -> None:
        """Raise InputError if another process has taken the lock, as after it was removed by mistake."""
        found = self.read()
        if found is not None and found.token != self.own.token:
            raise InputError(
                f"{self.folder}: {_named(found)} trains here now; this run ends, so as not to mix the two runs' files"
            )

    def _beat(self) -> None:
        while not self._closed.wait(_BEAT):
            found = self.read()
            if found is not None and found.token == self.own.token:
                with contextlib.suppress(OSError):
                    os.utime(self.path)

    def _silence(self) -> float:
        """Return the seconds since the last sign of life, by the clock of the file system; 0 if it has none."""
        probe = self.path.with_name(f".{NAME}.{self.own.token}.now")
        try:
            probe.touch()
            return max(0.0, probe.stat().st_mtime - self.path.stat().st_mtime)
        except OSError:
            return 0.0
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()

    def _refuse_living(self, there: Holder | None) -> None:
        if there is None or there.token == self.own.token:
            return
        runs = there.runs(self.own)
        if runs is None:
            silence = self._silence()
            if silence > _SILENCE:
                return
            raise UsageError(
                f"{self.folder}: {_named(there)} has held this folder since {there.since}, and whether it still runs "
                f"cannot be told from here; its last sign of life is {silence:.0f} s old: if it has ended, try again "
                f"in {_SILENCE - silence:.0f} s, or remove {self.path}"
            )
        if runs:
            raise UsageError(
                f"{self.folder}: {_named(there)} has been training here since {there.since}: wait for it, or use "
                "another --out"
            )

    def _create(self) -> bool:
        try:
            with open(self.path, "x", encoding="utf-8") as file:
                file.write(self._text())
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            return False
        except OSError:  # a full disk leaves it empty
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise
        return True

    def _replace(self, dead: Holder | None) -> None:
        temporary = self.path.with_name(f".{NAME}.{self.own.token}.tmp")
        try:
            temporary.write_text(self._text(), encoding="utf-8")
            if self.read() == dead:
                os.replace(temporary, self.path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _text(self) -> str:
        return json.dumps(asdict(self.own), indent=1) + "\n"

    def read(self) -> Holder | None:
        """Return the holder that the file names, None if there is no file or it names none."""
        try:
            with open(self.path, encoding="utf-8") as file:
                found = Holder(**json.loads(file.read(10_000)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        kinds = {name: int if name == "pid" else str for name in asdict(found)}
        return found if all(type(value) is kinds[name] for name, value in asdict(found).items()) else None


def _named(holder: Holder) -> str:
    return f"process {holder.pid} on {holder.host}"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _started(pid: int) -> str | None:
    """Return when a process of this machine began, "" if there is none, None if the system does not say."""
    if Path("/proc/self/stat").exists():
        # Behind the name, which stands in brackets and may hold anything: the state, and as the 20th field the start.
        fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        return "" if len(fields) < 20 or fields[0] in "ZX" else fields[19]
    try:
        import psutil
    except ImportError:
        return None
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return ""
    except (psutil.Error, ValueError):
        return None
