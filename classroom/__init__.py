"""For instructors: copies of a chapter to hand out, and grading of what comes back. `book/instructors/` says how.

    copies.py, variants.py, overlay.py     what is handed out: student and instructor copies, numbers for a cohort, tests
    collect.py, recognise.py               what came back: files, students, and which cell answers which exercise
    slices.py, examiner.py, sandbox.py     running it: what an exercise needs; checks outside, answers inside a sandbox
    sandboxed/                             the little that is seen from inside the sandbox
    course.py, report.py                   nbgrader's grade book and feedback; the CSV and the report
"""
