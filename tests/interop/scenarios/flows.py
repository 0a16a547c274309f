"""Parents and children."""

from typing import Any

from tests.interop.steps import (
    HOUR,
    B,
    Q,
    add,
    flow,
    flows,
    job,
    node,
    opened,
    refusable,
    start,
    until,
    work,
)

FLAGS = (
    "failParentOnFailure",
    "continueParentOnFailure",
    "ignoreDependencyOnFailure",
    "removeDependencyOnFailure",
)
_FAILS = {"fail": 9, "error": "child"}


def _placements(flag: str) -> dict[str, Any]:
    """Where in a flow the child with the flag fails."""
    on = {flag: True}
    return {
        "only-child": [flow(node("p", node("c", data=_FAILS, **on))), work()],
        "first-of-three": [
            flow(node("p", node("c1", data=_FAILS, **on), node("c2"), node("c3"))),
            work(),
        ],
        "last-of-three": [
            flow(node("p", node("c1"), node("c2"), node("c3", data=_FAILS, **on))),
            work(),
        ],
        "two-of-three": [
            flow(node("p", *(node(f"c{n}", data=_FAILS, **on) for n in (1, 2)), node("c3"))),
            work(),
        ],
        "beside-a-delayed": [
            flow(node("p", node("c1", data=_FAILS, **on), node("c2", delay=HOUR))),
            work(),
        ],
        "grandchild": [flow(node("p", node("c", node("g", data=_FAILS, **on)))), work()],
        "all-the-way": [flow(node("p", node("c", node("g", data=_FAILS, **on), **on))), work()],
        "child-above-grandchild": [
            flow(node("p", node("c", node("g"), data=_FAILS, **on))),
            work(),
        ],
        "other-queue": [flow(node("p", node("c", queue=B, data=_FAILS, **on))), work(Q, B)],
        "at-last-attempt": [
            flow(node("p", node("c", data=_FAILS, attempts=2, **on), node("d"))),
            work(),
        ],
        "child-for-good": [
            flow(node("p", node("c", data={"unrecoverable": "no"}, attempts=3, **on))),
            work(),
        ],
        "removed-on-failure": [
            flow(node("p", node("c", data=_FAILS, removeOnFail=True, **on), node("d"))),
            work(),
        ],
        "retried-afterwards": [
            flow(node("p", node("c", data={"fail": 1, "error": "child"}, **on))),
            work(),
            refusable(job("c", "retry", "failed")),
            work(),
        ],
    }


SCENARIOS = {
    **{f"flow-{flag}-{name}": steps for flag in FLAGS for name, steps in _placements(flag).items()},
    "flow-one-child": [flow(node("p", node("c", data={"return": 5}))), work()],
    "flow-three-children": [flow(node("p", node("c1"), node("c2"), node("c3"))), work()],
    "flow-three-levels": [flow(node("p", node("c", node("g1"), node("g2")), node("d"))), work()],
    "flow-without-ids": [
        flow(
            {
                "name": "p",
                "queueName": Q,
                "children": [{"name": "c", "queueName": Q}, {"name": "c", "queueName": Q}],
            }
        ),
        work(),
    ],
    "flow-other-queue": [flow(node("p", node("c", queue=B))), work(Q, B)],
    "flow-parent-elsewhere": [flow(node("p", node("c"), queue=B)), work(), work(B)],
    "flow-several": [flows(node("p", node("c")), node("q", node("d"))), work()],
    "flow-no-flag": [flow(node("p", node("c", data=_FAILS), node("d"))), work()],
    "flow-no-flag-retried": [
        flow(node("p", node("c", data={"fail": 1}))),
        work(),
        job("c", "retry", "failed"),
        work(),
    ],
    "flow-parent-fails": [flow(node("p", node("c"), data={"fail": 9}, attempts=2)), work()],
    "flow-parent-with-priority": [
        flow(node("p", node("c"), priority=5)),
        add("a", priority=6),
        work(),
    ],
    "flow-parent-delayed": [flow(node("p", node("c"), delay=HOUR)), work()],
    "flow-children-with-priority": [
        flow(node("p", node("c1", priority=2), node("c2", priority=1))),
        work(),
    ],
    "flow-children-removed": [
        flow(
            node("p", node("c", removeOnComplete=True, data={"return": 1}), removeOnComplete=True)
        ),
        work(),
    ],
    "flow-child-removed-by-hand": [
        flow(node("p", node("c"), node("d"))),
        job("c", "remove"),
        work(),
    ],
    "flow-parent-removed": [flow(node("p", node("c"))), job("p", "remove"), work()],
    "flow-child-let-go": [
        flow(node("p", node("c", delay=HOUR), node("d"))),
        work(),
        job("c", "removeChildDependency"),
        work(),
    ],
    "flow-unprocessed-removed": [
        flow(node("p", node("c", delay=HOUR), node("d"))),
        work(),
        job("p", "removeUnprocessedChildren"),
        work(),
    ],
    "flow-values-of-children": [
        flow(node("p", node("c1", data={"return": {"ü": 1}}), node("c2", data={"return": None}))),
        work(),
        job("p", "getChildrenValues"),
        job("p", "getDependencies"),
    ],
    "flow-values-of-failed": [
        flow(node("p", node("c", data=_FAILS, ignoreDependencyOnFailure=True))),
        work(),
        job("p", "getIgnoredChildrenFailures"),
        job("p", "getDependenciesCount"),
    ],
    "flow-child-of-a-waiting-job": [
        flow(node("p", node("c", delay=HOUR))),
        add("late", parent={"id": "p", "queue": "bull:{Q}"}),
        work(),
        job("c", "promote"),
        work(),
    ],
    "flow-child-of-an-active-parent": [
        add("p", {"gate": "g"}),
        start(),
        until("p", "active"),
        add("late", parent={"id": "p", "queue": "bull:{Q}"}),
        opened("g"),
        work(),
    ],
    "flow-child-of-nobody": [
        refusable(add("c", parent={"id": "none", "queue": "bull:{Q}"})),
        work(),
    ],
    "flow-two-flags": [
        refusable(
            flow(
                node(
                    "p",
                    node(
                        "c", data=_FAILS, failParentOnFailure=True, removeDependencyOnFailure=True
                    ),
                )
            )
        ),
        work(),
    ],
    "flow-flags-of-siblings": [
        flow(
            node(
                "p",
                node("c1", data=_FAILS, ignoreDependencyOnFailure=True),
                node("c2", data=_FAILS, continueParentOnFailure=True),
                node("c3", data=_FAILS, failParentOnFailure=True),
            )
        ),
        work(),
    ],
    "flow-default-options": [
        flow(
            node("p", node("c", data={"fail": 1})),
            {"queuesOptions": {Q: {"defaultJobOptions": {"attempts": 2, "removeOnComplete": 1}}}},
        ),
        work(),
    ],
    "flow-same-child-twice": [flow(node("p", node("c"))), flow(node("q", node("c"))), work()],
    "flow-parent-requeues": [
        flow(node("p", node("c"), data={"requeue": 40})),
        work(),
    ],
}
