"""A verdict as JUnit XML, so that a CI server shows every check of a gate as a test."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from core.verdict import Check, CheckStatus, Verdict

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(verdict: Verdict, *, suite: str, seconds: float = 0.0) -> str:
    """One test case per check.

    A failed check is a failure; a required check that was not evaluated is an error, because it holds the verdict; one
    that is not required and failed or was not evaluated is skipped. Checks that share a name are numbered. Characters
    that XML has no way to write are replaced by ``�``.
    """
    cases = [_case(check, name) for check, name in zip(verdict.checks, _names(verdict.checks), strict=True)]
    counts = {kind: sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error", "skipped")}
    totals = {
        "tests": str(len(cases)), "failures": str(counts["failure"]), "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]), "time": f"{seconds:.3f}",
    }  # fmt: skip
    root = ET.Element("testsuites", totals)
    element = ET.SubElement(root, "testsuite", {"name": _clean(suite), **totals})
    properties = ET.SubElement(element, "properties")
    ET.SubElement(properties, "property", {"name": "verdict", "value": verdict.decision.value})
    element.extend(cases)
    ET.SubElement(element, "system-out").text = _clean("\n".join(verdict.reasons))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(check: Check, name: str) -> ET.Element:
    case = ET.Element("testcase", {"classname": "gate", "name": _clean(name)})
    if check.status is CheckStatus.PASS:
        ET.SubElement(case, "system-out").text = _clean(check.message)
    elif not check.required:
        ET.SubElement(case, "skipped", {"message": _clean(f"{check.status}, not required: {check.message}")})
    else:
        kind = "failure" if check.status is CheckStatus.FAIL else "error"
        ET.SubElement(case, kind, {"message": _clean(check.message), "type": check.status.value})
    return case


def _names(checks: tuple[Check, ...]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for check in checks:
        seen[check.name] = seen.get(check.name, 0) + 1
        names.append(check.name if seen[check.name] == 1 else f"{check.name} {seen[check.name]}")
    return names


def _clean(text: str) -> str:
    return _NOT_XML.sub("�", text)
