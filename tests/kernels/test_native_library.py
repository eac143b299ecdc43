from __future__ import annotations

from pathlib import Path

import pytest

from cgexp.kernels import native_library as module
from cgexp.kernels.native_library import NoNativeKernel, native_library


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native_library.cache_clear()
    yield tmp_path  # type: ignore[misc]
    native_library.cache_clear()


@pytest.fixture
def small_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "native"
    folder.mkdir()
    source = folder / "small.cpp"
    source.write_text('extern "C" int answer() { return 42; }')
    monkeypatch.setattr(module, "SOURCES", folder)
    return source


def test_built_once_and_again_when_the_source_changes(
    small_source: Path, empty_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cgexp")
    assert native_library("small").answer() == 42
    assert "compiled the small kernel, once" in caplog.text
    caplog.clear()
    native_library.cache_clear()
    native_library("small")
    assert not caplog.records
    small_source.write_text('extern "C" int answer() { return 7; }')
    native_library.cache_clear()
    assert native_library("small").answer() == 7
    assert len(list((empty_cache / "cgexp" / "kernels").iterdir())) == 2  # and nothing half-made


def test_without_a_compiler_one_sentence(small_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NoNativeKernel, match=r"no C\+\+ compiler was found \(no-such-compiler\).*kernel=table"):
        native_library("small")


def test_a_source_that_does_not_compile(small_source: Path, empty_cache: Path) -> None:
    small_source.write_text("this is no C++")
    with pytest.raises(NoNativeKernel, match=r"could not compile small\.cpp .*use kernel=table"):
        native_library("small")
    assert list((empty_cache / "cgexp" / "kernels").iterdir()) == []


def test_a_cache_that_cannot_be_written(small_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with pytest.raises(NoNativeKernel, match="set XDG_CACHE_HOME"):
        native_library("small")


def test_what_is_compiled_needs_no_compiler(small_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native_library("small")
    native_library.cache_clear()
    monkeypatch.setattr(module, "COMPILERS", ("no-such-compiler",))
    assert native_library("small").answer() == 42


def test_a_compiler_with_options_and_one_that_is_no_program(
    small_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", f"{module.find_compiler()[0]} -O1")
    assert native_library("small").answer() == 42
    native_library.cache_clear()
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x00no program")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(NoNativeKernel, match=r"is no C\+\+ compiler"):
        native_library("small")
