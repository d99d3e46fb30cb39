"""The lines that `--logs` and `--quiet` show, and the errors for unknown names."""

import pytest

from monopod.compiler.diagnostics import Problems
from monopod.runner.commands.options.lines import without_line_options
from monopod.runner.display.selection import Selection, find_sources
from monopod.runner.follow.follower import OutputLines
from monopod.runner.follow.source import Source
from monopod.schemas import plan
from monopod.schemas.matrix_names import InstanceNames
from monopod.schemas.run_events import MatrixExpanded, RunWarning, SidecarFinished


@pytest.fixture
def tested(sample):
    """A Plan with a matrix of three, a Sidecar, and a Task that runs a Pipeline."""
    inner = plan.Pipeline("scans", tasks=(sample.task("codeql", "run"), sample.task("secrets", "run", "show")))
    test = sample.task("test", "make", index_count=3)
    test = test._replace(sidecars=(plan.Sidecar(plan.Step("db")),))
    return sample.plan(sample.task("build", "compile", "link"), test, plan.Task("scan", pipeline=inner))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("build", Source("build")),
        ("build/link", Source("build", None, "link")),
        ("test", Source("test")),
        ("test[2]", Source("test", "2")),
        ("test[2]/db", Source("test", "2", "db")),
        ("test/make", Source("test", None, "make")),
        ("scan", Source("scan")),
        ("scan/codeql", Source("scan/codeql")),
        ("scan/secrets/show", Source("scan/secrets", None, "show")),
        ("scan/show", Source("scan", None, "show")),
    ],
)
def test_meaning_of_names(tested, name, source):
    assert find_sources([name], [tested]) == (source,)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("bild", "there is no Task 'bild' (did you mean 'build'?)"),
        ("bild/link", "there is no Task 'bild' (did you mean 'build'?)"),
        ("x", "there is no Task 'x'; the Tasks are build, test, scan/codeql, scan/secrets"),
        ("", "there is no Task ''; the Tasks are build, test, scan/codeql, scan/secrets"),
        ("build/lnk", "Task 'build' has no Step 'lnk' (did you mean 'link'?)"),
        ("build/", "Task 'build' has no Step ''; its Steps are compile, link"),
        ("scan/secrts/tell", "there is no Task 'scan/secrts/tell' (did you mean 'scan/secrets'?)"),
        ("build[0]", "Task 'build' has no matrix, so there is no build[0]"),
        ("test[3]", "the matrix combinations of Task 'test' are 0 to 2"),
    ],
)
def test_unknown_names(tested, name, problem):
    with pytest.raises(Problems) as raised:
        find_sources(["build", name], [tested])
    assert [str(each) for each in raised.value.problems] == [f"--logs {name}: {problem}"]


@pytest.fixture
def matrices(sample):
    """Matrices with values from the files (one from a param of the run), and a matrix with values from a Task."""
    versions = plan.Matrix((plan.Param("go", ("1.21", "1.22")),), pinned=True)
    images = plan.Matrix((plan.Param("image", ("$(params.images[*])",)),), pinned=True)
    written = plan.Matrix((plan.Param("dir", "$(tasks.list.results.dirs[*])"),))
    tasks = (
        sample.task("test", "make", index_count=2)._replace(matrix=versions),
        sample.task("scan", "run", index_count=2)._replace(matrix=images),
        sample.task("lint", "run", index_count=2)._replace(matrix=written),
    )
    params = (plan.Param("images", ("ghcr.io/a/b:1", "x[y],z")),)
    return plan.Plan(plan.Pipeline("p", params=params, tasks=tasks), {})


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("test[go=1.22]", Source("test", "go=1.22")),
        ("test[go=1.22]/make", Source("test", "go=1.22", "make")),
        ("scan[image=ghcr.io/a/b:1]", Source("scan", "image=ghcr.io/a/b:1")),
        ("scan[image=ghcr.io/a/b:1]/run", Source("scan", "image=ghcr.io/a/b:1", "run")),
        ('scan[image="x[y],z"]/run', Source("scan", 'image="x[y],z"', "run")),
        ("lint[dir=a]", Source("lint", "dir=a")),
        ("lint[9]", Source("lint", "9")),
    ],
)
def test_combination_is_named_by_its_values_or_its_index(matrices, name, source):
    assert find_sources([name], [matrices]) == (source,)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("test[go=1.23]", "no matrix combination of Task 'test' is called 'go=1.23' (did you mean 'go=1.22'?)"),
        ("test[x]", "no matrix combination of Task 'test' is called 'x'; they are go=1.21, go=1.22"),
        ("tst[go=1.21]", "there is no Task 'tst' (did you mean 'test'?)"),
        ("test[go=1.21]/mak", "Task 'test' has no Step 'mak' (did you mean 'make'?)"),
    ],
)
def test_unknown_combinations(matrices, name, problem):
    with pytest.raises(Problems) as raised:
        find_sources([name], [matrices])
    assert [str(each) for each in raised.value.problems] == [f"--logs {name}: {problem}"]


