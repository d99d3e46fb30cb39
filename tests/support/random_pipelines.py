"""Random Plans, each with a world: behaviours of Steps, starts and deaths of containers, cancellations.

Rules: a case depends only on its seed. Failures happen at a random fraction of a second, so that two
causes never meet in one moment, where their order would be undefined. Calm cases, in which nothing stops the run, live
on whole seconds, so that things do meet. (A seeded generator: ten thousand cases of this size cost hypothesis minutes.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from oracle import CANCEL_MODES, World
from packed_pipelines import packed
from simulation import LIFE, Behaviour, containers_of, task, tasks_of

from monopod.schemas.plan import (
    LeftOut,
    Matrix,
    MatrixInclude,
    Param,
    Pipeline,
    Plan,
    Probe,
    ResultDeclaration,
    Sidecar,
    Slot,
    Step,
    Task,
    Value,
    WhenExpression,
)

STRINGS = ("yes", "no", "v")
DEFAULT = Behaviour()
RETRIES = "$(context.task.retry-count)/$(context.pipelineTask.retries)/$(context.task.name)"


@dataclass(frozen=True)
class Case:
    """A Plan and its world, in a form that is easy to print and to reduce. Everything else has its default."""

    seed: int
    plan: Plan
    behaviours: dict[tuple[str, int], Behaviour]
    ready: dict[str, float | None]
    deaths: dict[str, float]
    cancels: tuple[tuple[float, str], ...]
    start_failures: dict[str, float] = field(default_factory=dict)
    cel_delay: float = 0.0
    failing_probes: int = 0
    restart_delay: float | None = 0.0
    releases: dict[tuple[str, int], tuple[float, str]] = field(default_factory=dict)
    """Of a container and the number of its hold. One that is not there is released after a second, to continue."""
    is_packed: bool = False

    def world(self) -> World:
        def behave(container: str, request: int) -> Behaviour:
            restarts, number = divmod(request, LIFE)  # the first after a restart does what would be the second's
            return self.behaviours.get((container, number + restarts), DEFAULT)

        ready = {**self.ready, **dict.fromkeys(self.start_failures)}
        return World(
            behave,
            ready,
            self.deaths,
            self.cancels,
            self.start_failures,
            self.cel_delay,
            self.failing_probes,
            self.restart_delay,
            lambda container, number: self.releases.get((container, number), (1.0, "continue")),
        )


def random_case(seed: int, *, packs: bool = True) -> Case:
    """Return the case of a seed. Without `packs`, no Steps share containers, as they do in a third of the cases.

    In calm cases they do not: a request does what its number in its container says, which packing changes.
    """
    generator = _Generator(seed)
    case = generator.case()
    return _packed(case) if packs and seed % 2 and not generator.calm else case


def _packed(case: Case) -> Case:
    plan = case.plan._replace(pipeline=packed(case.plan.pipeline, images=1 + case.seed % 3))
    containers = set(containers_of(plan.pipeline))
    behaviours = {key: value for key, value in case.behaviours.items() if key[0] in containers}
    ready, deaths, failures = (
        {name: value for name, value in each.items() if name in containers}
        for each in (case.ready, case.deaths, case.start_failures)
    )
    return replace(
        case,
        plan=plan,
        behaviours=behaviours,
        ready=ready,
        deaths=deaths,
        start_failures=failures,
        is_packed=len(containers) < len(set(containers_of(case.plan.pipeline))),
    )


def with_restarts(pipeline: Pipeline, restarts: bool) -> Pipeline:
    """Return a Pipeline whose killed containers are all restarted, or none."""

    def changed(task: Task) -> Task:
        slots = tuple(slot._replace(restarts=restarts) for slot in task.slots)
        return task._replace(slots=slots, pipeline=task.pipeline and with_restarts(task.pipeline, restarts))

    tasks, final_tasks = (tuple(map(changed, each)) for each in (pipeline.tasks, pipeline.final_tasks))
    return pipeline._replace(tasks=tasks, final_tasks=final_tasks)


def names_of(matrix: Matrix) -> list[str]:
    """Return the names of the params that a combination may have."""
    every = (*matrix.params, *(param for each in matrix.include for param in each.params))
    return list(dict.fromkeys(param.name for param in every))


class _Generator:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.calm = self.chance(0.25)
        self.params = (Param("p", "v"), Param("list", ("a", "b", "c")), Param("none", ()))

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def moment(self, earliest: int, latest: int) -> float:
        return self.random.randint(earliest, latest) + self.random.getrandbits(30) / 2**30

    def case(self) -> Case:
        top = self.pipeline("", self.size())
        pipeline = top._replace(params=self.params)
        if not self.calm and self.chance(0.3):
            pipeline = pipeline._replace(**self.timeouts())
        document = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {}}
        plan = Plan(pipeline, document, container_start_timeout=self.moment(6, 20))
        ready = dict(self.late_containers(plan)) if not self.calm and self.chance(0.3) else {}
        deaths = dict(self.deaths(plan, ready)) if not self.calm and self.chance(0.2) else {}
        cancels = tuple(self.cancels()) if not self.calm and self.chance(0.25) else ()
        failures = dict(self.start_failures(plan, ready, deaths)) if not self.calm and self.chance(0.15) else {}
        behaviours = dict(self.behaviours(pipeline))
        delay = self.moment(0, 1) if not self.calm and self.chance(0.5) else 0.0
        failing = self.random.randint(1, 4) if not self.calm and self.chance(0.3) else 0
        restart_delay: float | None = 0.0
        if not self.calm and self.chance(0.5):
            plan = plan._replace(pipeline=with_restarts(plan.pipeline, True))
            restart_delay = None if self.chance(0.1) else self.moment(0, 2)
        if self.chance(0.15):
            plan = plan._replace(pipeline=self.with_left_out_tasks(plan.pipeline))
            containers = set(containers_of(plan.pipeline))
            behaviours, ready, deaths, failures = (
                {key: value for key, value in each.items() if (key if isinstance(key, str) else key[0]) in containers}  # type: ignore[attr-defined]
                for each in (behaviours, ready, deaths, failures)
            )
        if not self.calm and self.chance(0.25):
            plan = plan._replace(max_parallel=self.random.randint(1, 4))
        releases = {}
        if self.chance(0.2):
            plan = plan._replace(pipeline=self.with_breakpoints(plan.pipeline))
            releases = dict(self.releases(plan.pipeline))
        return Case(
            self.seed, plan, behaviours, ready, deaths, cancels, failures, delay, failing, restart_delay, releases
        )

    def with_breakpoints(self, pipeline: Pipeline) -> Pipeline:
        """Return the Pipeline with breakpoints at some of its Steps."""
        return pipeline._replace(
            **{
                kind: tuple(
                    each._replace(
                        pipeline=each.pipeline and self.with_breakpoints(each.pipeline),
                        steps=tuple(
                            step._replace(hold_before=self.chance(0.2), hold_on_failure=self.chance(0.6))
                            for step in each.steps
                        ),
                    )
                    for each in getattr(pipeline, kind)
                )
                for kind in ("tasks", "final_tasks")
            }
        )

    def releases(self, pipeline: Pipeline) -> Iterator[tuple[tuple[str, int], tuple[float, str]]]:
        """Return how long some of the holds last, and whether the Step continues then."""
        for container in containers_of(pipeline):
            for number in range(1, 4):
                if self.chance(0.8):
                    verdict = "continue" if self.calm else self.random.choice(("continue", "fail"))
                    exact = float(self.random.randint(1, 4))
                    yield (container, number), (exact if self.calm else self.moment(0, 6), verdict)

    def with_left_out_tasks(self, pipeline: Pipeline) -> Pipeline:
        """Return the Pipeline with some of its Tasks left out, each with all its Results or without one."""
        changed = {
            kind: tuple(self.left_out(each) if self.chance(0.4) else each for each in getattr(pipeline, kind))
            for kind in ("tasks", "final_tasks")
        }
        return pipeline._replace(**changed)

    def left_out(self, whole: Task) -> Task:
        arrays = self.producers([whole], array=True)
        given = [
            Param(result.name, ("1", "2") if any(f".{result.name}[*]" in text for text in arrays) else "yes")
            for result in whole.results
        ]
        if given and not self.calm and self.chance(0.2):
            given.pop()
        reused = self.chance(0.5)
        left_out = LeftOut("Task was reused" if reused else "Task was left out", "", tuple(given), reused=reused)
        if self.chance(0.3):
            reason = self.random.choice(("When Expressions evaluated to false", "Parent Tasks were skipped"))
            left_out = LeftOut(reason, "in the group other", group="other")
        return Task(whole.name, after=whole.after, left_out=left_out)

    def size(self) -> int:
        return min(12, 1 + int(self.random.expovariate(0.35)))

    def timeouts(self) -> dict[str, float]:
        limits = {"timeout": (2, 20), "tasks_timeout": (1, 12), "finally_timeout": (0, 5)}
        return {name: self.moment(*limit) for name, limit in limits.items() if self.chance(0.5)}

    def pipeline(self, prefix: str, size: int) -> Pipeline:
        tasks: list[Task] = []
        for number in range(size):
            tasks.append(self.task(f"{prefix}t{number}", tasks, nested=bool(prefix)))
        count = self.random.choice((0, 0, 1, 1, 2, 3)) if not prefix else self.random.choice((0, 0, 1))
        finals = tuple(
            self.task(f"{prefix}f{number}", tasks, nested=bool(prefix), final=True) for number in range(count)
        )
        return Pipeline(
            "pipeline", tasks=tuple(tasks), final_tasks=finals, results=tuple(self.pipeline_results(tasks, finals))
        )

    def pipeline_results(self, tasks: list[Task], finals: tuple[Task, ...]) -> Iterator[ResultDeclaration]:
        for number, source in enumerate((*tasks, *finals)):
            found = [text for array in (False, True) for text in self.producers([source], array=array)]
            if found and self.chance(0.2) and not (self.calm and source in finals):
                text = self.random.choice(found)
                yield ResultDeclaration(
                    f"out{number}", value=text.replace("tasks", "finally") if source in finals else text
                )

    # Tasks

    def task(self, name: str, earlier: list[Task], *, nested: bool, final: bool = False) -> Task:
        fields: dict[str, Any] = {}
        after = {each.name for each in earlier if not final and self.chance(0.7 / (1 + len(earlier) / 3))}
        params, sources = self.params_of(earlier)
        if final:
            params += self.statuses(earlier)
        fields["when"] = tuple(self.guards(earlier, sources, final=final, nested=nested))
        kinds = ["plain"] * 7 + ["matrix"] * 2 + ["pipeline"] * (not nested)
        kind = self.random.choice(kinds)
        if self.chance(0.15):
            fields["on_error"] = "continue"
        elif kind != "pipeline" and self.chance(0.2):
            fields["retries"] = self.random.randint(1, 2)
            if self.chance(0.3):
                fields["retry_delay"] = 2.0 if self.calm else self.moment(0, 3)
        if kind == "pipeline":
            inner = self.pipeline(f"{name}n", self.random.randint(1, 3))
            inner = inner._replace(params=(Param("p", "default"), Param("q", "kept")))
            fields |= {"pipeline": inner, "steps": (), "slot_count": 0, "results": self.results_of_inner(inner)}
        else:
            results = (("s", "string"),) if kind == "matrix" else (("s", "string"), ("l", "array"))
            fields["results"] = tuple(ResultDeclaration(*each) for each in results if self.chance(0.6))  # type: ignore[arg-type]
            if not self.calm and self.chance(0.15):
                fields["timeout"] = self.moment(1, 6)
        if kind == "matrix":
            fields |= self.matrix(earlier, sources)
        if kind != "pipeline":
            extra = tuple(f"$(params.{each})" for each in names_of(fields["matrix"])) if kind == "matrix" else ()
            fields["steps"] = tuple(self.steps(params, extra))
            fields["results"] += tuple(self.results_of_steps(fields["steps"]))
            fields |= {} if self.calm or kind == "plain" else self.decided_early(fields)
            if self.chance(0.12):
                fields["sidecars"] = tuple(self.sidecars(extra))
        fields |= {"after": () if final else tuple(sorted(after | sources)), "result_sources": tuple(sorted(sources))}
        return task(name, params=params, **fields)

    def results_of_inner(self, inner: Pipeline) -> tuple[ResultDeclaration, ...]:
        return () if self.calm else tuple(each._replace(value=None) for each in inner.results)

    def producers(self, earlier: list[Task], *, array: bool) -> list[str]:
        """References to Results of earlier Tasks."""
        found = []
        for source in earlier:
            for result in source.results:
                if source.pipeline is not None:
                    outer = next(each for each in source.pipeline.results if each.name == result.name)
                    whole = "[*]" in str(outer.value)
                else:
                    whole = result.type == "array" or source.matrix is not None
                if whole == array:
                    found.append(f"$(tasks.{source.name}.results.{result.name}{'[*]' if whole else ''})")
        return found

    def params_of(self, earlier: list[Task]) -> tuple[tuple[Param, ...], set[str]]:
        params: list[Param] = []
        sources: set[str] = set()
        for array in (False, True):
            found = self.producers(earlier, array=array)
            if found and self.chance(0.35):
                text = self.random.choice(found)
                sources.add(text.split(".")[1])
                params.append(Param("many" if array else "one", text if array or self.chance(0.7) else f"<{text}>"))
        if self.chance(0.3):
            params.append(Param("p", "$(params.p)!"))
        return tuple(params), sources

    def statuses(self, earlier: list[Task]) -> tuple[Param, ...]:
        source = self.random.choice(earlier).name
        return (Param("status", f"$(tasks.status) $(tasks.{source}.status) [$(tasks.{source}.reason)]"),)

    def guards(self, earlier: list[Task], sources: set[str], *, final: bool, nested: bool) -> Iterator[WhenExpression]:
        if self.calm and nested:
            return  # a skipped Task would leave the Pipeline without a Result
        operator = self.random.choice
        if self.chance(0.15):
            yield WhenExpression("$(params.p)", operator(("in", "notin")), operator((("v",), ("w", "x"))))
        if not nested and self.chance(0.08):
            yield WhenExpression(operator(("a", "d")), operator(("in", "notin")), ("$(params.list[*])", "x"))
        found = self.producers(earlier, array=False)
        if self.chance(0.05):
            text = self.random.choice((*found, "$(params.p)"))
            if text in found:
                sources.add(text.split(".")[1])
            if self.calm or self.chance(0.9):
                yield WhenExpression(cel=f"'{text}' {operator(('==', '!='))} '{operator(STRINGS)}'")
            else:
                yield WhenExpression(cel=f"['{text}'][1] == ''")  # it has no truth
        if self.chance(0.03):
            yield WhenExpression(cel=f"'$(params.p)' {operator(('==', '!='))} '{operator(STRINGS)}'")
        if found and self.chance(0.15):
            text = self.random.choice(found)
            sources.add(text.split(".")[1])
            yield WhenExpression(text, operator(("in", "notin")), operator((("yes",), ("no", "$(params.p)"))))
        if final and self.chance(0.3):
            text = self.random.choice(["$(tasks.status)"] + [f"$(tasks.{each.name}.status)" for each in earlier])
            wanted = self.random.choice(("Succeeded", "Failed", "Completed", "None"))
            yield WhenExpression(text, operator(("in", "notin")), (wanted,))

    def matrix(self, earlier: list[Task], sources: set[str]) -> dict[str, Any]:
        found = self.producers(earlier, array=True)
        if found and self.chance(0.4):
            text = self.random.choice(found)
            sources.add(text.split(".")[1])
            return {"matrix": Matrix((Param("k", text),)), "slot_count": self.random.randint(1, 3)}
        if self.chance(0.3):
            listed: tuple[str, ...] = self.random.choice((("k0", "k1", "k2"), ("k1",), ()))
            include = tuple(self.includes(listed))
            varied = (Param("k", listed),) if listed or self.chance(0.3) else ()
            return {"matrix": Matrix(varied, include), "slot_count": self.random.randint(1, 4)}
        values: list[Value] = [tuple(f"k{number}" for number in range(self.random.randint(0, 4)))]
        if self.chance(0.3):
            values.append(self.random.choice((("x", "y"), ("x",))))
        params = tuple(Param(name, value) for name, value in zip("kj", values, strict=False))
        count = len(values[0]) * (len(values[1]) if len(values) > 1 else 1)
        if count and self.chance(0.5):
            return {"matrix": Matrix(params, pinned=True), "slot_count": count}
        return {"matrix": Matrix(params), "slot_count": self.random.randint(1, max(1, count))}

    def decided_early(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return fields of a matrix that may end early. No two of its combinations end in the same moment."""
        words = self.random.choice(({}, {"fail_fast": True}, {"completion": "any"}))
        if not words:
            return {}
        steps = (each._replace(when=tuple(when for when in each.when if not when.cel)) for each in fields["steps"])
        return {"matrix": fields["matrix"]._replace(**words), "timeout": None, "steps": tuple(steps)}

    def includes(self, listed: tuple[str, ...]) -> Iterator[MatrixInclude]:
        """No two set the same param, since Tekton's documentation does not cover that."""
        for number in range(self.random.randint(1, 2)):
            params = [Param(f"e{number}", self.random.choice(("x", "$(params.p)")))] if self.chance(0.8) else []
            if not params or self.chance(0.6):
                params.append(Param("k", self.random.choice((*listed[:2], f"other{number}"))))
            yield MatrixInclude(f"i{number}", tuple(params))

    def sidecars(self, extra: tuple[str, ...]) -> Iterator[Sidecar]:
        for number in range(self.random.choice((1, 1, 2))):
            probe = self.probe() if self.chance(0.5) else None
            yield Sidecar(Step(f"c{number}", command=("serve", *extra, "$(context.task.retry-count)")), probe)

    def probe(self) -> Probe:
        probe = Probe(tcp_port=1) if self.chance(0.5) else Probe(command=("check",))
        if self.calm or self.chance(0.5):
            return probe
        period = self.random.choice((0.01, 0.3, 10.0))
        return probe._replace(
            initial_delay=self.moment(0, 1), period=period, success_threshold=self.random.randint(1, 3)
        )

    def results_of_steps(self, steps: tuple[Step, ...]) -> Iterator[ResultDeclaration]:
        for step in steps:
            if step.results and self.chance(0.5):
                yield ResultDeclaration(f"from-{step.name}", value=f"$(steps.{step.name}.results.r)")

    def steps(self, params: tuple[Param, ...], extra: tuple[str, ...]) -> Iterator[Step]:
        arguments = [f"$(params.{param.name}{'[*]' if param.name == 'many' else ''})" for param in params]
        for number in range(self.random.choice((1, 1, 1, 2, 2, 3))):
            texts = (f"$(steps.s{number - 1}.results.r)",) if number and self.chance(0.3) else ()
            of_action = (Param("p", f"of {RETRIES}"),) if self.chance(0.15) else ()
            if of_action:
                texts = (*texts, "$(step.params.p)")
            yield Step(
                f"s{number}",
                params=of_action,
                results=(ResultDeclaration("r"),) if self.chance(0.2) else (),
                command=("step", *arguments, *extra, *texts, RETRIES),
                on_error="continue" if self.chance(0.15) else "stopAndFail",
                timeout=self.moment(0, 4) if not self.calm and self.chance(0.1) else None,
                when=() if self.calm else tuple(self.guards_of_step()),
                always=number > 0 and self.chance(0.25),
            )

    def guards_of_step(self) -> Iterator[WhenExpression]:
        if self.chance(0.08):
            yield WhenExpression("$(context.task.retry-count)", "in", ("0",))
        if self.chance(0.05):
            operator = self.random.choice(("==", "!="))
            yield WhenExpression(cel=f"'$(context.task.retry-count)' {operator} '0'")
        if self.chance(0.01):
            yield WhenExpression(cel="['$(context.task.retry-count)'][1] == ''")  # it has no truth

    # The world

    def behaviours(self, pipeline: Pipeline) -> Iterator[tuple[tuple[str, int], Behaviour]]:
        for each in (*pipeline.tasks, *pipeline.final_tasks):
            if each.pipeline is not None:
                yield from self.behaviours(each.pipeline)
            runs = (1 + each.retries) * (8 if each.matrix and not each.matrix.pinned else 1)
            for slot in each.slots:
                for number, container in enumerate(slot.containers):
                    for request in range(1, runs + 1):
                        yield (container, request), self.behaviour(each, slot, number, request)
                for container in slot.sidecars:
                    for request in range(1, runs + 1):
                        yield (container, request), self.behaviour_of_sidecar()

    def behaviour(self, owner: Task, slot: Slot, number: int, request: int) -> Behaviour:
        exact = self.calm and (owner.matrix is None or owner.matrix.pinned)
        duration = float(self.random.randint(1, 4)) if exact else self.moment(0, 3)
        last = number == len(slot.containers) - 1
        files = {}
        for result in (each for each in owner.results if each.value is None):
            if last if self.calm else self.chance(0.8 if last else 0.2):
                files[f"/tekton/results/{result.name}"] = self.content(result)
        step = owner.steps[number]
        for result in step.results if self.calm or self.chance(0.8) else ():
            files[f"/tekton/steps/step-{step.name}/results/{result.name}"] = self.content(result)
        code, delay = self.code(owner, number, request), self.moment(0, 0)
        lost, short_of_memory, retires = (not self.calm and self.chance(0.02) for _ in range(3))
        return Behaviour(duration, code, files, delay, short_of_memory, lost, retires)

    def behaviour_of_sidecar(self) -> Behaviour:
        """Return a behaviour that runs until it is stopped, or ends by itself."""
        duration = self.moment(0, 5) if self.chance(0.2) else 1e6
        code = 0 if self.calm else self.random.choice((0, 1))
        delay = self.moment(0, self.random.choice((0, 0, 2)))
        short_of_memory, retires = (not self.calm and self.chance(0.1) for _ in range(2))
        return Behaviour(duration, code, {}, delay, out_of_memory=short_of_memory, retires=retires)

    def content(self, result: ResultDeclaration) -> str:
        if result.type == "string":
            return self.random.choice(STRINGS)
        if not self.calm and self.chance(0.05):
            return "no array"
        return self.random.choice(("[]", '["1"]', '["1", "2"]', '["1", "2", "3", "4", "5"]'))

    def code(self, owner: Task, number: int, request: int) -> int:
        if self.calm:
            harmless = owner.steps[number].on_error == "continue"
            harmless |= owner.retries > 0 and number == 0 and request == 1 and owner.matrix is None
            return self.random.choice((1, 42)) if harmless and self.chance(0.5) else 0
        return self.random.choice((1, 2, 42)) if self.chance(0.12) else 0

    def late_containers(self, plan: Plan) -> Iterator[tuple[str, float | None]]:
        """If other Tasks continue after a failure, at most one starts too late: two would be given up in one moment."""
        tasks = list(tasks_of(plan.pipeline))
        alone = any(each.on_error == "continue" or (each.matrix and each.matrix.fail_fast) for each in tasks)
        at_most = 1 if alone else None
        for container in containers_of(plan.pipeline):
            if self.chance(0.3):
                moment = None if self.chance(0.1) else self.moment(0, 8)
                too_late = moment is None or moment > plan.container_start_timeout
                if too_late and at_most == 0:
                    continue
                if too_late and at_most:
                    at_most -= 1
                yield container, moment

    def start_failures(
        self, plan: Plan, ready: dict[str, float | None], deaths: dict[str, float]
    ) -> Iterator[tuple[str, float]]:
        """Return one or two containers that never start, and when that is known."""
        containers = [each for each in containers_of(plan.pipeline) if each not in ready and each not in deaths]
        for container in self.random.sample(containers, min(len(containers), self.random.choice((1, 1, 2)))):
            yield container, self.moment(0, 8)

    def deaths(self, plan: Plan, ready: dict[str, float | None]) -> Iterator[tuple[str, float]]:
        """Return deaths of one or several containers, at any time or almost at once."""
        containers = list(containers_of(plan.pipeline))
        together = self.moment(0, 5) if self.chance(0.5) else None
        for container in self.random.sample(containers, min(len(containers), self.random.choice((1, 1, 2, 4)))):
            came = ready.get(container, 0.0)
            if came is not None:
                yield container, came + (self.moment(0, 5) if together is None else together + self.moment(0, 0) / 1000)

    def cancels(self) -> Iterator[tuple[float, str]]:
        for _ in range(self.random.randint(1, 2)):
            yield self.moment(0, 10), self.random.choice(CANCEL_MODES)
