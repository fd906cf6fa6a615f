"""Evaluation: every row ends with a score or with the reason why it has none."""

import contextlib
import time

import dspy
import pytest

from calls.account import Account, Policy
from calls.failures import Halt
from calls.ledger import Ledger
from calls.lm import RoleLM
from calls.models import ModelSpec
from calls.records import Completion
from calls.transports import LocalTransport
from core.errors import ModelError
from core.evaluation import Judgement, RowStatus
from data.corpus import Row
from metrics.evaluate import Evaluator
from programs.prompts import make_adapter


class Echo:
    """A wire whose far end answers ``label: <word>`` with the word; it fails or babbles when the text says so."""

    def send(self, request):
        text = request.messages[-1]["content"]
        if "FAIL" in text:
            raise dspy.LMInvalidRequestError("content policy")
        if "BADKEY" in text:
            raise dspy.LMAuthError("no such key")
        body = "babble" if "BABBLE" in text else f"[[ ## label ## ]]\n{text.split()[5]}\n\n[[ ## completed ## ]]"
        if "SLOW" in text:
            time.sleep(0.05)
        return Completion([body], 10, 2, cost_usd=(10 * 1.0 + 2 * 10.0) / 1e6, seconds=0.01)


class SameLabel:
    name = "same_label"

    def judge(self, row, prediction):
        if row.gold["label"] == "explode":
            raise RuntimeError("metric bug")
        same = float(prediction["label"] == row.gold["label"])
        return Judgement(same, {"label": same}, "fine")


SPEC = ModelSpec("test", "test/echo", input_price=1.0, output_price=10.0)


@pytest.fixture
def lab(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")

    def make(threads=4, share=0.5, repeats=1):
        account = Account(ledger, "run", "task", Policy(max_error_share=share))
        lm = RoleLM(SPEC, "student", account, LocalTransport(ledger, SPEC, Echo()))
        return account, lm, Evaluator(lm, make_adapter("chat"), SameLabel(), threads, share, repeats)

    yield make
    ledger.close()


def rows(*texts):
    return [Row(id=f"r{i}", inputs={"text": t}, gold={"label": t.split()[0]}) for i, t in enumerate(texts)]


PROGRAM = dspy.Predict("text -> label")


def test_scores_tokens_and_money_are_kept_per_row(lab):
    account, _, evaluate = lab()
    result = evaluate(PROGRAM, rows("a x", "b y"), split="dev")
    assert [(r.row_id, r.status, r.score) for r in result.rows] == [("r0", "ok", 1.0), ("r1", "ok", 1.0)]
    assert result.mean == 1.0
    assert result.rows[0].usage.input_tokens == 10
    assert result.rows[0].usage.cost_usd == pytest.approx((10 * 1.0 + 2 * 10.0) / 1e6)
    assert account.meter.by_role["student"].calls == 2


def test_each_kind_of_failure_has_its_status_and_no_score(lab):
    _, _, evaluate = lab(share=0.9)
    result = evaluate(PROGRAM, rows("a", "b FAIL", "c BABBLE", "explode"), split="dev")
    assert [r.status for r in result.rows] == [
        RowStatus.OK,
        RowStatus.LM_ERROR,
        RowStatus.PARSE_ERROR,
        RowStatus.METRIC_ERROR,
    ]
    assert [r.score for r in result.rows] == [1.0, None, None, None]
    assert "content policy" in result.rows[1].error
    assert "metric bug" in result.rows[3].error
    assert not result.complete
    assert result.mean == 1.0


@pytest.mark.parametrize("threads", [1, 8])
def test_order_and_results_do_not_depend_on_threads(lab, threads):
    _, _, evaluate = lab(threads)
    texts = [f"w{i} {'SLOW' if i % 3 == 0 else ''}" for i in range(20)]
    result = evaluate(PROGRAM, rows(*texts), split="dev")
    assert [r.row_id for r in result.rows] == [f"r{i}" for i in range(20)]
    assert [r.prediction["label"] for r in result.rows] == [f"w{i}" for i in range(20)]


def test_a_model_that_keeps_failing_stops_the_evaluation_and_is_named(lab):
    _, _, evaluate = lab(share=0.1)
    with pytest.raises(ModelError, match="content policy"):
        evaluate(PROGRAM, rows(*["a FAIL"] * 30), split="dev")


def test_a_refused_key_says_so(lab):
    _, _, evaluate = lab(share=0.0)
    with pytest.raises(ModelError, match="no such key"):
        evaluate(PROGRAM, rows("a BADKEY"), split="dev")


def test_a_run_that_must_end_halts_and_no_exception_handler_swallows_it(lab):
    _, lm, _ = lab()

    def swallowing():
        with contextlib.suppress(Exception):
            PROGRAM(text="a BADKEY")

    with dspy.context(lm=lm, adapter=make_adapter("chat")), pytest.raises(Halt) as caught:
        swallowing()
    assert isinstance(caught.value.cause, ModelError)
    assert caught.value.cause.exit_code == 69


def test_dspys_own_parallel_evaluation_lets_a_halt_through(lab):
    _, lm, _ = lab()
    examples = [dspy.Example(text=f"a{i} BADKEY", label="a").with_inputs("text") for i in range(6)]
    evaluate = dspy.Evaluate(devset=examples, metric=lambda g, p, t=None: 1.0, num_threads=3, display_progress=False)
    with dspy.context(lm=lm, adapter=make_adapter("chat")), pytest.raises(Halt):
        evaluate(PROGRAM)


def test_repeats_are_real_calls_and_their_mean_is_the_score(lab):
    account, _, evaluate = lab(repeats=3)
    result = evaluate(PROGRAM, rows("a x", "b y"), split="holdout")
    assert result.rows[0].usage.calls == 3
    assert account.meter.by_role["student"].calls == 6
    assert result.mean == 1.0


def test_a_second_evaluation_is_free_and_says_so(lab):
    account, _, evaluate = lab()
    evaluate(PROGRAM, rows("a x", "b y"), split="dev")
    again = evaluate(PROGRAM, rows("a x", "b y"), split="dev")
    assert again.usage.calls == 0
    assert again.usage.hits == 2
    assert again.usage.cost_usd == 0.0
    assert again.rows[0].latency == pytest.approx(0.01)  # how long the model took when it was asked
    assert account.spent()["student"].calls == 2


def test_an_unparsable_answer_is_asked_for_again(lab):
    account, _, evaluate = lab(share=0.9)
    result = evaluate(PROGRAM, rows("c BABBLE"), split="dev")
    assert result.rows[0].status is RowStatus.PARSE_ERROR
    assert account.meter.by_role["student"].calls == 3
