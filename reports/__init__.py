def optimization_report(o, links=None): return o
def render_html(r): return ""
def print_report(r, console):
    e = r.verdict.evidence
    console.print(r.verdict.decision, r.verdict.reasons, e)
    console.print([c.dev_score for c in r.candidates], r.total_usage, r.seconds)
    console.print(r.winner.prompts[0].instruction[:3000])
