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
    small_source: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert native_library("small").answer() == 42
    assert "compiling the small kernel, once" in capsys.readouterr().err
    native_library.cache_clear()
    native_library("small")
    assert capsys.readouterr().err == ""
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
