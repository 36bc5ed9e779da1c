from groundup.cli.doctor import findings


def test_doctor_names_what_decides_speed_and_results(tmp_path):
    found = dict(findings(tmp_path / "not" / "there"))
    assert {"python", "torch", "cores", "memory", "disk", "device", "threads"} <= found.keys()
    assert found["device"].startswith(("cpu", "cuda"))
    rate = found["matrix multiply"].split()[0].replace(",", "")
    assert float(rate) > 0
