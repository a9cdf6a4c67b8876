"""FERBench: facial expression recognition as visual question answering.

What other programs need of the protocol is exported here: the question, and what reads a response.
"""

from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.answers.strict import Answer, read_answer
from unifer_tasks.protocol.answers.upstream import read_upstream
from unifer_tasks.protocol.prompts import question

__all__ = ["Answer", "Outcome", "question", "read_answer", "read_upstream"]
