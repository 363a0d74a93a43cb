"""llm-plugin-check finds a wrong op and names it, and fails where it could check nothing."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, check, command, finish  # noqa: E402

done = command("llm-plugin-check", os.path.join(BUILD, "test-plugins", "wrong.so"), "--json")
report = json.loads(done.stdout)
ops = {failure.split()[0] for failure in report["failed"]}
check("a wrong op fails the check", done.returncode == 1 and report["failed"], done.stdout[:300])
check("and is the one that is named", ops == {"GLU"}, str(ops))
check("the right ones pass", report["passed"] > 20, str(report["passed"]))
done = command("llm-plugin-check", os.path.join(BUILD, "test-plugins", "nothing.so"), "--json")
report = json.loads(done.stdout)
check("a check without a case fails", done.returncode == 1 and "not one was executed" in report["failed"][0], f"{done.returncode} {done.stdout[:200]}")
done = command("llm-plugin-check", os.path.join(BUILD, "backends", "cpu.so"), "--json")
report = json.loads(done.stdout)
check("cpu.so passes at least 2,000 cases", done.returncode == 0 and report["executed"] >= 2000 and not report["failed"], done.stdout[:300])
whole = report["executed"]


def counted(*words):
    done = command("llm-plugin-check", os.path.join(BUILD, "backends", "cpu.so"), "--json", *words)
    return json.loads(done.stdout)["executed"] if done.returncode == 0 else done.stderr


parts = [counted("--part", f"{k}/3", "--op", "ROPE") for k in (1, 2, 3)]
check("parts make up the whole", sum(parts) == counted("--op", "ROPE") and max(parts) - min(parts) <= 2, str(parts))
some = counted("--each", "1")
check("one case of each kind is fewer than all", whole / 20 < some < whole / 2, f"{some} of {whole}")
check("a part that is none is refused", "4/3" in counted("--part", "4/3"))
finish()
