"""What we show: a report is a list of blocks as data, rendered to HTML, Markdown and the terminal."""

from reports.experiment_page import experiment_report
from reports.html import render_html
from reports.judge_page import JudgeUse, judge_report
from reports.learning_overview import learning_overview
from reports.learning_page import learning_report
from reports.markdown import render_markdown
from reports.matrix_page import matrix_report
from reports.optimization import optimization_report
from reports.sessions_page import sessions_report
from reports.task_page import Reigning, task_report
from reports.terminal import print_report
from reports.transfer_page import transfer_report

__all__ = [
    "JudgeUse",
    "Reigning",
    "experiment_report",
    "judge_report",
    "learning_overview",
    "learning_report",
    "matrix_report",
    "optimization_report",
    "print_report",
    "render_html",
    "render_markdown",
    "sessions_report",
    "task_report",
    "transfer_report",
]
