from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from cgexp import remembered
from cgexp.kernels import native_library as module
from cgexp.kernels import self_test
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
    assert len(list((empty_cache / "cgexp" / "kernels").glob("*.so"))) == 2
    assert len(list((empty_cache / "cgexp" / "kernels").iterdir())) == 4  # a hash beside each, and nothing half-made


def test_without_a_compiler_one_sentence(small_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NoNativeKernel, match=r"no C\+\+ compiler was found \(no-such-compiler\).*kernel=table"):
        native_library("small")


def test_a_source_that_does_not_compile(small_source: Path, empty_cache: Path) -> None:
    small_source.write_text("this is no C++")
    with pytest.raises(NoNativeKernel, match=r"could not compile small\.cpp .*kernel=table"):
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


def library_of(cache: Path) -> Path:
    (path,) = (cache / "cgexp" / "kernels").glob("*.so")
    return path


def rebuilt(caplog: pytest.LogCaptureFixture) -> bool:
    caplog.set_level("INFO", "cgexp")
    caplog.clear()
    native_library.cache_clear()
    assert native_library("small").answer() == 42
    return "compiled the small kernel" in caplog.text


def test_a_library_that_is_damaged_or_planted_is_made_again(
    small_source: Path, empty_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    native_library("small")
    path = library_of(empty_cache)
    whole = path.read_bytes()
    assert path.parent.stat().st_mode & 0o077 == 0
    for content in (b"", whole[:-100], whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:], b"planted"):
        path.unlink()
        path.write_bytes(content)
        assert rebuilt(caplog)
        assert not rebuilt(caplog)
    Path(f"{path}.sha256").unlink()
    assert rebuilt(caplog)
    elsewhere = empty_cache / "elsewhere.so"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert rebuilt(caplog)
    assert not path.is_symlink()


def test_nothing_is_believed_in_a_folder_that_others_could_write_to(
    small_source: Path, empty_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    native_library("small")
    folder = library_of(empty_cache).parent
    folder.chmod(0o777)
    assert rebuilt(caplog)
    assert folder.stat().st_mode & 0o077 == 0
    library_of(empty_cache).chmod(0o722)
    assert rebuilt(caplog)


def test_the_folder_of_another_user_is_refused(small_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.raises(NoNativeKernel, match="belongs to another user"):
        native_library("small")


def test_without_a_home_the_cache_lies_below_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(remembered.tempfile, "gettempdir", lambda: str(tmp_path))
    assert module.cache_folder() == tmp_path / f"cgexp-{os.getuid()}" / "cgexp" / "kernels"


@pytest.mark.parametrize("name", sorted(self_test.TESTS))
def test_a_library_is_compared_with_its_reference_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the user's own cache
    state = torch.random.get_rng_state()
    assert self_test.worst_error(name) < 1e-5
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_library_that_computes_something_else_is_not_used(
    small_source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(self_test.TESTS, "small", lambda: float("nan"))
    monkeypatch.setattr(module, "_TESTED", set())
    with pytest.raises(NoNativeKernel, match="differs from its reference by nan"):
        native_library("small")
