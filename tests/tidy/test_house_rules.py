"""The house rules of CONTRIBUTING.md that a machine can check."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("csms", "scheduler", "models", "simulators", "migrations")
BANNED_NAMES = {"utils", "helpers", "common", "misc", "manager", "managers", "util", "helper"}
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
"""From a document to another file."""
MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70


def own_modules() -> list[Path]:
    return sorted(
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "wire" not in path.parts and "versions" not in path.parts
    )


def tracked_files() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = (first.end_lineno or 0) if is_docstring else first.lineno - 1
    return (node.end_lineno or 0) - start


def links_with_headings() -> Iterator[tuple[Path, str, str]]:
    """Yields each document that links into another one, or into itself (an empty target)."""
    for path in tracked_files():
        if path.suffix == ".md":
            text = path.read_text()
            for target, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", text):
                yield path, target, heading


def headings(path: Path) -> set[str]:
    """Returns the headings of a document as addresses name them."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", path.read_text())
    plain = [re.sub(r"[^\w\- ]", "", each.lower()) for each in re.findall(r"(?m)^#+ (.*)$", text)]
    return {each.replace(" ", "-") for each in plain}


def test_every_module_says_what_it_is() -> None:
    silent = [
        path.relative_to(ROOT)
        for path in own_modules()
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_modules_stay_readable_in_one_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in own_modules()
        if (lines := len(path.read_text().splitlines())) > MODULE_LINES_MAX
    }
    assert long == {}


def test_functions_fit_on_a_screen() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": body_lines(node)
        for path in own_modules()
        for node in functions(ast.parse(path.read_text()))
        if body_lines(node) > FUNCTION_LINES_MAX
    }
    assert long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in own_modules() if path.stem in BANNED_NAMES] == []


def test_work_is_committed_before_the_answer_leaves() -> None:
    """A plain `yield` dependency commits after the response: every `Depends` must say its scope."""
    plain = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in own_modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Depends"
        and not any(keyword.arg == "scope" for keyword in node.keywords)
    ]
    assert plain == []


def test_only_the_clocks_read_the_time() -> None:
    pattern = re.compile(r"datetime\.now\(|datetime\.utcnow\(|\btime\.time\(|\buuid\.uuid")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in own_modules()
        if path != ROOT / "models" / "clocks.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_no_file_names_a_registry_or_a_machine() -> None:
    pattern = re.compile(
        # In pieces, so that this file does not name what it looks for.
        r"-index-" + "url|--find-" + r"links|(\"resolved\":|regis" + r"try)\s*=?\s*\"?http"
        r"|files\.python" + "hosted|/ro" + "ot/|/wo" + r"rk/(main|shared)",
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked_files()
        if path.suffix not in {".png", ".db", ".gz"}
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_requirements_are_pinned_with_hashes() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        pinned = re.findall(r"^[a-zA-Z0-9_.-]+(?:\[[^\]]*\])?==", text, re.MULTILINE)
        assert pinned, f"{path.name} pins nothing"
        blocks = re.split(r"\n(?=[a-zA-Z0-9])", text.strip())
        assert all("--hash=sha256:" in block for block in blocks), path.name


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)} -> {target}"
        for path in tracked_files()
        if path.suffix == ".md"
        for target in LINK.findall(path.read_text())
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_links_into_documents_name_a_heading_of_theirs() -> None:
    wrong: list[str] = []
    for path, target, heading in links_with_headings():
        shown = path.parent / target if target else path
        if heading not in headings(shown):
            wrong.append(f"{path.relative_to(ROOT)} -> {target}#{heading}")
    assert wrong == []


def test_every_document_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    to_read = [ROOT / "README.md"]
    while to_read:
        page = to_read.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            to_read += [
                (page.parent / target).resolve() for target in LINK.findall(page.read_text())
            ]
    assert {path for path in tracked_files() if path.suffix == ".md"} - reached == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_of_a_package_is_a_package(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [f for f in folders if not (f / "__init__.py").exists()] == []
