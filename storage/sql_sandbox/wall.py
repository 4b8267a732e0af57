"""Confines the current process with kernel features: no files, no network, no other processes.

Calls libc directly, because packages for this bring compiled libraries. Missing kernel features are reported.
Linux on x86-64 and arm64. Sources: prctl(2), capabilities(7), landlock(7), seccomp(2) (read 2026-11).
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable

_NO_NEW_PRIVS, _CAPBSET_DROP, _SET_DUMPABLE = 38, 24, 4
_GET_NO_NEW_PRIVS, _GET_SECCOMP = 39, 21
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
#: Landlock version -> file and network access rights that it can deny (version 4: TCP bind and connect).
_LANDLOCK_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_LANDLOCK_NET = 0b11
_CAPABILITY_VERSION = 0x20080522
#: Calls by architecture: audit's number of it, and the calls that are refused: everything that opens, connects,
#: executes, traces, mounts, loads, or makes a process.
_REFUSED = {
    "x86_64": (
        0xC000003E,
        (
            *(
                2,
                85,
                257,
                437,
                304,
                56,
                86,
                87,
                88,
                82,
                83,
                84,
                76,
                90,
                92,
                94,
                133,
                161,
                165,
                166,
                263,
                264,
                265,
                266,
                316,
            ),
            *(41, 42, 43, 49, 50, 53, 288, 44, 46, 307, 59, 322, 57, 58, 101, 310, 311, 298, 321, 425, 426, 427),
            *(155, 169, 175, 176, 246, 272, 308, 62, 200, 234, 129, 250, 248, 249, 323, 435, 440, 434, 424, 438),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            *(56, 437, 220, 33, 34, 35, 36, 37, 38, 39, 40, 45, 53, 54, 265, 276, 51),
            *(198, 199, 200, 201, 202, 203, 206, 211, 242, 269, 221, 281, 117, 270, 271, 241, 280, 425, 426, 427),
            *(41, 142, 105, 106, 104, 97, 268, 129, 130, 131, 138, 217, 218, 219, 282, 435, 440, 434, 424, 438),
        ),
    ),
}
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000


def lacking() -> list[str]:
    """What `build` would miss on this system, by name. Changes nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    lacks: dict[str, Callable[[], bool]] = {
        "no new privileges": lambda: libc.prctl(_GET_NO_NEW_PRIVS, 0, 0, 0, 0) < 0,
        "Landlock": lambda: _landlock_version(libc) < 1,
        "seccomp": lambda: platform.machine() not in _REFUSED or libc.prctl(_GET_SECCOMP, 0, 0, 0, 0) < 0,
    }
    if platform.system() != "Linux":
        return list(lacks)
    return [name for name, lacks_it in lacks.items() if lacks_it()]


def build() -> list[str]:
    """Confine this process irrevocably; return the names of missing features."""
    libc = ctypes.CDLL(None, use_errno=True)
    missing = []
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return ["no new privileges", "Landlock", "seccomp"]  # the others require no_new_privs or privileges
    if not _drop_capabilities(libc):
        missing.append("dropping capabilities")
    if not _restrict_files(libc):
        missing.append("Landlock")
    if not _refuse_calls(libc):
        missing.append("seccomp")
    return missing


def _drop_capabilities(libc: ctypes.CDLL) -> bool:
    number = 0
    while libc.prctl(_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    header = ctypes.create_string_buffer(struct.pack("<Ii", _CAPABILITY_VERSION, 0))
    return bool(libc.capset(header, ctypes.create_string_buffer(24)) == 0)


def _restrict_files(libc: ctypes.CDLL) -> bool:
    version = _landlock_version(libc)
    if version < 1:
        return False
    handled = struct.pack("<QQ", _LANDLOCK_FILES[min(version, 5)], _LANDLOCK_NET if version >= 4 else 0)
    handled = handled if version >= 4 else handled[:8]
    ruleset = libc.syscall(_LANDLOCK_CREATE, ctypes.create_string_buffer(handled), ctypes.c_size_t(len(handled)), 0)
    if ruleset < 0:
        return False
    try:
        return bool(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _landlock_version(libc: ctypes.CDLL) -> int:
    return int(libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1))


def _refuse_calls(libc: ctypes.CDLL) -> bool:
    """Install a seccomp filter: foreign architectures kill the process, listed calls fail, other calls are allowed."""
    known = _REFUSED.get(platform.machine())
    if known is None:
        return False
    architecture, calls = known
    # struct seccomp_data: nr at 0, arch at 4.
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if platform.machine() == "x86_64":  # the same calls under the numbers of x32
        steps += [(0x35, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]
    for call in sorted(set(calls)):
        steps += [(_EQUAL, 0, 1, call), (_RETURN, 0, 0, _REFUSE)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    described = Program(len(steps), ctypes.addressof(program))
    return bool(libc.prctl(22, 2, ctypes.byref(described), 0, 0) == 0)
