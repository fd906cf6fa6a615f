"""A verdict as a CI server reads it."""

import xml.etree.ElementTree as ET

from core.verdict import Check, CheckStatus, Decision, Verdict
from reports.junit import junit

CHECKS = (
    Check("lift", CheckStatus.PASS, "lift +0.2"),
    Check("budget", CheckStatus.FAIL, 'costs <10> & "more"\x00'),
    Check("budget", CheckStatus.PASS, "the run has cost $1"),
    Check("redteam", CheckStatus.NOT_EVALUATED, "no answer"),
    Check("neutralisation", CheckStatus.NOT_EVALUATED, "not asked", required=False),
    Check("taste", CheckStatus.FAIL, "bland", required=False),
)


def test_every_check_is_a_test_case_and_all_text_survives():
    text = junit(Verdict(Decision.HOLD, ("[budget] <too dear>",), CHECKS), suite="gate production: a & b", seconds=1.5)
    root = ET.fromstring(text)
    assert root.attrib == {"tests": "6", "failures": "1", "errors": "1", "skipped": "2", "time": "1.500"}
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert list(cases) == ["lift", "budget", "budget 2", "redteam", "neutralisation", "taste"]
    assert cases["budget"].find("failure").attrib["message"] == 'costs <10> & "more"�'
    assert cases["redteam"].find("error").attrib["message"] == "no answer"
    assert cases["neutralisation"].find("skipped").attrib["message"] == "not_evaluated, not required: not asked"
    assert len(cases["lift"].findall("failure")) == 0
    assert root.find("testsuite").attrib["name"] == "gate production: a & b"
    assert root.find("testsuite/properties/property").attrib["value"] == "HOLD"
    assert root.find("testsuite/system-out").text == "[budget] <too dear>"
