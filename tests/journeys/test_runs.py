"""``runs``: every id whole, whatever the screen; money that nobody is billed says so."""

from commands.runs import FIRST_LOOK, HEADS, NOMINAL, table

PAID = {"verdict": "PROMOTE", "cost_usd": 0.2357, "calls": 436, "failed": 0, "kind": "optimize", "state": "finished"}
FORECAST = {"unit": "usd", "low": 0.207, "high": 0.2894, "actual": 0.2357}
SHORT = {"run_id": "mails-20260102-030405-ab12", **PAID, "nominal": False, "forecast": FORECAST}
LONG = {**SHORT, "run_id": "distill-skill_verdicts-distill-20260102-030405-ab12", "kind": "distill"}


def test_a_pipe_and_a_wide_screen_get_every_column():
    for columns in (None, 160):
        head, line = table([SHORT], columns).splitlines()
        assert head.split("  ")[0] == "run"
        assert [name for name in HEADS if name in head] == list(HEADS)
        assert line.endswith("$0.2357  436    0       $0.2070 to $0.2894 -> $0.2357")


def test_at_80_columns_no_line_is_longer_and_no_id_is_cut():
    lines = table([SHORT, LONG], 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert [name for name in HEADS if name in lines[0]] == list(HEADS[:FIRST_LOOK])
    assert lines[1].split() == [SHORT["run_id"], "optimize", "finished", "PROMOTE", "$0.2357"]
    assert lines[2] == LONG["run_id"]
    assert lines[3].split() == ["distill", "finished", "PROMOTE", "$0.2357"]
    assert lines[3].index("distill") == lines[1].index("optimize")


def test_nominal_money_is_marked_and_explained_once():
    text = table([{**SHORT, "nominal": True}, SHORT], 80)
    assert text.count("$0.2357*") == 1
    assert text.splitlines()[-1] == NOMINAL
    assert NOMINAL not in table([SHORT], 80)
    assert "resume RUN" in table([{**SHORT, "state": "stopped"}], 80)