@pytest.mark.parametrize("combination", ["1", "go=1.22"])
def test_combination_is_shown_under_every_name(sample, combination):
    selection = Selection([Source("test", combination)])
    selection.shows(MatrixExpanded(0, "test", ["go=1.21", "go=1.22"]))
    assert selection.shows(OutputLines("test[go=1.22]", "make", "text"))
    assert not selection.shows(OutputLines("test[go=1.21]", "make", "text"))
    assert selection.shows(sample.task_started("test", 1, index=1))
    assert not selection.shows(sample.task_started("test", 1, index=0))


def test_crashed_sidecar_is_always_shown():
    quiet = Selection(quiet=True)
    assert quiet.shows(SidecarFinished(0, "a", None, 0, "db", "a-db", 1, "Error", "", 0, 1))
    assert not quiet.shows(SidecarFinished(0, "a", None, 0, "db", "a-db", 0, "Completed", "", 0, 1))


def test_one_of_several_runs_must_have_the_name(sample, tested):
    assert find_sources(["deploy"], [tested, sample.plan(sample.task("deploy", "run"))]) == (Source("deploy"),)


@pytest.mark.parametrize(
    ("source", "task", "step", "is_covered"),
    [
        (Source("test"), "test[1]", "make", True),
        (Source("test"), "tests", "make", False),
        (Source("test", "1"), "test[1]", "make", True),
        (Source("test", "1"), "test[10]", "make", False),
        (Source("test", "1", "db"), "test[1]", "make", False),
        (Source("test", "1", "db"), "test[1]", None, True),
        (Source("scan"), "scan/codeql", "run", True),
        (Source("scan/codeql"), "scan", "run", False),
    ],
)
def test_sources_cover_lines(source, task, step, is_covered):
    assert source.covers(task, step, InstanceNames()) is is_covered


def test_selection_of_events(sample):
    selected = Selection([Source("build", None, "link")])
    quiet = Selection(quiet=True)
    quiet_but = Selection([Source("build")], quiet=True)

    def shown_by(event):
        return [selection.shows(event) for selection in (Selection(), selected, quiet, quiet_but)]

    assert shown_by(OutputLines("build", "link", "text")) == [True, True, False, True]
    assert shown_by(OutputLines("build", "compile", "text")) == [True, False, False, True]
    assert shown_by(OutputLines("coordinator", "", "text")) == [True, True, True, True]
    assert shown_by(sample.run_started()) == [True, True, False, False]
    assert shown_by(sample.task_started("build", 1)) == [True, True, False, True]
    assert shown_by(sample.task_started("test", 1)) == [True, False, False, False]
    assert shown_by(sample.task_skipped("test", 1)) == [True, False, False, False]
    assert shown_by(sample.task_finished("test", 1)) == [True, False, False, False]
    assert shown_by(sample.task_finished("test", 1, "Failed", will_retry=True)) == [True, False, False, False]
    assert shown_by(sample.task_finished("test", 1, "Failed")) == [True] * 4
    assert shown_by(sample.step_finished("test", "make", 1, code=1)) == [True] * 4
    assert shown_by(sample.step_finished("test", "make", 1, code=1, reason="Continued")) == [True, False, False, False]
    assert shown_by(RunWarning(1.0, "text")) == [True] * 4


def test_command_line_without_line_options():
    line = "run -f x.yaml --logs a -q -p name=--logs --logs=b/c --quiet -p quiet=1 -- --logs"
    assert " ".join(without_line_options(line.split(" "))) == "run -f x.yaml -p name=--logs -p quiet=1 -- --logs"
