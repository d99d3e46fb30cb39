"""Minimal cases where engine and oracle once disagreed; `test_against_oracle.py` runs them all.

Added by `python tests/support/keep_case.py SEED "what was wrong"`, before the fix.
"""

from random_pipelines import Case
from simulation import Behaviour

from monopod.schemas.plan import (
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
    WhenExpression,
)

KEPT: dict[str, Case] = {
    "a slot was handed on while Sidecars of the one before still ran": Case(
        seed=17,
        plan=Plan(
            pipeline=Pipeline(
                name="pipeline",
                tasks=(
                    Task(
                        name="t1",
                        matrix=Matrix(
                            params=(Param(name="k", value=("k0", "k1", "k2", "k3")), Param(name="j", value=("x",)))
                        ),
                        steps=(Step(name="s0", command=("x",)),),
                        sidecars=(
                            Sidecar(
                                step=Step(
                                    name="c0",
                                    command=("serve", "$(params.k)", "$(params.j)", "$(context.task.retry-count)"),
                                ),
                                readiness=Probe(tcp_port=1),
                            ),
                        ),
                        slots=(
                            Slot(name="t1-0", containers=("t1-0-s0",), sidecars=("t1-0-c0",)),
                            Slot(name="t1-1", containers=("t1-1-s0",), sidecars=("t1-1-c0",)),
                            Slot(name="t1-2", containers=("t1-2-s0",), sidecars=("t1-2-c0",)),
                        ),
                    ),
                ),
            ),
            document={"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {}},
            container_start_timeout=7.757627768442035,
        ),
        behaviours={
            ("t1-0-c0", 1): Behaviour(duration=2.308306595310569, code=1, files={}, stop_delay=0.4362329179421067)
        },
        ready={},
        deaths={},
        cancels=(),
    ),
    "a Sidecar that ended while a Step ran made it run once more": Case(
        seed=8,
        plan=Plan(
            pipeline=Pipeline(
                name="pipeline",
                tasks=(
                    Task(
                        name="t4",
                        steps=(Step(name="s0", command=("x",)),),
                        sidecars=(
                            Sidecar(
                                step=Step(name="c0", command=("serve", "$(context.task.retry-count)")),
                                readiness=Probe(tcp_port=1),
                            ),
                            Sidecar(
                                step=Step(name="c1", command=("serve", "$(context.task.retry-count)")),
                                readiness=Probe(tcp_port=1),
                            ),
                        ),
                        results=(ResultDeclaration(name="l", type="array"),),
                        slots=(Slot(name="t4", containers=("t4-s0",), sidecars=("t4-c0", "t4-c1")),),
                    ),
                ),
            ),
            document={"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {}},
            container_start_timeout=11.066109453327954,
        ),
        behaviours={},
        ready={},
        deaths={},
        cancels=(),
    ),
    "an attempt whose first Step was skipped took the files of the one before": Case(
        seed=365,
        plan=Plan(
            pipeline=Pipeline(
                name="pipeline",
                tasks=(
                    Task(
                        name="t0",
                        retries=1,
                        steps=(
                            Step(
                                name="s0",
                                command=("x",),
                                when=(WhenExpression(input="$(context.task.retry-count)", values=("0",)),),
                            ),
                            Step(name="s1", command=("x",)),
                        ),
                        results=(ResultDeclaration(name="l", type="array"),),
                        slots=(Slot(name="t0", containers=("t0-s0", "t0-s1")),),
                    ),
                    Task(
                        name="t1",
                        steps=(Step(name="s0", command=("x",)), Step(name="s1", command=("x",))),
                        results=(ResultDeclaration(name="s"), ResultDeclaration(name="l", type="array")),
                        slots=(Slot(name="t1", containers=("t1-s0", "t1-s1")),),
                    ),
                    Task(
                        name="t2",
                        after=("t0", "t1"),
                        result_sources=("t0", "t1"),
                        params=(
                            Param(name="one", value="$(tasks.t1.results.s)"),
                            Param(name="many", value="$(tasks.t0.results.l[*])"),
                        ),
                        steps=(Step(name="s0", command=("x",)),),
                        results=(ResultDeclaration(name="l", type="array"),),
                        slots=(Slot(name="t2", containers=("t2-s0",)),),
                    ),
                ),
            ),
            document={"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {}},
            container_start_timeout=6.715784105472267,
        ),
        behaviours={
            ("t0-s1", 1): Behaviour(
                duration=2.484901853837073, code=1, files={"/tekton/results/l": '["1"]'}, stop_delay=0.5495602209120989
            ),
            ("t1-s1", 1): Behaviour(
                duration=0.560170323587954, files={"/tekton/results/s": "no"}, stop_delay=0.6433431785553694
            ),
        },
        ready={},
        deaths={},
        cancels=(),
    ),
    "a cancellation after the time of the run was over counted as one": Case(
        seed=1,
        plan=Plan(
            pipeline=Pipeline(
                name="pipeline",
                tasks=(
                    Task(
                        name="a",
                        steps=(Step(name="s0", command=("x",)),),
                        slots=(Slot(name="a", containers=("a-s0",)),),
                    ),
                ),
                timeout=2.0,
            ),
            document={"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {}},
        ),
        behaviours={("a-s0", 1): Behaviour(duration=10.0, files={}, stop_delay=0.5)},
        ready={},
        deaths={},
        cancels=((2.25, "Cancelled"),),
    ),
    "an attempt ran without its Sidecar, whose container an earlier attempt had used up": Case(
        seed=562,
        plan=Plan(
            pipeline=Pipeline(
                name="pipeline",
                tasks=(
                    Task(
                        name="t1",
                        matrix=Matrix(
                            include=(
                                MatrixInclude(name="i0", params=(Param(name="e0", value="x"),)),
                                MatrixInclude(name="i1", params=(Param(name="k", value="other1"),)),
                            )
                        ),
                        retries=1,
                        steps=(Step(name="s0", command=("x",)), Step(name="s1", command=("x",))),
                        sidecars=(
                            Sidecar(
                                step=Step(
                                    name="c0",
                                    command=("serve", "$(params.e0)", "$(params.k)", "$(context.task.retry-count)"),
                                ),
                                readiness=Probe(tcp_port=1),
                            ),
                        ),
                        slots=(
                            Slot(name="t1-0", containers=("t1-0-s0", "t1-0-s1"), sidecars=("t1-0-c0",)),
                            Slot(name="t1-1", containers=("t1-1-s0", "t1-1-s1"), sidecars=("t1-1-c0",)),
                            Slot(name="t1-2", containers=("t1-2-s0", "t1-2-s1"), sidecars=("t1-2-c0",)),
                            Slot(name="t1-3", containers=("t1-3-s0", "t1-3-s1"), sidecars=("t1-3-c0",)),
                        ),
                    ),
                ),
            ),
            document={"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {}},
            container_start_timeout=16.758161780424416,
        ),
        behaviours={
            ("t1-0-s1", 1): Behaviour(duration=0.14889619499444962, code=2, files={}, stop_delay=0.34654193837195635),
            ("t1-0-c0", 1): Behaviour(duration=1000000.0, code=1, files={}, stop_delay=0.788688300177455, retires=True),
        },
        ready={},
        deaths={},
        cancels=(),
        start_failures={},
    ),
    "a finally Task whose guard was evaluated when its time was over had no reason": Case(
        seed=2004811,
        plan=Plan(
            pipeline=Pipeline(
                name="pipeline",
                params=(Param(name="p", value="v"),),
                tasks=(
                    Task(
                        name="t1",
                        steps=(
                            Step(
                                name="s0",
                                command=("x",),
                            ),
                        ),
                        results=(ResultDeclaration(name="l", type="array"),),
                        slots=(Slot(name="t1", containers=("t1-s0",)),),
                    ),
                ),
                final_tasks=(
                    Task(
                        name="f1",
                        when=(WhenExpression(cel="'$(params.p)' != 'yes'"),),
                        steps=(Step(name="s0", command=("x",)),),
                        results=(ResultDeclaration(name="s"),),
                        slots=(Slot(name="f1", containers=("f1-s0",)),),
                    ),
                ),
                tasks_timeout=2.7898944411426783,
                finally_timeout=1.4751533782109618,
            ),
            document={"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {}},
            container_start_timeout=17.0689636496827,
        ),
        behaviours={("t1-s0", 1): Behaviour(duration=3.4883103305473924, files={}, stop_delay=0.8432918637990952)},
        ready={},
        deaths={},
        cancels=(),
        start_failures={},
        cel_delay=1.8513053627684712,
    ),
    "two Tasks that fail at their start at the same moment end one after the other": Case(
        seed=8005388,
        plan=Plan(
            pipeline=Pipeline(
                name="pipeline",
                tasks=(
                    Task(
                        name="t0",
                        steps=(Step(name="s0", command=("x",)),),
                        results=(ResultDeclaration(name="s"), ResultDeclaration(name="l", type="array")),
                        slots=(Slot(name="t0", containers=("t0-s0",)),),
                    ),
                    Task(
                        name="t1",
                        after=("t0",),
                        on_error="continue",
                        steps=(Step(name="s0", command=("x",)),),
                        results=(ResultDeclaration(name="l", type="array"),),
                        slots=(Slot(name="t1", containers=("t1-s0",)),),
                    ),
                    Task(
                        name="t2",
                        after=("t1",),
                        steps=(Step(name="s0", command=("x",)),),
                        results=(ResultDeclaration(name="s"),),
                        slots=(Slot(name="t2", containers=("t2-s0",)),),
                    ),
                    Task(
                        name="t3",
                        after=("t0",),
                        steps=(
                            Step(name="s0", command=("x",)),
                            Step(
                                name="s1",
                                command=("x",),
                                params=(
                                    Param(
                                        name="p",
                                        value="",
                                    ),
                                ),
                            ),
                        ),
                        results=(ResultDeclaration(name="s"),),
                        slots=(Slot(name="t3", containers=("t3-s0", "t3-s1")),),
                    ),
                ),
            ),
            document={"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {}},
            container_start_timeout=10.287420190870762,
        ),
        behaviours={},
        ready={"t0-s0": 7.544850775972009},
        deaths={},
        cancels=(),
        start_failures={"t1-s0": 5.794814802706242, "t3-s1": 2.3652950078248978},
    ),
}
