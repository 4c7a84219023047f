"""Accelerators of other makers, from made-up trees of files."""

import pytest

from parbench_lab.hardware.accelerators import Accelerator, detect_accelerators, parse_cards
from parbench_lab.hardware.accelerators import CardFiles as Card

INSTINCT = "DRIVER=amdgpu\nPCI_ID=1002:74A1\nPCI_SLOT_NAME=0000:c1:00.0\n"
ARC = "DRIVER=xe\nPCI_ID=8086:56A0\nPCI_SLOT_NAME=0000:03:00.0\n"
INSIDE = "DRIVER=i915\nPCI_ID=8086:9A49\nPCI_SLOT_NAME=0000:00:02.0\n"
NVIDIA = "DRIVER=nvidia\nPCI_ID=10DE:2335\nPCI_SLOT_NAME=0000:1b:00.0\n"


def grow(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("uevent", "names"),
    [
        pytest.param(INSTINCT, ["AMD GPU 1002:74A1"], id="AMD's"),
        pytest.param(ARC, ["Intel GPU 8086:56A0"], id="Intel's own card"),
        pytest.param(INSIDE, [], id="a part of Intel's processor"),
        pytest.param(NVIDIA, [], id="NVIDIA's is NVML's business"),
        pytest.param("DRIVER=virtio-pci\n", [], id="a virtual screen"),
        pytest.param("", [], id="an unreadable file"),
    ],
)
def test_cards_that_compute_are_told_from_those_that_draw(uevent, names):
    found = parse_cards([Card(uevent=uevent)], amd_computes=True)

    assert [accelerator.name for accelerator in found] == names


def test_amds_card_without_the_compute_driver_only_draws():
    assert parse_cards([Card(uevent=INSTINCT)], amd_computes=False) == []


def test_a_tree_of_files_is_probed(tmp_path):
    grow(
        tmp_path,
        {
            "dev/kfd": "",
            "dev/accel0": "",
            "sys/class/drm/card1/device/uevent": INSTINCT,
            "sys/class/drm/card1/device/product_name": "AMD Instinct  MI300X\n",
            "sys/class/drm/card1-HDMI-A-1/device/uevent": INSTINCT,
            "sys/class/drm/version": "drm 1.1.0",
        },
    )

    found = detect_accelerators(tmp_path)

    assert Accelerator(maker="AMD", name="AMD Instinct MI300X") in found
    assert [accelerator.maker for accelerator in found if accelerator.maker != "Apple"] == [
        "AMD", "Google",
    ]  # fmt: skip


def test_a_machine_without_any_has_none(tmp_path):
    assert [found for found in detect_accelerators(tmp_path) if found.maker != "Apple"] == []
