"""`daydream bundle` and `daydream verify`."""

import zipfile

import pytest


@pytest.fixture
def bundled(daydream, tmp_path):
    assert daydream("plan", "c1").returncode == 0
    file = tmp_path / "c1.zip"
    assert daydream("bundle", "c1", "-o", str(file)).returncode == 0
    return file


def changed(file, change):
    """Write the bundle with other contents: `change` takes and returns them by name."""
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in change(contents).items():
            archive.writestr(name, data)


def test_a_bundle_is_rebuilt_elsewhere_and_its_tables_are_the_same(
    daydream, bundled, data_root, tmp_path
):
    again, new = tmp_path / "again.zip", tmp_path / "new"
    assert daydream("run", "c1").returncode == 0
    daydream("bundle", "c1", "-o", str(bundled))
    daydream("results", "c1")

    verified = daydream("verify", str(bundled), "--into", str(new))

    assert verified.returncode == 0, verified.stderr
    reports = "cohorts/c1/reports"
    for table in ("essays.csv", "templates.csv"):
        assert (new / reports / table).read_text() == (data_root / reports / table).read_text()
    assert (new / reports / "report.html").exists()
    daydream("bundle", "c1", "-o", str(again), "-d", str(new))
    assert again.read_bytes() == bundled.read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: {**files, "1_raw/llm_models.csv": b"x"}, "altered: 1_raw/llm_models.csv"),
        (lambda files: {**files, "1_raw/more.csv": b"x"}, "added: 1_raw/more.csv"),
        (lambda files: {**files, "../out.txt": b"x"}, "added: ../out.txt"),
        (
            lambda files: {n: d for n, d in files.items() if n != "cohorts/c1/membership.csv"},
            "missing: cohorts/c1/membership.csv",
        ),
        (lambda files: files, "outside the contents of its files"),
    ],
)
def test_what_changed_is_named_and_nothing_is_unpacked(daydream, bundled, tmp_path, change, said):
    changed(bundled, change)

    verified = daydream("verify", str(bundled), "--into", str(tmp_path / "new"))

    assert verified.returncode == 1
    assert said in verified.stderr
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "out.txt").exists()


def test_a_name_that_leads_outside_is_refused_though_the_manifest_has_it(
    daydream, bundled, tmp_path
):
    changed(
        bundled,
        lambda files: {
            name.replace("1_raw/llm_models.csv", "../out.csv"): data.replace(
                b"1_raw/llm_models.csv", b"../out.csv"
            )
            for name, data in files.items()
        },
    )

    verified = daydream("verify", str(bundled), "--into", str(tmp_path / "new"))

    assert verified.returncode == 1
    assert "unsafe: ../out.csv" in verified.stderr


def test_a_changed_byte_anywhere_is_found(daydream, bundled):
    whole = bundled.read_bytes()
    for position in range(0, len(whole), len(whole) // 40):
        bundled.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert daydream("verify", str(bundled)).returncode in {1, 2}, position


def test_a_changed_byte_that_zipfile_trips_over_is_found(daydream, bundled, data_root):
    (data_root / "cohorts" / "c1" / "n\u00f6tes.txt").write_text("x")
    daydream("bundle", "c1", "-o", str(bundled))
    data = bundled.read_bytes()
    name = "n\u00f6tes".encode()
    compression = data.rindex(b"PK\x01\x02") + 10
    end = data.rindex(b"PK\x05\x06")
    for position, value, code in (
        (data.index(name) + 1, 0xFF, 1),  # no longer UTF-8
        (compression, 12, 2),  # the manifest as bzip2
        (end + 19, 0x7F, 2),  # the directory would begin before the file
    ):
        altered = bytearray(data)
        altered[position] = value
        bundled.write_bytes(altered)
        verified = daydream("verify", str(bundled))
        assert verified.returncode == code, verified.stderr
        assert "altered" in verified.stderr


def test_a_file_that_is_no_bundle_exits_with_2(daydream, tmp_path):
    (tmp_path / "text.zip").write_text("text")

    assert daydream("verify", str(tmp_path / "text.zip")).returncode == 2


def test_nothing_is_unpacked_into_a_file(daydream, bundled):
    verified = daydream("verify", str(bundled), "--into", str(bundled))

    assert (verified.returncode, "is not an empty folder" in verified.stderr) == (2, True)
