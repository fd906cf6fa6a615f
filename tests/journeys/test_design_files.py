"""The design's own task files, to the letter: what they leave open follows from what they say."""

import json

import pytest

from core.workspace import HOME
from tests.gym import rows_of
from tests.journeys.commands import run

CONDENSATION = """
task: condensation
description: Compress session transcript preserving reasoning signal

corpus:
  source: session_transcripts
  count: 15
  min_user_messages: 5

reference:
  model: opus
  prompt: default   # from learning_worker.CONDENSE_SYSTEM

models: [haiku, grok-fast, flash, gemini-lite]

prompts:
  default: null     # uses the production prompt
  tighter: |
    Condense to ~1500 words. Focus on decisions, errors, pivots.
  structured: |
    Condense into: ## Decisions ## Errors ## Outcomes ## Open Items

judge:
  model: opus
  criteria:
    - name: signal_preservation
      weight: 40
      description: Keeps reasoning, decisions, errors, user corrections
    - name: compression
      weight: 25
      description: Meaningfully shorter while retaining signal
    - name: downstream_utility
      weight: 20
      description: A downstream extractor could find learnings and dropped commitments
    - name: coherence
      weight: 15
      description: Reads as narrative, not choppy fragments
"""
EXTRACTION = """
task: extraction
corpus:
  source: {source}
  count: 15
reference:
  model: opus
  prompt: default   # EXTRACT_SYSTEM
models: [haiku, sonnet, grok-fast, flash]
judge:
  criteria:
    - "relevance (weight: 35)"
    - "completeness (weight: 30)"
    - "specificity (weight: 20)"
    - "false_positives (weight: 15)"
"""
MODELS = {"haiku": "small", "grok-fast": "small", "flash": "large", "gemini-lite": "small", "sonnet": "large"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A workspace with the design's files, its model names played by the embedded models, and no gold."""
    root = tmp_path_factory.mktemp("design")
    (root / "configs").mkdir()
    (root / "configs" / "condensation.yaml").write_text(CONDENSATION)
    (root / "configs" / "extraction.yaml").write_text(EXTRACTION.format(source="condensed_transcripts"))
    lines = [f"  {name}: {{model: offline/{size}}}" for name, size in {**MODELS, "opus": "large"}.items()]
    (root / "configs" / "models.yaml").write_text("\n".join(["models:", *lines]) + "\n")
    return root


def with_transcripts(root):
    from core.workspace import Workspace

    folder = root / "corpora" / "session_transcripts"
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows_of(Workspace(HOME))[:24]:
        (folder / f"{row['id']}.txt").write_text(row["input"]["transcript"])


def test_a_source_that_is_not_there_says_what_may_stand_there(root):
    code, out, _ = run("matrix", "extraction", "--json", workspace=root, check=False)
    message = json.loads(out)["message"]
    assert code == 78
    assert "received 'condensed_transcripts'" in message
    for said in ("corpora/condensed_transcripts/", "matrix:condensation", "corpus.path"):
        assert said in message


def test_they_run_as_they_stand_one_on_what_the_other_put_out(root):
    with_transcripts(root)
    plan = json.loads(run("matrix", "condensation", "--dry-run", "--json", workspace=root)[1])
    assert (plan["cells"], plan["calls"]) == (12, 15 + 180 + 180)
    body = json.loads(run("matrix", "condensation", "--json", workspace=root)[1])
    assert (len(body["cells"]), body["outputs"]) == (12, 180)
    assert set(body["cells"][0]["criteria"]) == {
        "signal_preservation",
        "compression",
        "downstream_utility",
        "coherence",
    }
    assert body["reference"] == "default @ haiku"
    code, out, err = run("optimize", "condensation", "--json", workspace=root, check=False)
    assert code == 64
    assert "15 of 15 rows have no reference" in json.loads(out)["message"]
    assert "python cli.py matrix condensation" in err
    (root / "configs" / "extraction.yaml").write_text(EXTRACTION.format(source='"matrix:condensation"'))
    body = json.loads(run("matrix", "extraction", "--json", workspace=root)[1])
    assert (len(body["cells"]), body["outputs"]) == (4, 60)
    assert set(body["cells"][0]["criteria"]) == {"relevance", "completeness", "specificity", "false_positives"}
