from __future__ import annotations

from parbench_lab.core.machine import Cache
from parbench_lab.hardware.topology import (
    CacheFiles,
    Cpus,
    parse_caches,
    parse_core_places,
    parse_cpuinfo,
    read_caches,
)

X86 = """\
processor\t: {n}
vendor_id\t: GenuineIntel
model\t\t: 142
model name\t: Intel(R)  Core(TM) i7
physical id\t: {socket}
core id\t\t: {core}
flags\t\t: fpu vme
"""
RASPBERRY = """\
processor\t: 0
BogoMIPS\t: 108.00
CPU implementer\t: 0x41

processor\t: 1
BogoMIPS\t: 108.00
CPU implementer\t: 0x41

Hardware\t: BCM2835
Model\t\t: Raspberry Pi 4 Model B Rev 1.4
"""


def test_two_threads_of_a_core_are_one_physical_core():
    text = "\n".join(X86.format(n=n, socket=n // 4, core=n % 2) for n in range(8))

    assert parse_cpuinfo(text) == Cpus(
        model="Intel(R) Core(TM) i7", logical_cores=8, physical_cores=4
    )


def test_arm_boards_tell_no_physical_cores_but_a_model():
    assert parse_cpuinfo(RASPBERRY) == Cpus(
        model="Raspberry Pi 4 Model B Rev 1.4", logical_cores=2, physical_cores=None
    )


def test_arm_servers_without_a_name_are_told_apart_by_their_numbers():
    block = (
        "processor\t: {}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        "CPU variant\t: 0x3\nCPU part\t: {}\nCPU revision\t: 1\n"
    )

    def model(*parts):
        return parse_cpuinfo("\n".join(block.format(*one) for one in enumerate(parts))).model

    assert model("0xd0c", "0xd0c") == "ARM 0x41 0xd0c 0x3 1"
    assert model("0xd40", "0xd40") != model("0xd0c", "0xd0c")
    assert model("0xd40", "0xd0c") == "ARM 0x41 0xd0c 0x3 1, ARM 0x41 0xd40 0x3 1"


def test_every_thread_has_its_core_and_a_board_that_tells_none_has_none():
    text = "\n".join(X86.format(n=n, socket=n // 4, core=n % 2) for n in range(8))

    places = parse_core_places(text)

    assert places[0] == places[2] == "0/0"
    assert places[5] == places[7] == "1/1"
    assert len(places) == 8
    assert parse_core_places(RASPBERRY) == {}


def test_a_missing_cpuinfo_is_nothing_known():
    assert parse_cpuinfo("") == Cpus(model="", logical_cores=0, physical_cores=None)


def test_caches_are_counted_once_for_the_cores_that_share_them():
    def files(level, kind, size, shared):
        return CacheFiles(level=level, kind=kind, size=size, shared_cpu_list=shared)

    found = parse_caches(
        [
            files("3\n", "Unified\n", "32M\n", "0-3\n"),
            files("1\n", "Data\n", "32K\n", "0-1\n"),
            files("1\n", "Data\n", "32K\n", "2-3\n"),
            files("1\n", "Instruction\n", "32K\n", "0-1\n"),
            files("3\n", "Unified\n", "32M\n", "0-3\n"),
            files("2\n", "Unified\n", "unknown\n", "0-1\n"),
        ]
    )

    assert found == (
        Cache(name="L1d", size_bytes=32 * 2**10, instances=2),
        Cache(name="L1i", size_bytes=32 * 2**10, instances=1),
        Cache(name="L3", size_bytes=32 * 2**20, instances=1),
    )


def test_cache_folders_are_read_and_incomplete_ones_passed_over(tmp_path):
    for index, names in (("index0", ("level", "type", "size", "shared_cpu_list")), ("index1", ())):
        folder = tmp_path / "sys/devices/system/cpu/cpu0/cache" / index
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(f"{name}\n")

    assert read_caches(tmp_path) == (
        CacheFiles(
            level="level\n", kind="type\n", size="size\n", shared_cpu_list="shared_cpu_list\n"
        ),
    )
