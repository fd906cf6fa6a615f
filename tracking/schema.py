"""The tables of our own record, and how an older file becomes today's."""

from __future__ import annotations

from tracking import openings

SCHEMA = f"""
create table if not exists runs (
    run_id text primary key, task text not null, state text not null, started_at text not null,
    finished_at text, verdict text, synced integer not null default 0, mlflow_run text,
    identity text not null default '', stop_requested integer not null default 0,
    kind text not null default 'optimize', told integer not null default 1
);
create index if not exists runs_by_task on runs (task, started_at);
create table if not exists events (
    seq integer primary key autoincrement, run_id text not null references runs, kind text not null,
    at text not null, payload text not null
);
create index if not exists events_by_run on events (run_id, seq);
create table if not exists champions (
    seq integer primary key autoincrement, task text not null, run_id text not null, prompts text not null,
    provenance text not null, forced integer not null, reason text not null, action text not null, at text not null
);
create table if not exists mlflow_experiments (
    task text not null, mlflow text not null, experiment text not null, primary key (task, mlflow)
);
create table if not exists mlflow_comparisons (
    run_id text primary key, baseline text not null, challenger text not null
);
create table if not exists mlflow_problems (text text primary key);
{openings.SCHEMA}
"""

SCHEMA_VERSION = 7
UPGRADES = {
    1: "alter table runs add column identity text not null default '';"
    "alter table runs add column stop_requested integer not null default 0;",
    2: "alter table runs add column kind text not null default 'optimize';"
    "update runs set kind = 'matrix' where run_id in (select run_id from events where kind = 'matrix');",
    5: "alter table runs add column told integer not null default 1;",
}
"""What brings a file from a schema version to the next; new tables alone need no line, they come with ``SCHEMA``."""
