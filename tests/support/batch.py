"""Renders many templates by the engine in one process."""
import json
import os
import subprocess


def render_all(build, jobs):
    """jobs: (template, variables) pairs; gives (output, error) pairs."""
    lines = "".join(json.dumps({"template": t, "variables": v}) + "\n" for t, v in jobs)
    done = subprocess.run([os.path.join(build, "bin", "template_batch")], input=lines.encode(), capture_output=True, check=False)
    answers = [json.loads(line) for line in done.stdout.decode().split("\n") if line]
    if done.returncode or len(answers) != len(jobs):
        raise RuntimeError(f"template_batch ended with {done.returncode} after {len(answers)} of {len(jobs)}: "
                           f"{done.stderr[-2000:].decode(errors='replace')}")
    return [(a.get("out"), a.get("error")) for a in answers]
