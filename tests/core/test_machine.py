import mmap
import os
import time

import psutil
import pytest

from groundup.core.machine import (
    _cgroup_free_bytes,
    cores,
    describe_hardware,
    disk_free_bytes,
    memory_free_bytes,
    memory_meter,
)


def test_cores_are_those_this_process_may_use():
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity here")
def test_a_process_bound_to_one_core_has_one():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_disk_of_a_folder_yet_to_be_made_is_that_of_its_parent(tmp_path):
    free = disk_free_bytes(tmp_path / "not" / "there")
    assert free == pytest.approx(psutil.disk_usage(str(tmp_path)).free, rel=0.05)


def test_hardware_names_processor_cores_and_memory():
    found = describe_hardware()
    assert int(found["cores"]) == cores()
    assert int(found["memory_bytes"]) == psutil.virtual_memory().total
    assert all(found.values())


def test_the_meter_sees_memory_that_is_taken_and_given_back():
    before = psutil.Process().memory_info().rss
    # From the kernel, past an allocator that may hold memory that was freed before.
    with memory_meter(every_s=0.01) as meter, mmap.mmap(-1, 100 * 2**20) as block:
        block.write(bytes(len(block)))
        time.sleep(0.1)
    assert meter.peak_bytes >= before + 90 * 2**20


def write_cgroup(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"memory.{name}").write_text(text)


def test_version_2_limits_hold_up_to_the_root(tmp_path):
    write_cgroup(tmp_path / "a", max="1000\n", current="400\n", stat="anon 300\ninactive_file 90\n")
    write_cgroup(tmp_path / "a/b", max="max\n", current="100\n", stat="inactive_file 7\n")
    assert list(_cgroup_free_bytes(["0::/a/b"], tmp_path)) == [690]
    assert list(_cgroup_free_bytes(["0::/"], tmp_path)) == []


def test_version_1_limits_are_those_of_the_memory_controller(tmp_path):
    files = {"limit_in_bytes": "1000", "usage_in_bytes": "600", "stat": "total_inactive_file 50\n"}
    write_cgroup(tmp_path / "memory/box", **files)
    lines = ["3:cpu,cpuacct:/other", "4:memory:/box", "0::/"]
    assert list(_cgroup_free_bytes(lines, tmp_path)) == [450]


def test_free_memory_is_at_most_what_the_machine_has_free():
    free = memory_free_bytes()
    assert 0 < free <= 1.1 * psutil.virtual_memory().available
