"""Results of well-known agent benchmarks and of our own evaluations, by mappings that ship with the project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sessions.layouts.base import Complain, Draft, Layout
from sessions.layouts.mapped import mapped
from sessions.layouts.mapping import mapping_of
from sessions.layouts.paths import Place


def _layout(name: str, summary: str, mapping: Mapping[str, Any], recognises: Callable[[Any], bool]) -> Layout:
    read_as = mapping_of(mapping, name)

    def read(places: Iterable[Place], complain: Complain) -> Iterator[Draft]:
        return mapped(read_as, places, complain)

    return Layout(name, summary, read, recognises, read_as.aggregates)


def _first(document: Any) -> Any:
    return document[0] if isinstance(document, list) and document else document


def _has(document: Any, *keys: str) -> bool:
    return isinstance(document, Mapping) and all(key in document for key in keys)


TAU = _layout(
    "tau-bench",
    "results of tau-bench: task_id, reward, info, traj, trial",
    {
        "fields": {
            "id": {"join": ["$path", "task_id", "trial"]},
            "experiment": {"const": "tau-bench"},
            "model": {"paths": ["info.model", "model"]},
            "task": "task_id",
            "trial": "trial",
            "success": {"path": "reward", "at_least": 1},
            "score": "reward",
            "errors": {"paths": ["info.error", "error"]},
            "cost_usd": {"paths": ["info.agent_cost", "agent_cost"]},
        },
        "metadata": {"user_cost": {"paths": ["info.user_cost", "user_cost"]}},
        "keep": "none",
        "trajectory": "traj",
    },
    lambda document: _has(_first(document), "task_id", "reward", "traj"),
)

# A simulation that ended because of an error of the harness has no reward of the agent's.
TAU2 = _layout(
    "tau2-bench",
    "results of tau2-bench: simulations with reward_info and messages",
    {
        "rows": "simulations.*",
        "fields": {
            "id": "id",
            "experiment": {"const": "tau2-bench"},
            "model": "^info.agent_info.llm",
            "task": "task_id",
            "trial": "trial",
            "success": {"path": "reward_info.reward", "at_least": 1},
            "score": "reward_info.reward",
            "cost_usd": "agent_cost",
            "latency_s": "duration",
            "started_at": "start_time",
            "finished_at": "end_time",
            "errors": {"path": "termination_reason", "table": {"infrastructure_error": "infrastructure_error",
                                                              "unexpected_error": "unexpected_error"}, "default": None},
        },
        "metadata": {"termination_reason": "termination_reason"},
        "keep": "none",
        "trajectory": "messages",
        "infrastructure": ["^(infrastructure|unexpected)_error$"],
    },
    lambda document: _has(document, "simulations"),
)  # fmt: skip

SWE = _layout(
    "swe-bench",
    "evaluation reports of SWE-bench: resolved_ids, unresolved_ids, error_ids ...",
    {
        "fields": {
            "id": {"join": ["$path", "."]},
            "experiment": {"const": "swe-bench"},
            "config_hash": "$file",
            "task": ".",
        },
        "parts": [
            {"rows": "resolved_ids.*", "fields": {"outcome": {"const": "success"}}},
            {"rows": "unresolved_ids.*", "fields": {"outcome": {"const": "agent_failure"}}},
            {
                "rows": "empty_patch_ids.*",
                "fields": {"outcome": {"const": "agent_failure"}, "errors": {"const": "empty patch"}},
            },
            {
                "rows": "error_ids.*",
                "fields": {"outcome": {"const": "infrastructure"}, "errors": {"const": "the evaluation failed"}},
            },
        ],
        "aggregates": [
            {"figures": {"successes": "resolved_instances"}, "tolerance": 0},
        ],
    },
    lambda document: _has(document, "resolved_ids") and ("unresolved_ids" in document or "error_ids" in document),
)

SWE_INSTANCES = _layout(
    "swe-bench-instances",
    "reports of single instances of SWE-bench: {instance_id: {resolved, patch_exists ...}}",
    {
        "rows": "*",
        "fields": {
            "id": {"join": ["$path", "$key"]},
            "experiment": {"const": "swe-bench"},
            "task": "$key",
            "success": "resolved",
        },
    },
    lambda document: (
        isinstance(document, Mapping)
        and bool(document)
        and all(_has(value, "resolved", "patch_exists") for value in document.values())
    ),
)

# A task without a score was not evaluated; an error before that is the platform's or the provider's.
ERC3 = _layout(
    "erc3",
    "logs of an ERC3 session: tasks with spec, score and steps",
    {
        "rows": "tasks.*",
        "fields": {
            "id": {"join": ["^session_id", "task_id"]},
            "experiment": {"paths": ["^benchmark", "^name"]},
            "model": {"paths": ["model", "^model", "^model_id"]},
            "task": "task_id",
            "task_code": {"paths": ["spec_id", "spec", "code"]},
            "success": {"path": "score", "at_least": 1},
            "score": "score",
            "errors": {"paths": ["error", "errors"]},
            "input_tokens": {"paths": ["usage.prompt_tokens", "prompt_tokens", "input_tokens"]},
            "output_tokens": {"paths": ["usage.completion_tokens", "completion_tokens", "output_tokens"]},
            "cost_usd": {"paths": ["cost_usd", "cost"]},
            "started_at": {"paths": ["started_at", "^started_at"]},
            "finished_at": "finished_at",
            "steps": {"path": "steps", "count": True},
        },
        "trajectory": "steps",
    },
    lambda document: (
        _has(document, "session_id", "tasks")
        and isinstance(document["tasks"], list)
        and _has(_first(document["tasks"]), "task_id")
    ),
)

# A graded score is neither a success nor a failure; tokens are what the answers are worth, paid for now or before.
EVALUATION = _layout(
    "evaluation",
    "an evaluation of this project as JSON: split, program_hash and rows with status and score",
    {
        "rows": "rows.*",
        "fields": {
            "id": {"join": ["^run_id", "^program_hash", "^split", "row_id"]},
            "experiment": "^run_id",
            "model": "^model",
            "task_code": "^task",
            "started_at": "^at",
            "config_hash": "^program_hash",
            "split": "^split",
            "task": "row_id",
            "score": "score",
            "outcome": {
                "path": "status",
                "table": {
                    "ok": None,
                    "lm_error": "infrastructure",
                    "parse_error": "agent_failure",
                    "metric_error": "unknown",
                    "skipped": "unknown",
                },
            },
            "success": {"path": "score", "table": {"1": True, "1.0": True, "0": False, "0.0": False}, "default": None},
            "errors": "error",
            "input_tokens": "worth.input_tokens",
            "output_tokens": "worth.output_tokens",
            "cost_usd": "worth.cost_usd",
            "latency_s": "latency",
        },
        "keep": "none",
    },
    lambda document: _has(document, "program_hash", "split", "rows"),
)
