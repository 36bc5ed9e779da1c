"""The rules of the house that no linter checks."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from groundup.cli.pipeline import STAGES
from groundup.core.config import read_recipe, validate

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "groundup"
MODULES = sorted(SOURCE.rglob("*.py"))
RECIPES = sorted((ROOT / "recipes").rglob("*.toml"))

MAX_LINES = 400
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
TENSOR_PACKAGES = {"model", "generate", "training", "finetune", "evaluate"}
SUFFIX = re.compile(r"^[a-z][a-z0-9_]*_([A-Z]{1,6})$")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


each_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


@each_module
def test_a_file_can_be_read_in_one_sitting(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_LINES, f"{name_of(path)} has {lines} lines; divide it by what it is about"


@each_module
def test_a_module_is_named_for_what_it_holds(path):
    names = {path.stem, *path.relative_to(SOURCE).parent.parts}
    assert not names & NAMELESS, f"{name_of(path)}: name the thing"


def public_names(tree: ast.Module) -> set[str]:
    """Functions, classes and constants defined at the top of a module."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update(t.id for t in targets if isinstance(t, ast.Name))
    return {name for name in found if not name.startswith("_")}


def exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
        ):
            return list(ast.literal_eval(node.value))
    return None


@each_module
def test_a_module_says_what_is_public(path):
    tree = tree_of(path)
    names = exported(tree)
    if names is None:
        assert path.name in {"__init__.py", "__main__.py"}, f"{name_of(path)} has no __all__"
        assert not public_names(tree), f"{name_of(path)} has public names but no __all__"
        return
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    lazy = any(isinstance(n, ast.FunctionDef) and n.name == "__getattr__" for n in tree.body)
    beside = {p.stem for p in path.parent.glob("*.py")} if path.name == "__init__.py" else set()
    unknown = set(names) - public_names(tree) - imported - beside
    assert lazy or not unknown, f"{name_of(path)} exports {unknown}, which it does not have"
    assert len(set(names)) == len(names)


@each_module
def test_nothing_on_disk_is_pickled_and_nothing_read_is_run(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names]
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {"pickle", "cloudpickle", "joblib", "dill", "marshal"} & set(modules), (
                f"{name_of(path)}:{node.lineno} imports a format that can run code"
            )
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "torch.save", "torch.load", "os.system"}, (
                f"{name_of(path)}:{node.lineno} calls {called}"
            )


def suffix_letters(tree: ast.Module) -> dict[str, str]:
    """Letter to the first name whose shape suffix has it, over variables and arguments."""
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    names += [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
    found: dict[str, str] = {}
    for name in names:
        match = SUFFIX.match(name)
        for letter in match.group(1) if match else "":
            found.setdefault(letter, name)
    return found


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if p.relative_to(SOURCE).parts[0] in TENSOR_PACKAGES],
    ids=name_of,
)
def test_shape_letters_are_declared_in_the_module_docstring(path):
    tree = tree_of(path)
    declared = set(re.findall(r"\b([A-Z])\b", ast.get_docstring(tree) or ""))
    for letter, name in suffix_letters(tree).items():
        assert letter in declared, f"{name_of(path)}: `{name}` uses {letter}, which is not declared"


def test_the_suffix_rule_tells_shapes_from_other_names():
    tree = ast.parse("q_BTHC = f(ids_BT, max_B2, API_KEY, x_y)")
    assert suffix_letters(tree) == {"B": "q_BTHC", "T": "q_BTHC", "H": "q_BTHC", "C": "q_BTHC"}


NEEDS_TEST = [p for p in MODULES if p.name not in {"__init__.py", "__main__.py", "config.py"}]


TEST_TEXT = "\n".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "tests").rglob("*.py")))


def has_its_own_test(path: Path) -> bool:
    """A test file of its name, or a test that imports it."""
    inside = path.relative_to(SOURCE)
    folder = ROOT / "tests" / inside.parent
    package = inside.parts[0]
    wanted = [folder / f"test_{path.stem}.py", folder / f"test_{package}_{path.stem}.py"]
    dotted = ".".join(("groundup", *inside.with_suffix("").parts))
    parent, _, stem = dotted.rpartition(".")
    imported = re.search(
        rf"{re.escape(dotted)}\b|from {re.escape(parent)} import [^\n]*\b{stem}\b", TEST_TEXT
    )
    return imported is not None or any(p.is_file() for p in wanted)


@pytest.mark.parametrize("path", NEEDS_TEST, ids=name_of)
def test_a_module_is_tested_by_name_or_through_a_neighbour(path):
    """Parts of a page or of a stage may be tested through the module that puts them together."""
    inside = path.relative_to(SOURCE)
    dotted = ".".join(("groundup", *inside.with_suffix("").parts))
    parent, _, stem = dotted.rpartition(".")
    uses = re.compile(rf"{re.escape(dotted)}\b|from {re.escape(parent)} import [^\n]*\b{stem}\b")
    neighbours = [p for p in (SOURCE / inside.parts[0]).rglob("*.py") if p != path]
    tested = has_its_own_test(path) or any(
        has_its_own_test(p) for p in neighbours if uses.search(p.read_text(encoding="utf-8"))
    )
    assert tested, f"{name_of(path)} is reached by no test"


def test_a_test_file_has_its_module():
    for path in sorted((ROOT / "tests").glob("*/**/test_*.py")):
        inside = path.relative_to(ROOT / "tests")
        if inside.parts[0] in {"end_to_end", "golden", "oracles"}:
            continue
        stem = path.stem.removeprefix("test_")
        stems = {stem, stem.removeprefix(f"{inside.parts[0]}_")}
        modules = {p.stem for p in (SOURCE / inside.parts[0]).rglob("*.py")} | {"resume"}
        assert stems & modules, name_of(path)


def test_there_are_recipes_and_the_demo_covers_every_stage():
    assert RECIPES
    demo = {read_recipe(p)[0] for p in RECIPES if p.parent.name == "demo"}
    assert demo == set(STAGES) - {"import"}  # which needs a model from elsewhere


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_a_recipe_is_valid_and_says_what_it_is_for(path):
    stage, values = read_recipe(path)
    validate(STAGES[stage].config_class(), values, source=name_of(path))
    first, second = path.read_text(encoding="utf-8").splitlines()[:2]
    assert first == f'stage = "{stage}"'
    assert second.startswith("#"), f"{name_of(path)} does not say what it is for"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_a_version_a_run_and_documented_settings(stage):
    module = STAGES[stage].load()
    assert isinstance(module.VERSION, int)
    assert callable(module.run)
    config = STAGES[stage].config_class()
    undocumented = [n for n, field in config.model_fields.items() if not field.description]
    assert not undocumented, f"{config.__name__}: {undocumented} lack a line that says what it is"


def tracked_files() -> list[Path]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_path_of_one_machine():
    machine = re.compile(rb"(?<![\w.$}])/(?:work|root|home/\w+|Users/\w+)/\w")
    this = Path(__file__).resolve()
    for path in tracked_files():
        if path.resolve() == this:
            continue
        found = machine.search(path.read_bytes())
        assert found is None, f"{name_of(path)} has {found.group()!r}"


def test_no_module_imports_the_tests():
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] != "tests"
